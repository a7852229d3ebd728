import GraphIR
import Operators
import Tensors
import Testing

/// What is wrong with a node of com.microsoft is said with what was expected.
@Suite struct MicrosoftErrorTests {
  struct Wrong: Sendable, CustomTestStringConvertible {
    let graph: String
    let inputs: [String]
    let part: String
    var testDescription: String { graph }

    init(_ graph: String, _ inputs: [String], _ part: String) {
      self.graph = graph
      self.inputs = inputs
      self.part = part
    }
  }

  private static let x = "float[1, 2, 4] {1, 2, 3, 4, 5, 6, 7, 8}"

  private static let cases: [Wrong] = [
    Wrong(
      "g (float[2, 2] x, float[1, 2] b) => (float[?] y) { y = com.microsoft.BiasGelu (x, b) }",
      ["float[2, 2] {1, 2, 3, 4}", "float[1, 2] {1, 2}"], "B has rank 2, 1 was expected"),
    Wrong(
      "g (int32[2] x) => (int32[?] y) { y = com.microsoft.BiasGelu (x, x) }", ["int32[2] {1, 2}"],
      "must be float, float16, double or bfloat16"),
    Wrong(
      "g (float[1, 2, 4] x) => (float[?] y) { y = com.microsoft.MultiHeadAttention (x, x, x) }", [x],
      "attribute num_heads is missing"),
    Wrong(
      "g (float[1, 2, 4] x) => (float[?] y) { y = com.microsoft.MultiHeadAttention<num_heads = 0> (x, x, x) }", [x],
      "num_heads is 0, 1 or more was expected"),
    Wrong(
      "g (float[1, 2, 4] x) => (float[?] y) { y = com.microsoft.MultiHeadAttention<num_heads = 2> (x) }", [x],
      "query has rank 3, 5 was expected"),
    Wrong(
      "g (float[1, 2, 4] x, int32[3] m) => (float[?] y) { y = com.microsoft.MultiHeadAttention<num_heads = 2> (x, x, x, , m) }",
      [x, "int32[3] {1, 2, 2}"], "a mask of 3 numbers for a batch of 1"),
    Wrong(
      "g (float[1, 2, 4] x, float[4, 7] w) => (float[?] y) { y = com.microsoft.Attention<num_heads = 2> (x, w) }",
      [x, "float[4, 7] {\(zeros(28))}"], "from weights with 7 columns"),
    Wrong(
      "g (float[1, 2, 4] x, float[3, 2] c, int64[2, 2] p) => (float[?] y) { y = com.microsoft.RotaryEmbedding (x, p, c, c) }",
      [x, "float[3, 2] {\(zeros(6))}", "int64[2, 2] {0, 1, 2, 3}"], "position"),
    Wrong(
      "g (float[1, 2, 4] x, float[3, 2] c, int64[1] p) => (float[?] y) { y = com.microsoft.RotaryEmbedding<rotary_embedding_dim = 2> (x, p, c, c) }",
      [x, "float[3, 2] {\(zeros(6))}", "int64[1] {0}"], "rotary_embedding_dim needs num_heads"),
    Wrong(
      "g (float[1, 2, 4] x, int32[1] s, int32 t) => (float[?] y) { y = com.microsoft.GroupQueryAttention<num_heads = 3, kv_num_heads = 2> (x, x, x, , , s, t) }",
      [x, "int32[1] {1}", "int32 {2}"], "3 heads over 2"),
    Wrong(
      "g (float[1, 2, 4] x, int32[1] s, int32 t) => (float[?] y) { y = com.microsoft.GroupQueryAttention<num_heads = 1, kv_num_heads = 1, causal = 0, local_window_size = 2> (x, x, x, , , s, t) }",
      [x, "int32[1] {1}", "int32 {2}"], "local_window_size without causal"),
    Wrong(
      "g (float[1, 2, 4] x, float[1, 1, 9, 4] c, int32[1] s, int32 t) => (float[?] y) { y = com.microsoft.GroupQueryAttention<num_heads = 1, kv_num_heads = 1> (x, x, x, c, , s, t) }",
      [x, "float[1, 1, 9, 4] {\(zeros(36))}", "int32[1] {1}", "int32 {2}"], "past_key and past_value go together"),
    Wrong(
      "g (float[1, 2, 4] x, float[4] g) => (float[?] y) { y = com.microsoft.SkipLayerNormalization (x, g, x) }",
      [x, "float[4] {1, 1, 1, 1}"], "gamma has rank 3, 1 was expected"),
    Wrong(
      "g (int32[1, 2] i, float[3, 4] t, float[4] g) => (float[?] y) { y = com.microsoft.EmbedLayerNormalization (i, , t, t, , g, g) }",
      ["int32[1, 2] {0, 3}", "float[3, 4] {\(zeros(12))}", "float[4] {1, 1, 1, 1}"],
      "index 3 lies outside an embedding of 3"),
    Wrong(
      "g (float[2, 2] x) => (float[?] y) { y = com.microsoft.FusedGemm<activation = \"Wave\"> (x, x) }",
      ["float[2, 2] {1, 2, 3, 4}"], "activation Wave is not known"),
    Wrong(
      "g (float[2, 3] x, float[2, 3] z) => (float[?] y) { y = com.microsoft.FusedMatMul (x, z) }",
      ["float[2, 3] {1, 2, 3, 4, 5, 6}", "float[2, 3] {1, 2, 3, 4, 5, 6}"], "cannot be multiplied"),
    Wrong(
      "g (float[2, 2] x) => (float[?] y) { y = com.microsoft.Inverse (x) }", ["float[2, 2] {1, 2, 2, 4}"],
      "a matrix is singular"),
    Wrong(
      "g (float[2, 3] x) => (float[?] y) { y = com.microsoft.BiasSplitGelu (x, x) }",
      ["float[2, 3] {1, 2, 3, 4, 5, 6}"], "3, is odd"),
    Wrong(
      "g (float[2, 3] x) => (float[?] y) { y = com.microsoft.CDist<metric = \"cosine\"> (x, x) }",
      ["float[2, 3] {1, 2, 3, 4, 5, 6}"], "euclidean or sqeuclidean was expected"),
    Wrong(
      "g (float[1, 2, 2, 4] x, float[4] g) => (float[?] y) { y = com.microsoft.GroupNorm<groups = 3, activation = 0> (x, g, g) }",
      ["float[1, 2, 2, 4] {\(zeros(16))}", "float[4] {1, 1, 1, 1}"], "4 channels cannot be parted into 3 groups"),
  ]

  private static func zeros(_ count: Int) -> String { [String](repeating: "0", count: count).joined(separator: ", ") }

  @Test(arguments: cases) private func saysWhatWasExpected(_ item: Wrong) throws {
    let error = try #require(try failure(item.graph, item.inputs))
    #expect(error.description.contains(item.part), "\(error)")
  }

  @Test func unknownRanksAreNoError() throws {
    for text in [
      "g (float[] x, float[] s) => (float[] y) { y = com.microsoft.SkipLayerNormalization (x, x, s) }",
      "g (float[] x, float[] w) => (float[] y) { y = com.microsoft.Attention<num_heads = 2> (x, w) }",
      "g (float[] x) => (float[] y) { y = com.microsoft.MultiHeadAttention<num_heads = 2> (x, x, x) }",
      "g (float[] x, int32[] s, int32[] t) => (float[] y) { y = com.microsoft.GroupQueryAttention<num_heads = 2, kv_num_heads = 1> (x, x, x, , , s, t) }",
    ] {
      let graph = try ONNXText.parseGraph(text)
      let inference = ShapeInference(graph)
      try inference.run()
      #expect(inference[graph.outputs[0]].dataType == .float)
    }
  }
}
