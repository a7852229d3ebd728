import GraphIR
import Tensors

/// GroupQueryAttention, stated step by step. All lengths are int64: [1], or [B] for each item.
struct GroupQuery<C: Composer> {
  private let heads: Int
  private let keyHeads: Int
  private let type: DataType
  private let isLeftToRight: Bool
  private let window: Int
  private let slides: Bool
  private let softcap: Float
  private let quantization: (key: CacheQuantization, value: CacheQuantization)
  private var q: C.Ref
  private var k: C.Ref
  private var v: C.Ref
  /// S, total_sequence_length, and whether nothing is held yet.
  private let length: C.Ref
  private let total: C.Ref
  private let isFirst: C.Ref
  /// Each item's length with the new entries, and without them.
  private let ends: C.Ref
  private let starts: C.Ref

  init(_ c: inout C) throws {
    heads = try c.heads()
    keyHeads = try c.heads("kv_num_heads")
    guard heads % keyHeads == 0 else { throw CameoError.badInput("\(heads) heads over \(keyHeads) of K and V") }
    let attributes = c.attributes
    isLeftToRight = try attributes.int("causal") != 0
    window = try attributes.int("local_window_size")
    slides = try attributes.bool("sliding_window_cache")
    softcap = try attributes.float("softcap", default: 0)
    guard isLeftToRight || window <= 0 else { throw CameoError.badInput("local_window_size without causal") }
    let bits = try attributes.int("kv_cache_bit_width", default: 8)
    quantization = (
      try CacheQuantization(attributes.string("k_quant_type"), bits: bits),
      try CacheQuantization(attributes.string("v_quant_type"), bits: bits)
    )
    let query = try c.given(0, "query")
    try c.require(query, ranks: 3...3, "query")
    type = try c.type(query)
    (q, k, v) = try GroupQuery.operands(&c, query, heads, keyHeads)
    length = try c.size(query, axis: 1)
    total = try c.reshape(try c.cast(try c.given(6, "total_sequence_length"), .int64), [1])
    isFirst = try c.node("Equal", [total, length])
    let one = try c.ints([1])
    ends = try c.add(try c.reshape(try c.cast(try c.given(5, "seqlens_k"), .int64), [-1]), one)
    starts = try c.node("Where", [isFirst, try c.ints([0]), try c.sub(ends, length)])
    guard c.has(3) == c.has(4) else { throw CameoError.badInput("past_key and past_value go together") }
    for index in 3...4 {
      if let past = c.input(index) { try c.require(past, ranks: 4...4, index == 3 ? "past_key" : "past_value") }
    }
    guard !slides || c.has(3) && window > 0 else {
      throw CameoError.badInput("sliding_window_cache needs a past and local_window_size")
    }
  }

  /// Q, K and V as [B, heads, S, size].
  private static func operands(
    _ c: inout C, _ query: C.Ref, _ heads: Int, _ keyHeads: Int
  ) throws -> (C.Ref, C.Ref, C.Ref) {
    let wide = try c.wide(query)
    guard c.has(1) == c.has(2) else { throw CameoError.badInput("key and value go together") }
    if let key = c.input(1), let value = c.input(2) {
      return (
        try AttentionForms.split(&c, wide, heads: heads),
        try AttentionForms.split(&c, try c.wide(key), heads: keyHeads),
        try AttentionForms.split(&c, try c.wide(value), heads: keyHeads)
      )
    }
    let width = try c.number(try c.shape(query)[2], "the width of query")
    guard width % (heads + 2 * keyHeads) == 0 else {
      throw CameoError.badInput("\(width) columns cannot be split into \(heads) and twice \(keyHeads) heads")
    }
    let size = width / (heads + 2 * keyHeads)
    let parts = try c.split(wide, [heads * size, keyHeads * size, keyHeads * size], axis: 2)
    return (
      try AttentionForms.split(&c, parts[0], heads: heads), try AttentionForms.split(&c, parts[1], heads: keyHeads),
      try AttentionForms.split(&c, parts[2], heads: keyHeads)
    )
  }

