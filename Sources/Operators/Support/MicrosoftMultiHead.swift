import GraphIR
import Tensors

/// MultiHeadAttention and DecoderMaskedMultiHeadAttention: Q, K and V come projected, in any of their packings.
struct MultiHead {
  /// Positions of the inputs in the node.
  var bias: Int
  var mask: Int
  var attentionBias: Int
  var pastKey: Int
  var pastLength: Int
  var indirection: Int
  /// The past is a buffer of the longest length, of which `pastLength` entries count.
  var sharesBuffer: Bool
  var isCausal: Bool
  /// A query without key is [B, S, 3 * hidden] as well.
  var packsFlat: Bool

  private struct Operands<Ref> {
    var q: Ref
    var k: Ref
    var v: Ref
    /// K and V are of rank 4 and hold the past already.
    var isCross = false
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let heads = try c.heads()
    let type = try c.type(try c.given(0, "query"))
    let filter = try c.attributes.float("mask_filter_value", default: -10000)
    let x = try operands(&c, heads)
    var call = AttentionCall(q: x.q, k: x.k, v: x.v, heads: heads, keyHeads: heads)
    call.scale = try c.attributes.float("scale", default: 0)
    let axis = try c.rank(x.k) == 4 ? 2 : 1
    var past = try c.ints([0])
    var total = try c.size(x.k, axis: axis)
    let fresh = total
    var present: (C.Ref, C.Ref)?
    let past4 = x.isCross ? nil : try c.widened(c.input(pastKey))
    if let key = past4 {
      let value = try c.wide(try c.given(pastKey + 1, "past_value"))
      for (cache, what) in [(key, "past_key"), (value, "past_value")] { try c.require(cache, ranks: 4...4, what) }
      if sharesBuffer {
        past = try c.reshape(try c.cast(try c.given(pastLength, "past_sequence_length"), .int64), [1])
        total = try c.add(past, fresh)
        let starts = try AttentionForms.repeated(&c, past, like: key)
        let four = try [x.k, x.v].map { try axis == 1 ? AttentionForms.split(&c, $0, heads: heads) : $0 }
        let caches = (
          try AttentionForms.write(&c, four[0], into: key, at: starts),
          try AttentionForms.write(&c, four[1], into: value, at: starts)
        )
        present = caches
        call.q = axis == 1 ? try AttentionForms.split(&c, x.q, heads: heads) : x.q
        let zero = try c.ints([0])
        call.k = try redirected(&c, try c.slice(caches.0, from: zero, to: total, axis: 2), total: total)
        call.v = try redirected(&c, try c.slice(caches.1, from: zero, to: total, axis: 2), total: total)
      } else {
        past = try c.size(key, axis: 2)
        total = try c.add(past, fresh)
        (call.pastKey, call.pastValue) = (key, value)
      }
    }
    let mask = try bias(&c, call, heads: heads, total: total, past: past, filter: filter)
    call.mask = mask.bias
    call.isCausal = mask.isCausal
    let wantsScores = c.wants(3)
    let wantsCache = !x.isCross && (c.wants(1) || c.wants(2))
    let results = try call.stated(&c, keepsCache: wantsCache && present == nil, scores: wantsScores ? 2 : nil)
    let y = try c.rank(results.y) == 4 ? try AttentionForms.join(&c, results.y) : results.y
    let key = x.isCross ? c.wants(1) ? x.k : nil : present?.0 ?? results.key
    let value = x.isCross ? c.wants(2) ? x.v : nil : present?.1 ?? results.value
    return [
      try c.cast(y, type), c.wants(1) ? try key.map { try c.cast($0, type) } : nil,
      c.wants(2) ? try value.map { try c.cast($0, type) } : nil,
      wantsScores ? try results.scores.map { try c.cast($0, type) } : nil,
    ]
  }

  /// Q, K and V of rank 3, or of rank 4 where K and V came so; biases added.
  private func operands<C: Composer>(_ c: inout C, _ heads: Int) throws -> Operands<C.Ref> {
    let query = try c.wide(try c.given(0, "query"))
    guard let given = c.input(1) else {
      if let flat = try packed(&c, query, heads) { return try biased(&c, flat, heads) }
      let parts = try AttentionForms.unpack(&c, query, axis: 3, count: 3)
      let rows = try parts.map { try c.reshape($0, [0, 0, -1]) }
      return try biased(&c, Operands(q: rows[0], k: rows[1], v: rows[2]), heads)
    }
    try c.require(query, ranks: 3...3, "query")
    let key = try c.wide(given)
    switch try c.rank(key) {
    case 3:
      let value = try c.wide(try c.given(2, "value"))
      try c.require(value, ranks: 3...3, "value")
      return try biased(&c, Operands(q: query, k: key, v: value), heads)
    case 4:
      let value = try c.wide(try c.given(2, "value"))
      try c.require(value, ranks: 4...4, "value")
      var q = query
      if let row = c.input(bias) {
        // Keys and values that are a cache had theirs added when they were made.
        let width = try c.number(try c.shape(query)[2], "the width of query")
        q = try c.add(q, try c.slice(try c.wide(row), 0..<width, axis: 0))
      }
      return Operands(q: try AttentionForms.split(&c, q, heads: heads), k: key, v: value, isCross: true)
    case 5:
      guard !c.has(2) else { throw CameoError.badInput("value is given beside a key that holds it") }
      try c.requireEqual(try c.shape(key)[3], 2, "axis 3 of a key that holds the values, too")
      let parts = try AttentionForms.unpack(&c, key, axis: 3, count: 2)
      let rows = try parts.map { try c.reshape($0, [0, 0, -1]) }
      return try biased(&c, Operands(q: query, k: rows[0], v: rows[1]), heads)
    case let rank: throw CameoError.badInput("key has rank \(rank), 3 to 5 was expected")
    }
  }

