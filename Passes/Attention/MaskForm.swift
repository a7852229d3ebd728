import GraphIR
import Operators
import PassKit
import Tensors

/// What is added to the scores: the operations on them, applied to 0.
///
/// Adding stays adding; `Where(m, scores, fill)` becomes `Where(m, bias, fill)`. That is the same in every element whose fill
/// swallows the scores: -inf, and numbers so low that the sum with any score rounds to them. Fills that do not are taken
/// for -inf where each row provably has an allowed key (or the user says so): their weights are 0 then.
struct MaskForm {
  /// Below it a fill plus a score is the fill, in float32 and double.
  static let negligible = -1e30
  /// From here on a fill is meant to forbid. Scores of that size would be infinite in half precision or close to it.
  static let forbidding = -1e4

  /// The bias so far.
  enum State {
    case none
    /// Bool: true where allowed.
    case allowed(GraphChange.Ref, [Dim])
    case bias(GraphChange.Ref, [Dim])
  }

  let layout: HeadLayout
  let type: DataType
  let context: PassContext
  private(set) var state = State.none

  init(_ layout: HeadLayout, type: DataType, _ context: PassContext) {
    self.layout = layout
    self.type = type
    self.context = context
  }

  /// `factor`: what multiplies the scores between this step and the Softmax.
  mutating func apply(_ step: ScoreStep, factor: Double, _ change: inout GraphChange) throws {
    switch step.kind {
    case .scale, .factor, .tanh, .cast: return
    case .add(let value, let weight):
      try add(try term(value, at: step, times: factor * weight, &change), &change)
    case .floor(let number):
      guard factor > 0 else { throw Refusal("a lower bound of the scores is scaled by \(factor)", at: step.node) }
      try raise(to: number * factor, &change)
    case .select(let condition, let fill, let keepsWhenTrue):
      guard !fill.isNaN, fill != 0 || factor.isFinite else {
        throw Refusal("masked scores are set to NaN", at: step.node)
      }
      try select(condition, fill: fill * factor, keepsWhenTrue, at: step, &change)
    }
  }

  // MARK: The operations

  private mutating func add(_ term: (ref: GraphChange.Ref, shape: [Dim]), _ change: inout GraphChange) throws {
    switch state {
    case .none: state = .bias(term.ref, term.shape)
    case .allowed(let mask, let shape):
      let low = change.constant(try .scalar(-Double.infinity, type))
      state = .bias(
        change.node("Where", [mask, term.ref, low], covers: []), MaskForm.broadcast(shape, term.shape))
    case .bias(let bias, let shape):
      state = .bias(change.node("Add", [bias, term.ref], covers: []), MaskForm.broadcast(shape, term.shape))
    }
  }

  private mutating func raise(to number: Double, _ change: inout GraphChange) throws {
    let bound = change.constant(try .scalar(number, type))
    switch state {
    case .none: return
    case .allowed(let mask, let shape):
      state = .bias(
        change.node("Where", [mask, change.constant(try .scalar(0.0, type)), bound], covers: []), shape)
    case .bias(let bias, let shape): state = .bias(change.node("Max", [bias, bound], covers: []), shape)
    }
  }

  private mutating func select(
    _ condition: ValueID, fill: Double, _ keepsWhenTrue: Bool, at step: ScoreStep, _ change: inout GraphChange
  ) throws {
    let isExact = fill == -.infinity || (fill <= MaskForm.negligible && type != .float16)
    var forbids = fill == -.infinity
    let isCertain =
      fill <= MaskForm.forbidding
      && (context.options.assumesNoEmptyRows
        || RowProof(context).everyRowHasKey(condition, keepsWhenTrue: keepsWhenTrue, step.place))
    if isCertain { forbids = true }
    guard isExact || isCertain else {
      throw Refusal(
        fill > MaskForm.forbidding
          ? "masked scores are set to \(MaskForm.text(fill)), which scores may reach"
          : "masked scores are set to \(MaskForm.text(fill)): a row without allowed key would differ "
            + "(--assume no-empty-rows says that there is none)",
        at: context.graph.producer(condition) ?? step.node)
    }
    if case .none = state, forbids {
      let mask = try self.condition(condition, isAllowed: keepsWhenTrue, at: step, &change)
      state = .allowed(mask.ref, mask.shape)
      return
    }
    if case .allowed(let before, let shape) = state, forbids {
      let mask = try self.condition(condition, isAllowed: keepsWhenTrue, at: step, &change)
      state = .allowed(change.node("And", [before, mask.ref], covers: []), MaskForm.broadcast(shape, mask.shape))
      return
    }
    let mask = try frame(condition, at: step, &change)
    let low = change.constant(try .scalar(forbids ? -Double.infinity : fill, type))
    let inner: GraphChange.Ref
    var shape = mask.shape
    switch state {
    case .none: inner = change.constant(try .scalar(0.0, type))
    case .allowed(let before, let own):
      inner = change.node(
        "Where",
        [before, change.constant(try .scalar(0.0, type)), change.constant(try .scalar(-Double.infinity, type))],
        covers: [])
      shape = MaskForm.broadcast(shape, own)
    case .bias(let bias, let own):
      inner = bias
      shape = MaskForm.broadcast(shape, own)
    }
    let choice = [mask.ref, keepsWhenTrue ? inner : low, keepsWhenTrue ? low : inner]
    state = .bias(change.node("Where", choice, covers: []), shape)
  }

