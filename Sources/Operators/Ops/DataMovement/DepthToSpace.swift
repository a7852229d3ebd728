import GraphIR
import Tensors

/// DepthToSpace: blocks of channels become blocks of space; `mode` DCR or CRD says how channels are numbered.
struct DepthToSpace: Operator {
  let name = OperatorName("DepthToSpace")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    try context.require(rank: 4...4, of: 0)
    guard let x = context.shape(0) else { return context.set(0, type, context.unknownShape(rank: 4)) }
    let block = try SpaceBlocks.size(context.attributes)
    let area = block * block
    if let channels = x[1].value, channels % area != 0 {
      throw CameoError.badInput("\(channels) channels are not divisible by \(area), the square of blocksize")
    }
    context.set(0, type, [x[0], x[1].floorDiv(Dim(area)), x[2] * Dim(block), x[3] * Dim(block)])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let shape = try context.outputType(0, by: self).shape
    let b = try SpaceBlocks.size(context.attributes)
    let (n, c, h, w) = (data.shape[0], data.shape[1] / (b * b), data.shape[2], data.shape[3])
    let moved =
      try SpaceBlocks.isColumnFirst(context.attributes)
      ? DataMovement.transpose(try data.reshaped([n, c, b, b, h, w]), [0, 1, 4, 2, 5, 3])
      : DataMovement.transpose(try data.reshaped([n, b, b, c, h, w]), [0, 3, 4, 1, 5, 2])
    return [.tensor(try moved.reshaped(shape))]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 11 else { return }
    guard try !SpaceBlocks.isColumnFirst(AttributeReader(graph[node])) else {
      throw CameoError.unsupported("before opset 11 there is no mode CRD")
    }
    graph.setAttribute("mode", of: node, to: nil)
  }
}

/// What DepthToSpace and SpaceToDepth share.
enum SpaceBlocks {
  static func size(_ attributes: AttributeReader) throws -> Int {
    let size = try attributes.int("blocksize")
    guard size > 0, size < 1 << 20 else {
      throw CameoError.badInput("attribute blocksize is \(size), 1 or more was expected")
    }
    return size
  }

  static func isColumnFirst(_ attributes: AttributeReader) throws -> Bool {
    switch try attributes.string("mode", default: "DCR") {
    case "DCR": false
    case "CRD": true
    case let other: throw CameoError.badInput("attribute mode is \(other), DCR or CRD was expected")
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(DepthToSpace(), to: $0) })
