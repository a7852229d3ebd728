import Tensors

/// From graph inputs to Q, K and V in the layout's form.
extension AttentionSpelling {
  private func project(_ x: String, _ width: Int, _ wide: Int, _ rows: [Size]) throws -> String {
    switch bias {
    case "none": return g.matMul(x, try g.weight([width, wide]))
    case "add": return g.add(g.matMul(x, try g.weight([width, wide])), try g.weight([wide]))
    default:
      let b = try g.weight([wide])
      if rows.count == 1 { return g.node("Gemm", [x, try g.weight([width, wide]), b]) }
      // 3-D through Gemm: paddle, keras, torch's Linear of some versions.
      let flat = g.node("Reshape", [x, try g.ints([-1, width])])
      let isTransposed = g.draw.flip()
      let w = try g.weight(isTransposed ? [wide, width] : [width, wide])
      let y = g.node("Gemm", [flat, w, b], isTransposed ? [.int("transB", 1)] : [])
      let parts = rows.enumerated().map { ($1, x, $0) } + [(Size(wide), x, 2)]
      return g.node("Reshape", [y, try g.shapeTensor(parts)])
    }
  }

  private var isPackedHeads: Bool { source == "packedGather" || source == "packedPerHead" }

  /// The rows that are projected.
  private func rowsInput(_ shape: [Size]) throws -> String { try entry?.rows ?? g.realInput("x", shape) }

  /// Sets `queryRef` and `keyRef`; gives Q, K (transposed where the layout's MatMul wants it) and V.
  func operands() throws -> (String, String, String) {
    switch layout {
    case "rank2", "rank3": return try single()
    case "lbmm": return try sequenceFirst()
    default: return try multiple()
    }
  }

  // MARK: One head

  private func single() throws -> (String, String, String) {
    let lead = layout == "rank2" ? [] : [batch]
    var q: String
    var k: String
    var v: String
    if source == "inputs" {
      q = try g.realInput("query", lead + [length, Size(depth)])
      k = try g.realInput("key", lead + [fresh, Size(depth)])
      v = try g.realInput("value", lead + [fresh, Size(valueDepth)])
    } else {
      let x = try rowsInput(lead + [length, Size(embed)])
      let y = kind == "self" ? x : try g.realInput("memory", lead + [fresh, Size(embed)])
      q = try project(x, embed, depth, lead + [length])
      if scale == "beforeSplit" { q = g.mul(q, try g.scalar(scaleValue)) }
      k = try project(y, embed, depth, lead + [fresh])
      v = try project(y, embed, valueDepth, lead + [fresh])
    }
    let rank = lead.count + 2
    queryRef = (q, 0, rank - 2)
    keyRef = (k, rank - 2)
    if kt != "einsum" {
      k = g.transpose(k, rank == 2 ? [1, 0] : [0, 2, 1])
    }
    return (q, k, v)
  }

  // MARK: torch's nn.MultiheadAttention

  private func sequenceFirst() throws -> (String, String, String) {
    let isFirst = g.draw.flip() && entry == nil
    func make(_ name: String, _ length: Size) throws -> String {
      if let entry, name == "x" { return g.transpose(entry.rows, [1, 0, 2]) }
      if isFirst { return try g.realInput(name, [length, batch, Size(embed)]) }
      return g.transpose(try g.realInput(name, [batch, length, Size(embed)]), [1, 0, 2])
    }
    let x = try make("x", length)
    let y = kind == "self" ? x : try make("memory", fresh)
    func part(_ x: String, _ length: Size, _ depth: Int, scaled: Bool = false) throws -> String {
      var flat = try project(x, embed, headCount * depth, [length, batch])
      if scaled { flat = g.mul(flat, try g.scalar(scaleValue)) }
      return try g.reshape(
        flat,
        [
          .axis(0, length), .product([1], Size(batch.value * headCount, batch.symbol), headCount), .fixed(depth),
        ], style: style)
    }
    let q = g.transpose(try part(x, length, depth, scaled: scale == "beforeSplit"), [1, 0, 2])
    var k = try part(y, fresh, depth)
    let v = g.transpose(try part(y, fresh, valueDepth), [1, 0, 2])
    batchRef = (x, 1)
    queryRef = (q, 0, 1)
    keyRef = (v, 1)
    k = kt == "merged" ? g.transpose(k, [1, 2, 0]) : g.transpose(g.transpose(k, [1, 0, 2]), [0, 2, 1])
    return (q, k, v)
  }

