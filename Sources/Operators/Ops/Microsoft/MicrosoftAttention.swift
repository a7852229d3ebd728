import GraphIR
import Tensors

/// com.microsoft.Attention: projects input [B, S, D] by merged weights to Q, K and V and attends.
///
/// `qkv_hidden_sizes` are their widths, thirds unless given. Masks: `AttentionForms.bias`; attention_bias is added to the scores.
/// past and present are [2, B, N, P, H], the keys and the values; with `past_present_share_buffer` the past is a buffer of the
/// longest length of which past_sequence_length entries count. `do_rotary` rotates Q and K by their positions (base 10000).
struct MicrosoftAttention: ComposedOperator {
  let name = OperatorName("Attention", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O Attention 1 2 7 1 2
    a do_rotary int
    a mask_filter_value float
    a num_heads int!
    a past_present_share_buffer int
    a qkv_hidden_sizes ints
    a rotary_embedding_dim int
    a scale float
    a unidirectional int=0
    i input T
    i weights T
    i? bias T
    i? mask_index M
    i? past T
    i? attention_bias T
    i? past_sequence_length M
    o output T
    o? present T
    c T tensor(*):float,float16,bfloat16
    c M tensor(*):int32
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let heads = try c.heads()
    let input = try c.given(0, "input")
    try c.require(input, ranks: 3...3, "input")
    var (q, k, v) = try projected(&c, input)
    let type = try c.type(input)
    let fresh = try c.size(input, axis: 1)
    var past = try c.ints([0])
    var caches: [C.Ref] = []
    let shares = try c.attributes.int("past_present_share_buffer", default: 0) != 0
    if let state = c.input(4) {
      try c.require(state, ranks: 5...5, "past")
      caches = try AttentionForms.unpack(&c, try c.wide(state), axis: 0, count: 2)
      past = try c.size(caches[0], axis: 2)
      if shares {
        past = try c.reshape(try c.cast(try c.given(6, "past_sequence_length"), .int64), [1])
      }
    }
    let total = c.has(4) ? try c.add(past, fresh) : fresh
    if try c.attributes.bool("do_rotary") { (q, k) = try rotated(&c, q, k, heads, past: past, total: total) }
    var call = AttentionCall(q: q, k: k, v: v, heads: heads, keyHeads: heads)
    call.scale = try c.attributes.float("scale", default: 0)
    let isSlice = shares && !caches.isEmpty
    let mask = try self.mask(&c, batch: try c.shape(input)[0], queries: fresh, total: total, past: past, isSlice)
    (call.mask, call.isCausal) = mask
    if isSlice {
      let starts = try AttentionForms.repeated(&c, past, like: input)
      call.q = try AttentionForms.split(&c, q, heads: heads)
      caches[0] = try AttentionForms.write(
        &c, try AttentionForms.split(&c, k, heads: heads), into: caches[0], at: starts)
      caches[1] = try AttentionForms.write(
        &c, try AttentionForms.split(&c, v, heads: heads), into: caches[1], at: starts)
      call.k = try c.slice(caches[0], from: try c.ints([0]), to: total, axis: 2)
      call.v = try c.slice(caches[1], from: try c.ints([0]), to: total, axis: 2)
    } else if !caches.isEmpty {
      (call.pastKey, call.pastValue) = (caches[0], caches[1])
    }
    let results = try call.stated(&c, keepsCache: c.wants(1) && !isSlice)
    let y = isSlice ? try AttentionForms.join(&c, results.y) : results.y
    var present: C.Ref?
    if c.wants(1), let key = isSlice ? caches[0] : results.key, let value = isSlice ? caches[1] : results.value {
      let both = try c.concat([try c.unsqueeze(key, [0]), try c.unsqueeze(value, [0])], axis: 0)
      present = try c.cast(both, type)
    }
    return [try c.cast(y, type), present]
  }

