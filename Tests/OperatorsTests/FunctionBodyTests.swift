import GraphIR
import Operators
import Tensors
import Testing

/// Each function body against the evaluation of its operator.
@Suite struct FunctionBodyTests {
  struct Call: Sendable, CustomTestStringConvertible {
    let text: String
    /// Inputs are drawn from here; integers and booleans by their type.
    var range: ClosedRange<Double> = -3...3
    var tolerance = 2e-6

    init(_ text: String, range: ClosedRange<Double> = -3...3, tolerance: Double = 2e-6) {
      self.text = text
      self.range = range
      self.tolerance = tolerance
    }

    var testDescription: String { text }
  }

  private static func unary(_ name: String, _ attributes: String = "") -> [Call] {
    ["float", "double", "float16"].map { type in
      Call(
        "g (\(type)[3, 5] x) => (\(type)[3, 5] y) { y = \(name) \(attributes) (x) }",
        tolerance: type == "float16" ? 4e-3 : 2e-6)
    }
  }

  private static func reduction(_ name: String) -> [Call] {
    [
      "g (float[2, 3, 4] data, int64[2] a) => (float[1, 3, 1] y) <int64[2] axes = {0, -1}> { y = \(name) (data, axes) }",
      "g (float[2, 3, 4] data) => (float y) { y = \(name) <keepdims = 0> (data) }",
    ].map { Call($0, range: 0.25...2) }
  }

  private static let elementwise: [Call] =
    unary("Elu", "<alpha = 1.5>") + unary("Celu", "<alpha = 0.7>") + unary("Selu") + unary("Gelu")
    + unary("Gelu", "<approximate = \"tanh\">") + unary("HardSigmoid", "<alpha = 0.3, beta = 0.4>") + unary("HardSwish")
    + unary("LeakyRelu", "<alpha = 0.2>") + unary("Mish") + unary("Softplus") + unary("Softsign")
    + unary("Swish", "<alpha = 1.3>") + unary("ThresholdedRelu", "<alpha = 0.5>")
    + unary("Shrink", "<bias = 0.25, lambd = 0.75>") + unary("Softmax", "<axis = 0>") + unary("LogSoftmax")
    + [
      Call("g (float[3, 5] x) => (float[3, 5] y) { y = Softplus (x) }", range: -200...200),
      Call("g (float[3, 5] a, float[3, 5] b) => (float[3, 5] y) { y = SwiGLU <alpha = 1.1> (a, b) }"),
      Call("g (float[2, 3] x, float[3] s) => (float[2, 3] y) { y = PRelu (x, s) }"),
      Call("g (float[6] x) => (float[6] y) <float low = {-1}, float high = {1}> { y = Clip (x, low, high) }"),
      Call("g (int32[6] x) => (int32[6] y) <int32 high = {1}> { y = Clip (x, , high) }"),
      Call("g (float[6] x) => (float[6] y) { y = Clip (x) }"),
      Call("g (int32[9] a, int32[9] b) => (bool[9] y) { y = GreaterOrEqual (a, b) }"),
      Call("g (int64[9] a, int64[9] b) => (bool[9] y) { y = LessOrEqual (a, b) }"),
      Call("g (float[4] x, float16[1] t) => (float16[4] y) { y = CastLike (x, t) }"),
    ]

  private static let reductions: [Call] =
    reduction("ReduceL1") + reduction("ReduceL2") + reduction("ReduceSumSquare") + reduction("ReduceLogSum")
    + reduction("ReduceLogSumExp")

