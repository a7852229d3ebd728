import Tensors

/// Masks: what is masked, how that is computed, how it is applied.
extension AttentionSpelling {
  static func drawMask(_ g: GraphWriter, layout: String, kind: String) throws -> String {
    var masks = ["none", "free11ls"]
    if layout != "rank2" {
      masks += ["padding", "padding", "freeB11s", "freeB1ls"]
      if g.opset >= 11 { masks.append("lengths") }
    }
    if kind == "self" {
      masks += ["causal", "causal", "window"]
      if layout != "rank2" { masks += ["causalPadding", "causalPadding"] }
    }
    if ["bhld", "bmm", "einsum"].contains(layout) {
      masks.append("freeBHls")
      if kind == "self" { masks.append("alibi") }
    }
    return try g.draw.pick("mask", masks)
  }

  private var isMerged: Bool { layout == "bmm" || layout == "lbmm" }
  /// The rank of the scores that masks are made for.
  private var rank: Int { layout == "rank2" ? 2 : layout == "rank3" ? 3 : layout == "rank5" ? 5 : 4 }

  /// The scores after all masks.
  func masked(_ scores: String) throws -> String {
    if mask == "none" { return scores }
    var scores = scores
    var isReshaped = false
    // Triangles fit [B * H, L, S] as they are; anything with a batch needs four dimensions or the mask repeated.
    let needsBatch = !["free11ls", "causal", "window"].contains(mask)
    if isMerged, needsBatch, try g.draw.pick("mergedMask", ["reshape", "expand"]) == "reshape" {
      let shape = try g.shapeTensor([
        (batch, batchRef.value, batchRef.axis), (Size(headCount), "", 1),
        (length, queryRef.value, layout == "lbmm" ? 1 : 2), (total, keyRef.value, keyRef.axis),
      ])
      scores = g.node("Reshape", [scores, shape])
      isReshaped = true
    }
    let expands = isMerged && needsBatch && !isReshaped
    scores = try apply(to: scores, expands: expands)
    if isReshaped {
      let all = Size(batch.value * headCount, batch.symbol)
      scores = try g.reshape(
        scores, [.product([0], all, headCount), .axis(2, length), .axis(3, total)], style: style)
    }
    return scores
  }

  private func apply(to scores: String, expands: Bool) throws -> String {
    switch mask {
    case "freeB11s", "free11ls", "freeB1ls", "freeBHls":
      let free = try fit(try free(), expands: expands)
      return flaw == "maskMul" ? g.mul(scores, free) : g.add(scores, free)
    case "alibi":
      let biased = g.add(scores, try fit(try alibi(), expands: expands))
      return try applied(try causal(), to: biased, expands: false)
    case "padding": return try applied(try padding(), to: scores, expands: expands)
    case "lengths": return try applied(try counted(), to: scores, expands: expands)
    case "causal", "window": return try applied(try causal(), to: scores, expands: false)
    default: return try both(scores, expands: expands)
    }
  }

  /// Causal and padding together.
  private func both(_ scores: String, expands: Bool) throws -> String {
    let causal = try causal()
    let padding = try padding()
    var combined = ["twice"]
    if case .keep = causal, case .keep = padding { combined.append("and") }
    combined.append("sum")
    switch try g.draw.pick("combine", combined) {
    case "and":
      guard case .keep(let a) = causal, case .keep(let b) = padding else { return scores }
      return try applied(.keep(g.pair("And", a, b)), to: scores, expands: expands)
    case "sum":
      let fill = try fillValue()
      return g.add(
        scores, try fit(g.add(try additive(causal, fill), try additive(padding, fill)), expands: expands))
    default:
      let once = try applied(causal, to: scores, expands: false)
      return try applied(padding, to: once, expands: expands)
    }
  }

  // MARK: Application

  /// A mask in the making: true where a key is allowed, one where it is (of the scores' type), or what is added.
  enum Piece {
    case keep(String)
    case drop(String)
    case ones(String)
    case added(String)
  }

