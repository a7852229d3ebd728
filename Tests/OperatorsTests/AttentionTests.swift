import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Expected outputs: onnx 1.23.2, onnx.reference.
@Suite struct AttentionTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (float[1, 2, 2, 2] x0, float[1, 1, 3, 2] x1, float[1, 1, 3, 2] x2) => (float[?] y0) { y0 = Attention<is_causal = 1> (x0, x1, x2) }",
      opset: 26,
      [
        "float[1, 2, 2, 2] {0.5, 0, 0, 0.5, 0.5, 0, -0.5, -0.5}",
        "float[1, 1, 3, 2] {-0, 0, 0.5, 0.5, 0.5, -1}",
        "float[1, 1, 3, 2] {0.5, -0.5, 0.5, 0, 0.5, -0.5}",
      ],
      ["float[1, 2, 2, 2] {0.5, -0.5, 0.5, -0.22796027, 0.5, -0.5, 0.5, -0.2937395}"]),
    Case(
      "g (float[1, 2, 2, 2] x0, float[1, 1, 3, 2] x1, float[1, 1, 3, 2] x2, bool[2, 3] x3) => (float[?] y0) { y0 = Attention (x0, x1, x2, x3) }",
      opset: 26,
      [
        "float[1, 2, 2, 2] {0.5, 0, 0, 0.5, 0.5, 0, -0.5, -0.5}",
        "float[1, 1, 3, 2] {-0, 0, 0.5, 0.5, 0.5, -1}",
        "float[1, 1, 3, 2] {0.5, -0.5, 0.5, 0, 0.5, -0.5}",
        "bool[2, 3] {1, 0, 1, 0, 0, 0}",
      ],
      ["float[1, 2, 2, 2] {0.5, -0.5, 0, 0, 0.5, -0.5, 0, 0}"]),
    Case(
      "g (float[1, 2, 4] x0, float[1, 2, 4] x1, float[1, 2, 4] x2) => (float[?] y0) { y0 = Attention<q_num_heads = 2, kv_num_heads = 2, softcap = 1.0> (x0, x1, x2) }",
      opset: 26,
      [
        "float[1, 2, 4] {0, -1, 0.5, -0, -1.5, 0.5, 1, -0.5}",
        "float[1, 2, 4] {0.5, -0.5, -1, -0, 0, 0, 0, 0}",
        "float[1, 2, 4] {0, -0, -0.5, -0, -0, -0, -0.5, -0.5}",
      ],
      ["float[1, 2, 4] {0, 0, -0.5, -0.29203734, 0, 0, -0.49999997, -0.32384026}"]),
    Case(
      "g (float[1, 2, 2, 2] x0, float[1, 1, 1, 2] x1, float[1, 1, 1, 2] x2, float[1, 1, 2, 2] x4, float[1, 1, 2, 2] x5) => (float[?] y0, float[?] y1, float[?] y2) { y0, y1, y2 = Attention<is_causal = 1> (x0, x1, x2, , x4, x5) }",
      opset: 26,
      [
        "float[1, 2, 2, 2] {0.5, 0, 0, 0.5, 0.5, 0, -0.5, -0.5}",
        "float[1, 1, 1, 2] {0, 0.5}",
        "float[1, 1, 1, 2] {-0, -0.5}",
        "float[1, 1, 2, 2] {1, 1.5, 1.5, -3.5}",
        "float[1, 1, 2, 2] {-1, 1.5, 1, 1.5}",
      ],
      [
        "float[1, 2, 2, 2] {0.06677985, 1.0149882, -0.44278133, 0.75016, 0.06677985, 1.0149882, 0.49247122, 0.9889288}",
        "float[1, 1, 3, 2] {1, 1.5, 1.5, -3.5, 0, 0.5}",
        "float[1, 1, 3, 2] {-1, 1.5, 1, 1.5, -0, -0.5}",
      ]),
    Case(
      "g (float[1, 2, 2, 4] x0, float[3, 2] x1, float[3, 2] x2, int64[1, 2] x3) => (float[?] y0) { y0 = RotaryEmbedding (x0, x1, x2, x3) }",
      opset: 26,
      [
        "float[1, 2, 2, 4] {0.5, -1.5, 2.5, -2.5, 2, -0, -3, -1, 2.5, -1, -2.5, -0.5, -1.5, -2.5, 1, 1.5}",
        "float[3, 2] {-1, 1, -1, -0, 0, 3}",
        "float[3, 2] {1, -2, 1, -0.5, -1, -1.5}",
        "int64[1, 2] {2, 0}",
      ],
      ["float[1, 2, 2, 4] {2.5, -8.25, -0.5, -5.25, 1, -2, 5, -1, -2.5, -3.75, -2.5, 0, 0.5, 0.5, -2.5, 6.5}"]),
    Case(
      "g (float[1, 2, 4] x0, float[1, 2, 1] x1, float[1, 2, 1] x2) => (float[?] y0) { y0 = RotaryEmbedding<num_heads = 2, interleaved = 1> (x0, x1, x2) }",
      opset: 26,
      [
        "float[1, 2, 4] {-0, -0, -1, -3, -3.5, 0.5, 0.5, 4.5}",
        "float[1, 2, 1] {-0.5, 2}",
        "float[1, 2, 1] {2.5, -0}",
      ],
      ["float[1, 2, 4] {0, 0, 8, -1, -7, 1, 1, 9}"]),
  ]

  @Test(arguments: cases) func evaluates(_ test: OperatorCase) throws { try test.check() }
}