  // MARK: Several heads

  private func multiple() throws -> (String, String, String) {
    if flaw == "openGroups" { return try openGroups() }
    var (q, k, v) = try parts()
    let isHeadMajor = source == "inputs" || isPackedHeads
    var tables: RopeTables?
    var place = "headMajor"
    if rope != "none" {
      let isSeqOnly = layout == "einsum" || cache == "concatSeqMajor"
      place = try g.draw.pick(
        "ropePlace", isHeadMajor ? ["headMajor"] : isSeqOnly ? ["seqMajor"] : ["headMajor", "seqMajor"])
      tables = try RopeTables(
        g, form: rope, batch: batch, length: length, depth: depth, headAxis: place == "seqMajor" ? 2 : 1,
        reference: (q, isHeadMajor ? 2 : 1))
    }
    if let tables, place == "seqMajor" {
      q = try tables.apply(to: q, heads: headCount)
      k = try tables.apply(to: k, heads: groups)
    }
    if layout == "einsum" {
      queryRef = (q, 0, 1)
      keyRef = (k, 1)
      return (q, k, v)
    }
    if kt == "merged" {
      q = g.transpose(q, [0, 2, 1, 3])
      v = g.transpose(v, [0, 2, 1, 3])
      queryRef = (q, 0, 2)
      keyRef = (v, 2)
      batchRef = (q, 0)
      k = g.transpose(k, [0, 2, 3, 1])
      if layout == "bhld" { return (q, k, v) }
      return (
        try merge(q, length, depth), try g.reshape(k, [merged, .fixed(depth), .axis(3, total)], style: style),
        try merge(v, total, valueDepth)
      )
    }
    if cache == "concatSeqMajor" { (k, v) = try extend(k, v, axis: 1) }
    if !isHeadMajor {
      q = g.transpose(q, [0, 2, 1, 3])
      k = g.transpose(k, [0, 2, 1, 3])
      v = g.transpose(v, [0, 2, 1, 3])
    }
    if let tables, place == "headMajor" {
      q = try tables.apply(to: q, heads: headCount)
      k = try tables.apply(to: k, heads: groups)
    }
    if cache == "concatRepeated" {
      k = try repeated(k, depth, isTurned: false, length: fresh)
      v = try repeated(v, valueDepth, isTurned: false, length: fresh)
    }
    if cache == "concat" || cache == "concatRepeated" { (k, v) = try extend(k, v, axis: 2) }
    if cache == "concatPacked" { (k, v) = try extendPacked(k, v) }
    if cache == "concatKeysTurned" { (k, v) = try extendTurned(k, v) }
    if flaw == "rotatedLate" {
      let late = try RopeTables(
        g, form: "halfSlice", batch: batch, length: total, depth: depth, headAxis: 1, reference: (k, 2))
      k = try late.apply(to: k, heads: groups)
    }
    queryRef = (q, 0, 2)
    keyRef = cache == "concatKeysTurned" ? (v, 2) : (k, 2)
    batchRef = (q, 0)
    if heads.hasPrefix("gqa") || heads == "mqaExpand", layout != "rank5", cache != "concatRepeated" {
      k = try repeated(k, depth, isTurned: flaw == "headOrder")
      v =
        try flawedRepetition(v)
        ?? repeated(v, valueDepth, isTurned: flaw == "headOrder" || flaw == "valueHeadOrder")
    }
    switch layout {
    case "rank5":
      let isInTurn = flaw == "headsInTurn"
      let split = isInTurn ? [headCount / groups, groups] : [groups, headCount / groups]
      let shape: [GraphWriter.Part] = [
        .axis(0, batch), .fixed(split[0]), .fixed(split[1]), .axis(2, length), .fixed(depth),
      ]
      q = try g.reshape(q, shape, style: style == "zero" ? "constant" : style)
      k = g.transpose(try g.unsqueeze(k, [isInTurn ? 1 : 2]), [0, 1, 2, 4, 3])
      return (q, k, try g.unsqueeze(v, [isInTurn ? 1 : 2]))
    case "bmm":
      q = try merge(q, length, depth)
      k = try merge(k, total, depth)
      if kt != "einsum" { k = g.transpose(k, [0, 2, 1]) }
      return (q, k, try merge(v, total, valueDepth))
    default:
      switch cache == "concatKeysTurned" ? "turned" : kt {
      case "swap": k = g.transpose(k, [0, 1, 3, 2])
      case "twoSteps": k = g.transpose(g.transpose(k, [0, 3, 1, 2]), [0, 2, 1, 3])
      case "flat3d":
        let kh = heads == "mqaBroadcast" ? 1 : headCount
        let flat = try g.reshape(
          k, [.product([0], Size(batch.value * kh, batch.symbol), kh), .axis(2, total), .fixed(depth)], style: style)
        let shape = try g.shapeTensor([
          (batch, queryRef.value, 0), (Size(kh), k, 1), (Size(depth), k, 3), (total, k, 2),
        ])
        k = g.node("Reshape", [g.transpose(flat, [0, 2, 1]), shape])
      default: break
      }
      return (q, k, v)
    }
  }

