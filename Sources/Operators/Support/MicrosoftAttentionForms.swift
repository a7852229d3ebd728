import GraphIR
import Tensors

/// One call of the standard's Attention, and the layouts that com.microsoft's operators bring to it.
struct AttentionCall<Ref> {
  /// All of rank 3 (batch, length, heads * size) or all of rank 4 (batch, heads, length, size).
  var q: Ref
  var k: Ref
  var v: Ref
  var heads: Int
  var keyHeads: Int
  /// Booleans or numbers that broadcast to the scores.
  var mask: Ref?
  var pastKey: Ref?
  var pastValue: Ref?
  var isCausal = false
  /// 0: one over the root of the head size.
  var scale: Float = 0
  var softcap: Float = 0

  struct Results {
    var y: Ref
    var key: Ref?
    var value: Ref?
    var scores: Ref?
  }

  /// `scores` is a qk_matmul_output_mode; nil where they are not wanted.
  func stated<C: Composer>(_ c: inout C, keepsCache: Bool, scores: Int? = nil) throws -> Results where C.Ref == Ref {
    var attributes: [NamedAttribute] = []
    if try c.rank(q) == 3 {
      attributes += [
        NamedAttribute("q_num_heads", .int(Int64(heads))), NamedAttribute("kv_num_heads", .int(Int64(keyHeads))),
      ]
    }
    if scale != 0 { attributes.append(NamedAttribute("scale", .float(scale))) }
    if softcap != 0 { attributes.append(NamedAttribute("softcap", .float(softcap))) }
    // Scores are numbers of 32 bits to the runtimes: what a large negative mask swallows of them is gone.
    if mask != nil { attributes.append(NamedAttribute("softmax_precision", .int(Int64(DataType.float.rawValue)))) }
    if isCausal { attributes.append(NamedAttribute("is_causal", .int(1))) }
    if let scores { attributes.append(NamedAttribute("qk_matmul_output_mode", .int(Int64(scores)))) }
    let hasCache = pastKey != nil
    var inputs: [Ref?] = [q, k, v]
    if mask != nil || hasCache { inputs.append(mask) }
    if hasCache { inputs += [pastKey, pastValue] }
    let count = scores != nil ? 4 : keepsCache || hasCache ? 3 : 1
    let all = try c.nodes(OperatorName("Attention"), inputs, attributes, outputs: count)
    return Results(
      y: all[0], key: count > 2 ? all[1] : nil, value: count > 2 ? all[2] : nil, scores: count > 3 ? all[3] : nil)
  }
}

/// Heads, masks and caches in the vocabulary of compositions.
enum AttentionForms {
  /// [B, S, heads * size] as [B, heads, S, size].
  static func split<C: Composer>(_ c: inout C, _ x: C.Ref, heads: Int) throws -> C.Ref {
    try c.require(x, ranks: 3...3, "an input with its heads side by side")
    if let width = try c.shape(x)[2].value, width % heads != 0 {
      throw CameoError.badInput("\(width) columns cannot be split into \(heads) heads")
    }
    let rows: C.Ref
    if let width = try c.shape(x)[2].value {
      rows = try c.reshape(x, [0, 0, heads, width / heads])
    } else {
      rows = try c.reshape(x, [0, 0, heads, -1])
    }
    return try c.transpose(rows, [0, 2, 1, 3])
  }

  /// [B, heads, S, size] as [B, S, heads * size].
  static func join<C: Composer>(_ c: inout C, _ x: C.Ref) throws -> C.Ref {
    try c.reshape(try c.transpose(x, [0, 2, 1, 3]), [0, 0, -1])
  }

  /// Item `index` of `count` that lie along `axis`, the axis gone.
  static func unpack<C: Composer>(_ c: inout C, _ x: C.Ref, axis: Int, count: Int) throws -> [C.Ref] {
    let parts = try c.split(x, [Int](repeating: 1, count: count), axis: axis)
    return try parts.map { try c.squeeze($0, [axis]) }
  }

  /// The parts of a bias row for Q, K and V.
  static func biases<C: Composer>(_ c: inout C, _ bias: C.Ref, _ widths: [Dim]) throws -> [C.Ref] {
    try c.require(bias, ranks: 1...1, "bias")
    return try c.split(bias, try widths.map { try c.number($0, "the width of Q, K or V") }, axis: 0)
  }