  mutating func compose(_ c: inout C) throws -> [C.Ref?] {
    try normalize(&c)
    try rotate(&c)
    let cache = try slides ? slidingCache(&c) : fullCache(&c)
    let allowed = try self.allowed(&c, keys: cache.positions, valid: cache.valid)
    var call = AttentionCall(q: q, k: cache.key, v: cache.value, heads: heads, keyHeads: keyHeads)
    call.scale = try c.attributes.float("scale", default: 0)
    call.softcap = softcap
    let mode = c.wants(3) ? try c.attributes.int("qk_output") : 0
    guard mode == 0 || !slides else { throw CameoError.unsupported("qk_output with sliding_window_cache") }
    guard (0...2).contains(mode), !c.wants(3) || mode > 0 else {
      throw CameoError.badInput("attribute qk_output is \(mode), 1 or 2 was expected with the fourth output")
    }
    let sink = try self.sink(&c)
    let bias = try addedBias(&c, keys: cache.positions)
    if bias == nil && sink == nil {
      if c.has(3) || window > 0 || !isLeftToRight { call.mask = allowed } else { call.isCausal = true }
    } else {
      let lowest = try c.scalar(-Double.infinity)
      call.mask = try c.node("Where", [allowed, try bias ?? c.scalar(0), lowest])
    }
    if let sink { try add(sink, to: &call, &c) }
    let results = try call.stated(&c, keepsCache: false, scores: mode == 0 ? nil : mode == 1 ? 2 : 3)
    var scores = results.scores
    if var all = scores {
      if sink != nil { all = try c.slice(all, from: try c.ints([0]), to: try c.size(cache.key, axis: 2), axis: 3) }
      if mode == 1 { all = try c.node("Where", [allowed, all, try c.scalar(0)]) }
      scores = try c.cast(all, type)
    }
    let y = try c.cast(try AttentionForms.join(&c, results.y), type)
    return [y, c.wants(1) ? cache.presentKey : nil, c.wants(2) ? cache.presentValue : nil, c.wants(3) ? scores : nil]
  }

  // MARK: Q and K

  /// The norms of each head of Q and K.
  private mutating func normalize(_ c: inout C) throws {
    guard c.has(14) == c.has(15) else { throw CameoError.badInput("q_norm_weight and k_norm_weight go together") }
    guard let queryWeight = c.input(14), let keyWeight = c.input(15) else { return }
    let attributes = [
      NamedAttribute("axis", .int(-1)), NamedAttribute("epsilon", .float(try c.attributes.float("qk_norm_epsilon"))),
    ]
    q = try c.node("RMSNormalization", [q, try c.wide(queryWeight)], attributes)
    k = try c.node("RMSNormalization", [k, try c.wide(keyWeight)], attributes)
  }

  /// By the positions given, or from each item's start on. A first prompt takes the first position alone, and counts from it.
  private mutating func rotate(_ c: inout C) throws {
    guard try c.attributes.int("do_rotary", default: 0) != 0 else { return }
    let cos = try c.wide(try c.given(7, "cos_cache"))
    let sin = try c.wide(try c.given(8, "sin_cache"))
    for (cache, what) in [(cos, "cos_cache"), (sin, "sin_cache")] { try c.require(cache, ranks: 2...2, what) }
    var ids = try queryPositions(&c)
    if let given = c.input(9) {
      try c.require(given, ranks: 2...2, "position_ids")
      let first = try c.slice(try c.slice(given, 0..<1, axis: 0), 0..<1, axis: 1)
      let counted = try c.add(first, ids)
      ids = try c.node("Where", [isFirst, counted, given])
    }
    let interleaved = try c.attributes.int("rotary_interleaved", default: 0) != 0
    q = try AttentionForms.rotate(&c, q, cos: cos, sin: sin, ids: ids, interleaved: interleaved)
    k = try AttentionForms.rotate(&c, k, cos: cos, sin: sin, ids: ids, interleaved: interleaved)
  }