  private var merged: GraphWriter.Part { .product([0], Size(batch.value * headCount, batch.symbol), headCount) }

  private func merge(_ x: String, _ length: Size, _ depth: Int) throws -> String {
    try g.reshape(x, [merged, .axis(2, length), .fixed(depth)], style: style)
  }

  /// Q, K, V as [B, length, heads, depth], or with heads first where the source has it so.
  private func parts() throws -> (String, String, String) {
    func split(_ x: String, _ length: Size, _ heads: Int, _ depth: Int) throws -> String {
      try g.reshape(x, [.axis(0, batch), .axis(1, length), .fixed(heads), .fixed(depth)], style: style)
    }
    if source == "inputs" {
      // A breaker's: one head where there are several, or several where there is one.
      let heads = [
        flaw == "queryHead" ? 1 : headCount, groups,
        flaw == "valueHeads" ? headCount : flaw == "repeatedApart" ? 1 : groups,
      ].map { Size($0) }
      let memory = flaw == "otherBatch" ? Size(batch.value, "memory_batch") : batch
      return (
        try g.realInput("query", [batch, heads[0], flaw == "biasRows" ? Size(1) : length, Size(depth)]),
        try g.realInput("key", [memory, heads[1], fresh, Size(depth)]),
        try g.realInput("value", [memory, heads[2], fresh, Size(valueDepth)])
      )
    }
    var flat: [String]
    switch source {
    case "inputs3d":
      flat = [
        try g.realInput("query", [batch, length, Size(headCount * depth)]),
        try g.realInput("key", [batch, fresh, Size(groups * depth)]),
        try g.realInput("value", [batch, fresh, Size(groups * valueDepth)]),
      ]
    case "projected":
      let x = try rowsInput([batch, length, Size(embed)])
      let y = kind == "self" ? x : try g.realInput("memory", [batch, fresh, Size(embed)])
      flat = [
        try project(x, embed, headCount * depth, [batch, length]),
        try project(y, embed, groups * depth, [batch, fresh]),
        try project(y, embed, groups * valueDepth, [batch, fresh]),
      ]
    default:
      let x = try rowsInput([batch, length, Size(embed)])
      let widths = [headCount * depth, groups * depth, groups * depth]
      let packed = try project(x, embed, widths.reduce(0, +), [batch, length])
      if isPackedHeads { return try packedHeads(packed) }
      if source == "packedSplit" {
        flat = try g.split(packed, widths, axis: 2)
      } else {
        let ends = [widths[0], widths[0] + widths[1]]
        flat = [
          try g.slice(packed, 0, ends[0], axis: 2), try g.slice(packed, ends[0], ends[1], axis: 2),
          try g.slice(packed, ends[1], nil, axis: 2),
        ]
      }
    }
    if scale == "beforeSplit" { flat[0] = g.mul(flat[0], try g.scalar(scaleValue)) }
    return (
      try split(flat[0], length, headCount, depth), try split(flat[1], fresh, groups, depth),
      try split(flat[2], fresh, groups, valueDepth)
    )
  }

