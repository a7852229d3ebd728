import GraphIR
import Operators
import PassKit
import Tensors

/// What a node does to one operand where it is `x * scale + offset` with one pair of constants for each index of one axis.
struct AxisAffine {
  /// The axis of the operand along which the numbers differ, from the front; nil: they are one pair for everything.
  let axis: Int?
  /// One for each index of the axis, or one.
  let scale: [Double]
  let offset: [Double]

  static let operators: Set<String> = ["BatchNormalization", "Mul", "Div", "Add", "Sub"]

  var isShift: Bool { scale.allSatisfy { $0 == 1 } }
  var isScale: Bool { offset.allSatisfy { $0 == 0 } }

  /// The operand of `id` that is computed, where the node is one of the operators and the rest is constant; nil where it is not.
  static func operand(of id: NodeID, _ context: PassContext) -> ValueID? {
    let node = context.graph[id]
    guard node.domain.isEmpty, operators.contains(node.type), let first = node.input(0) else { return nil }
    if node.type == "BatchNormalization" { return first }
    guard let second = node.input(1) else { return nil }
    if context.graph.constant(second) != nil { return first }
    return context.graph.constant(first) != nil && node.type != "Div" ? second : nil
  }

  /// nil where there is nothing to say: the numbers are no floats, a further output is read. Throws a `Refusal` for numbers that
  /// differ along several axes, that widen the operand, or that are not finite.
  static func read(_ id: NodeID, _ data: ValueID, _ context: PassContext) throws -> AxisAffine? {
    let node = context.graph[id]
    let isNormalization = node.type == "BatchNormalization"
    guard let result = isNormalization ? try normalization(node, id, context) : try sum(node, id, data, context) else {
      return nil
    }
    // BatchNormalization has one for each channel whatever is known of the shape.
    if !isNormalization, let axis = result.axis, let shape = context.shape(data), shape[axis] != Dim(result.scale.count)
    {
      let dims = shape.map(\.description).joined(separator: ", ")
      throw Refusal(
        "the \(result.scale.count) numbers of \(node.type) are not one for each index of an axis of [\(dims)]", at: id)
    }
    guard (result.scale + result.offset).allSatisfy(\.isFinite) else {
      throw Refusal("a scale or offset of \(node.type) is not finite", at: id)
    }
    return result
  }

  private static func normalization(_ node: Node, _ id: NodeID, _ context: PassContext) throws -> AxisAffine? {
    if try AttributeReader(node).int("training_mode", default: 0) != 0 {
      throw Refusal("BatchNormalization is in training mode", at: id)
    }
    for extra in node.outputs.dropFirst() { if let extra, !context.graph[extra].uses.isEmpty { return nil } }
    let parameters = (1...4).compactMap { context.graph.constant(node.input($0)) }
    guard parameters.count == 4, let count = parameters.first?.count, parameters.allSatisfy({ $0.count == count })
    else {
      throw Refusal("the parameters of BatchNormalization are not constant", at: id)
    }
    let values = try parameters.map { try $0.elements(as: Double.self) }
    let epsilon = Double(try AttributeReader(node).float("epsilon", default: 1e-5))
    let scale = (0..<count).map { values[0][$0] / (values[3][$0] + epsilon).squareRoot() }
    return AxisAffine(axis: 1, scale: scale, offset: (0..<count).map { values[1][$0] - values[2][$0] * scale[$0] })
  }