  /// [B, S]
  private func queryPositions(_ c: inout C) throws -> C.Ref {
    try c.add(try c.unsqueeze(starts, [1]), try c.unsqueeze(try c.range(length), [0]))
  }

  // MARK: The cache

  private struct Cache {
    var key: C.Ref
    var value: C.Ref
    /// The position of each row of K and V, [T] or [B, T].
    var positions: C.Ref
    /// Which rows hold something, [B, T].
    var valid: C.Ref
    var presentKey: C.Ref
    var presentValue: C.Ref
  }

  private func fullCache(_ c: inout C) throws -> Cache {
    var kept: [(used: C.Ref, present: C.Ref)] = []
    for (index, fresh) in [(3, k), (4, v)] {
      let form = index == 3 ? quantization.key : quantization.value
      let cacheType = try c.input(index).map { try c.type($0) } ?? type
      let stored = try form.quantized(&c, fresh, scale: c.input(index + 9), as: cacheType)
      guard let past = c.input(index) else {
        kept.append((try form.restored(&c, stored, scale: c.input(index + 9)), stored))
        continue
      }
      let room = try c.size(past, axis: 2)
      let missing = try c.node("Max", [try c.sub(total, room), try c.ints([0])])
      let zeros = try c.ints([0, 0, 0, 0, 0, 0])
      let wider = try c.node("Pad", [past, try c.concat([zeros, missing, try c.ints([0])], axis: 0)])
      let present = try AttentionForms.write(&c, stored, into: wider, at: starts)
      let used = try c.slice(present, from: try c.ints([0]), to: total, axis: 2)
      kept.append((try form.restored(&c, used, scale: c.input(index + 9)), present))
    }
    let rows = try c.range(try c.size(kept[0].used, axis: 2))
    let valid = try c.node("Less", [try c.unsqueeze(rows, [0]), try c.unsqueeze(ends, [1])])
    return Cache(
      key: kept[0].used, value: kept[1].used, positions: rows, valid: valid, presentKey: kept[0].present,
      presentValue: kept[1].present)
  }

  /// A cache of C rows of which the first L(T) hold the latest positions in order: L(T) = T up to C, and past that
  /// T - G ceil((T - C) / G) with G = C - window + 1.
  private func slidingCache(_ c: inout C) throws -> Cache {
    let past = try c.given(3, "past_key")
    let capacity = try c.size(past, axis: 2)
    if let rows = try c.shape(past)[2].value, rows < window {
      throw CameoError.badInput("a cache of \(rows) rows for a window of \(window)")
    }
    let step = try c.sub(capacity, try c.ints([window - 1]))
    let (before, now) = (try resident(&c, starts, capacity, step), try resident(&c, ends, capacity, step))
    // Rows of the past and the new ones behind them, with the position of each.
    let row = try c.unsqueeze(try c.range(try c.add(capacity, length)), [0])
    let isOld = try c.node("Less", [row, capacity])
    let firstOld = try c.unsqueeze(try c.sub(starts, before), [1])
    let start = try c.unsqueeze(starts, [1])
    let positions = try c.node("Where", [isOld, try c.add(firstOld, row), try c.add(start, try c.sub(row, capacity))])
    let held = try c.node("Less", [row, try c.unsqueeze(before, [1])])
    let fresh = try c.node("Less", [positions, try c.unsqueeze(ends, [1])])
    let valid = try c.node("Where", [isOld, held, fresh])
    // Where each row of the present comes from.
    let target = try c.unsqueeze(try c.range(capacity), [0])
    let wanted = try c.add(try c.unsqueeze(try c.sub(ends, now), [1]), target)
    let source = try c.node(
      "Where",
      [
        try c.node("Less", [wanted, start]), try c.sub(wanted, firstOld), try c.add(capacity, try c.sub(wanted, start)),
      ])
    let last = try c.sub(try c.add(capacity, length), try c.ints([1]))
    let inside = try c.node("Min", [source, last])
    let index = try c.unsqueeze(inside, [1, 3])
    var kept: [(used: C.Ref, present: C.Ref)] = []
    for (input, part) in [(3, k), (4, v)] {
      let form = input == 3 ? quantization.key : quantization.value
      let old = try c.given(input, "the past")
      let stored = try form.quantized(&c, part, scale: c.input(input + 9), as: try c.type(old))
      let all = try c.concat([old, stored], axis: 2)
      let shape = try c.node("Shape", [old])
      let present = try c.node(
        "GatherElements", [all, try c.node("Expand", [index, shape])], [NamedAttribute("axis", .int(2))])
      kept.append((try form.restored(&c, all, scale: c.input(input + 9)), present))
    }
    return Cache(
      key: kept[0].used, value: kept[1].used, positions: positions, valid: valid, presentKey: kept[0].present,
      presentValue: kept[1].present)
  }

