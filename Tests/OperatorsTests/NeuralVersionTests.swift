import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Nodes of neural networks as older opsets wrote them, and what control flow infers and computes.
@Suite struct NeuralVersionTests {
  private static let legacy: [OperatorCase] = [
    Case(
      "g (float[1, 2, 2] x) => (float[?] y) { y = Softmax (x) }", opset: 9, ["float[1, 2, 2] {0, 0, 0, 0}"],
      ["float[1, 2, 2] {0.25, 0.25, 0.25, 0.25}"]),
    Case(
      "g (float[1, 2] x) => (float[?] y) { y = Softmax (x) }", opset: 9, ["float[1, 2] {0, 0}"],
      ["float[1, 2] {0.5, 0.5}"]),
    Case(
      "g (x) => (y) { y = Hardmax<axis = 0> (x) }", opset: 11, ["float[2, 2] {1, 2, 5, 4}"],
      ["float[2, 2] {0, 0, 1, 0}"]),
    Case(
      "g (float[1, 1, 1, 2] x, float[4] s) => (float[?] y) { y = Upsample<mode = \"nearest\"> (x, s) }", opset: 9,
      ["float[1, 1, 1, 2] {1, 2}", "float[4] {1, 1, 1, 2}"], ["float[1, 1, 1, 4] {1, 1, 2, 2}"]),
    Case(
      "g (float[1, 1, 1, 2] x) => (float[?] y) { y = Upsample<mode = \"linear\", scales = [1.0, 1.0, 1.0, 2.0]> (x) }",
      opset: 7,
      ["float[1, 1, 1, 2] {1, 2}"], ["float[1, 1, 1, 4] {1, 1.5, 2, 2}"]),
    Case(
      "g (float[1, 1, 1, 2] x) => (float[?] y) { y = Upsample<mode = \"bilinear\", height_scale = 1.0, width_scale = 2.0> (x) }",
      opset: 1, ["float[1, 1, 1, 2] {1, 2}"], ["float[1, 1, 1, 4] {1, 1.5, 2, 2}"]),
    Case(
      "g (float[1, 1, 1, 2] x, float[4] s) => (float[?] y) { y = Resize (x, s) }", opset: 10,
      ["float[1, 1, 1, 2] {1, 2}", "float[4] {1, 1, 1, 1.5}"], ["float[1, 1, 1, 3] {1, 1, 2}"]),
    Case(
      "g (float[1, 2] x, float[2] s, float[2] b, float[2] m, float[2] v) => (float[?] y) { y = BatchNormalization<is_test = 1, epsilon = 0.0> (x, s, b, m, v) }",
      opset: 6, ["float[1, 2] {1, 2}", "float[2] {2, 4}", "float[2] {0, 1}", "float[2] {0, 1}", "float[2] {1, 4}"],
      ["float[1, 2] {2, 3}"]),
    Case(
      "g (float[1, 2] x, float[2] s, float[2] b, float[2] m, float[2] v) => (float[?] y) { y = BatchNormalization<spatial = 0, epsilon = 0.0> (x, s, b, m, v) }",
      opset: 7, ["float[1, 2] {1, 2}", "float[2] {2, 4}", "float[2] {0, 1}", "float[2] {0, 1}", "float[2] {1, 4}"],
      ["float[1, 2] {2, 3}"]),
    Case(
      "g (float[1, 4, 1] x, float[2] s, float[2] b) => (float[?] y) { y = GroupNormalization<num_groups = 2, epsilon = 0.0> (x, s, b) }",
      opset: 18, ["float[1, 4, 1] {1, 3, 2, 6}", "float[2] {1, 2}", "float[2] {0, 1}"],
      ["float[1, 4, 1] {-1, 1, -1, 3}"]),
    Case(
      "g (float[2, 2] x, float[2, 2] w, float[2] c) => (float[?] y) { y = Gemm<broadcast = 1> (x, w, c) }", opset: 6,
      ["float[2, 2] {1, 0, 0, 1}", "float[2, 2] {1, 2, 3, 4}", "float[2] {10, 20}"], ["float[2, 2] {11, 22, 13, 24}"]),
    Case(
      "g (float[2] x) => (float[?] y) { y = Relu<consumed_inputs = [0]> (x) }", opset: 1, ["float[2] {-1, 1}"],
      ["float[2] {0, 1}"]),
    Case(
      "g (float[1, 1, 2, 2] x) => (float[?] y) { y = GlobalLpPool<p = 1.0> (x) }", opset: 1,
      ["float[1, 1, 2, 2] {1, -2, 3, 4}"],
      ["float[1, 1, 1, 1] {10}"]),
    Case(
      "g (float[1, 1, 1, 2] x, float[1, 1, 1, 2] c) => (float[?] y) { y = GridSample<mode = \"bilinear\"> (x, c) }",
      opset: 16,
      ["float[1, 1, 1, 2] {2, 4}", "float[1, 1, 1, 2] {0, 0}"], ["float[1, 1, 1, 1] {3}"]),
  ]

  @Test(arguments: legacy) func upgrades(_ test: OperatorCase) throws { try test.check() }