  private func packedHeads(_ packed: String) throws -> (String, String, String) {
    if source == "packedPerHead" {
      let all = try g.reshape(
        packed, [.axis(0, batch), .axis(1, length), .fixed(headCount), .fixed(3 * depth)], style: style)
      let parts = try g.split(g.transpose(all, [0, 2, 1, 3]), [depth, depth, depth], axis: 3)
      return (parts[0], parts[1], parts[2])
    }
    let all = try g.reshape(
      packed, [.axis(0, batch), .axis(1, length), .fixed(3), .fixed(headCount), .fixed(depth)], style: style)
    let front = g.transpose(all, [2, 0, 3, 1, 4])
    if g.draw.flip() {
      let parts = try g.split(front, [1, 1, 1], axis: 0).map { try g.squeeze($0, [0]) }
      return (parts[0], parts[1], parts[2])
    }
    return (try g.gather(front, 0, axis: 0), try g.gather(front, 1, axis: 0), try g.gather(front, 2, axis: 0))
  }

  // MARK: Cache and groups

  private func extend(_ k: String, _ v: String, axis: Int) throws -> (String, String) {
    func one(_ name: String, _ x: String, _ depth: Int) throws -> String {
      let kept = Size(cachedHeads)
      let isOther = name == "value"
      if flaw == "cachedAlone", isOther { return try g.realInput("all_values", [batch, kept, total, Size(depth)]) }
      func input(_ name: String, _ past: Size) throws -> String {
        try g.realInput(name, (axis == 1 ? [batch, past, kept] : [batch, kept, past]) + [Size(depth)])
      }
      var old: [String]
      switch flaw {
      case "cacheOfThree":
        old = [try input("first_\(name)", Size(1)), try input("past_\(name)", Size(past.value - 1))]
      case "pastComputed": old = [g.node("Neg", [try input("past_\(name)", past)])]
      case "pastsApart" where isOther: old = [try input("past_value", Size(past.value, "past_of_values"))]
      default: old = [try input("past_\(name)", past)]
      }
      if pastRef == nil { pastRef = old.last }
      let isTurned = flaw == "pastLast" || flaw == "pastBehind" || (flaw == "pastValueLast" && isOther)
      let all = g.concat(isTurned ? [x] + old : old + [x], axis: g.opset >= 11 && g.draw.flip() ? axis - 4 : axis)
      let grown = axis == 1 ? [batch, total, kept] : [batch, kept, total]
      if axis == 2 && flaw != "pastsApart" || isHandedOn && axis == 1 { g.output(all, grown + [Size(depth)]) }
      return all
    }
    if axis == 1 { isHandedOn = try g.draw.pick("present", ["handedOn", "kept"]) == "handedOn" }
    return (try one("key", k, depth), try one("value", v, valueDepth))
  }

  private var cachedHeads: Int { cache == "concatRepeated" ? headCount : groups }

  /// Keys kept as [B, heads, depth, length], as K' is read; gives them so.
  private func extendTurned(_ k: String, _ v: String) throws -> (String, String) {
    isHandedOn = try g.draw.pick("present", ["handedOn", "kept"]) == "handedOn"
    let kept = Size(groups)
    let oldKeys = try g.realInput("past_key", [batch, kept, Size(depth), past])
    let oldValues = try g.realInput("past_value", [batch, kept, past, Size(valueDepth)])
    pastRef = oldValues
    let keys = g.concat([oldKeys, g.transpose(k, [0, 1, 3, 2])], axis: 3)
    let values = g.concat([oldValues, v], axis: 2)
    if isHandedOn { g.output(keys, [batch, kept, Size(depth), total]) }
    g.output(values, [batch, kept, total, Size(valueDepth)])
    return (keys, values)
  }