  /// Q, K and V side by side in the columns of one input; nil where the input is not of that form.
  private func packed<C: Composer>(_ c: inout C, _ query: C.Ref, _ heads: Int) throws -> Operands<C.Ref>? {
    let rank = try c.rank(query)
    guard packsFlat, rank == 3 else {
      guard rank == 5 else {
        throw CameoError.badInput("query has rank \(rank), 5 was expected where key is left out")
      }
      let shape = try c.shape(query)
      try c.requireEqual(shape[2], Dim(heads), "axis 2 of a packed query and num_heads")
      try c.requireEqual(shape[3], 3, "axis 3 of a packed query")
      return nil
    }
    let width = try c.number(try c.shape(query)[2], "the width of query")
    guard width % 3 == 0 else { throw CameoError.badInput("\(width) columns cannot hold Q, K and V of one width") }
    let parts = try c.split(query, [width / 3, width / 3, width / 3], axis: 2)
    return Operands(q: parts[0], k: parts[1], v: parts[2])
  }

  private func biased<C: Composer>(
    _ c: inout C, _ x: Operands<C.Ref>, _ heads: Int
  ) throws -> Operands<C.Ref> {
    guard let row = try c.widened(c.input(bias)) else { return x }
    let parts = try AttentionForms.biases(
      &c, row, [try c.shape(x.q)[2], try c.shape(x.k)[2], try c.shape(x.v)[2]])
    return Operands(
      q: try c.add(x.q, parts[0]), k: try c.add(x.k, parts[1]), v: try c.add(x.v, parts[2]))
  }

  /// Padding mask, causal mask and additive bias as one; or a causal mask that the standard's operator makes itself.
  private func bias<C: Composer>(
    _ c: inout C, _ call: AttentionCall<C.Ref>, heads: Int, total: C.Ref, past: C.Ref, filter: Float
  ) throws -> (bias: C.Ref?, isCausal: Bool) {
    let queries = try c.size(call.q, axis: try c.rank(call.q) == 4 ? 2 : 1)
    var sum: C.Ref?
    if let given = c.input(mask) {
      sum = try AttentionForms.bias(
        &c, mask: given, batch: try c.shape(call.q)[0], queries: queries, total: total, past: past, filter: filter)
    }
    var leavesCausal = isCausal
    // A slice of a shared buffer does not tell the standard's operator where its queries stand.
    let isSlice = sharesBuffer && c.has(pastKey)
    if isCausal && (isSlice || c.wants(3) || sum != nil && filter < -1e30) {
      sum = try AttentionForms.causal(&c, sum, queries: queries, total: total, past: past)
      leavesCausal = false
    }
    if let extra = try c.widened(c.input(attentionBias)) {
      try c.require(extra, ranks: 4...4, "attention_bias")
      sum = try sum.map { try c.add($0, extra) } ?? extra
    }
    return (sum, leavesCausal)
  }

  /// Entries of a cache [items * beams, heads, T, size] taken from the beam that `cache_indirection` [items, beams, longest]
  /// names for each; the newest is the beam's own.
  private func redirected<C: Composer>(_ c: inout C, _ cache: C.Ref, total: C.Ref) throws -> C.Ref {
    guard let table = c.input(indirection) else { return cache }
    try c.require(table, ranks: 3...3, "cache_indirection")
    let beams = try c.size(table, axis: 1)
    let zero = try c.ints([0])
    let before = try c.sub(total, try c.ints([1]))
    let rows = try c.range(try c.size(cache, axis: 0))
    let first = try c.mul(try c.node("Div", [rows, beams]), beams)
    let named = try c.slice(try c.cast(table, .int64), from: zero, to: before, axis: 2)
    let flat = try c.node(
      "Reshape", [named, try c.concat([try c.size(cache, axis: 0), before], axis: 0)],
      [NamedAttribute("allowzero", .int(1))])
    let old = try c.add(flat, try c.unsqueeze(first, [1]))
    let all = try c.concat([old, try c.unsqueeze(rows, [1])], axis: 1)
    let index = try c.node("Expand", [try c.unsqueeze(all, [1, 3]), try c.node("Shape", [cache])])
    return try c.node("GatherElements", [cache, index], [NamedAttribute("axis", .int(0))])
  }
}
