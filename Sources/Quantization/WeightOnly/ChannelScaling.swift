import GraphIR
import Operators
import PassKit
import Tensors

/// The value that products read once its channels have been divided by AWQ's factors.
struct ChannelScaling {
  /// nil: they read what they read before.
  let divided: ValueID?
  /// What the weights' channels are multiplied with; nil: nothing was changed.
  let factors: [Float]?

  static let none = ChannelScaling(divided: nil, factors: nil)

  /// H of the divided value.
  func gram(_ gram: [Float]) -> [Float] {
    guard let factors else { return gram }
    let depth = factors.count
    let inverses = factors.map { 1 / $0 }
    var result = gram
    result.withUnsafeMutableBufferPointer { result in
      for i in 0..<depth { for j in 0..<depth { result[i * depth + j] *= inverses[i] * inverses[j] } }
    }
    return result
  }

  /// Divides `value`: by the scale and bias of the normalization or the factor of the Mul that computes it, where only
  /// `readers` read it, else by a Mul in front of them.
  static func make(
    _ value: ValueID, _ factors: [Float], readers: [NodeID], type: DataType, _ context: PassContext, rule: String
  ) throws -> ChannelScaling {
    let graph = context.graph
    guard let region = readers.first.map({ graph[$0].region }) else { return .none }
    if try fold(value, factors, readers: Set(readers), context, rule: rule) {
      return ChannelScaling(divided: nil, factors: factors)
    }
    var change = GraphChange(rule: rule, covers: [], region: region)
    let inverse = change.constant(try Tensor.of(factors.map { 1 / $0 }, type))
    _ = change.node("Mul", [.existing(value), inverse], covers: [])
    let added = try context.apply(change).added
    guard let node = added.first, let divided = context.graph[node].output(0) else { return .none }
    return ChannelScaling(divided: divided, factors: factors)
  }

  private static func fold(
    _ value: ValueID, _ factors: [Float], readers: Set<NodeID>, _ context: PassContext, rule: String
  ) throws -> Bool {
    let graph = context.graph
    let isPrivate = graph[value].uses.allSatisfy { use in
      if case .node(let id, let slot) = use { return slot == 0 && readers.contains(id) }
      return false
    }
    guard isPrivate, let producer = graph.producer(value) else { return false }
    let node = graph[producer]
    let slots: [Int]
    switch node.operatorName {
    case OperatorName("LayerNormalization"): slots = node.input(2) == nil ? [1] : [1, 2]
    case OperatorName("RMSNormalization"): slots = [1]
    case OperatorName("Mul"):
      guard let slot = [0, 1].first(where: { isRow(node.input($0), factors.count, graph) }) else { return false }
      slots = [slot]
    default: return false
    }
    guard node.output(0) == value, slots.allSatisfy({ isRow(node.input($0), factors.count, graph) }) else {
      return false
    }
    var change = GraphChange(rule: rule, covers: [], region: node.region)
    for slot in slots {
      guard let old = graph.constant(node.input(slot)) else { return false }
      let values = zip(try old.elements(as: Float.self), factors).map { $0 / $1 }
      change.setInput(slot, of: producer, to: change.constant(try Tensor.of(values, old.dataType, shape: old.shape)))
    }
    try context.apply(change)
    return true
  }

  /// True for a constant that is one row along the last axis.
  private static func isRow(_ value: ValueID?, _ width: Int, _ graph: Graph) -> Bool {
    guard let tensor = graph.constant(value) else { return false }
    return tensor.count == width && tensor.shape.last == width && tensor.dataType.isFloatingPoint
  }
}
