import GraphIR
import Tensors

/// SpaceToDepth: blocks of space become blocks of channels; the reverse of DepthToSpace of the same `mode`.
struct SpaceToDepth: Operator {
  let name = OperatorName("SpaceToDepth")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    try context.require(rank: 4...4, of: 0)
    guard let x = context.shape(0) else { return context.set(0, type, context.unknownShape(rank: 4)) }
    let block = try SpaceBlocks.size(context.attributes)
    for axis in 2...3 {
      if let length = x[axis].value, length % block != 0 {
        throw CameoError.badInput("axis \(axis) of length \(length) is not divisible by \(block)")
      }
    }
    context.set(0, type, [x[0], x[1] * Dim(block * block), x[2].floorDiv(Dim(block)), x[3].floorDiv(Dim(block))])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let shape = try context.outputType(0, by: self).shape
    let b = try SpaceBlocks.size(context.attributes)
    let (n, c, h, w) = (data.shape[0], data.shape[1], data.shape[2] / b, data.shape[3] / b)
    let order = try SpaceBlocks.isColumnFirst(context.attributes) ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4]
    return [.tensor(try DataMovement.transpose(try data.reshaped([n, c, h, b, w, b]), order).reshaped(shape))]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 28 else { return }
    if try SpaceBlocks.isColumnFirst(AttributeReader(graph[node])) { return try gather(&graph, node) }
    graph.setAttribute("mode", of: node, to: nil)
  }

  /// Mode CRD as Reshape and Transpose: the inverse of what DepthToSpace does.
  private func gather(_ graph: inout Graph, _ node: NodeID) throws {
    let block = try SpaceBlocks.size(AttributeReader(graph[node]))
    let x = SpaceBlocks.sizes(graph, node)
    let (c, h, w) = (x[1].map { $0 * block * block }, x[2].map { $0 / block }, x[3].map { $0 / block })
    let moves: [SpaceBlocks.Move] =
      SpaceBlocks.canName([c, h, w])
      ? [
        .reshape(kept: 2, [h, block, w, block]), .transpose([0, 1, 3, 5, 2, 4]), .reshape(kept: 1, [c, h, w]),
      ]
      : [
        .reshape(kept: 3, [w, block]), .transpose([0, 1, 3, 4, 2]), .reshape(kept: 3, [block, h, block]),
        .transpose([0, 4, 2, 1, 5, 3]), .reshape(kept: 3, [c]), .transpose([0, 3, 1, 2]),
      ]
    try SpaceBlocks.replace(&graph, node, by: moves)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SpaceToDepth(), to: $0) })
