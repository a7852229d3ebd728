import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Expected outputs: onnx 1.23.2, onnx.reference.
@Suite struct QuantizationTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (float[4] x0, float x1, uint8 x2) => (uint8[?] y0) { y0 = QuantizeLinear (x0, x1, x2) }", opset: 26,
      [
        "float[4] {-1, -1.5, -4, 0.5}",
        "float {0.5}",
        "uint8 {128}",
      ],
      ["uint8[4] {126, 125, 120, 129}"]),
    Case(
      "g (float[2, 3] x0, float[2] x1, int8[2] x2) => (int8[?] y0) { y0 = QuantizeLinear<axis = 0> (x0, x1, x2) }",
      opset: 26,
      [
        "float[2, 3] {1.5, -0.5, -3, -0.5, 2.5, 4.5}",
        "float[2] {0.5, 0.25}",
        "int8[2] {0, 3}",
      ],
      ["int8[2, 3] {3, -1, -6, 1, 13, 21}"]),
    Case(
      "g (uint8[2, 3] x0, float[3] x1, uint8[3] x2) => (float[?] y0) { y0 = DequantizeLinear<axis = 1> (x0, x1, x2) }",
      opset: 26,
      [
        "uint8[2, 3] {0, 255, 3, 1, 2, 4}",
        "float[3] {0.5, 2, 0.25}",
        "uint8[3] {128, 0, 1}",
      ],
      ["float[2, 3] {-64, 510, 0.5, -63.5, 4, 0.75}"]),
    Case(
      "g (int8[2, 4] x0, float[2, 2] x1) => (float[?] y0) { y0 = DequantizeLinear<axis = 1, block_size = 2> (x0, x1) }",
      opset: 26,
      [
        "int8[2, 4] {0, 127, 3, -4, 1, 2, 4, 5}",
        "float[2, 2] {0.5, 2, 0.25, 1}",
      ],
      ["float[2, 4] {0, 63.5, 6, -8, 0.25, 0.5, 4, 5}"]),
    Case(
      "g (float[5] x0) => (uint8[?] y0, float y1, uint8 y2) { y0, y1, y2 = DynamicQuantizeLinear (x0) }", opset: 26,
      ["float[5] {0.5, -1.5, -4, -3, -0}"],
      [
        "uint8[5] {255, 142, 0, 57, 227}",
        "float {0.01764706}",
        "uint8 {227}",
      ]),
  ]

  @Test(arguments: cases) func evaluates(_ test: OperatorCase) throws { try test.check() }
}
