import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Expected outputs: onnx 1.23.2, onnx.reference.
@Suite struct MatrixProductTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (float[2, 3] x0, float[3, 2] x1) => (float[?] y0) { y0 = MatMul (x0, x1) }", opset: 26,
      [
        "float[2, 3] {0.5, -0.5, 1.5, 0, -1, 0.5}",
        "float[3, 2] {2.5, 2, -1.5, -2.5, -1, 0}",
      ],
      ["float[2, 2] {0.5, 2.25, 1, 2.5}"]),
    Case(
      "g (float[2, 1, 2, 3] x0, float[3, 3, 2] x1) => (float[?] y0) { y0 = MatMul (x0, x1) }", opset: 26,
      [
        "float[2, 1, 2, 3] {-4.5, -0.5, -2.5, -1.5, -1, -0.5, 1, 2, -0.5, 2.5, -1.5, 0.5}",
        "float[3, 3, 2] {2, 0, -1.5, -2, -1, 0.5, -2, -0.5, -0.5, 1, 0.5, 0.5, -1.5, -0.5, 1.5, 3, -2.5, 3}",
      ],
      [
        "float[2, 3, 2, 2] {-5.75, -0.25, -1, 1.75, 8, 0.5, 3.25, -0.5, 12.25, -6.75, 2, -3.75, -0.5, -4.25, 6.75, 3.25, -3.25, 1.25, -4, -2.5, 2.75, 4, -7.25, -4.25}"
      ]),
    Case(
      "g (float[3] x0, float[2, 3, 2] x1) => (float[?] y0) { y0 = MatMul (x0, x1) }", opset: 26,
      [
        "float[3] {2.5, 1.5, 0.5}",
        "float[2, 3, 2] {-0.5, 3, 4, 3.5, 2.5, 0.5, -2.5, -0, 1.5, -2.5, 1, 1}",
      ],
      ["float[2, 2] {6, 13, -3.5, -3.25}"]),
    Case(
      "g (float[2, 3] x0, float[3] x1) => (float[?] y0) { y0 = MatMul (x0, x1) }", opset: 26,
      [
        "float[2, 3] {1.5, -2.5, -1.5, -1, -2.5, 3.5}",
        "float[3] {-1, 0.5, -0.5}",
      ],
      ["float[2] {-2, -2}"]),
    Case(
      "g (float[3] x0, float[3] x1) => (float y0) { y0 = MatMul (x0, x1) }", opset: 26,
      [
        "float[3] {3, 2.5, 1.5}",
        "float[3] {-4.5, 0, 1.5}",
      ],
      ["float {-11.25}"]),
    Case(
      "g (int64[2, 2] x0, int64[2, 2] x1) => (int64[?] y0) { y0 = MatMul (x0, x1) }", opset: 26,
      [
        "int64[2, 2] {2, -1, 3, -2}",
        "int64[2, 2] {-1, 2, 0, 4}",
      ],
      ["int64[2, 2] {-2, 0, -3, -2}"]),
    Case(
      "g (float[3, 2] x0, float[4, 3] x1, float[1, 4] x2) => (float[?] y0) { y0 = Gemm<transA = 1, transB = 1, alpha = 0.5, beta = 2.0> (x0, x1, x2) }",
      opset: 26,
      [
        "float[3, 2] {0.5, -1.5, -1, -2, -2.5, 1.5}",
        "float[4, 3] {1, 2.5, -1.5, 3.5, -0.5, 3, -1, -1.5, 0.5, 2, 0.5, -1}",
        "float[1, 4] {-2.5, -3, 1, 2}",
      ],
      ["float[2, 4] {-4.125, -8.625, 1.875, 5.5, -9.375, -5.875, 4.625, 1.25}"]),
    Case(
      "g (float[2, 3] x0, float[3, 2] x1) => (float[?] y0) { y0 = Gemm (x0, x1) }", opset: 26,
      [
        "float[2, 3] {-0.5, -2, 1.5, -2.5, -1.5, 1}",
        "float[3, 2] {-4.5, 1, -1, 0, -0, 0.5}",
      ],
      ["float[2, 2] {4.25, 0.25, 12.75, -2}"]),
    Case(
      "g (float[2, 3] x0, float[3, 2] x1, float[2] x2) => (float[?] y0) { y0 = Gemm (x0, x1, x2) }", opset: 7,
      [
        "float[2, 3] {1.5, -1.5, 3, 1.5, 1.5, 2.5}",
        "float[3, 2] {1.5, 1.5, 0, -3, -0.5, -1.5}",
        "float[2] {-3, 0.5}",
      ],
      ["float[2, 2] {-2.25, 2.75, -2, -5.5}"]),
    Case(
      "g (float[2, 3] x0, float[3, 2] x1) => (float[?] y0) { y0 = Einsum<equation = \"ij,jk->ik\"> (x0, x1) }",
      opset: 26,
      [
        "float[2, 3] {-1, -2, -2, 0.5, 0.5, 2.5}",
        "float[3, 2] {-0, 2, 3, 2.5, -4.5, 2.5}",
      ],
      ["float[2, 2] {3, -12, -9.75, 8.5}"]),
    Case(
      "g (float[2, 2, 3] x0, float[2, 3, 2] x1) => (float[?] y0) { y0 = Einsum<equation = \"...ij,...jk->...ik\"> (x0, x1) }",
      opset: 26,
      [
        "float[2, 2, 3] {0.5, 1, 0.5, 1, 0.5, -0.5, -4, -0, -1.5, 2, -0.5, 0}",
        "float[2, 3, 2] {-1.5, -1, -0, -3, 0.5, -0, -2.5, -5, 1, -0.5, -1, -0.5}",
      ],
      ["float[2, 2, 2] {-0.5, -3.5, -1.75, -2.5, 11.5, 20.75, -5.5, -9.75}"]),
    Case(
      "g (float[3, 3] x0) => (float[?] y0) { y0 = Einsum<equation = \"ii->i\"> (x0) }", opset: 26,
      ["float[3, 3] {3.5, -0, 0, -3, 3.5, 2, 2, 0, 2}"],
      ["float[3] {3.5, 3.5, 2}"]),
    Case(
      "g (float[2, 3] x0, float[2, 3] x1, float[3] x2) => (float y0) { y0 = Einsum<equation = \"ab,ab,b\"> (x0, x1, x2) }",
      opset: 26,
      [
        "float[2, 3] {0.5, 1, -0.5, -3, 2, -4}",
        "float[2, 3] {-0.5, -0.5, -2, 1, -0.5, -1}",
        "float[3] {1, -1, 3}",
      ],
      ["float {13.25}"]),
    Case(
      "g (float[2, 3, 2] x0) => (float[?] y0) { y0 = Einsum<equation = \"bij->b\"> (x0) }", opset: 26,
      ["float[2, 3, 2] {0.5, -1, -4, -2.5, 2, -0, -0.5, 3.5, -2.5, -1, -1, 1}"],
      ["float[2] {-5, -0.5}"]),
    Case(
      "g (float[2, 3, 3] x0) => (float[?] y0) { y0 = Det (x0) }", opset: 26,
      ["float[2, 3, 3] {-1.5, -1, -3, 1.5, 1.5, -1, 0.5, -2.5, -1, 3, 0.5, 4.5, -1.5, 1, -0.5, 1, -0, -1}"],
      ["float[2] {18.5, -8.5}"]),
    Case(
      "g (uint8[2, 2] x0, int8[2, 2] x1, uint8 x2, int8 x3) => (int32[?] y0) { y0 = MatMulInteger (x0, x1, x2, x3) }",
      opset: 26,
      [
        "uint8[2, 2] {1, 2, 250, 4}",
        "int8[2, 2] {1, -2, 3, 4}",
        "uint8 {3}",
        "int8 {1}",
      ],
      ["int32[2, 2] {-2, 3, 2, -738}"]),
  ]

  @Test(arguments: cases) func evaluates(_ test: OperatorCase) throws { try test.check() }
}
