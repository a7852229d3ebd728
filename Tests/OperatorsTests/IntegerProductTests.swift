import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// IntegerMatMul and IntegerConv. Expected outputs: NumPy, whole sums and then float32 step by step.
@Suite struct IntegerProductTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (uint8[2, 5] x0, float x1, uint8 x2, int8[5, 3] x3, float[3] x4, float[3] x6, float x7, uint8 x8) => (uint8[?, ?] y0) { y0 = ai.cameo.IntegerMatMul <activation = \"Relu\"> (x0, x1, x2, x3, x4, , x6, x7, x8) }",
      [
        "uint8[2, 5] {241, 160, 175, 229, 148, 198, 213, 57, 14, 76}",
        "float {0.015625}",
        "uint8 {113}",
        "int8[5, 3] {-56, 95, 105, -127, -1, 82, -95, 76, -98, -9, 81, -51, -41, -57, 56}",
        "float[3] {0.00999999978, 0.0199999996, 0.00300000003}",
        "float[3] {0.5, -1, 0.100000001}",
        "float {0.0500000007}",
        "uint8 {3}",
      ], ["uint8[2, 3] {3, 134, 12, 3, 3, 29}"]),
    Case(
      "g (int8[3, 4] x0, float x1, uint8[2, 4] x3, float x4, uint8[2] x5) => (float[?, ?] y0) { y0 = ai.cameo.IntegerMatMul <transB = 1> (x0, x1, , x3, x4, x5) }",
      [
        "int8[3, 4] {-63, 125, -15, -6, 1, 21, 13, 2, 126, 78, 74, 51}",
        "float {0.015625}",
        "uint8[2, 4] {159, 87, 253, 119, 55, 216, 41, 219}",
        "float {0.00999999978}",
        "uint8[2] {120, 131}",
      ], ["float[3, 2] {-1.33921874, 2.53671861, 0.167656243, 0.111718744, 1.89546871, -0.799687505}"]),
    Case(
      "g (uint8[2, 2, 3] x0, float x1, uint8 x2, int8[2, 3, 2] x3, float[2] x4, int8 x5, float x7, int8 x8, int8[2, 2, 2] x9, float x10, int8 x11) => (int8[?, ?, ?] y0) { y0 = ai.cameo.IntegerMatMul <activation = \"Clip\", activation_params = [-1.0, 1.5]> (x0, x1, x2, x3, x4, x5, , x7, x8, x9, x10, x11) }",
      [
        "uint8[2, 2, 3] {156, 29, 11, 113, 9, 36, 131, 248, 119, 206, 234, 210}",
        "float {0.015625}",
        "uint8 {128}",
        "int8[2, 3, 2] {33, -16, 3, -60, -1, -31, -65, 126, -125, -104, -79, 120}",
        "float[2] {0.00999999978, 0.00700000022}",
        "int8 {-5}",
        "float {0.0399999991}",
        "int8 {-11}",
        "int8[2, 2, 2] {49, 97, -77, 56, -34, -3, -128, 30}",
        "float {0.0299999993}",
        "int8 {-7}",
      ], ["int8[2, 2, 2] {27, 27, -36, 27, -36, -36, -36, 27}"]),
    Case(
      "g (uint8[4] x0, float x1, uint8 x2, int8[4, 2] x3, float x4, float[1] x6, float x7, uint8 x8, float[2] x9) => (uint8[?] y0) { y0 = ai.cameo.IntegerMatMul <activation = \"LeakyRelu\", activation_params = [0.25]> (x0, x1, x2, x3, x4, , x6, x7, x8, x9) }",
      [
        "uint8[4] {212, 169, 39, 136}",
        "float {0.015625}",
        "uint8 {7}",
        "int8[4, 2] {-60, 119, 97, -81, 2, 112, 88, 53}",
        "float {0.00999999978}",
        "float[1] {0.25}",
        "float {0.0599999987}",
        "uint8 {100}",
        "float[2] {1.35882342, -1.54714465}",
      ], ["uint8[2] {165, 135}"]),
    Case(
      "g (int8[3] x0, float x1, int8 x2, int8[3] x3, float x4, float x7, int8 x8) => (int8 y0) { y0 = ai.cameo.IntegerMatMul  (x0, x1, x2, x3, x4, , , x7, x8) }",
      [
        "int8[3] {35, -66, 10}",
        "float {0.015625}",
        "int8 {3}",
        "int8[3] {58, 1, 28}",
        "float {0.0199999996}",
        "float {0.0500000007}",
        "int8 {0}",
      ], ["int8 {12}"]),
    Case(
      "g (uint8[1, 3, 4, 2] x0, float x1, uint8 x2, int8[3, 2, 3, 3] x3, float[3] x4, float[3] x6, float x7, uint8 x8) => (uint8[?, ?, ?, ?] y0) { y0 = ai.cameo.IntegerConv <pads = [1, 1, 1, 1], activation = \"Relu\"> (x0, x1, x2, x3, x4, , x6, x7, x8) }",
      [
        "uint8[1, 3, 4, 2] {223, 175, 92, 164, 153, 27, 15, 169, 99, 153, 82, 57, 38, 97, 208, 102, 97, 147, 250, 100, 151, 112, 154, 114}",
        "float {0.0078125}",
        "uint8 {130}",
        "int8[3, 2, 3, 3] {35, 12, 45, 116, -90, 15, -16, -37, -67, -115, -25, 83, -104, -25, 119, 115, -73, -127, 43, -125, -52, -1, 95, -105, 41, 8, -95, 88, 88, -5, 113, 27, 103, 117, 17, -57, -91, 16, -79, 64, 109, -66, 13, -116, -82, -32, 98, 120, 36, 21, 17, -113, -32, 123}",
        "float[3] {0.00999999978, 0.0199999996, 0.0149999997}",
        "float[3] {0.5, -0.25, 1}",
        "float {0.100000001}",
        "uint8 {0}",
      ],
      [
        "uint8[1, 3, 4, 3] {10, 39, 24, 19, 0, 21, 0, 0, 30, 20, 0, 0, 0, 0, 12, 0, 25, 0, 5, 0, 0, 1, 15, 15, 0, 0, 0, 0, 19, 18, 22, 0, 9, 9, 0, 23}"
      ]),
    Case(
      "g (int8[1, 2, 5, 5] x0, float x1, uint8[2, 2, 2, 2] x3, float x4, uint8[2] x5) => (float[?, ?, ?, ?] y0) { y0 = ai.cameo.IntegerConv <strides = [2, 1], pads = [0, 1, 1, 0], dilations = [2, 1], channels_first = 1> (x0, x1, , x3, x4, x5) }",
      [
        "int8[1, 2, 5, 5] {-23, -74, -67, 54, -119, 120, 96, 17, -9, 66, 12, -6, -46, -14, 64, -114, -122, 56, -33, 77, -121, 104, -97, -22, 119, -101, 40, 58, -19, -108, 6, -18, 95, 46, -40, -114, 23, -57, 47, 93, -38, 103, 4, 7, 67, 74, 104, 127, -90, -23}",
        "float {0.0078125}",
        "uint8[2, 2, 2, 2] {238, 78, 1, 147, 192, 190, 207, 164, 35, 216, 107, 216, 208, 248, 3, 221}",
        "float {0.00999999978}",
        "uint8[2] {128, 120}",
      ],
      [
        "float[1, 2, 5, 2] {-0.702187479, -1.99203122, -0.986718714, 0.469687492, 0.0796093717, -0.155000001, -0.372734368, 1.89226556, 1.09632814, -1.6632812, -0.570546865, -1.37359369, 1.77210939, 0.368671864, -0.209765613, -1.49867189, 1.0625, -1.65890622, 0.0899218693, 3.3821094}"
      ]),
    Case(
      "g (uint8[1, 3, 3, 4] x0, float x1, uint8 x2, int8[4, 1, 2, 2] x3, float[4] x4, float x7, int8 x8, uint8[1, 2, 2, 4] x9, float x10, uint8 x11) => (int8[?, ?, ?, ?] y0) { y0 = ai.cameo.IntegerConv <group = 4, activation = \"Clip\", activation_params = [-1.0, 1.5]> (x0, x1, x2, x3, x4, , , x7, x8, x9, x10, x11) }",
      [
        "uint8[1, 3, 3, 4] {160, 124, 203, 243, 131, 22, 185, 59, 57, 49, 50, 232, 92, 27, 45, 101, 88, 79, 242, 221, 146, 252, 87, 35, 69, 22, 243, 56, 113, 51, 250, 40, 131, 243, 133, 230}",
        "float {0.0078125}",
        "uint8 {20}",
        "int8[4, 1, 2, 2] {101, 68, 62, 19, 20, 84, -19, 114, 96, -33, -23, 54, 108, -104, -111, -65}",
        "float[4] {0.00999999978, 0.0199999996, 0.0299999993, 0.0399999991}",
        "float {0.0199999996}",
        "int8 {-3}",
        "uint8[1, 2, 2, 4] {110, 41, 132, 138, 243, 190, 64, 201, 206, 174, 173, 79, 183, 34, 161, 235}",
        "float {0.0199999996}",
        "uint8 {128}",
      ], ["int8[1, 2, 2, 4] {72, -21, 72, -25, 72, 72, 72, -53, 72, 72, 70, -53, 72, 72, 72, 72}"]),
    // Sums wrap at int32 nowhere near here, but NaN is the zero point and both ends saturate.
    Case(
      "g (uint8[1, 1] a, float s, int8[1, 3] b, float[3] bias, float y, uint8 q) => (uint8[1, 3] r) { r = ai.cameo.IntegerMatMul (a, s, , b, s, , bias, y, q) }",
      [
        "uint8[1, 1] {200}", "float {1e20}", "int8[1, 3] {100, -100, 0}", "float[3] {0, 0, nan}", "float {0.5}",
        "uint8 {17}",
      ], ["uint8[1, 3] {255, 0, 17}"]),
    Case(
      "g (uint8[0, 4] a, float s, int8[4, 3] b) => (float[0, 3] r) { r = ai.cameo.IntegerMatMul (a, s, , b, s) }",
      ["uint8[0, 4] {}", "float {1}", "int8[4, 3] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}"], ["float[0, 3] {}"]),
    Case(
      "g (uint8[2, 0] a, float s, int8[0, 2] b, float[2] bias) => (float[2, 2] r) { r = ai.cameo.IntegerMatMul (a, s, , b, s, , bias) }",
      ["uint8[2, 0] {}", "float {1}", "int8[0, 2] {}", "float[2] {1, 2}"], ["float[2, 2] {1, 2, 1, 2}"]),
  ]

  @Test(arguments: cases) private func agrees(_ item: OperatorCase) throws { try item.check() }

  /// A node, and words of the error that it ends in.
  private static let wrong: [(String, [String], String)] = [
    (
      "g (uint8[2, 2] a, float s, int8[2, 2] b, float y) => (uint8[2, 2] r) { r = ai.cameo.IntegerMatMul (a, s, , b, s, , , y) }",
      ["uint8[2, 2] {1, 2, 3, 4}", "float {1}", "int8[2, 2] {1, 2, 3, 4}", "float {1}"], "y_zero"
    ),
    (
      "g (uint8[2, 2] a, float s, int8[2, 3] b, float[2] v) => (float[2, 3] r) { r = ai.cameo.IntegerMatMul (a, s, , b, v) }",
      ["uint8[2, 2] {1, 2, 3, 4}", "float {1}", "int8[2, 3] {1, 2, 3, 4, 5, 6}", "float[2] {1, 1}"], "input 4"
    ),
    (
      "g (uint8[2, 2] a, float s, int8[2, 2] b, uint8[2, 2] z) => (float[2, 2] r) { r = ai.cameo.IntegerMatMul (a, s, , b, s, , , , , z) }",
      ["uint8[2, 2] {1, 2, 3, 4}", "float {1}", "int8[2, 2] {1, 2, 3, 4}", "uint8[2, 2] {1, 2, 3, 4}"],
      "without a scale"
    ),
    (
      "g (uint8[1, 2, 2, 3] x, float s, int8[4, 2, 1, 1] w) => (float[1, 2, 2, 4] r) { r = ai.cameo.IntegerConv (x, s, , w, s) }",
      [
        "uint8[1, 2, 2, 3] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}", "float {1}",
        "int8[4, 2, 1, 1] {1, 2, 3, 4, 5, 6, 7, 8}",
      ],
      "groups"
    ),
    (
      "g (uint8[1, 1, 1, 1] x, float s, int8[1, 1, 1, 1] w, float[1, 1, 1, 2] z) => (float[1, 1, 1, 1] r) { r = ai.cameo.IntegerConv (x, s, , w, s, , , , , z) }",
      ["uint8[1, 1, 1, 1] {1}", "float {1}", "int8[1, 1, 1, 1] {1}", "float[1, 1, 1, 2] {1, 2}"], "Z"
    ),
  ]

  @Test(arguments: wrong) private func saysWhatIsWrong(_ item: (String, [String], String)) throws {
    let error = try #require(try failure(item.0, item.1))
    #expect("\(error)".contains(item.2), "\(error)")
  }

  /// The type comes from y_zero, the shape from the window, whatever is symbolic.
  @Test func shapesStaySymbolic() throws {
    let graph = try ONNXText.parseGraph(
      "g (uint8[n, h, w, 3] x, float s, int8[8, 3, 3, 3] k, float y, int8 q) => (int8[n, h, w, 8] r) { r = ai.cameo.IntegerConv <pads = [1, 1, 1, 1]> (x, s, , k, s, , , y, q) }"
    )
    var untyped = graph
    for output in graph.outputs { untyped.setType(nil, of: output) }
    let inference = ShapeInference(untyped, options: ShapeInference.Options())
    try inference.run()
    let fact = inference[graph.outputs[0]]
    #expect(fact.dataType == .int8)
    #expect(fact.shape?.map(\.description) == ["n", "h", "w", "8"])
  }
}
