import GraphIR
import Operators
import PassKit
import Tensors

/// Multiplies a value by one number a channel where it is made: in the constants of the normalization, convolution, or sums and products with
/// constants behind it, so that no node is added.
struct ChannelFolding {
  let factors: [Float]
  /// 1 for images, -1 for rows.
  let axis: Int
  /// Of the value; it matters for images only.
  let rank: Int
  let graph: Graph

  /// The factors as a constant that broadcasts over the value.
  func row() throws -> Tensor { try Tensor.of(factors, .float, shape: rowShape) }

  private var rowShape: [Int] { [factors.count] + [Int](repeating: 1, count: axis == 1 ? rank - 2 : 0) }

  /// False, and nothing noted in `change`, where the value is made by something else. The caller has made sure that whoever reads `value`
  /// expects the factors.
  func fold(into value: ValueID, _ change: inout GraphChange) throws -> Bool {
    var edits: [(node: NodeID, slot: Int, tensor: Tensor)] = []
    var current = value
    while let id = graph.producer(current), graph[id].region == .main, graph[id].output(0) == current,
      current == value || graph.hasSingleUse(current) && !graph.isRegionOutput(current)
    {
      let node = graph[id]
      if let slots = parameterSlots(node) {
        for slot in slots {
          guard let scaled = try parameter(graph.constant(node.input(slot)), of: node) else { return false }
          edits.append((id, slot, scaled))
        }
        for edit in edits { change.setInput(edit.slot, of: edit.node, to: change.constant(edit.tensor)) }
        return true
      }
      guard node.is("Add") || node.is("Sub"), let slot = constantSlot(node),
        let constant = graph.constant(node.input(slot)), let scaled = try scaled(constant),
        let other = node.input(1 - slot)
      else { return false }
      edits.append((id, slot, scaled))
      current = other
    }
    return false
  }

  /// The constants that a node's result is proportional to; nil where it is to none.
  private func parameterSlots(_ node: Node) -> [Int]? {
    let hasOneResult = node.outputs.dropFirst().allSatisfy { $0 == nil }
    switch node.type {
    case _ where !node.domain.isEmpty || !hasOneResult: return nil
    case "LayerNormalization" where axis == -1, "RMSNormalization" where axis == -1, "Conv" where axis == 1:
      return (1..<node.inputs.count).filter { node.input($0) != nil }
    case "Mul": return constantSlot(node).map { [$0] }
    default: return nil
    }
  }

  private func constantSlot(_ node: Node) -> Int? { [1, 0].first { graph.constant(node.input($0)) != nil } }

  private func parameter(_ tensor: Tensor?, of node: Node) throws -> Tensor? {
    guard let tensor else { return nil }
    guard node.is("Conv") else { return try scaled(tensor) }
    guard tensor.dataType == .float, let channels = tensor.shape.first, channels == factors.count else { return nil }
    let (values, inner) = (try tensor.elements(as: Float.self), max(1, tensor.count / channels))
    return try Tensor.of(values.indices.map { values[$0] * factors[$0 / inner] }, .float, shape: tensor.shape)
  }

  /// A constant that is one number, or one a channel, times the factors.
  private func scaled(_ tensor: Tensor) throws -> Tensor? {
    guard tensor.dataType == .float else { return nil }
    let values = try tensor.elements(as: Float.self)
    let shape = rowShape
    let isRow = tensor.count == factors.count && Array(tensor.shape.drop { $0 == 1 }) == Array(shape.drop { $0 == 1 })
    guard isRow || tensor.count == 1, tensor.rank <= (axis == 1 ? rank : Int.max) else { return nil }
    let products = factors.indices.map { factors[$0] * values[values.count == 1 ? 0 : $0] }
    return try Tensor.of(products, .float, shape: isRow ? tensor.shape : shape)
  }
}
