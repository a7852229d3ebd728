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
    if try SpaceBlocks.isColumnFirst(AttributeReader(graph[node])) { return try spread(&graph, node) }
    graph.setAttribute("mode", of: node, to: nil)
  }

  /// Mode CRD as Reshape and Transpose: channel (c, i, j) of (h, w) goes to (h, i), (w, j). A shape names what is known;
  /// one that would leave two sizes open is avoided by merging one axis after the other.
  private func spread(_ graph: inout Graph, _ node: NodeID) throws {
    let block = try SpaceBlocks.size(AttributeReader(graph[node]))
    let x = SpaceBlocks.sizes(graph, node)
    let (c, h, w) = (x[1].map { $0 / (block * block) }, x[2], x[3])
    let (tall, wide) = (h.map { $0 * block }, w.map { $0 * block })
    let moves: [SpaceBlocks.Move] =
      SpaceBlocks.canName([c, h, w])
      ? [
        .reshape(kept: 1, [c, block, block, h, w]), .transpose([0, 1, 4, 2, 5, 3]), .reshape(kept: 2, [tall, wide]),
      ]
      : [
        .transpose([0, 2, 3, 1]), .reshape(kept: 3, [c, block, block]), .transpose([0, 3, 2, 5, 1, 4]),
        .reshape(kept: 3, [block, tall]), .transpose([0, 1, 4, 2, 3]), .reshape(kept: 3, [wide]),
      ]
    try SpaceBlocks.replace(&graph, node, by: moves)
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

  enum Move {
    /// Keeps the first axes and gives the others these sizes; nil: what is left.
    case reshape(kept: Int, [Int?])
    case transpose([Int])
  }

  /// The sizes [N, C, H, W] of the node's input, where known.
  static func sizes(_ graph: Graph, _ node: NodeID) -> [Int?] {
    guard let shape = graph.shape(graph[node].input(0)), shape.count == 4 else { return [nil, nil, nil, nil] }
    return shape.map(\.value)
  }

  /// True where one shape can hold all of `sizes`: one may be left open, none is 0.
  static func canName(_ sizes: [Int?]) -> Bool {
    sizes.count(where: { $0 == nil }) <= 1 && !sizes.contains(0)
  }

  /// Puts `moves`, one after the other, in the place of the node. A 0 in a shape keeps the size that stands there, which is
  /// 0 wherever a move names 0.
  static func replace(_ graph: inout Graph, _ node: NodeID, by moves: [Move]) throws {
    guard var value = graph[node].input(0) else { throw CameoError.badInput("input 0 is missing") }
    let type = graph.dataType(value)
    for move in moves {
      switch move {
      case .reshape(let kept, let sizes):
        let shape = [Int](repeating: 0, count: kept) + sizes.map { $0 ?? -1 }
        value = graph.emit("Reshape", [value, graph.emitConstant(try .ints(shape), like: node)], like: node)
      case .transpose(let order):
        value = graph.emit("Transpose", [value], [NamedAttribute("perm", .ints(order.map { Int64($0) }))], like: node)
      }
      graph.setType(.tensor(type, nil), of: value)
    }
    graph.replaceNode(node, by: value)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(DepthToSpace(), to: $0) })