  /// A condition as the mask of what is allowed.
  private func condition(
    _ value: ValueID, isAllowed: Bool, at step: ScoreStep, _ change: inout GraphChange
  ) throws -> (ref: GraphChange.Ref, shape: [Dim]) {
    if isAllowed { return try frame(value, at: step, &change) }
    if let not = context.graph.producer(value), context.graph[not].is("Not"), let input = context.graph[not].input(0) {
      return try frame(input, at: step, &change)
    }
    let (ref, shape) = try frame(value, at: step, &change)
    return (change.node("Not", [ref], covers: []), shape)
  }

  /// A bias in the type of the computation, times a number, with the axes of the atoms.
  private func term(
    _ value: ValueID, at step: ScoreStep, times factor: Double, _ change: inout GraphChange
  ) throws -> (ref: GraphChange.Ref, shape: [Dim]) {
    var value = value
    var cast = false
    if let own = context.dataType(value), own != type {
      if let producer = context.graph.producer(value), context.graph[producer].is("Cast"),
        let input = context.graph[producer].input(0), context.dataType(input) == type
      {
        value = input
      } else if own.isNarrower(than: type) || isExact(value, in: type) {
        cast = true
      } else {
        throw Refusal("the bias is \(own), the product of Q and K \(type)", at: context.graph.producer(value))
      }
    } else if context.dataType(value) == nil {
      throw Refusal("the type of the bias is not known", at: context.graph.producer(value))
    }
    var (ref, shape) = try frame(value, at: step, &change)
    if cast { ref = change.node("Cast", [ref], [NamedAttribute("to", .int(Int64(type.rawValue)))], covers: []) }
    if factor == -1 {
      ref = change.node("Neg", [ref], covers: [])
    } else if factor != 1 {
      ref = change.node("Mul", [ref, change.constant(try .scalar(factor, type))], covers: [])
    }
    return (ref, shape)
  }

  private func isExact(_ value: ValueID, in type: DataType) -> Bool {
    guard let tensor = context.constant(value), tensor.count <= 1 << 22,
      let numbers = try? tensor.elements(as: Double.self), let narrow = try? Tensor.of(numbers, type),
      let again = try? narrow.elements(as: Double.self)
    else { return false }
    return numbers == again
  }

  /// A tensor that is broadcast to the scores at `step`, with the axes of the atoms, queries before keys.
  private func frame(
    _ value: ValueID, at step: ScoreStep, _ change: inout GraphChange
  ) throws -> (ref: GraphChange.Ref, shape: [Dim]) {
    guard var shape = context.shape(value) else {
      throw Refusal("the rank of the bias is not known", at: context.graph.producer(value))
    }
    let place = step.place
    guard shape.count <= place.shape.count else {
      throw Refusal("the bias has rank \(shape.count), the scores have rank \(place.shape.count)", at: step.node)
    }
    var ref = GraphChange.Ref.existing(value)
    func pad(to rank: Int) throws {
      let padded = [Dim](repeating: 1, count: rank - shape.count) + shape
      ref = try Reshaping.reshape(ref, from: shape, to: padded, &change)
      shape = padded
    }
    if place.isFlipped {
      if shape.count < 2 { try pad(to: 2) }
      ref = Reshaping.turn(ref, rank: shape.count, &change)
      shape.swapAt(shape.count - 1, shape.count - 2)
    }
    if shape.isEmpty { try pad(to: 1) }
    if shape.count > 2, place.lead.count != layout.atoms.count {
      let own = try layout.spread(Array(shape.dropLast(2)), over: place.lead, "the bias")
      let spread = Array(own.drop { $0 == 1 }) + shape.suffix(2)
      ref = try Reshaping.reshape(ref, from: shape, to: spread, &change)
      shape = spread
    }
    return (ref, shape)
  }

  // MARK: The result

