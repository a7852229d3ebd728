import GraphIR
import Operators
import PassKit
import Tensors

/// What a product's output channels flow through, up to the products that read them: each channel by itself all the
/// way.
struct ChannelPath {
  /// A constant, its input slot, and the axis that runs along the channels.
  struct Part {
    let node: NodeID
    let slot: Int
    let axis: Int
  }

  private(set) var parts: [Part] = []
  /// Products that end the path.
  private(set) var readers: [NodeID] = []
  /// All nodes on the way, readers among them.
  private(set) var nodes: Set<NodeID> = []
  /// Values on the way, and the axis of channels in each.
  private(set) var values: [(value: ValueID, axis: Int)] = []
  private let context: PassContext
  private let channels: Int

  private static let unary: Set<String> = [
    "Abs", "Celu", "Clip", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Mish", "Neg",
    "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu", "Exp",
  ]
  private static let pools: Set<String> = ["AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"]
  private static let binary: Set<String> = ["Add", "Div", "Mul", "Sub", "PRelu"]

  /// The path of `value`'s channels. Throws a `Refusal` with the node where they do not stay by themselves.
  init(_ value: ValueID, axis: Int, channels: Int, _ context: PassContext) throws {
    self.context = context
    self.channels = channels
    var work = [(value, axis)]
    var axes = [value: axis]
    var joins: [(NodeID, [ValueID])] = []
    while let (value, axis) = work.popLast() {
      values.append((value, axis))
      if context.graph.isRegionOutput(value) { throw Refusal("the channels are an output of the model") }
      for use in context.graph[value].uses {
        guard case .node(let id, let slot) = use else { continue }
        guard let next = try follow(id, slot, axis, &joins) else { continue }
        if axes[next] == nil {
          axes[next] = axis
          work.append((next, axis))
        }
      }
    }
    for (id, operands) in joins where !operands.allSatisfy({ axes[$0] != nil }) {
      throw Refusal("the channels meet others", at: id)
    }
    if readers.isEmpty { throw Refusal("no product reads the channels") }
  }

  /// The value behind a node on the path; nil where the path ends there.
  private mutating func follow(
    _ id: NodeID, _ slot: Int, _ axis: Int, _ joins: inout [(NodeID, [ValueID])]
  ) throws -> ValueID? {
    let node = context.graph[id]
    guard node.domain.isEmpty, let output = node.output(0) else {
      throw Refusal("\(node.operatorName) mixes the channels", at: id)
    }
    nodes.insert(id)
    if Self.unary.contains(node.type), slot == 0 { return output }
    if Self.pools.contains(node.type), axis == 1, node.outputs.count == 1 { return output }
    if Self.binary.contains(node.type), node.inputs.count == 2 { return try join(id, node, axis, output, &joins) }
    if node.is("BatchNormalization"), slot == 0, axis == 1, node.outputs.count == 1 {
      for slot in 1..<5 { try add(id, slot, axis: 0) }
      return output
    }
    if node.is("Conv"), slot == 0, axis == 1 {
      let groups = try AttributeReader(node).int("group", default: 1)
      guard groups == 1 else { throw Refusal("a grouped Conv reads them", at: id) }
      try add(id, 1, axis: 1)
    } else if node.is("MatMul"), slot == 0, isLast(axis, node.input(0)) {
      try add(id, 1, axis: 0)
    } else if node.is("Gemm"), slot == 0, isLast(axis, node.input(0)), try !AttributeReader(node).bool("transA") {
      try add(id, 1, axis: try AttributeReader(node).bool("transB") ? 1 : 0)
    } else {
      throw Refusal("\(node.operatorName) mixes the channels", at: id)
    }
    readers.append(id)
    return nil
  }

  private func isLast(_ axis: Int, _ value: ValueID?) -> Bool { context.rank(value) == axis + 1 }

  /// An element-wise operator of two operands: the other one is on the path, too, or a constant along the channels or
  /// alike for all.
  private mutating func join(
    _ id: NodeID, _ node: Node, _ axis: Int, _ output: ValueID, _ joins: inout [(NodeID, [ValueID])]
  ) throws -> ValueID {
    guard let rank = context.rank(output) else { throw Refusal("the rank is not known", at: id) }
    var operands: [ValueID] = []
    for (slot, input) in node.inputs.enumerated() {
      guard let input else { continue }
      guard let tensor = context.graph.constant(input) else {
        guard context.rank(input) == rank else { throw Refusal("the channels are broadcast", at: id) }
        operands.append(input)
        continue
      }
      let place = axis - (rank - tensor.rank)
      if tensor.rank > rank { throw Refusal("the channels are broadcast", at: id) }
      if place >= 0, tensor.shape[place] == channels {
        try add(id, slot, axis: place)
      } else if place >= 0, tensor.shape[place] != 1 {
        throw Refusal("the channels are broadcast", at: id)
      }
    }
    if !joins.contains(where: { $0.0 == id }) { joins.append((id, operands)) }
    return output
  }

  /// A constant that loses channels, each once.
  private mutating func add(_ id: NodeID, _ slot: Int, axis: Int) throws {
    if parts.contains(where: { $0.node == id && $0.slot == slot }) { return }
    guard let value = context.graph[id].input(slot), let tensor = context.graph.constant(value), tensor.rank > axis,
      tensor.shape[axis] == channels, tensor.dataType.isFloatingPoint
    else { throw Refusal("its operand is no constant along the channels", at: id) }
    parts.append(Part(node: id, slot: slot, axis: axis))
  }
}