  private static let normalizations: [Call] = [
    Call(
      "g (float[2, 3, 4] x, float[3, 4] s, float[3, 4] b) => (float[2, 3, 4] y, float[2, 1, 1] m, float[2, 1, 1] i) { y, m, i = LayerNormalization <axis = 1> (x, s, b) }"
    ),
    Call("g (float[2, 4] x, float[4] s) => (float[2, 4] y) { y = LayerNormalization <epsilon = 0.01> (x, s) }"),
    Call(
      "g (float[2, 3, 4] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[2, 3, 4] y) { y = BatchNormalization <epsilon = 0.01> (x, s, b, m, v) }",
      range: 0.1...2),
    Call(
      "g (float16[2, 3] x, float16[3] s, float16[3] b, float[3] m, float[3] v) => (float16[2, 3] y) { y = BatchNormalization (x, s, b, m, v) }",
      range: 0.5...2, tolerance: 4e-3),
    Call(
      "g (float[2, 3, 4, 2] x, float[3] s, float[3] b) => (float[2, 3, 4, 2] y) { y = InstanceNormalization <epsilon = 0.01> (x, s, b) }"
    ),
    Call("g (float16[2, 4] x, float16[4] s) => (float16[2, 4] y) { y = LayerNormalization (x, s) }", tolerance: 4e-3),
    Call("g (float[2, 3, 4] x, float[4] s) => (float[2, 3, 4] y) { y = RMSNormalization (x, s) }"),
    Call("g (float[2, 3, 4] x, float[3, 4] s) => (float[2, 3, 4] y) { y = RMSNormalization <axis = -2> (x, s) }"),
    Call(
      "g (float[2, 6, 3, 2] x, float[6] s, float[6] b) => (float[2, 6, 3, 2] y) { y = GroupNormalization <num_groups = 3> (x, s, b) }"
    ),
    Call(
      "g (float[2, 3, 4, 5] x) => (float[2, 3, 4, 5] y) { y = MeanVarianceNormalization (x) }", tolerance: 1e-5),
  ]

  private static let attention: [Call] = [
    Call(
      "g (float[2, 3, 4, 8] q, float[2, 3, 5, 8] k, float[2, 3, 5, 6] v) => (float[2, 3, 4, 6] y) { y = Attention (q, k, v) }"
    ),
    Call(
      "g (float[2, 4, 3, 8] q, float[2, 2, 5, 8] k, float[2, 2, 5, 8] v, bool[3, 5] m) => (float[2, 4, 3, 8] y) { y = Attention <scale = 0.3, softcap = 2.0> (q, k, v, m) }"
    ),
    Call(
      "g (float[2, 3, 16] q, float[2, 5, 8] k, float[2, 5, 8] v, float[2, 4, 3, 5] m) => (float[2, 3, 16] y) { y = Attention <q_num_heads = 4, kv_num_heads = 2, is_causal = 1> (q, k, v, m) }"
    ),
    Call(
      """
      g (float[1, 2, 3, 4] q, float[1, 2, 3, 4] k, float[1, 2, 3, 4] v, float[1, 2, 5, 4] pk, float[1, 2, 5, 4] pv)
        => (float[1, 2, 3, 4] y, float[1, 2, 8, 4] nk, float[1, 2, 8, 4] nv, float[1, 2, 3, 8] s) {
        y, nk, nv, s = Attention <is_causal = 1, qk_matmul_output_mode = 3> (q, k, v, , pk, pv)
      }
      """),
    Call(
      "g (float[1, 1, 6, 4] q, float[1, 1, 6, 4] k) => (float[1, 1, 6, 4] y) { y = Attention <left_window_size = 1, right_window_size = 2> (q, k, k) }"
    ),
    Call(
      "g (float[2, 3, 5, 8] x, float[9, 4] c, float[9, 4] s) => (float[2, 3, 5, 8] y) <int64[2, 5] p = {0, 1, 2, 3, 4, 4, 3, 2, 1, 8}> { y = RotaryEmbedding (x, c, s, p) }"
    ),
    Call(
      "g (float[2, 5, 24] x, float[2, 5, 2] c, float[2, 5, 2] s) => (float[2, 5, 24] y) { y = RotaryEmbedding <interleaved = 1, num_heads = 3, rotary_embedding_dim = 4> (x, c, s) }"
    ),
  ]