  /// All of it as one tensor of rank 2 to 4 that the standard's Attention takes; nil where nothing is added.
  func finished(queries query: GraphChange.Ref, _ change: inout GraphChange) throws -> GraphChange.Ref? {
    var ref: GraphChange.Ref
    var shape: [Dim]
    switch state {
    case .none: return nil
    case .allowed(let mask, let own): (ref, shape) = (mask, own)
    case .bias(let bias, let own): (ref, shape) = (bias, own)
    }
    guard let last = shape.last, last.spans(layout.keys) else {
      throw Refusal("the bias has \(shape.last?.description ?? "no") columns, there are \(layout.keys) keys")
    }
    (ref, shape) = try grouped(ref, shape, &change)
    let target = [layout.batch, layout.heads, layout.queries, layout.keys]
    for (dim, full) in zip(shape.reversed(), target.reversed()) where dim != 1 && dim != full {
      if dim.isKnown || full == 1 { throw Refusal("the bias has more rows than the scores") }
    }
    let isRow = (shape.dropLast().last ?? 1) == 1 && layout.queries != 1
    if isRow && MaskForm.needsRows(context) { return try widened(ref, shape, queries: query, &change) }
    return shape.count > 1 ? ref : change.node("Unsqueeze", [ref, change.constant(try .ints([0]))], covers: [])
  }

  /// ONNX Runtime takes no mask of one row for several queries.
  static func needsRows(_ context: PassContext) -> Bool {
    context.options.target != .cameo && context.options.level < 3
  }

  private func widened(
    _ ref: GraphChange.Ref, _ shape: [Dim], queries query: GraphChange.Ref, _ change: inout GraphChange
  ) throws -> GraphChange.Ref {
    let rows: GraphChange.Ref
    if let count = layout.queries.value {
      rows = change.constant(try .ints([count, 1]))
    } else {
      // From the bias itself where that tells it: layers share the bias and then this, too.
      let isSquare = layout.queries == layout.keys
      let start = isSquare ? shape.count - 1 : 2
      let count = change.node(
        "Shape", [isSquare ? ref : query],
        [NamedAttribute("start", .int(Int64(start))), NamedAttribute("end", .int(Int64(start + 1)))], covers: [])
      rows = change.node(
        "Concat", [count, change.constant(try .ints([1]))], [NamedAttribute("axis", .int(0))], covers: [])
    }
    return change.node("Expand", [ref, rows], covers: [])
  }

  /// The atoms joined to batch and heads.
  private func grouped(
    _ ref: GraphChange.Ref, _ shape: [Dim], _ change: inout GraphChange
  ) throws -> (GraphChange.Ref, [Dim]) {
    let lead = shape.dropLast(2)
    guard shape.count > 2, layout.atoms.count != 2 || layout.split != 1 else { return (ref, shape) }
    let padded = [Dim](repeating: 1, count: max(0, layout.atoms.count - lead.count)) + lead
    func joined(_ own: ArraySlice<Dim>, _ atoms: ArraySlice<Dim>) throws -> (dim: Dim, needsExpand: Bool) {
      if own.allSatisfy({ $0 == 1 }) { return (1, false) }
      if Array(own) == Array(atoms) { return (HeadLayout.product(own), false) }
      return (HeadLayout.product(atoms), true)
    }
    let batch = try joined(padded[..<layout.split], layout.atoms[..<layout.split])
    let heads = try joined(padded[layout.split...], layout.atoms[layout.split...])
    var (ref, from) = (ref, shape)
    if batch.needsExpand || heads.needsExpand {
      var full = padded
      if batch.needsExpand { full.replaceSubrange(..<layout.split, with: layout.atoms[..<layout.split]) }
      if heads.needsExpand { full.replaceSubrange(layout.split..., with: layout.atoms[layout.split...]) }
      let lengths = (full + [1, 1]).map(\.value)
      guard !lengths.contains(nil) else {
        throw Refusal("the bias is broadcast along a part of the batch [\(HeadLayout.text(layout.atoms))]")
      }
      ref = change.node("Expand", [ref, change.constant(try .ints(lengths.compactMap { $0 }))], covers: [])
      from = full + shape.suffix(2)
    }
    if batch.dim == 1, heads.dim == 1, shape.count <= 4 { return (ref, shape) }
    let target = [batch.dim, heads.dim] + shape.suffix(2)
    return (try Reshaping.reshape(ref, from: from, to: target, &change), target)
  }

  /// The shape of an element-wise result.
  static func broadcast(_ a: [Dim], _ b: [Dim]) -> [Dim] {
    let rank = max(a.count, b.count)
    let x = [Dim](repeating: 1, count: rank - a.count) + a
    let y = [Dim](repeating: 1, count: rank - b.count) + b
    return zip(x, y).map { $0 == 1 ? $1 : $1 == 1 ? $0 : Dim.preferred($0, $1) }
  }

  static func text(_ number: Double) -> String {
    number == number.rounded() && number.magnitude < 1e15 ? "\(Int(number))" : "\(number)"
  }
}

extension DataType {
  /// Fewer digits and no more range: what is exact in this type is exact in the other.
  func isNarrower(than other: DataType) -> Bool {
    switch (self, other) {
    case (.float16, .float), (.bfloat16, .float), (.float16, .double), (.bfloat16, .double), (.float, .double): true
    default: false
    }
  }
}
