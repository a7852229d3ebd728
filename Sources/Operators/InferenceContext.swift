public import GraphIR
public import Tensors

/// One node's view during shape inference: facts of the inputs in, facts of the outputs out.
public struct InferenceContext {
  public let node: Node
  public let attributes: AttributeReader
  /// Facts by input position; nil where the input is left out.
  public let inputs: [ValueFacts?]
  /// What the operator has stated so far.
  public internal(set) var outputs: [ValueFacts]
  /// Names unknown dimensions: unique per node, the same in every run of inference.
  let symbolPrefix: String
  private var symbolCount = 0
  let inferBody: ((RegionID, [ValueFacts]) throws -> [ValueFacts])?

  public init(
    node: Node, inputs: [ValueFacts?], symbolPrefix: String,
    inferBody: ((RegionID, [ValueFacts]) throws -> [ValueFacts])? = nil
  ) {
    self.node = node
    attributes = AttributeReader(node)
    self.inputs = inputs
    outputs = [ValueFacts](repeating: .unknown, count: node.outputs.count)
    self.symbolPrefix = symbolPrefix
    self.inferBody = inferBody
  }

  // MARK: Inputs

  public func hasInput(_ index: Int) -> Bool { index < inputs.count && inputs[index] != nil }
  public func facts(_ index: Int) -> ValueFacts? { index < inputs.count ? inputs[index] : nil }
  public func type(_ index: Int) -> ValueType? { facts(index)?.type }
  public func dataType(_ index: Int) -> DataType? { facts(index)?.dataType }
  /// nil where the rank is unknown or the input is absent.
  public func shape(_ index: Int) -> [Dim]? { facts(index)?.shape }
  public func rank(_ index: Int) -> Int? { shape(index)?.count }
  /// The tensor where it is known now: a constant, or folded shape arithmetic.
  public func tensor(_ index: Int) -> Tensor? { facts(index)?.tensor }
  /// Integer contents, symbolic where they are.
  public func symbols(_ index: Int) -> [Dim]? {
    guard let facts = facts(index) else { return nil }
    if let symbols = facts.symbols { return symbols }
    guard let tensor = facts.constant?.tensor, tensor.dataType.isInteger, let values = try? tensor.ints() else {
      return nil
    }
    // Unsigned values past Int.max have no Dim.
    return tensor.dataType == .uint64 && values.contains { $0 < 0 } ? nil : values.map { Dim($0) }
  }
  /// Integer contents where all are known.
  public func ints(_ index: Int) -> [Int]? {
    guard let symbols = symbols(index) else { return nil }
    let values = symbols.compactMap(\.value)
    return values.count == symbols.count ? values : nil
  }

  // MARK: Outputs

  public mutating func set(_ output: Int, _ facts: ValueFacts) {
    if output < outputs.count { outputs[output] = facts }
  }

  /// States a tensor output. `symbols` (its integer contents) are dropped where too many or not matching the shape.
  public mutating func set(_ output: Int, _ type: DataType?, _ shape: [Dim]?, symbols: [Dim]? = nil) {
    guard output < outputs.count else { return }
    var kept = symbols
    if let symbols {
      let count = shape.flatMap { dims in try? Tensor.elementCount(dims.map { $0.value ?? -1 })
      }
      if count != symbols.count || symbols.count > ValueFacts.symbolLimit { kept = nil }
    }
    outputs[output] = ValueFacts(type: .tensor(type, shape), symbols: kept)
  }

  /// A dimension that is not known before the run.
  public mutating func unknownDim() -> Dim {
    symbolCount += 1
    return .symbol("\(symbolPrefix)_\(symbolCount)")
  }

  public mutating func unknownShape(rank: Int) -> [Dim] { (0..<rank).map { _ in unknownDim() } }

  /// Infers a body with the given facts of its inputs; the facts of its outputs.
  public func infer(body: RegionID, inputs: [ValueFacts]) throws -> [ValueFacts] {
    guard let inferBody else { throw CameoError.unsupported("bodies cannot be inferred here") }
    return try inferBody(body, inputs)
  }

  // MARK: Rules that many operators share