  /// What every operator's mask says, as a float bias [B or 1, 1, S or 1, T] with `filter` where a key is not allowed; nil
  /// for a placeholder that says nothing.
  ///
  /// Rank 1: the keys' end in each item [B], ends and starts [2 B], or ends and further sums [3 B + 2]. Rank 2: 0 or 1 for
  /// each key. Rank 3: for each query and key. Rank 4: for each position and position, of which rows from `past` on count.
  static func bias<C: Composer>(
    _ c: inout C, mask: C.Ref, batch: Dim, queries: C.Ref, total: C.Ref, past: C.Ref, filter: Float
  ) throws -> C.Ref? {
    let shape = try c.shape(mask)
    let fill = try c.scalar(Double(filter))
    let zero = try c.scalar(0)
    func raw(_ c: inout C, _ mask: C.Ref) throws -> C.Ref {
      try c.node("Where", [try c.node("Greater", [mask, try c.scalar(0, .int32)]), zero, fill])
    }
    switch shape.count {
    case 1:
      let keys = try c.unsqueeze(try c.range(total), [0])
      let bounds = try c.cast(mask, .int64)
      let (hasStarts, isKnown) = (shape[0] == batch * 2, shape[0] == batch || shape[0] == batch * 3 + 2)
      guard hasStarts || isKnown else {
        if shape[0].isKnown && batch.isKnown {
          throw CameoError.badInput("a mask of \(shape[0]) numbers for a batch of \(batch)")
        }
        throw Undecided("whether a mask of \(shape[0]) numbers has ends alone is not known")
      }
      var ends = bounds
      var starts: C.Ref?
      if shape[0] != batch {
        let items = try c.number(batch, "the batch size")
        ends = try c.slice(bounds, 0..<items, axis: 0)
        if hasStarts { starts = try c.slice(bounds, items..<2 * items, axis: 0) }
      }
      var blocked = try c.node("GreaterOrEqual", [keys, try c.unsqueeze(ends, [1])])
      if let starts {
        blocked = try c.node("Or", [blocked, try c.node("Less", [keys, try c.unsqueeze(starts, [1])])])
      }
      return try c.unsqueeze(try c.node("Where", [blocked, fill, zero]), [1, 2])
    case 2:
      if shape[1] == 1, c.facts(total).tensor.flatMap({ try? $0.ints() }) != [1] { return nil }
      var keys = mask
      if c.facts(total).symbols != [shape[1]] {
        // What is shorter than the keys would end them.
        keys = try c.node("Expand", [mask, try c.concat([try c.size(mask, axis: 0), total], axis: 0)])
      }
      return try c.unsqueeze(try raw(&c, keys), [1, 2])
    case 3: return try c.unsqueeze(try raw(&c, mask), [1])
    case 4:
      let rows = try c.slice(mask, from: past, to: try c.add(past, queries), axis: 2)
      return try raw(&c, try c.slice(rows, from: try c.ints([0]), to: total, axis: 3))
    default: throw CameoError.badInput("the mask has rank \(shape.count), 1 to 4 was expected")
    }
  }

  /// `bias` with the lowest number where a key comes after its query. A row whose every key is forbidden with numbers as
  /// low as that then weighs all of them alike, as the runtimes have it.
  static func causal<C: Composer>(
    _ c: inout C, _ bias: C.Ref?, queries: C.Ref, total: C.Ref, past: C.Ref
  ) throws -> C.Ref {
    let rows = try c.unsqueeze(try c.add(try c.range(queries), past), [1])
    let later = try c.node("Greater", [try c.unsqueeze(try c.range(total), [0]), rows])
    let lowest = try c.scalar(-Double(Float.greatestFiniteMagnitude))
    return try c.node("Where", [later, lowest, try bias ?? c.scalar(0)])
  }

  /// `cache` with `update` [B, heads, S, size] written from `start` (int64[B]) on.
  static func write<C: Composer>(_ c: inout C, _ update: C.Ref, into cache: C.Ref, at start: C.Ref) throws -> C.Ref {
    try c.node("TensorScatter", [cache, update, start], [NamedAttribute("axis", .int(2))])
  }

  /// int64[1] repeated for each item of the batch.
  static func repeated<C: Composer>(_ c: inout C, _ one: C.Ref, like x: C.Ref) throws -> C.Ref {
    try c.node("Expand", [one, try c.size(x, axis: 0)])
  }

  /// x rotated by its positions: [B, heads, S, size], caches [positions, half], ids int64[B, S].
  static func rotate<C: Composer>(
    _ c: inout C, _ x: C.Ref, cos: C.Ref, sin: C.Ref, ids: C.Ref, interleaved: Bool
  ) throws -> C.Ref {
    var attributes = [NamedAttribute("interleaved", .int(interleaved ? 1 : 0))]
    let half = try c.number(try c.shape(cos)[1], "the width of cos_cache")
    if try c.shape(x)[3] != Dim(2 * half) {
      attributes.append(NamedAttribute("rotary_embedding_dim", .int(Int64(2 * half))))
    }
    return try c.node("RotaryEmbedding", [x, cos, sin, ids], attributes)
  }
}
