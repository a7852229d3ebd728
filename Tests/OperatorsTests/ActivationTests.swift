import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Expected outputs: onnx 1.23.2, onnx.reference.
@Suite struct ActivationTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Relu (x0) }", opset: 26,
      ["float[5] {-1, -3.5, 4, -3, -1}"],
      ["float[5] {0, 0, 4, 0, 0}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Sigmoid (x0) }", opset: 26,
      ["float[5] {-0.5, 0, -0.5, -0, 0}"],
      ["float[5] {0.37754068, 0.5, 0.37754068, 0.5, 0.5}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Tanh (x0) }", opset: 26,
      ["float[5] {-0, 0, -5, 1, -3}"],
      ["float[5] {-0, 0, -0.9999092, 0.7615942, -0.9950548}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = HardSigmoid (x0) }", opset: 26,
      ["float[5] {-4.5, 3, -2.5, 0.5, -1.5}"],
      ["float[5] {0, 1, 0, 0.6, 0.19999999}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = HardSigmoid<alpha = 0.5, beta = 0.6> (x0) }", opset: 26,
      ["float[5] {-1.5, 1, -2, 0.5, 1}"],
      ["float[5] {0, 1, 0, 0.85, 1}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = HardSwish (x0) }", opset: 26,
      ["float[5] {2.5, -0.5, 2, 3.5, 3}"],
      ["float[5] {2.2916667, -0.20833333, 1.6666667, 3.5, 3}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = LeakyRelu<alpha = 0.1> (x0) }", opset: 26,
      ["float[5] {1, 1, 5.5, 4.5, -1.5}"],
      ["float[5] {1, 1, 5.5, 4.5, -0.15}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Elu<alpha = 2.0> (x0) }", opset: 26,
      ["float[5] {2, 1, 0, 0.5, 1}"],
      ["float[5] {2, 1, 0, 0.5, 1}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Celu<alpha = 2.0> (x0) }", opset: 26,
      ["float[5] {2, 0.5, 0.5, 3, 0.5}"],
      ["float[5] {2, 0.5, 0.5, 3, 0.5}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Selu (x0) }", opset: 26,
      ["float[5] {1, 2, 3.5, 2.5, 1}"],
      ["float[5] {1.050701, 2.101402, 3.6774535, 2.6267526, 1.050701}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Softplus (x0) }", opset: 26,
      ["float[5] {0.5, -2.5, 0.5, -2, -2}"],
      ["float[5] {0.974077, 0.078889735, 0.974077, 0.126928, 0.126928}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Softsign (x0) }", opset: 26,
      ["float[5] {1.5, -0, 1, -1.5, 2.5}"],
      ["float[5] {0.6, -0, 0.5, -0.6, 0.71428573}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = ThresholdedRelu<alpha = 0.5> (x0) }", opset: 26,
      ["float[5] {0.5, 2.5, 1.5, 0.5, -1}"],
      ["float[5] {0, 2.5, 1.5, 0, 0}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Gelu (x0) }", opset: 26,
      ["float[5] {0, 1.5, 1.5, -2.5, 2}"],
      ["float[5] {0, 1.3997893, 1.3997893, -0.015524179, 1.9544997}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Gelu<approximate = \"tanh\"> (x0) }", opset: 26,
      ["float[5] {-0.5, 1.5, -1.5, 1.5, -1.5}"],
      ["float[5] {-0.154286, 1.3995715, -0.10042843, 1.3995715, -0.10042843}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Mish (x0) }", opset: 26,
      ["float[5] {0.5, -0.5, -0.5, -1, -0.5}"],
      ["float[5] {0.37524518, -0.22074378, -0.22074378, -0.30340147, -0.22074378}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Swish<alpha = 0.5> (x0) }", opset: 26,
      ["float[5] {-3.5, 2, 2, -1, -3}"],
      ["float[5] {-0.51816523, 1.4621172, 1.4621172, -0.37754068, -0.5472766}"]),
    Case(
      "g (float[5] x0) => (float[?] y0) { y0 = Shrink<bias = 0.5, lambd = 1.0> (x0) }", opset: 26,
      ["float[5] {-1.5, 2, 1.5, -0.5, 2}"],
      ["float[5] {-1, 1.5, 1, 0, 1.5}"]),
  ]

  @Test(arguments: cases) func evaluates(_ test: OperatorCase) throws { try test.check() }
}