  /// Throws where an input's rank is known and not in the range.
  public func require(rank range: ClosedRange<Int>, of input: Int) throws {
    if let rank = rank(input), !range.contains(rank) {
      let expected =
        if range.lowerBound == range.upperBound { "\(range.lowerBound)" } else if range.upperBound == .max {
          "\(range.lowerBound) or more"
        } else { "\(range.lowerBound) to \(range.upperBound)" }
      throw CameoError.badInput("\(node.label(input: input)) has rank \(rank), \(expected) was expected")
    }
  }

  /// `axis` counted from the front. Throws outside -rank ..< rank (or ...rank where `inclusive`).
  public func normalize(axis: Int, rank: Int, inclusive: Bool = false) throws -> Int {
    let upper = inclusive ? rank : rank - 1
    let normalized = axis < 0 ? axis &+ rank : axis
    guard normalized >= 0, normalized <= upper else {
      throw CameoError.badInput(
        rank == 0 && !inclusive
          ? "axis \(axis) of a scalar, which has no axes"
          : "axis \(axis) lies outside a tensor of rank \(rank): \(-rank) to \(upper) was expected")
    }
    return normalized
  }

  /// The one dimension that two must share. Two that may differ are taken as equal (checked at run time); the known one wins.
  public func unify(_ a: Dim, _ b: Dim, _ what: @autoclosure () -> String) throws -> Dim {
    if a == b { return a }
    if let x = a.value, let y = b.value, x != y { throw CameoError.badInput("\(what()): \(x) and \(y) differ") }
    return Dim.preferred(a, b)
  }

  /// NumPy broadcasting. A symbolic dimension against 1 stays; against an integer above 1 it becomes that integer.
  public func broadcast(_ a: [Dim], _ b: [Dim]) throws -> [Dim] { try Broadcast.shape(a, b) }

  /// The broadcast shape of all inputs, nil where one rank is unknown.
  public func broadcastInputs() throws -> [Dim]? {
    var result: [Dim] = []
    for index in inputs.indices where inputs[index] != nil {
      guard let shape = shape(index) else { return nil }
      result = try Broadcast.shape(result, shape)
    }
    return result
  }
}

/// NumPy's broadcasting rules, symbolic and concrete.
public enum Broadcast {
  public static func shape(_ a: [Dim], _ b: [Dim]) throws -> [Dim] {
    if a == b { return a }
    let rank = max(a.count, b.count)
    var result: [Dim] = []
    result.reserveCapacity(rank)
    for axis in 0..<rank {
      let x = axis - (rank - a.count) >= 0 ? a[axis - (rank - a.count)] : 1
      let y = axis - (rank - b.count) >= 0 ? b[axis - (rank - b.count)] : 1
      if x == y || y == 1 {
        result.append(x)
      } else if x == 1 {
        result.append(y)
      } else if let m = x.value, let n = y.value, m != n {
        throw CameoError.badInput(
          "shapes [\(a.map(\.description).joined(separator: ", "))] and [\(b.map(\.description).joined(separator: ", "))] cannot be broadcast"
        )
      } else if x.isKnown || y.isKnown {
        result.append(Dim.preferred(x, y))
      } else {
        // Either may be 1. (Where one is 1 and the other 0, which no expression says, it is 0.)
        result.append(Dim.max(x, y))
      }
    }
    return result
  }

  public static func shape(_ a: [Int], _ b: [Int]) throws -> [Int] {
    if a == b { return a }
    let rank = max(a.count, b.count)
    return try (0..<rank).map { axis in
      let x = axis - (rank - a.count) >= 0 ? a[axis - (rank - a.count)] : 1
      let y = axis - (rank - b.count) >= 0 ? b[axis - (rank - b.count)] : 1
      if x == y || y == 1 { return x }
      if x == 1 { return y }
      throw CameoError.badInput("shapes \(a) and \(b) cannot be broadcast")
    }
  }

  /// Strides in elements that walk `shape` as if it were `target`; 0 on broadcast axes.
  public static func strides(of shape: [Int], to target: [Int]) -> [Int] {
    let own = Tensor.strides(shape)
    let offset = target.count - shape.count
    return target.indices.map { axis in axis < offset || shape[axis - offset] == 1 ? 0 : own[axis - offset] }
  }
}