  private func fillValue() throws -> String {
    if fill.isEmpty {
      var fills = ["finfoMin", "negInf", "minus1e4"]
      if scoreType == .float { fills.append("minus1e9") }
      fill = try g.draw.pick("fill", fills)
    }
    return try g.scalar(fillNumber, scoreType)
  }

  private var fillNumber: Double {
    if flaw == "fillReached" { return -5.0 }
    if flaw == "fillNaN" { return .nan }
    return switch fill {
    case "finfoMin": scoreType == .float16 ? -65504 : -Double(Float.greatestFiniteMagnitude)
    case "negInf": -.infinity
    case "minus1e4": -1e4
    default: -1e9
    }
  }

  private func additive(_ piece: Piece, _ fill: String) throws -> String {
    let zero = try g.scalar(0, scoreType)
    switch piece {
    case .added(let value): return value
    case .keep(let keep): return g.node("Where", [keep, zero, fill])
    case .drop(let drop): return g.node("Where", [drop, fill, zero])
    case .ones(let ones): return g.mul(g.sub(try g.scalar(1, scoreType), ones), fill)
    }
  }

  private func applied(_ piece: Piece, to scores: String, expands: Bool) throws -> String {
    let fill = try fillValue()
    let start = g.draw.values.count
    defer {
      let isChosen = g.draw.values[start...].contains { $0.axis == "apply" && $0.value != "addWhere" }
      fills = (fills.areChosen || isChosen, fills.areAdded || !isChosen)
    }
    switch piece {
    case .added(let value): return g.add(scores, try fit(value, expands: expands))
    case .ones: return g.add(scores, try fit(try additive(piece, fill), expands: expands))
    case .keep(let keep):
      switch try g.draw.pick("apply", ["whereKeep", "whereDrop", "addWhere"]) {
      case "whereKeep": return g.node("Where", [try fit(keep, expands: expands), scores, fill])
      case "whereDrop": return g.node("Where", [try fit(g.node("Not", [keep]), expands: expands), fill, scores])
      default: return g.add(scores, try fit(try additive(piece, fill), expands: expands))
      }
    case .drop(let drop):
      switch try g.draw.pick("apply", ["whereKeep", "whereDrop", "addWhere"]) {
      case "whereKeep": return g.node("Where", [try fit(g.node("Not", [drop]), expands: expands), scores, fill])
      case "whereDrop": return g.node("Where", [try fit(drop, expands: expands), fill, scores])
      default: return g.add(scores, try fit(try additive(piece, fill), expands: expands))
      }
    }
  }

  /// A mask of four dimensions for scores of [B * H, L, S].
  private func fit(_ mask: String, expands: Bool) throws -> String {
    guard expands else { return mask }
    let shape = try g.shapeTensor([
      (batch, batchRef.value, batchRef.axis), (Size(headCount), "", 1),
      (length, queryRef.value, layout == "lbmm" ? 1 : 2), (total, keyRef.value, keyRef.axis),
    ])
    let all = Size(batch.value * headCount, batch.symbol)
    return try g.reshape(
      g.node("Expand", [mask, shape]), [.product([0], all, headCount), .axis(2, length), .axis(3, total)], style: style)
  }

  // MARK: Contents

  private func free() throws -> String {
    // Masks that come in another float type than the scores have.
    let other: DataType = scoreType == .float ? (g.real == .float ? .double : .float16) : .float
    let isCast = try g.draw.pick("maskCast", ["none", "none", "cast"]) == "cast"
    let type = isCast ? other : scoreType
    func make(_ shape: [Size]) throws -> String {
      let dims = shape.map(\.value)
      let mask = g.input("mask", type, shape, try .of(g.draw.numbers(dims.reduce(1, *), 3), type, shape: dims))
      return isCast ? g.cast(mask, scoreType) : mask
    }
    switch mask {
    case "free11ls":
      if isMerged || rank == 2 || rank == 3 || g.draw.flip() { return try make([length, total]) }
      return try make(Array(repeating: Size(1), count: rank - 2) + [length, total])
    case "freeB11s": return try make([batch] + Array(repeating: Size(1), count: rank - 2) + [total])
    case "freeB1ls":
      return try make(
        [flaw == "maskBatch" ? Size(2) : batch] + Array(repeating: Size(1), count: rank - 3) + [length, total])
    default: return try make([g.draw.flip() ? batch : Size(1), Size(headCount), length, total])
    }
  }

