public import GraphIR
public import Tensors

/// Element-wise functions of two bool tensors, broadcast to each other.
public struct LogicalOperator: Operator {
  public let name: OperatorName
  public let traits: OperatorTraits = [.elementwise, .commutative]
  private let function: @Sendable (Bool, Bool) -> Bool

  public init(_ name: String, _ function: @escaping @Sendable (Bool, Bool) -> Bool) {
    self.name = OperatorName(name)
    self.function = function
  }

  public func infer(_ context: inout InferenceContext) throws {
    try context.requireSameType([0, 1])
    let contents = SymbolicContents.map(context) { a, b in
      guard let x = a.value, let y = b.value else { return nil }
      return function(x != 0, y != 0) ? 1 : 0
    }
    context.set(0, .bool, try context.broadcastInputs(), symbols: contents)
  }

  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (a, b) = (try context.tensor(0), try context.tensor(1))
    let shape = try Broadcast.shape(a.shape, b.shape)
    let (x, y) = (try ElementwiseMaps.truths(a), try ElementwiseMaps.truths(b))
    let walk = BroadcastWalk(shape, broadcasting: [a.shape, b.shape])
    return [
      .tensor(
        try Tensor.make(.bool, shape, as: Bool.self) { out in
          walk.forEachRow { position, offsets in
            for i in 0..<walk.rowLength {
              out[position + i] = function(
                x[offsets[0] + i * walk.rowStrides[0]], y[offsets[1] + i * walk.rowStrides[1]])
            }
          }
        })
    ]
  }

  public func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 7 { try graph.upgradeLegacyBroadcast(node) }
  }

  public func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 7 { try graph.lowerLegacyBroadcast(node, commutes: true) }
  }
}
