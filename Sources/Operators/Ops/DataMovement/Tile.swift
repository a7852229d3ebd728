import GraphIR
import Tensors

/// Tile: the input repeated along each axis.
struct Tile: Operator {
  let name = OperatorName("Tile")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    guard let shape = context.shape(0) else {
      return context.set(0, type, context.length(1).map { context.unknownShape(rank: $0) })
    }
    guard let repeats = context.symbols(1) else { return context.set(0, type, context.unknownShape(rank: shape.count)) }
    guard repeats.count == shape.count else {
      throw CameoError.badInput("\(repeats.count) repeats are given for an input of rank \(shape.count)")
    }
    if let bad = repeats.first(where: { ($0.value ?? 0) < 0 }) {
      throw CameoError.badInput("repeats hold \(bad), 0 or more was expected")
    }
    context.set(0, type, zip(shape, repeats).map { $0 * $1 })
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let repeats = try context.tensor(1).ints()
    guard repeats.count == data.rank, repeats.allSatisfy({ $0 >= 0 }) else {
      throw CameoError.badInput("repeats \(repeats) do not fit an input of shape \(data.shape)")
    }
    // Axis n becomes two: over the repeats (standing still) and over the elements.
    var inner: [Int] = []
    var strides: [Int] = []
    var shape: [Int] = []
    for (axis, stride) in Tensor.strides(data.shape).enumerated() {
      inner += [repeats[axis], data.shape[axis]]
      strides += [0, stride]
      shape.append(try Tensor.elementCount([repeats[axis], data.shape[axis]]))
    }
    return [.tensor(try DataMovement.strided(data, inner, strides: strides).reshaped(shape))]
  }

  /// Version 1 repeats one axis: inputs `tiles` and `axis`.
  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 6 else { return }
    guard let tiles = try graph.constant(graph[node].input(1))?.scalar(as: Int64.self),
      let axis = try graph.constant(graph[node].input(2))?.scalar(as: Int64.self),
      let rank = graph.rank(graph[node].input(0))
    else { throw CameoError.unsupported("Tile of opset 1 needs fixed tiles and axis, and an input of known rank") }
    var repeats = [Int](repeating: 1, count: rank)
    repeats[try Axes.normalize(Int(axis), rank: rank)] = Int(tiles)
    graph.replaceInputs(of: node, with: [graph[node].input(0), graph.emitConstant(try .ints(repeats), like: node)])
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 6 else { return }
    guard let repeats = try graph.constant(graph[node].input(1))?.ints(), var input = graph[node].input(0),
      let type = graph.dataType(input)
    else { throw CameoError.unsupported("before opset 6 Tile repeats an axis a fixed number of times") }
    // One node an axis, this one the last.
    var axes = repeats.indices.filter { repeats[$0] != 1 }
    let last = axes.popLast() ?? 0
    for axis in axes {
      var all = [Int](repeating: 1, count: repeats.count)
      all[axis] = repeats[axis]
      var shape = graph[input].type?.shape
      if let size = shape, size.count == repeats.count { shape?[axis] = size[axis] * Dim(repeats[axis]) }
      input = graph.emit("Tile", [input, graph.emitConstant(try .ints(all), like: node)], like: node)
      graph.setType(.tensor(type, shape), of: input)
    }
    let tiles = try Tensor.ints([repeats.isEmpty ? 1 : repeats[last]]).converted(to: type)
    let place = try Tensor.ints([last]).converted(to: type)
    graph.replaceInputs(
      of: node, with: [input, graph.emitConstant(tiles, like: node), graph.emitConstant(place, like: node)])
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Tile(), to: $0) })
