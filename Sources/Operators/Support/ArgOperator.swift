public import GraphIR
public import Tensors

/// ArgMax and ArgMin: the place of the greatest (least) element along `axis`, int64; NaN counts as the greatest (least), the
/// first of equals wins unless `select_last_index`.
public struct ArgOperator: Operator {
  public let name: OperatorName
  private let greatest: Bool

  public init(_ name: String, greatest: Bool) {
    self.name = OperatorName(name)
    self.greatest = greatest
  }

  private func shape<T>(_ shape: [T], _ attributes: AttributeReader, one: T) throws -> [T] {
    var result = shape
    let axis = try Axes.normalize(try attributes.int("axis", default: 0), rank: shape.count)
    if try attributes.int("keepdims", default: 1) != 0 { result[axis] = one } else { result.remove(at: axis) }
    return result
  }

  public func infer(_ context: inout InferenceContext) throws {
    context.set(0, .int64, try context.shape(0).map { try shape($0, context.attributes, one: 1) })
  }

  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    // A scalar is taken as one element.
    let operand = data.rank == 0 ? try data.reshaped([1]) : data
    let axis = try Axes.normalize(try context.attributes.int("axis", default: 0), rank: operand.rank)
    let shape = data.rank == 0 ? [] : try self.shape(data.shape, context.attributes, one: 1)
    guard operand.shape[axis] > 0 || shape.contains(0) else {
      throw CameoError.badInput("axis \(axis) is empty, an element was expected")
    }
    let last = try context.attributes.bool("select_last_index")
    switch data.dataType {
    case .double: return [.tensor(try find(ElementView<Double>(operand), operand, axis, shape, last))]
    case .uint64: return [.tensor(try find(ElementView<UInt64>(operand), operand, axis, shape, last))]
    case let type where type.isFloatingPoint:
      return [.tensor(try find(ElementView<Float>(operand), operand, axis, shape, last))]
    case let type where type.isInteger:
      return [.tensor(try find(ElementView<Int64>(operand), operand, axis, shape, last))]
    default: throw CameoError.unsupported("\(name) of \(data.dataType)")
    }
  }

  private func find<T: ComputeElement & Comparable>(
    _ view: ElementView<T>, _ data: Tensor, _ axis: Int, _ shape: [Int], _ last: Bool
  ) throws -> Tensor {
    let length = data.shape[axis]
    let inner = try Tensor.elementCount(data.shape[(axis + 1)...])
    return try Tensor.make(.int64, shape, as: Int64.self) { out in
      for position in 0..<(try Tensor.elementCount(shape)) {
        let start = position / inner * length * inner + position % inner
        var best = 0
        var value = view[start]
        for i in 1..<Swift.max(length, 1) {
          let next = view[start + i * inner]
          let isNaN = next != next
          let isBetter = value != value ? false : isNaN || (greatest ? next > value : next < value)
          let isEqual = next == value || isNaN && value != value
          if isBetter || last && isEqual {
            best = i
            value = next
          }
        }
        out[position] = Int64(best)
      }
    }
  }

  public func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 12, graph[node]["select_last_index"] != nil {
      let isLast = try AttributeReader(graph[node]).bool("select_last_index")
      graph.setAttribute("select_last_index", of: node, to: nil)
      if isLast, graph.rank(graph[node].input(0)) != 0 { return try searchFromTheEnd(&graph, node) }
    }
    if version < 11 { try graph.countAxisFromFront(node, rank: graph.rank(graph[node].input(0))) }
  }

  /// The last of equals is the first of them counted from the end. One table of places, length - 1 ... 0, turns the data and
  /// turns the place back; it is a constant where the length is known, computed (from opset 9 on) otherwise.
  private func searchFromTheEnd(_ graph: inout Graph, _ node: NodeID) throws {
    guard let data = graph[node].input(0) else { return }
    let axis = try AttributeReader(graph[node]).int("axis", default: 0)
    let shape = graph.shape(data)
    let length = try shape.flatMap { $0[try Axes.normalize(axis, rank: $0.count)].value }
    let places: ValueID
    if let length {
      try MemoryBudget.shared.check(8 * max(0, min(length, 1 << 48)), for: "a table of \(length) places")
      places = graph.emitConstant(try .ints(Array((0..<max(0, length)).reversed())), like: node)
    } else {
      places = try computedPlaces(&graph, node, data, axis)
    }
    let turned = graph.emit("Gather", [data, places], [NamedAttribute("axis", .int(Int64(axis)))], like: node)
    graph.setType(.tensor(graph.dataType(data), shape), of: turned)
    let found = graph.emit(name.name, [turned], graph[node].attributes, like: node)
    graph.setType(graph[node].output(0).flatMap { graph[$0].type }, of: found)
    graph.replaceNode(node, by: graph.emit("Gather", [places, found], like: node))
  }

  private func computedPlaces(_ graph: inout Graph, _ node: NodeID, _ data: ValueID, _ axis: Int) throws -> ValueID {
    let all = graph.emit("Shape", [data], like: node)
    let which = graph.emitConstant(try .ints([axis]), like: node)
    let length = graph.emit("Gather", [all, which], like: node)
    let one = graph.emitConstant(try .ints([1]), like: node)
    let ones = graph.emit("ConstantOfShape", [length], [NamedAttribute("value", .tensor(try .ints([1])))], like: node)
    let row = graph.emit("NonZero", [ones], like: node)
    let flat = graph.emitConstant(try .ints([-1]), like: node)
    let ascending = graph.emit("Reshape", [row, flat], like: node)
    return graph.emit("Sub", [graph.emit("Sub", [length, one], like: node), ascending], like: node)
  }
}
