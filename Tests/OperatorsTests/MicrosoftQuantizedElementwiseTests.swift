import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Expected outputs: ONNX Runtime 1.31.1, CPU.
@Suite struct MicrosoftQuantizedElementwiseTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (uint8[4] x0, float x1, uint8 x2, uint8[1] x3, float x4, uint8 x5, float x6, uint8 x7) => (uint8[?] y0) { y0 = com.microsoft.QLinearAdd (x0, x1, x2, x3, x4, x5, x6, x7) }",
      [
        "uint8[4] {0, 10, 200, 255}",
        "float {0.5}",
        "uint8 {128}",
        "uint8[1] {7}",
        "float {0.25}",
        "uint8 {3}",
        "float {0.5}",
        "uint8 {100}",
      ],
      [
        "uint8[4] {0, 0, 174, 229}"
      ]),
    Case(
      "g (int8[2, 3] x0, float x1, int8 x2, int8[3] x3, float x4, int8 x5, float x6, int8 x7) => (int8[?] y0) { y0 = com.microsoft.QLinearAdd (x0, x1, x2, x3, x4, x5, x6, x7) }",
      [
        "int8[2, 3] {-128, -1, 0, 127, 64, 3}",
        "float {0.1}",
        "int8 {-7}",
        "int8[3] {5, 100, -100}",
        "float {0.3}",
        "int8 {2}",
        "float {0.2}",
        "int8 {11}",
      ],
      [
        "int8[2, 3] {-45, 127, -128, 82, 127, -128}"
      ]),
    Case(
      "g (int8[2, 3] x0, float x1, int8 x2, int8[2, 1] x3, float x4, int8 x5, float x6, int8 x7) => (int8[?] y0) { y0 = com.microsoft.QLinearMul (x0, x1, x2, x3, x4, x5, x6, x7) }",
      [
        "int8[2, 3] {-128, -3, 0, 127, 64, 3}",
        "float {0.5}",
        "int8 {-1}",
        "int8[2, 1] {9, -128}",
        "float {0.03125}",
        "int8 {1}",
        "float {0.5}",
        "int8 {-3}",
      ],
      [
        "int8[2, 3] {-35, -4, -3, -128, -128, -19}"
      ]),
    Case(
      "g (uint8[4] x0, float x1, uint8 x2, uint8[1] x3, float x4, uint8 x5, float x6, uint8 x7) => (uint8[?] y0) { y0 = com.microsoft.QLinearMul (x0, x1, x2, x3, x4, x5, x6, x7) }",
      [
        "uint8[4] {0, 1, 128, 255}",
        "float {0.1}",
        "uint8 {0}",
        "uint8[1] {2}",
        "float {0.1}",
        "uint8 {0}",
        "float {0.03}",
        "uint8 {0}",
      ],
      [
        "uint8[4] {0, 1, 85, 170}"
      ]),
    Case(
      "g (int8[5] x0, float x1, int8 x2, float x3, int8 x4) => (int8[?] y0) { y0 = com.microsoft.QLinearSigmoid (x0, x1, x2, x3, x4) }",
      [
        "int8[5] {-128, -20, 0, 5, 127}",
        "float {0.0625}",
        "int8 {3}",
        "float {0.00390625}",
        "int8 {-128}",
      ],
      [
        "int8[5] {-128, -79, -12, 8, 127}"
      ]),
    Case(
      "g (uint8[5] x0, float x1, uint8 x2, float x3, uint8 x4) => (uint8[?] y0) { y0 = com.microsoft.QLinearLeakyRelu<alpha = 0.5> (x0, x1, x2, x3, x4) }",
      [
        "uint8[5] {0, 100, 120, 140, 255}",
        "float {0.25}",
        "uint8 {128}",
        "float {0.125}",
        "uint8 {64}",
      ],
      [
        "uint8[5] {0, 36, 56, 88, 255}"
      ]),
    Case(
      "g (uint8[2, 3] x0, float x1, uint8 x2, float x3, uint8 x4) => (uint8[?] y0) { y0 = com.microsoft.QLinearSoftmax<axis = 1, opset = 13> (x0, x1, x2, x3, x4) }",
      [
        "uint8[2, 3] {10, 20, 60, 60, 255, 0}",
        "float {0.0625}",
        "uint8 {9}",
        "float {0.00390625}",
        "uint8 {0}",
      ],
      [
        "uint8[2, 3] {10, 19, 227, 0, 255, 0}"
      ]),
    Case(
      "g (int8[2, 2, 2] x0, float x1, int8 x2, float x3, int8 x4) => (int8[?] y0) { y0 = com.microsoft.QLinearSoftmax<axis = 1, opset = 13> (x0, x1, x2, x3, x4) }",
      [
        "int8[2, 2, 2] {-10, 20, 60, -60, 127, -128, 0, 5}",
        "float {0.03125}",
        "int8 {0}",
        "float {0.003921569}",
        "int8 {-128}",
      ],
      [
        "int8[2, 2, 2] {-102, 107, 100, -109, 121, -124, -123, 122}"
      ]),
    Case(
      "g (uint8[1, 3, 2] x0, float x1, float x3, uint8 x4) => (uint8[?] y0) { y0 = com.microsoft.QLinearSoftmax<axis = 1, opset = 11> (x0, x1, \"\", x3, x4) }",
      [
        "uint8[1, 3, 2] {10, 20, 60, 60, 25, 0}",
        "float {0.0625}",
        "float {0.00390625}",
        "uint8 {3}",
      ],
      [
        "uint8[1, 3, 2] {8, 12, 116, 116, 16, 6}"
      ]),
    Case(
      "g (bool[3] x0, int8[3] x1, float x2, int8 x3, int8[1] x4, float x5, int8 x6, float x7, int8 x8) => (int8[?] y0) { y0 = com.microsoft.QLinearWhere (x0, x1, x2, x3, x4, x5, x6, x7, x8) }",
      [
        "bool[3] {1, 0, 1}",
        "int8[3] {-5, 6, 7}",
        "float {0.5}",
        "int8 {1}",
        "int8[1] {100}",
        "float {0.25}",
        "int8 {-2}",
        "float {0.25}",
        "int8 {3}",
      ],
      [
        "int8[3] {-9, 105, 15}"
      ]),
    Case(
      "g (float x0, uint8 x1, uint8[2, 2] x2, float x3, uint8 x4, uint8[2, 1] x5, float x6, uint8 x7) => (uint8[?] y0) { y0 = com.microsoft.QLinearConcat<axis = -1> (x0, x1, x2, x3, x4, x5, x6, x7) }",
      [
        "float {0.5}",
        "uint8 {10}",
        "uint8[2, 2] {1, 2, 3, 4}",
        "float {0.5}",
        "uint8 {10}",
        "uint8[2, 1] {100, 0}",
        "float {0.25}",
        "uint8 {7}",
      ],
      [
        "uint8[2, 3] {1, 2, 56, 3, 4, 6}"
      ]),
  ]

  @Test(arguments: cases)
  func computesWhatOnnxRuntimeDoes(_ item: OperatorCase) throws { try item.check() }
}