  private func alibi() throws -> String {
    // Slopes times distance, constant in the heads; positions from the shape or the key's position alone (BLOOM).
    let slopes = (0..<headCount).map { 1 / Double(1 << ($0 + 1)) }
    if length.symbol == nil && past.symbol == nil {
      var values: [Double] = []
      for slope in slopes {
        for row in 0..<length.value {
          for column in 0..<total.value { values.append(slope * Double(column - row - past.value)) }
        }
      }
      return g.constant(try .of(values, scoreType, shape: [1, headCount, length.value, total.value]))
    }
    let slope = g.constant(try .of(slopes, scoreType, shape: [1, headCount, 1, 1]))
    guard g.opset >= 11 else {
      let shape = [batch, Size(1), Size(1), total]
      let numbers = (0..<batch.value * total.value).map { Double($0 % total.value) }
      let positions = g.input(
        "positions", scoreType, shape, try .of(numbers, scoreType, shape: shape.map(\.value)))
      hasOpenPositions = true
      return g.mul(slope, positions)
    }
    let columns = g.cast(try range(from: nil, to: try totalScalar()), scoreType)
    return g.mul(columns, slope)
  }

  /// The padding mask: real lengths, now and then a row without any key where the fill is finite.
  private func padding() throws -> Piece {
    _ = try fillValue()
    let form = try g.draw.pick("maskInput", ["int64", "int32", "float", "bool"])
    // Scores far from zero are rounded to a thousandth there, in half precision to eights.
    let isEmptyable = mask == "padding" && (fill == "finfoMin" || (fill == "minus1e4" && scoreType == .float))
    let rows = try g.draw.pick("rows", isEmptyable ? ["anyKey", "empty"] : ["anyKey"])
    if rows == "empty" && fill == "minus1e4" { g.tolerance = max(g.tolerance, 4e-3) }
    let isLeft = g.draw.flip() && mask == "padding"
    var numbers: [Int64] = []
    for row in 0..<batch.value {
      let valid = (rows == "empty" || flaw == "nanToOne") && row == 0 ? 0 : g.draw.number(1...total.value)
      for key in 0..<total.value {
        numbers.append((isLeft ? key >= total.value - valid : key < valid) ? 1 : 0)
      }
    }
    let type: DataType = form == "int64" ? .int64 : form == "int32" ? .int32 : form == "bool" ? .bool : scoreType
    let isWide = g.draw.number(0...3) == 0
    let lead = Array(repeating: Size(1), count: rank - 2)
    let shape = isWide ? [batch] + lead + [total] : [batch, total]
    let plain = g.input("attention_mask", type, shape, try .of(numbers, type, shape: shape.map(\.value)))
    func widened(_ x: String) throws -> String {
      if isWide { return x }
      let axes = Array(1..<rank - 1)
      if axes.count == 2 && g.draw.flip() { return try g.unsqueeze(try g.unsqueeze(x, [1]), [2]) }
      return try g.unsqueeze(x, axes)
    }
    var forms = ["bool"]
    if fill != "negInf" { forms.append("product") }
    if try g.draw.pick("paddingForm", forms) == "product" {
      return .ones(try form == "float" ? widened(plain) : g.cast(widened(plain), scoreType))
    }
    if form == "bool" { return .keep(try widened(plain)) }
    if form != "float" && g.draw.flip() && (g.opset >= 11) {
      return .drop(g.node("Equal", [try widened(plain), try g.exactScalar(0, type)]))
    }
    return .keep(g.cast(try widened(plain), .bool))
  }

