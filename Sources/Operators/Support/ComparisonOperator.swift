public import GraphIR
public import Tensors

/// How two elements are compared.
public enum Comparison: Sendable {
  case equal, less, lessOrEqual, greater, greaterOrEqual

  @inline(__always) func holds<T: Comparable>(_ a: T, _ b: T) -> Bool {
    switch self {
    case .equal: a == b
    case .less: a < b
    case .lessOrEqual: a <= b
    case .greater: a > b
    case .greaterOrEqual: a >= b
    }
  }

  func holds(_ a: Dim, _ b: Dim) -> Bool? {
    switch self {
    case .equal: SymbolicContents.equal(a, b)
    case .less: SymbolicContents.less(a, b)
    case .lessOrEqual: SymbolicContents.less(b, a).map { !$0 }
    case .greater: SymbolicContents.less(b, a)
    case .greaterOrEqual: SymbolicContents.less(a, b).map { !$0 }
    }
  }
}

/// Element-wise comparisons of two tensors of one type, broadcast to each other; bool out.
public struct ComparisonOperator: Operator {
  public let name: OperatorName
  public let traits: OperatorTraits
  private let comparison: Comparison

  public init(_ name: String, _ comparison: Comparison) {
    self.name = OperatorName(name)
    self.comparison = comparison
    traits = comparison == .equal ? [.elementwise, .commutative] : .elementwise
  }

  public func infer(_ context: inout InferenceContext) throws {
    let type = try context.commonType([0, 1])
    var contents: [Dim]?
    if let type, type.isInteger || type == .bool {
      contents = SymbolicContents.map(context) { a, b in comparison.holds(a, b).map { $0 ? 1 : 0 } }
    }
    context.set(0, .bool, try context.broadcastInputs(), symbols: contents)
  }

  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (a, b) = (try context.tensor(0), try context.tensor(1))
    guard a.dataType == b.dataType else {
      throw CameoError.badInput("inputs 0 and 1 must agree in type, \(a.dataType) and \(b.dataType) are there")
    }
    let shape = try Broadcast.shape(a.shape, b.shape)
    switch a.dataType {
    case .string: return [.tensor(try strings(a, b, shape))]
    case .double: return [.tensor(try compare(a, b, shape, Double.self))]
    case .uint64: return [.tensor(try compare(a, b, shape, UInt64.self))]
    case let type where type.isFloatingPoint: return [.tensor(try compare(a, b, shape, Float.self))]
    case let type where type.isInteger || type == .bool: return [.tensor(try compare(a, b, shape, Int64.self))]
    default: throw CameoError.unsupported("\(name) of \(a.dataType)")
    }
  }

  private func compare<T: ComputeElement & Comparable>(_ a: Tensor, _ b: Tensor, _ shape: [Int], _: T.Type) throws
    -> Tensor
  {
    try ElementwiseMaps.map(a, b, to: .bool, shape) { (x: T, y: T) -> Bool in comparison.holds(x, y) }
  }

  private func strings(_ a: Tensor, _ b: Tensor, _ shape: [Int]) throws -> Tensor {
    let walk = BroadcastWalk(shape, broadcasting: [a.shape, b.shape])
    return try Tensor.make(.bool, shape, as: Bool.self) { out in
      walk.forEachRow { position, offsets in
        for i in 0..<walk.rowLength {
          out[position + i] = comparison.holds(
            a.strings[offsets[0] + i * walk.rowStrides[0]], b.strings[offsets[1] + i * walk.rowStrides[1]])
        }
      }
    }
  }

  public func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 7 { try graph.upgradeLegacyBroadcast(node) }
  }

  public func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 7 { try graph.lowerLegacyBroadcast(node, commutes: comparison == .equal) }
  }
}