  private static let flow: [OperatorCase] = [
    Case(
      "g (bool c, float[2] x) => (float[?] y) { y = If (c) <then_branch = t () => (float[2] a) { a = Neg (x) }, else_branch = e () => (float[2] b) { b = Abs (x) }> }",
      ["bool {1}", "float[2] {1, -2}"], ["float[2] {-1, 2}"]),
    Case(
      """
      g (int64 n, bool c, float[1] x) => (float[?] y, float[?] s) {
        y, s = Loop (n, c, x) <body = b (int64 i, bool p, float[1] v) => (bool q, float[1] w, float[1] o) {
          q = Identity (p)
          w = Add (v, v)
          o = Identity (w)
        }>
      }
      """, ["int64 {3}", "bool {1}", "float[1] {1}"], ["float[1] {8}", "float[3, 1] {2, 4, 8}"]),
    // A carried value that grows.
    Case(
      """
      g (int64 n, bool c, float[1] x) => (float[?] y) {
        y = Loop (n, c, x) <body = b (int64 i, bool p, v) => (bool q, w) {
          q = Identity (p)
          w = Concat<axis = 0> (v, x)
        }>
      }
      """, ["int64 {2}", "bool {1}", "float[1] {7}"], ["float[3] {7, 7, 7}"]),
    Case(
      """
      g (int64 n, bool c, float[1] x) => (float[?] y, float[?] s) {
        y, s = Loop (n, c, x) <body = b (int64 i, bool p, float[1] v) => (bool q, float[1] w, float[1] o) {
          q = Identity (p)
          w = Add (v, v)
          o = Identity (w)
        }>
      }
      """, ["int64 {0}", "bool {1}", "float[1] {1}"], ["float[1] {1}", "float[0, 1] {}"]),
    Case(
      """
      g (float[1] z, float[3, 1] x) => (float[?] y, float[?] s) {
        y, s = Scan (z, x) <num_scan_inputs = 1, scan_input_directions = [1], body = b (float[1] a, float[1] v) => (float[1] w, float[1] o) {
          w = Add (a, v)
          o = Identity (w)
        }>
      }
      """, ["float[1] {0}", "float[3, 1] {1, 2, 3}"], ["float[1] {6}", "float[3, 1] {3, 5, 6}"]),
  ]

  @Test(arguments: flow) func controlFlow(_ test: OperatorCase) throws { try test.check() }

  @Test(arguments: [
    (
      "g (float[2, 3] x, float[2, 3] w) => (float[?] y) { y = MatMul (x, w) }",
      ["float[2, 3] {1, 2, 3, 4, 5, 6}", "float[2, 3] {1, 2, 3, 4, 5, 6}"]
    ),
    (
      "g (float[1, 1, 2, 2] x, float[1, 1, 1, 5] w) => (float[?] y) { y = Conv (x, w) }",
      ["float[1, 1, 2, 2] {1, 2, 3, 4}", "float[1, 1, 1, 5] {1, 2, 3, 4, 5}"]
    ),
    ("g (float[1, 1, 4] x) => (float[?] y) { y = MaxPool<kernel_shape = [0]> (x) }", ["float[1, 1, 4] {1, 2, 3, 4}"]),
    (
      "g (float[1, 1, 4] x) => (float[?] y) { y = MaxPool<kernel_shape = [2], dilations = [9000000000]> (x) }",
      ["float[1, 1, 4] {1, 2, 3, 4}"]
    ),
    ("g (float[2] x) => (float[?] y) { y = Softmax<axis = 3> (x) }", ["float[2] {1, 2}"]),
    (
      "g (float[1, 1, 2] x, float[3] s) => (float[?] y) { y = Resize (x, , s) }",
      ["float[1, 1, 2] {1, 2}", "float[3] {1, 1, 1e30}"]
    ),
    ("g (float[2, 2] x) => (float[?] y) { y = Einsum<equation = \"ij,jk->ik\"> (x) }", ["float[2, 2] {1, 2, 3, 4}"]),
    (
      "g (uint8[2] x, float[3] s) => (float[?] y) { y = DequantizeLinear<axis = 0> (x, s) }",
      ["uint8[2] {1, 2}", "float[3] {1, 2, 3}"]
    ),
  ]) func badInputIsAnError(_ graph: String, _ inputs: [String]) throws {
    #expect(try failure(graph, inputs) != nil)
  }

  /// auto_pad and strides over symbolic sizes.
  @Test func poolsOfSymbolicSize() throws {
    let graph = try ONNXText.parseGraph(
      "g (float[N, 3, H, 224] x, float[8, 3, 3, 3] w) => (y, z) { y = Conv<strides = [2, 2], pads = [1, 1, 1, 1]> (x, w) z = MaxPool<kernel_shape = [3, 3], strides = [2, 2], auto_pad = \"SAME_UPPER\"> (y) }"
    )
    let inference = ShapeInference(graph)
    try inference.run()
    let n = Dim.symbol("N")
    let half = (Dim.symbol("H") - 1).floorDiv(2) + 1
    #expect(inference[graph.outputs[0]].shape == [n, 8, half, 112])
    #expect(inference[graph.outputs[1]].shape == [n, 8, half.ceilDiv(2), 56])
  }
}