  /// The keys before a length of each batch item: range < lengths.
  private func counted() throws -> Piece {
    _ = try fillValue()
    let type = try g.draw.pick("lengthType", ["int64", "int32"]) == "int64" ? DataType.int64 : .int32
    let numbers = (0..<batch.value).map { _ in Int64(g.draw.number(1...total.value)) }
    let lengths = g.input("lengths", type, [batch], try .of(numbers, type, shape: [batch.value]))
    var keys = try range(from: nil, to: try totalScalar())
    if type == .int32 { keys = g.cast(keys, .int32) }
    let lead = Array(1..<rank)
    let isEarly = try g.draw.pick("lengthAxes", ["behind", "inFront"]) == "inFront"
    let counts = try g.unsqueeze(lengths, isEarly ? lead : [1])
    var forms = ["less", "notGreater", "lessFlipped"]
    if g.opset >= 12 { forms += ["orEqual", "drop"] }
    let mask: String
    var isDrop = false
    switch try g.draw.pick("lengthForm", forms) {
    case "less": mask = g.node("Less", [keys, counts])
    case "lessFlipped": mask = g.node("Greater", [counts, keys])
    case "notGreater":
      let last = g.sub(counts, try g.exactScalar(1, type))
      mask = g.node("Not", [g.node("Greater", [keys, last])])
    case "orEqual":
      mask = g.node("LessOrEqual", [g.add(keys, try g.exactScalar(1, type)), counts])
    default:
      mask = g.node("GreaterOrEqual", [keys, counts])
      isDrop = true
    }
    let wide = isEarly ? mask : try g.unsqueeze(mask, Array(1..<rank - 1))
    return isDrop ? .drop(wide) : .keep(wide)
  }

  private func totalScalar() throws -> String { try g.dimScalar(keyRef.value, keyRef.axis) }
  private func lengthScalar() throws -> String { try g.dimScalar(queryRef.value, queryRef.axis) }

  func range(from start: String?, to end: String) throws -> String {
    g.node("Range", [try start ?? g.exactScalar(0, .int64), end, try g.exactScalar(1, .int64)])
  }

  /// Key j for query i where j <= i + past; `window` also drops keys further back than the window.
  private func causal() throws -> Piece {
    let isStatic = length.symbol == nil && past.symbol == nil
    var forms: [String] = []
    if isStatic { forms += ["constBool", "constAdded"] }
    if g.opset >= 10 { forms += ["buffer"] }
    if g.opset >= 11 { forms += ["less", "greater"] }
    if g.opset >= 12 { forms += ["lessOrEqual"] }
    if g.opset >= 14 && mask != "window" { forms += ["trilu", "triluDrop", "triluAdded"] }
    if forms.isEmpty { throw Draw.DoesNotFit() }
    let form = try g.draw.pick("causalForm", forms)
    let window = mask == "window" ? 2 : Int.max
    func keeps(_ row: Int, _ column: Int) -> Bool {
      switch flaw {
      case "causalShifted": column <= row + 1
      case "causalStrict": column < row
      case "windowUncached": row - past.value - column < window
      case "causalUncached": column <= row - past.value
      case "causalHole": column <= row && !(row == past.value + 1 && column == 0)
      default: column <= row && row - column < window
      }
    }
    switch form {
    case "constBool", "constAdded":
      var keep: [Bool] = []
      for row in 0..<length.value {
        for column in 0..<total.value { keep.append(keeps(row + past.value, column)) }
      }
      let lead = rank > 3 && !isMerged && g.draw.flip() ? Array(repeating: 1, count: rank - 2) : []
      let shape = lead + [length.value, total.value]
      if form == "constBool" { return .keep(g.constant(try .of(keep.map { $0 ? Int64(1) : 0 }, .bool, shape: shape))) }
      _ = try fillValue()
      return .added(g.constant(try .of(keep.map { $0 ? 0 : fillNumber }, scoreType, shape: shape)))
    case "buffer":
      // GPT-2: a square buffer, rows S - L ..< S and columns 0 ..< S.
      let size = 12
      let keep = (0..<size * size).map { keeps($0 / size, $0 % size) ? Int64(1) : 0 }
      let type: DataType = g.draw.flip() ? .bool : .uint8
      let lead = rank == 4 && !isMerged ? 2 : 0
      let buffer = g.constant(
        try .of(keep, type, shape: Array(repeating: 1, count: lead) + [size, size]))
      let end = try g.dim(keyRef.value, keyRef.axis)
      let start = g.sub(end, try g.dim(queryRef.value, queryRef.axis))
      let rows = try g.slice(buffer, start, end, axis: lead)
      let part = try g.slice(rows, try g.ints([0]), end, axis: lead + 1)
      return .keep(type == .bool ? part : g.cast(part, .bool))
    case "trilu", "triluDrop", "triluAdded": return try trilu(form)
    default: return try compared(form, window: window)
    }
  }

