import GraphIR
import Operators
import PassKit
import Tensors

/// What is added to the scores: the operations on them, applied to 0.
///
/// Adding stays adding; `Where(m, scores, fill)` becomes `Where(m, bias, fill)`. That is the same in every element whose fill
/// swallows the scores: -inf, and numbers so low that the sum with any score rounds to them. Where each row provably has an
/// allowed key (or the user says so) low fills are taken for -inf: their weights are 0. Else a low fill becomes one that
/// swallows, so that a row without allowed key has the mean of all values as before; that is not finfo.min, which ONNX Runtime
/// takes for -inf. Beside a bias that may forbid, too, only fills that swallow already are taken.
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
  /// No row is without an allowed key, whatever all masks together forbid.
  let hasKeys: Bool
  /// No bias beside the masks that Where chooses may forbid, too.
  let isAlone: Bool
  private(set) var state = State.none

  init(_ layout: HeadLayout, type: DataType, _ steps: [ScoreStep], _ context: PassContext) {
    self.layout = layout
    self.type = type
    self.context = context
    let proof = RowProof(context)
    hasKeys = context.options.assumesNoEmptyRows || proof.leavesKeys(steps)
    isAlone = steps.allSatisfy { step in
      switch step.kind {
      case .add(let value, let weight): proof.isSmall(value, weight)
      case .floor: false
      default: true
      }
    }
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
      try select(condition, fill, factor, keepsWhenTrue, at: step, &change)
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
    _ condition: ValueID, _ number: Double, _ factor: Double, _ keepsWhenTrue: Bool, at step: ScoreStep,
    _ change: inout GraphChange
  ) throws {
    var fill = number * factor
    let isExact = fill == -.infinity || (fill <= MaskForm.negligible && type != .float16)
    // What is meant to forbid is judged by the number as it was written, in front of a scale.
    let isLow = min(fill, number) <= MaskForm.forbidding && fill <= MaskForm.forbidding / 32
    let forbids = fill == -.infinity || isLow && hasKeys
    if !forbids, isLow, isAlone, type != .float16 {
      fill = MaskForm.swallowing(fill)
    } else if !isExact && !forbids {
      throw Refusal(
        isLow
          ? "masked scores are set to \(MaskForm.text(number))\(isAlone ? "" : " beside a bias"): "
            + "a row without allowed key would differ (--assume no-empty-rows says that there is none)"
          : "masked scores are set to \(MaskForm.text(number)), which scores may reach",
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
    let mask = try self.condition(condition, isAllowed: true, at: step, &change)
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
    if isAllowed {
      let (ref, shape) = try frame(value, at: step, &change)
      if context.dataType(value) == .bool { return (ref, shape) }
      return (
        change.node("Cast", [ref], [NamedAttribute("to", .int(Int64(DataType.bool.rawValue)))], covers: []), shape
      )
    }
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
    let own = context.dataType(value)
    if own != type {
      if let producer = context.graph.producer(value), context.graph[producer].is("Cast"),
        let input = context.graph[producer].input(0), context.dataType(input) == type
      {
        value = input
      } else if let own, own.isNarrower(than: type) || isExact(value, in: type) {
        cast = true
      } else {
        let name = own.map { "\($0)" } ?? "of an unknown type"
        throw Refusal("the bias is \(name), the product of Q and K \(type)", at: context.graph.producer(value))
      }
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
    let place = step.place
    // The scores have been broadcast to it already: they have no lower rank.
    guard var shape = context.shape(value), shape.count <= place.shape.count else {
      throw Refusal("the rank of the bias is not known", at: context.graph.producer(value))
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

  /// The shape of an element-wise result.
  static func broadcast(_ a: [Dim], _ b: [Dim]) -> [Dim] {
    let rank = max(a.count, b.count)
    let x = [Dim](repeating: 1, count: rank - a.count) + a
    let y = [Dim](repeating: 1, count: rank - b.count) + b
    return zip(x, y).map { $0 == 1 ? $1 : $1 == 1 ? $0 : Dim.preferred($0, $1) }
  }

  /// A number that stands for a low fill and swallows scores; lower fills become lower numbers.
  static func swallowing(_ fill: Double) -> Double {
    var exponent = 0.0
    var rest = -fill
    while rest > 1 {
      rest /= 2
      exponent += 1
    }
    return -1e30 * (exponent + rest)
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