  private static func sum(_ node: Node, _ id: NodeID, _ data: ValueID, _ context: PassContext) throws -> AxisAffine? {
    let isFirst = node.input(0) == data
    guard let rank = context.rank(data), let tensor = context.graph.constant(node.input(isFirst ? 1 : 0)),
      tensor.dataType.isFloatingPoint, tensor.count > 0
    else { return nil }
    let wide = tensor.shape.indices.filter { tensor.shape[$0] != 1 }
    guard tensor.rank <= rank, wide.count <= 1, tensor.count <= 1 << 24 else {
      throw Refusal(
        "the constant of shape \(tensor.shape) is not one number for each channel: it varies along further axes, or widens",
        at: id)
    }
    let values = try tensor.elements(as: Double.self)
    let axis = wide.first.map { $0 + rank - tensor.rank }
    let ones = [Double](repeating: 1, count: values.count)
    let zeros = [Double](repeating: 0, count: values.count)
    switch node.type {
    case "Mul": return AxisAffine(axis: axis, scale: values, offset: zeros)
    case "Div": return AxisAffine(axis: axis, scale: values.map { 1 / $0 }, offset: zeros)
    case "Add": return AxisAffine(axis: axis, scale: ones, offset: values)
    case "Sub" where isFirst: return AxisAffine(axis: axis, scale: ones, offset: values.map { -$0 })
    case "Sub": return AxisAffine(axis: axis, scale: ones.map { -$0 }, offset: values)
    default: return nil
    }
  }

  /// One pair for each of `count` channels.
  func spread(_ count: Int) -> (scale: [Double], offset: [Double]) {
    func spread(_ values: [Double]) -> [Double] {
      values.count == 1 ? [Double](repeating: values[0], count: count) : values
    }
    return (spread(scale), spread(offset))
  }
}

/// The indices of an axis, followed through nodes that move data.
struct AxisTrail {
  private(set) var axis: Int
  /// Which index of the first axis each index of this one belongs to.
  private(set) var origins: [Int]

  init(axis: Int, count: Int) {
    self.axis = axis
    origins = Array(0..<count)
  }

  static let operators: Set<String> = ["Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten"]

  /// Nodes that only move data between `value` and what computes it, the first one first, and that value. Values that are read
  /// elsewhere, too, end the way; their shape may be read.
  static func movements(
    behind value: ValueID, in region: RegionID, _ context: PassContext
  ) -> (nodes: [NodeID], source: ValueID) {
    let graph = context.graph
    var nodes: [NodeID] = []
    var value = value
    while let id = graph.producer(value), graph[id].domain.isEmpty, operators.contains(graph[id].type),
      graph[id].region == region, graph.hasSingleUse(value), let next = graph[id].input(0)
    {
      nodes.insert(id, at: 0)
      value = next
    }
    return (nodes, value)
  }

  /// False where the axis is cut up, or where that is not known.
  mutating func follow(_ id: NodeID, _ context: PassContext) throws -> Bool {
    let node = context.graph[id]
    guard let from = context.shape(node.input(0)), let to = context.shape(node.output(0)), from.indices.contains(axis)
    else { return false }
    if node.type == "Transpose" {
      let permutation = try AttributeReader(node).optionalInts("perm") ?? from.indices.reversed()
      guard let position = permutation.firstIndex(of: axis) else { return false }
      axis = position
      return true
    }
    func product(_ dims: ArraySlice<Dim>) -> Dim { dims.reduce(1, *) }
    // The axis of the result that holds this one: as much stands in front of it as in front of some axis up to this one.
    for first in stride(from: axis, through: 0, by: -1) {
      let front = product(from[..<first])
      guard let repeats = product(from[first..<axis]).value else { return false }
      for position in to.indices where product(to[..<position]) == front {
        guard let length = to[position].value, repeats > 0, origins.count > 0,
          length % (repeats * origins.count) == 0
        else { continue }
        let inner = length / (repeats * origins.count)
        guard let last = (axis..<from.count).first(where: { product(from[(axis + 1)..<($0 + 1)]) == Dim(inner) }),
          product(from[(last + 1)...]) == product(to[(position + 1)...])
        else { continue }
        guard length <= 1 << 24 else { return false }
        let old = origins
        origins = (0..<length).map { old[$0 / inner % old.count] }
        axis = position
        return true
      }
    }
    return false
  }
}