  /// The rows' positions as a column, the keys' as a row.
  private func positions() throws -> (String, String) {
    let end = try totalScalar()
    let columns = try g.unsqueeze(try range(from: nil, to: end), [0])
    let start: String? =
      try cache == "none" ? nil : pastRef.map { try g.dimScalar($0, cache == "concatSeqMajor" ? 1 : 2) }
    let stop = try cache == "none" ? lengthScalar() : end
    return (try g.unsqueeze(try range(from: start, to: stop), [1]), columns)
  }

  private func compared(_ form: String, window: Int) throws -> Piece {
    let (rows, columns) = try positions()
    var piece: Piece
    switch form {
    case "less":
      piece =
        g.draw.flip()
        ? .drop(g.node("Less", [rows, columns]))
        : .keep(g.node("Less", [columns, g.add(rows, try g.exactScalar(1, .int64))]))
    case "greater": piece = .drop(g.node("Greater", [columns, rows]))
    default: piece = .keep(g.node(g.draw.flip() ? "LessOrEqual" : "LessOrEqual", [columns, rows]))
    }
    if mask == "window" {
      let near = g.node("Less", [g.sub(rows, columns), try g.exactScalar(Double(window), .int64)])
      switch piece {
      case .keep(let keep): piece = .keep(g.pair("And", keep, near))
      case .drop(let drop): piece = .keep(g.pair("And", g.node("Not", [drop]), near))
      default: break
      }
    }
    return piece
  }

  private func trilu(_ form: String) throws -> Piece {
    let shape = try g.shapeTensor([
      (length, queryRef.value, queryRef.axis), (total, keyRef.value, keyRef.axis),
    ])
    func full(_ value: Double, _ type: DataType) throws -> String {
      if g.draw.flip() { return g.node("Expand", [try g.exactScalar(value, type), shape]) }
      return g.node("ConstantOfShape", [shape], [.tensor("value", try .of([value], type, shape: [1]))])
    }
    func part(_ x: String, upper: Bool) throws -> String {
      var inputs = [x]
      if past.value > 0 || upper {
        var k = try past.value == 0 ? g.exactScalar(0, .int64) : g.exactScalar(Double(past.value), .int64)
        if past.symbol != nil, let pastRef { k = try g.dimScalar(pastRef, cache == "concatSeqMajor" ? 1 : 2) }
        if upper {
          k =
            try past.symbol == nil
            ? g.exactScalar(Double(past.value + 1), .int64) : g.add(k, try g.exactScalar(1, .int64))
        }
        inputs.append(k)
      }
      return g.node("Trilu", inputs, [.int("upper", upper ? 1 : 0)])
    }
    switch form {
    case "trilu":
      let ones = try part(full(1, .float), upper: false)
      return .keep(g.cast(ones, .bool))
    case "triluDrop":
      return .drop(g.cast(try part(full(1, .float), upper: true), .bool))
    default:
      _ = try fillValue()
      return .added(try part(full(fillNumber, scoreType), upper: true))
    }
  }
}
