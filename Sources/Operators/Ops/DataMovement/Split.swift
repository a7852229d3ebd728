import GraphIR
import Tensors

/// Split: parts of the input along `axis`, of the lengths in input 1, or equal ones (the last may be shorter).
struct Split: Operator {
  let name = OperatorName("Split")
  let traits: OperatorTraits = []

  /// The lengths of `count` parts of `total`. Throws where they do not add up.
  private func lengths(_ given: [Int]?, count: Int, total: Int, partCount: Int?) throws -> [Int] {
    if let given {
      guard given.count == count, given.allSatisfy({ $0 >= 0 }), given.reduce(0, &+) == total else {
        throw CameoError.badInput("the parts \(given) do not make \(count) outputs of a dimension of \(total)")
      }
      return given
    }
    guard count > 0 else { throw CameoError.badInput("the node has no outputs") }
    if let partCount, partCount != count {
      throw CameoError.badInput("num_outputs is \(partCount), the node has \(count) outputs")
    }
    let length = total == 0 ? 0 : (total - 1) / count + 1
    return (0..<count).map { Swift.max(0, Swift.min(length, total - $0 * length)) }
  }

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    let count = context.node.outputs.count
    guard count > 0 else { throw CameoError.badInput("the node has no outputs") }
    guard let shape = context.shape(0) else {
      for output in 0..<count { context.set(output, type, nil) }
      return
    }
    let axis = try Axes.normalize(try context.attributes.int("axis", default: 0), rank: shape.count)
    var parts: [Dim]
    let given = context.symbols(1)
    let partCount = try context.attributes.optionalInt("num_outputs")
    if context.hasInput(1), given == nil {
      parts = (0..<count).map { _ in context.unknownDim() }
    } else if let total = shape[axis].value, given?.allSatisfy(\.isKnown) ?? true {
      parts = try lengths(given?.compactMap(\.value), count: count, total: total, partCount: partCount).map { Dim($0) }
    } else if let given {
      guard given.count == count else {
        throw CameoError.badInput("\(given.count) parts are given, the node has \(count) outputs")
      }
      parts = given
    } else {
      let length = shape[axis].ceilDiv(Dim(count))
      parts = (0..<count).map { part in
        // All parts are equal where the division is exact; else the last ones come shorter.
        length * Dim(count) == shape[axis] ? length : Dim.max(0, Dim.min(length, shape[axis] - length * Dim(part)))
      }
    }
    var start = 0
    for output in 0..<count {
      var piece = shape
      piece[axis] = parts[output]
      var symbols: [Dim]?
      if shape.count == 1, let own = context.symbols(0), let length = parts[output].value, start + length <= own.count {
        symbols = Array(own[start..<start + length])
        start += length
      }
      context.set(output, type, piece, symbols: symbols)
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let axis = try Axes.normalize(try context.attributes.int("axis", default: 0), rank: data.rank)
    let parts = try lengths(
      try context.optionalTensor(1)?.ints(), count: context.node.outputs.count, total: data.shape[axis],
      partCount: try context.attributes.optionalInt("num_outputs"))
    let strides = Tensor.strides(data.shape)
    var start = 0
    return try parts.map { length in
      var shape = data.shape
      shape[axis] = length
      defer { start += length }
      return .tensor(
        try DataMovement.strided(data, shape, strides: strides, start: length == 0 ? 0 : start * strides[axis]))
    }
  }

  /// Before version 13 the lengths are an attribute; before 18 the number of outputs needs no attribute. Version 1 had both
  /// an attribute and an input for the lengths.
  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 13, graph[node].input(1) == nil { try graph.moveAttributeToInput("split", of: node, at: 1) }
    if version < 18, graph[node].input(1) == nil {
      graph.setAttribute("num_outputs", of: node, to: .int(Int64(graph[node].outputs.count)))
    }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 18 else { return }
    if graph[node].input(1) == nil {
      let count = Swift.max(graph[node].outputs.count, 1)
      let axis = try AttributeReader(graph[node]).int("axis", default: 0)
      if let shape = graph.shape(graph[node].input(0)), let place = try? Axes.normalize(axis, rank: shape.count),
        let total = shape[place].value, total % count != 0
      {
        // Unequal parts are spelled out.
        let parts = try lengths(nil, count: count, total: total, partCount: nil)
        graph.insertInput(graph.emitConstant(try .ints(parts), like: node), of: node, at: 1)
      }
      graph.setAttribute("num_outputs", of: node, to: nil)
    }
    guard version < 13 else { return }
    try graph.moveInputToAttribute(1, of: node, named: "split", Attribute.ints)
    if version < 11 { try graph.countAxisFromFront(node, rank: graph.rank(graph[node].input(0))) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Split(), to: $0) })