  private func resident(_ c: inout C, _ count: C.Ref, _ capacity: C.Ref, _ step: C.Ref) throws -> C.Ref {
    let over = try c.node("Max", [try c.sub(count, capacity), try c.ints([0])])
    let blocks = try c.node("Div", [try c.add(over, try c.sub(step, try c.ints([1]))), step])
    return try c.sub(count, try c.mul(blocks, step))
  }

  // MARK: What is allowed, and what is added

  /// [B, 1, S, T]; `keys` is [T] or [B, T].
  private func allowed(_ c: inout C, keys: C.Ref, valid: C.Ref) throws -> C.Ref {
    let isCommon = try c.rank(keys) == 1
    let columns = try c.unsqueeze(keys, isCommon ? [0, 1] : [1])
    guard isLeftToRight else { return try c.unsqueeze(valid, [1, 2]) }
    let rows = try c.unsqueeze(try queryPositions(&c), [2])
    var allowed = try c.node("LessOrEqual", [columns, rows])
    if window > 0 {
      let first = try c.sub(rows, try c.ints([window]))
      allowed = try c.node("And", [allowed, try c.node("Greater", [columns, first])])
    }
    if slides { allowed = try c.node("And", [allowed, try c.unsqueeze(valid, [1])]) }
    return try c.unsqueeze(allowed, [1])
  }

  /// attention_bias, its columns those of the cache's rows.
  private func addedBias(_ c: inout C, keys: C.Ref) throws -> C.Ref? {
    guard let bias = try c.widened(c.input(10)) else { return nil }
    try c.require(bias, ranks: 4...4, "attention_bias")
    guard slides else { return bias }
    let last = try c.sub(try c.size(bias, axis: 3), try c.ints([1]))
    let inside = try c.node("Min", [try c.node("Max", [keys, try c.ints([0])]), last])
    let index = try c.unsqueeze(inside, [1, 2])
    let head = try c.size(bias, axis: 1)
    let rows = try c.concat([try c.size(q, axis: 0), head, length], axis: 0)
    let columns = try c.concat([rows, try c.size(keys, axis: 1)], axis: 0)
    let whole = try c.concat([rows, try c.size(bias, axis: 3)], axis: 0)
    return try c.node(
      "GatherElements", [try c.node("Expand", [bias, whole]), try c.node("Expand", [index, columns])],
      [NamedAttribute("axis", .int(3))])
  }

  /// The exponent that each head has besides its keys, [1, heads, 1, 1].
  private func sink(_ c: inout C) throws -> C.Ref? {
    if let given = c.input(11) {
      try c.require(given, ranks: 1...1, "head_sink")
      return try c.reshape(try c.wide(given), [1, heads, 1, 1])
    }
    guard try c.attributes.int("smooth_softmax") == 1 else { return nil }
    return try c.constant(try .make(.float, [1, heads, 1, 1], as: Float.self) { _ in })
  }