  private static let others: [Call] = [
    Call(
      "g (float[3, 7] x) => (uint8[3, 7] y, float s, uint8 z) { y, s, z = DynamicQuantizeLinear (x) }", tolerance: 0.006
    ),
    Call("g () => (float[9] y) <int64 n = {9}> { y = HannWindow (n) }"),
    Call("g () => (double[9] y) <int64 n = {9}> { y = HammingWindow <periodic = 0, output_datatype = 11> (n) }"),
    Call("g () => (float[10] y) <int64 n = {10}> { y = BlackmanWindow (n) }"),
    Call(
      "g (float[1, 2, 6, 6] x, float[4, 2, 3, 3] w, float[4] b, float[1, 4, 4, 4] z) => (float[1, 4, 4, 4] y) { y = ai.cameo.FusedConv <activation = \"Clip\", activation_params = [0.0, 1.5]> (x, w, b, z) }",
      tolerance: 1e-5),
    Call(
      "g (float[1, 6, 6, 2] x, float[4, 2, 3, 3] w, float[4] b, float[1, 4, 4, 4] z) => (float[1, 4, 4, 4] y) { y = ai.cameo.ChannelsLastConv <activation = \"Clip\", activation_params = [0.0, 1.5]> (x, w, b, z) }",
      tolerance: 1e-5),
    Call(
      "g (uint8[1, 6, 6, 2] x, float s, uint8 a, int8[4, 2, 3, 3] w, float[4] t, float[4] b, float u, uint8 q, uint8[1, 4, 4, 4] z, float v, uint8 r) => (uint8[1, 4, 4, 4] y) { y = ai.cameo.IntegerConv <activation = \"Clip\", activation_params = [0.0, 90.0]> (x, s, a, w, t, , b, u, q, z, v, r) }",
      range: 1...3, tolerance: 0.34),
    Call(
      "g (int8[1, 2, 6, 6] x, float[1] s, int8[4, 1, 3, 3] w, float[1] t, int8[4] p, float[1] b, float[1, 6, 3, 4] z) => (float[1, 6, 3, 4] y) { y = ai.cameo.IntegerConv <channels_first = 1, group = 2, pads = [1, 1, 1, 0], strides = [1, 2]> (x, s, , w, t, p, b, , , z) }",
      tolerance: 1e-5),
    Call(
      "g (uint8[2, 5, 3] a, float s, uint8 p, int8[4, 3] b, float[4] t, int8 q, float[4] c, float u, int8[1] r, int8[2, 5, 4] z, float v, int8 w) => (int8[2, 5, 4] y) { y = ai.cameo.IntegerMatMul <transB = 1, activation = \"Relu\"> (a, s, p, b, t, q, c, u, r, z, v, w) }",
      range: 1...3, tolerance: 0.34),
    Call(
      "g (int8[5, 3] a, float s, int8[3, 4] b, float t, float c) => (float[5, 4] y) { y = ai.cameo.IntegerMatMul <activation = \"GeluTanh\"> (a, s, , b, t, , c) }",
      tolerance: 1e-5),
    Call(
      "g (float8e4m3fn[2, 5, 3] a, float s, float8e5m2[4, 3] b, float[4] t, float[4] c, float[2, 5, 4] z) => (float[2, 5, 4] y) { y = ai.cameo.Float8MatMul <transB = 1, activation = \"Gelu\"> (a, s, b, t, c, z) }",
      tolerance: 1e-5),
    Call(
      "g (float8e4m3fn[2, 5, 3] a, float s, float8e4m3fn[2, 3, 4] b, float t) => (float[2, 5, 4] y) { y = ai.cameo.Float8MatMul (a, s, b, t) }",
      tolerance: 1e-5),
    Call(
      "g (float[1, 3, 4, 2] x, float[2, 3, 2, 2] w, float[3] b) => (float[1, 6, 8, 3] y) { y = ai.cameo.ChannelsLastConvTranspose <strides = [2, 2]> (x, w, b) }",
      tolerance: 1e-5),
    Call(
      "g (float[1, 6, 5, 3] x) => (float[1, 3, 2, 3] y) { y = ai.cameo.ChannelsLastMaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) }"
    ),
    Call(
      "g (float[1, 6, 5, 3] x) => (float[1, 6, 5, 3] y) { y = ai.cameo.ChannelsLastAveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x) }",
      tolerance: 1e-5),
    Call(
      "g (float[2, 5, 3] a, float[4, 5] b, float[4] c) => (float[2, 3, 4] y) { y = ai.cameo.FusedMatMul <transA = 1, transB = 1, alpha = 0.5, activation = \"GeluTanh\"> (a, b, c) }",
      tolerance: 1e-5),
    Call(
      "g (float[2, 3, 16] x, bool[3, 5] m, float[2, 1, 2, 4] a, float[2, 1, 2, 4] c, float[2, 3, 2] u, float[2, 3, 2] w) => (float[2, 3, 8] y, float[2, 1, 5, 4] e, float[2, 1, 5, 4] f) { y, e, f = ai.cameo.PackedAttention <q_num_heads = 2, kv_num_heads = 1, is_causal = 1, interleaved = 1> (x, m, a, c, , u, w) }",
      tolerance: 1e-5),
    Call(
      "g (float[2, 3, 24] x) => (float[2, 3, 8] y) { y = ai.cameo.PackedAttention <q_num_heads = 2, kv_num_heads = 2, softcap = 2.0> (x) }",
      tolerance: 1e-5),
    Call(
      "g (float[2, 5, 3] a, float[3, 4] b, float[4] c, float[2, 5, 4] z) => (float[2, 5, 4] y) { y = ai.cameo.FusedMatMul <alpha = 0.5, activation = \"Relu\"> (a, b, c, z) }",
      tolerance: 1e-5),
    Call(
      "g (float[5, 3] a, float[3, 4] b) => (float[5, 4] y) { y = ai.cameo.FusedMatMul <activation = \"LeakyRelu\", activation_params = [0.1]> (a, b) }",
      tolerance: 1e-5),
    Call(
      "g (float[2, 3, 4] a, float[2] c) => (float[2, 3, 2] y) <int4[2, 4] w = {-8, 7, 3, 1, 0, -2, 5, 6}, float[2, 2] s = {0.5, 0.25, 2, 1}, int4[2, 2] z = {1, 0, -1, 3}> { y = ai.cameo.BlockMatMul <axis = 1, block_size = 2, transB = 1> (a, w, s, z, c) }",
      tolerance: 1e-5),
    Call(
      "g (float[3, 2] a) => (float[3, 2] y) <uint8[2, 2] w = {8, 7, 3, 255}, float s = {0.5}> { y = ai.cameo.BlockMatMul (a, w, s) }",
      tolerance: 1e-5),
  ]

