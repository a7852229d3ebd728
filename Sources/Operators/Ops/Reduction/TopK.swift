import GraphIR
import Tensors

/// TopK: the `K` greatest (or least) elements along `axis` and their places; of equal ones the first comes first. NaN counts
/// as greater than every number. Always sorted, whatever `sorted` says.
struct TopK: Operator {
  let name = OperatorName("TopK")

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    guard var shape = context.shape(0) else {
      context.set(0, type, nil)
      return context.set(1, .int64, nil)
    }
    let axis = try Axes.normalize(try context.attributes.int("axis", default: -1), rank: shape.count)
    let k = context.symbols(1)?.first
    if let k = k?.value, k < 0 || k > (shape[axis].value ?? Int.max) {
      throw CameoError.badInput("K is \(k), axis \(axis) has length \(shape[axis])")
    }
    shape[axis] = k ?? context.unknownDim()
    context.set(0, type, shape)
    context.set(1, .int64, shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let axis = try Axes.normalize(try context.attributes.int("axis", default: -1), rank: data.rank)
    let k = Int(try context.scalar(1, as: Int64.self))
    guard k >= 0, k <= data.shape[axis] else {
      throw CameoError.badInput("K is \(k), axis \(axis) has length \(data.shape[axis])")
    }
    let largest = try context.attributes.int("largest", default: 1) != 0
    switch data.dataType {
    case .uint64: return try pick(ElementView<UInt64>(data), data, axis, k, largest)
    case let type where type.isFloatingPoint: return try pick(ElementView<Double>(data), data, axis, k, largest)
    case let type where type.isInteger: return try pick(ElementView<Int64>(data), data, axis, k, largest)
    default: throw CameoError.unsupported("TopK of \(data.dataType)")
    }
  }

  private func pick<T: ComputeElement & Comparable>(
    _ view: ElementView<T>, _ data: Tensor, _ axis: Int, _ k: Int, _ largest: Bool
  ) throws -> [Value?] {
    var shape = data.shape
    shape[axis] = k
    let length = data.shape[axis]
    let inner = try Tensor.elementCount(shape[(axis + 1)...])
    let outer = try Tensor.elementCount(shape[..<axis])
    var values = try ElementBuffer(data.dataType, shape)
    var places = [Int](repeating: 0, count: values.count)
    if values.count == 0 { return [.tensor(try values.finish()), .tensor(try .ints([], shape: shape))] }
    for line in 0..<outer * inner {
      let start = line / inner * length * inner + line % inner
      let order = (0..<length).sorted { a, b in
        let (x, y) = (view[start + a * inner], view[start + b * inner])
        if x == y || x != x && y != y { return a < b }
        if x != x || y != y { return (x != x) == largest }
        return largest ? x > y : x < y
      }
      let target = line / inner * k * inner + line % inner
      for (rank, place) in order.prefix(k).enumerated() {
        values.copy(data, from: start + place * inner, count: 1, to: target + rank * inner)
        places[target + rank * inner] = place
      }
    }
    return [.tensor(try values.finish()), .tensor(try .ints(places, shape: shape))]
  }

  /// Version 1 has `k` as an attribute.
  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 10 else { return }
    try graph.moveAttributeToInput("k", of: node, at: 1)
    guard let k = graph[node].input(1) else { return }
    if let tensor = graph.constant(k) {
      graph.setInput(1, of: node, to: graph.emitConstant(try tensor.reshaped([1]), like: node))
    } else {
      graph.setInput(
        1, of: node, to: graph.emit("Unsqueeze", [k, graph.emitConstant(try .ints([0]), like: node)], like: node))
    }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 11 {
      if try AttributeReader(graph[node]).int("largest", default: 1) == 0 { try lowerSmallest(&graph, node) }
      // Sorted is how the older versions give them.
      graph.setAttribute("largest", of: node, to: nil)
      graph.setAttribute("sorted", of: node, to: nil)
    }
    if version < 10 { try graph.moveInputToAttribute(1, of: node, named: "k", Attribute.int) }
  }

  /// Before opset 11 TopK finds the greatest elements only: those of the negated input, negated again.
  private func lowerSmallest(_ graph: inout Graph, _ node: NodeID) throws {
    let source = graph[node]
    guard let input = source.input(0), let type = graph.dataType(input), type.isFloatingPoint else {
      throw CameoError.unsupported("before opset 11 TopK finds the greatest elements of floats only")
    }
    graph.setInput(0, of: node, to: graph.emit("Neg", [input], like: node))
    guard let values = source.output(0) else { return }
    let negated = graph.addValue(name: graph.freshName("TopK"), type: graph[values].type, in: source.region)
    graph.rebindOutput(0, of: node, to: negated)
    graph.addNode(
      OperatorName("Neg"), inputs: [negated], outputs: [values], origins: source.origins, in: source.region)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(TopK(), to: $0) })