  /// One more key of zeros, whose score is the sink, with a value of zeros.
  private func add(_ sink: C.Ref, to call: inout AttentionCall<C.Ref>, _ c: inout C) throws {
    let pads = try c.ints([0, 0, 0, 0, 0, 0, 1, 0])
    call.k = try c.node("Pad", [call.k, pads])
    call.v = try c.node("Pad", [call.v, pads])
    guard let mask = call.mask else { return }
    let rows = try c.concat([try c.size(q, axis: 0), try c.ints([heads]), length], axis: 0)
    let whole = try c.node("Expand", [mask, try c.concat([rows, try c.ints([1])], axis: 0)])
    let column = try c.node("Expand", [sink, try c.concat([rows, try c.ints([1])], axis: 0)])
    call.mask = try c.concat([whole, column], axis: 3)
  }
}

/// How a cache of GroupQueryAttention holds its numbers.
struct CacheQuantization {
  private let isQuantized: Bool
  private let bits: Int

  init(_ name: String, bits: Int) throws {
    guard ["NONE", "PER_TENSOR", "PER_CHANNEL"].contains(name) else {
      throw CameoError.badInput("the cache's quantization is \(name), NONE, PER_TENSOR or PER_CHANNEL was expected")
    }
    isQuantized = name != "NONE"
    guard !isQuantized || bits == 8 || bits == 4 else {
      throw CameoError.badInput("attribute kv_cache_bit_width is \(bits), 8 or 4 was expected")
    }
    self.bits = bits
  }

  /// Numbers as the cache holds them: of its type, or rounded to multiples of `scale`; two of four bits share a byte, the
  /// earlier one in its lower half, 8 more than they are.
  func quantized<C: Composer>(_ c: inout C, _ x: C.Ref, scale: C.Ref?, as type: DataType) throws -> C.Ref {
    guard isQuantized else { return try c.cast(x, type) }
    guard let scale else { throw CameoError.badInput("a quantized cache needs its scale") }
    let steps = try c.node("Div", [x, scale])
    if type.isFloatingPoint { return try c.cast(steps, type) }
    let limit = bits == 8 ? 128.0 : 8.0
    let near = try c.node("Round", [steps])
    let inside = try c.node("Clip", [near, try c.scalar(-limit), try c.scalar(limit - 1)])
    if bits == 8 { return try c.cast(inside, type) }
    let width = try c.number(try c.shape(x)[3], "the head size")
    guard width % 2 == 0 else { throw CameoError.badInput("an odd head size \(width) in a cache of 4 bits") }
    let pairs = try c.reshape(try c.cast(try c.add(inside, try c.scalar(8)), .uint8), [0, 0, 0, -1, 2])
    let halves = try AttentionForms.unpack(&c, try c.reshape(pairs, [0, 0, -1, width / 2, 2]), axis: 4, count: 2)
    let high = try c.node(
      "BitShift", [halves[1], try c.scalar(4, .uint8)], [NamedAttribute("direction", .string("LEFT"))])
    return try c.node("BitwiseOr", [halves[0], high])
  }

  /// The numbers that a cache stands for, in float.
  func restored<C: Composer>(_ c: inout C, _ cache: C.Ref, scale: C.Ref?) throws -> C.Ref {
    guard isQuantized else { return try c.wide(cache) }
    guard let scale else { throw CameoError.badInput("a quantized cache needs its scale") }
    var codes = cache
    if bits == 4, try !c.type(cache).isFloatingPoint {
      let width = try c.number(try c.shape(cache)[3], "the width of the cache")
      let low = try c.node("BitwiseAnd", [cache, try c.scalar(15, .uint8)])
      let high = try c.node(
        "BitShift", [cache, try c.scalar(4, .uint8)], [NamedAttribute("direction", .string("RIGHT"))])
      let both = try c.concat([try c.unsqueeze(low, [4]), try c.unsqueeze(high, [4])], axis: 4)
      let flat = try c.reshape(both, [0, 0, -1, 2 * width])
      codes = try c.sub(try c.cast(flat, .float), try c.scalar(8))
    }
    return try c.mul(try c.cast(codes, .float), scale)
  }
}