  static let calls = elementwise + reductions + normalizations + attention + others

  @Test(arguments: calls)
  func saysWhatTheOperatorSays(_ call: Call) throws {
    let graph = try ONNXText.parseGraph(call.text)
    let node = try #require(graph.allNodes.first)
    var expanded = graph
    let types = graph[node].inputs.map { input in
      input.flatMap { graph[$0].constant.map { $0.staticType } ?? graph[$0].type }
    }
    let body = try #require(try FunctionBody.graph(of: graph[node], inputTypes: types))
    try expanded.inline(body, at: node)
    try expanded.sortTopologically()
    #expect(!expanded.allNodes.contains { expanded[$0].operatorName == graph[node].operatorName })

    var state: UInt64 = 0x9E37
    let inputs = try graph.inputs.map { input -> Value in
      let type = try #require(graph[input].type)
      let shape = try #require(type.concreteShape)
      let count = shape.reduce(1, *)
      let values = (0..<count).map { _ -> Double in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let unit = Double(state >> 11) / Double(1 << 53)
        if type.dataType == .bool { return unit < 0.6 ? 1 : 0 }
        let value = call.range.lowerBound + unit * (call.range.upperBound - call.range.lowerBound)
        return type.dataType?.isInteger == true ? value.rounded() : value
      }
      return .tensor(try Tensor.of(values, try #require(type.dataType), shape: shape))
    }
    let direct = try GraphEvaluator(graph).run(inputs)
    let through = try GraphEvaluator(expanded).run(inputs)
    #expect(direct.count == through.count)
    for (a, b) in zip(direct, through) {
      let (a, b) = (try #require(a.tensor), try #require(b.tensor))
      #expect(a.shape == b.shape && a.dataType == b.dataType)
      let (x, y) = (try a.elements(as: Double.self), try b.elements(as: Double.self))
      let size = max(1, x.map(abs).max() ?? 1)
      let worst = zip(x, y).map { $0 == $1 ? 0 : abs($0 - $1) }.max() ?? 0
      #expect(worst <= call.tolerance * size, "differs by \(worst)")
    }
  }

  @Test func everyBodyIsTried() throws {
    let tried = Set(
      try Self.calls.map { call in
        let graph = try ONNXText.parseGraph(call.text)
        return graph[graph.allNodes[0]].operatorName
      })
    for name in FunctionBody.names { #expect(tried.contains(name), "no call of \(name)") }
  }
}
