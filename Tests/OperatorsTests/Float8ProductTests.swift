import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// ai.cameo.Float8MatMul. Expected outputs: NumPy and ml_dtypes, in float32.
@Suite struct Float8ProductTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (float8e4m3fn[2, 5] a, float s, float8e4m3fn[5, 3] b, float t) => (float[?, ?] y) { y = ai.cameo.Float8MatMul (a, s, b, t) }",
      [
        "float8e4m3fn[2, 5] {194, 200, 180, 58, 70, 43, 189, 193, 65, 74}",
        "float {0.5}",
        "float8e4m3fn[5, 3] {53, 199, 195, 74, 50, 202, 168, 198, 191, 188, 193, 61, 164, 190, 58}",
        "float {0.25}",
      ], ["float[2, 3] {-3.046875, 0.0703125, 4.3359375, -1.44946289, -1.03027344, 2.66308594}"]),
    Case(
      "g (float8e5m2[2, 2, 4] a, float[1] s, float8e4m3fn[3, 4] b, float[3] t, float[3] c) => (float[?, ?, ?] y) { y = ai.cameo.Float8MatMul <transB = 1, activation = \"Relu\"> (a, s, b, t, c) }",
      [
        "float8e5m2[2, 2, 4] {65, 197, 186, 194, 184, 196, 44, 175, 187, 194, 189, 195, 196, 57, 195, 67}",
        "float[1] {2}",
        "float8e4m3fn[3, 4] {65, 204, 53, 197, 29, 32, 204, 179, 180, 68, 198, 65}",
        "float[3] {0.5, 0.25, 1}",
        "float[3] {1, -2, 0.5}",
      ], ["float[2, 2, 3] {45.765625, 1.09570312, 0, 24.28125, 0, 0, 27.390625, 2.72119141, 0, 0, 7.1328125, 50.5}"]),
    Case(
      "g (float8e5m2[2, 2, 3] a, float s, float8e5m2[2, 3, 2] b, float t, float[2, 2, 2] z) => (float[?, ?, ?] y) { y = ai.cameo.Float8MatMul <activation = \"LeakyRelu\", activation_params = [0.25]> (a, s, b, t, , z) }",
      [
        "float8e5m2[2, 2, 3] {195, 188, 193, 68, 63, 71, 64, 65, 65, 191, 179, 68}",
        "float {1}",
        "float8e5m2[2, 3, 2] {189, 57, 172, 63, 188, 183, 58, 53, 193, 65, 196, 195}",
        "float {0.5}",
        "float[2, 2, 2] {1, 2, -1, 3, -3, -3, -1, 2}",
      ], ["float[2, 2, 2] {4.46875, 0.578125, -1.76367188, 4.25, -2.59375, -0.984375, -2.34570312, -1.38671875}"]),
    Case(
      "g (float8e4m3fn[2, 4] a, float16 s, float8e4m3fn[4, 2] b, float16[2] t, float16[2] c) => (float16[?, ?] y) { y = ai.cameo.Float8MatMul (a, s, b, t, c) }",
      [
        "float8e4m3fn[2, 4] {193, 53, 192, 194, 58, 194, 178, 135}",
        "float16 {0.5}",
        "float8e4m3fn[4, 2] {182, 158, 67, 184, 194, 199, 173, 179}",
        "float16[2] {0.5, 1.0}",
        "float16[2] {1.0, 2.0}",
      ], ["float16[2, 2] {3.5546875, 6.328125, -0.60009765625, 4.359375}"]),
    Case(
      "g (float8e4m3fn[4] a, float s, float8e4m3fn[4] b, float t) => (float y) { y = ai.cameo.Float8MatMul (a, s, b, t) }",
      [
        "float8e4m3fn[4] {126, 254, 1, 0}",
        "float {1}",
        "float8e4m3fn[4] {126, 254, 1, 128}",
        "float {1}",
      ], ["float {401408}"]),
    Case(
      "g (float8e4m3fn[2, 0] a, float s, float8e4m3fn[0, 2] b, float[2] c) => (float[2, 2] r) { r = ai.cameo.Float8MatMul (a, s, b, s, c) }",
      ["float8e4m3fn[2, 0] {}", "float {1}", "float8e4m3fn[0, 2] {}", "float[2] {1, 2}"], ["float[2, 2] {1, 2, 1, 2}"]),
  ]

  @Test(arguments: cases) private func agrees(_ item: OperatorCase) throws { try item.check() }

  /// A node, and words of the error that it ends in.
  private static let wrong: [(String, [String], String)] = [
    (
      "g (float8e4m3fn[2, 2] a, float[2] s, float8e4m3fn[2, 2] b, float t) => (float[2, 2] r) { r = ai.cameo.Float8MatMul (a, s, b, t) }",
      ["float8e4m3fn[2, 2] {1, 2, 3, 4}", "float[2] {1, 2}", "float8e4m3fn[2, 2] {1, 2, 3, 4}", "float {1}"], "a_scale"
    ),
    (
      "g (float8e4m3fn[2, 2] a, float s, float8e4m3fn[2, 3] b, float[2] t) => (float[2, 3] r) { r = ai.cameo.Float8MatMul (a, s, b, t) }",
      ["float8e4m3fn[2, 2] {1, 2, 3, 4}", "float {1}", "float8e4m3fn[2, 3] {1, 2, 3, 4, 5, 6}", "float[2] {1, 1}"],
      "does not fit axis 1"
    ),
    (
      "g (float8e4m3fn[2, 2] a, float s, float8e4m3fn[2, 2] b, float[2, 1] t) => (float[2, 2] r) { r = ai.cameo.Float8MatMul (a, s, b, t) }",
      ["float8e4m3fn[2, 2] {1, 2, 3, 4}", "float {1}", "float8e4m3fn[2, 2] {1, 2, 3, 4}", "float[2, 1] {1, 1}"],
      "does not fit axis 1"
    ),
    (
      "g (float8e4m3fn[2, 2] a, float s, float8e4m3fn[3, 2] b, float t) => (float[2, 2] r) { r = ai.cameo.Float8MatMul (a, s, b, t) }",
      ["float8e4m3fn[2, 2] {1, 2, 3, 4}", "float {1}", "float8e4m3fn[3, 2] {1, 2, 3, 4, 5, 6}", "float {1}"],
      "cannot be multiplied"
    ),
    (
      "g (uint8[2, 2] a, float s, float8e4m3fn[2, 2] b, float t) => (float[2, 2] r) { r = ai.cameo.Float8MatMul (a, s, b, t) }",
      ["uint8[2, 2] {1, 2, 3, 4}", "float {1}", "float8e4m3fn[2, 2] {1, 2, 3, 4}", "float {1}"], "uint8"
    ),
  ]

  @Test(arguments: wrong) private func saysWhatIsWrong(_ item: (String, [String], String)) throws {
    let error = try #require(try failure(item.0, item.1))
    #expect("\(error)".contains(item.2), "\(error)")
  }

  /// The type comes from the scales, the shape from the product, whatever is symbolic.
  @Test func shapesStaySymbolic() throws {
    let graph = try ONNXText.parseGraph(
      "g (float8e4m3fn[b, s, 64] x, float16 t, float8e5m2[n, 64] w, float16[n] u) => (float16[b, s, n] r) { r = ai.cameo.Float8MatMul <transB = 1> (x, t, w, u) }"
    )
    var untyped = graph
    for output in graph.outputs { untyped.setType(nil, of: output) }
    let inference = ShapeInference(untyped, options: ShapeInference.Options())
    try inference.run()
    let fact = inference[graph.outputs[0]]
    #expect(fact.dataType == .float16)
    #expect(fact.shape?.map(\.description) == ["b", "s", "n"])
  }
}