  /// GPT-2: past and present as one tensor [2, B, groups, P, D].
  private func extendPacked(_ k: String, _ v: String) throws -> (String, String) {
    let past = try g.realInput("past", [Size(2), batch, Size(groups), self.past, Size(depth)])
    if flaw == "cacheAsOne" {
      pastRef = try g.gather(past, 0, axis: 0)
      let new = g.concat([try g.unsqueeze(k, [0]), try g.unsqueeze(v, [0])], axis: 0)
      let whole = g.concat([past, new], axis: 3)
      g.output(whole, [Size(2), batch, Size(groups), total, Size(depth)])
      return (try g.gather(whole, 0, axis: 0), try g.gather(whole, 1, axis: 0))
    }
    let old =
      try g.draw.pick("pastPick", ["gather", "split"]) == "gather"
      ? [try g.gather(past, 0, axis: 0), try g.gather(past, 1, axis: 0)]
      : try g.split(past, [1, 1], axis: 0).map { try g.squeeze($0, [0]) }
    pastRef = old[0]
    let all = zip(old, [k, v]).map { g.concat([$0, $1], axis: 2) }
    let present = g.concat([try g.unsqueeze(all[0], [0]), try g.unsqueeze(all[1], [0])], axis: 0)
    g.output(present, [Size(2), batch, Size(groups), total, Size(depth)])
    return (all[0], all[1])
  }

  /// [B, groups, S, d] as [B, heads, S, d], each head `heads / groups` times in a row.
  /// `isTurned`: all heads once, then all again.
  private func repeated(_ x: String, _ depth: Int, isTurned: Bool, length: Size? = nil) throws -> String {
    let total = length ?? total
    let times = headCount / groups
    if heads == "gqaGather" {
      var order = (0..<headCount).map { isTurned ? $0 % groups : $0 / times }
      if flaw == "headsPicked" { order.reverse() }
      return g.node("Gather", [x, try g.ints(order)], [.int("axis", 1)])
    }
    let wide = try g.unsqueeze(x, [2])
    var all = wide
    switch heads {
    case "gqaTile": all = g.node("Tile", [wide, try g.ints([1, 1, times, 1, 1])])
    case "gqaConcat": all = g.concat(Array(repeating: wide, count: times), axis: 2)
    default:
      let shape = try g.shapeTensor([
        (batch, x, 0), (Size(groups), x, 1), (Size(times), x, 1), (total, x, 2), (Size(depth), x, 3),
      ])
      all = g.node("Expand", [wide, shape])
    }
    return try g.reshape(
      all, [.axis(0, batch), .fixed(headCount), .axis(3, total), .fixed(depth)], style: style)
  }

  // MARK: Results

  /// Brings the product back to rows and makes it an output, except in a block.
  func finish(_ result: String) throws -> String {
    let width = headCount * valueDepth
    if let (value, shape) = flawedResult(result) {
      g.output(value, shape)
      return value
    }
    switch layout {
    case "rank2":
      g.output(result, [length, Size(valueDepth)])
      return result
    case "rank3":
      g.output(result, [batch, length, Size(valueDepth)])
      return result
    default: break
    }
    let form = try g.draw.pick(
      "result",
      entry != nil ? ["projected"] : layout == "bhld" ? ["merged", "raw", "projected"] : ["merged", "projected"])
    if form == "raw" {
      let batch = flaw == "maskBatch" ? Size(2) : batch
      g.output(result, [batch, Size(headCount), length, Size(valueDepth)])
      return result
    }
    var rows: String
    switch layout {
    case "lbmm":
      let shape = try g.shapeTensor([(length, batchRef.value, 0), (batch, batchRef.value, 1), (Size(width), "", 2)])
      rows = g.node("Reshape", [g.transpose(result, [1, 0, 2]), shape])
      rows = g.transpose(rows, [1, 0, 2])
    case "einsum":
      rows = try g.reshape(result, [.axis(0, batch), .axis(1, length), .fixed(width)], style: style)
    default:
      var heads = result
      if layout != "bhld" {
        let shape = try g.shapeTensor([
          (batch, batchRef.value, batchRef.axis), (Size(headCount), "", 1), (length, queryRef.value, 2),
          (Size(valueDepth), "", 3),
        ])
        heads = g.node("Reshape", [result, shape])
      }
      rows = try g.reshape(
        g.transpose(heads, [0, 2, 1, 3]), [.axis(0, batch), .axis(1, length), .fixed(width)], style: style)
    }
    if form == "projected" {
      rows = g.matMul(rows, try g.weight([width, embed]))
      if bias != "none" { rows = g.add(rows, try g.weight([embed])) }
      let rest = try entry?.residual ?? g.realInput("residual", [batch, length, Size(embed)])
      rows = g.add(rows, rest)
      if entry == nil { g.output(rows, [batch, length, Size(embed)]) }
      return rows
    }
    g.output(rows, [batch, length, Size(width)])
    return rows
  }
}