  /// Q, K and V of rank 3.
  private func projected<C: Composer>(_ c: inout C, _ input: C.Ref) throws -> (C.Ref, C.Ref, C.Ref) {
    let weights = try c.wide(try c.given(1, "weights"))
    try c.require(weights, ranks: 2...2, "weights")
    let width = try c.number(try c.shape(weights)[1], "the width of weights")
    var sizes = try c.attributes.optionalInts("qkv_hidden_sizes") ?? []
    if sizes.isEmpty { sizes = [Int](repeating: width / 3, count: 3) }
    guard sizes.count == 3, sizes.allSatisfy({ $0 > 0 && $0 <= width }), sizes.reduce(0, +) == width,
      sizes[0] == sizes[1]
    else { throw CameoError.badInput("Q, K and V of the widths \(sizes) from weights with \(width) columns") }
    var all = try c.node("MatMul", [try c.wide(input), weights])
    if let bias = try c.widened(c.input(2)) {
      try c.require(bias, ranks: 1...1, "bias")
      all = try c.add(all, bias)
    }
    let parts = try c.split(all, sizes, axis: 2)
    return (parts[0], parts[1], parts[2])
  }

  private func mask<C: Composer>(
    _ c: inout C, batch: Dim, queries: C.Ref, total: C.Ref, past: C.Ref, _ isSlice: Bool
  ) throws -> (C.Ref?, Bool) {
    let filter = try c.attributes.float("mask_filter_value", default: -10000)
    var sum: C.Ref?
    if let given = c.input(3) {
      sum = try AttentionForms.bias(
        &c, mask: given, batch: batch, queries: queries, total: total, past: past, filter: filter)
    }
    var isCausal = try c.attributes.bool("unidirectional")
    if isCausal && (isSlice || sum != nil && filter < -1e30) {
      sum = try AttentionForms.causal(&c, sum, queries: queries, total: total, past: past)
      isCausal = false
    }
    if let extra = try c.widened(c.input(5)) {
      try c.require(extra, ranks: 4...4, "attention_bias")
      sum = try sum.map { try c.add($0, extra) } ?? extra
    }
    return (sum, isCausal)
  }

  /// Q and K rotated by the angles position * 10000 ^ (-2 i / size).
  private func rotated<C: Composer>(
    _ c: inout C, _ q: C.Ref, _ k: C.Ref, _ heads: Int, past: C.Ref, total: C.Ref
  ) throws -> (C.Ref, C.Ref) {
    let width = try c.number(try c.shape(q)[2], "the width of Q")
    var size = try c.attributes.int("rotary_embedding_dim", default: 0)
    if size == 0 { size = width / heads }
    guard size > 0, size % 2 == 0, size <= width / heads else {
      throw CameoError.badInput("attribute rotary_embedding_dim is \(size) for heads of \(width / heads)")
    }
    let steps = try c.node("Range", [try c.scalar(0), try c.scalar(Double(size)), try c.scalar(2)])
    let powers = try c.mul(steps, try c.scalar(-1 / Double(size)))
    let rates = try c.node("Pow", [try c.scalar(10000), powers])
    let angles = try c.mul(try c.unsqueeze(try c.cast(try c.range(total), .float), [1]), rates)
    let (cos, sin) = (try c.node("Cos", [angles]), try c.node("Sin", [angles]))
    let places = try c.slice(try c.range(total), from: past, to: total, axis: 0)
    let rows = try c.concat([try c.size(q, axis: 0), try c.size(q, axis: 1)], axis: 0)
    let ids = try c.node("Expand", [try c.unsqueeze(places, [0]), rows])
    let attributes = [
      NamedAttribute("num_heads", .int(Int64(heads))), NamedAttribute("rotary_embedding_dim", .int(Int64(size))),
    ]
    return (
      try c.node("RotaryEmbedding", [q, cos, sin, ids], attributes),
      try c.node("RotaryEmbedding", [k, cos, sin, ids], attributes)
    )
  }

  func inferOpen(_ context: inout InferenceContext) {
    for index in 0...1 { context.set(index, context.dataType(0), nil) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftAttention(), to: $0) })
