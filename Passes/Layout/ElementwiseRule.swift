import GraphIR
import Operators
import PassKit
import Tensors

/// Element-wise operators whose whole operands are all channels-last; constants and single positions follow.
struct ElementwiseRule: RewriteRule {
  let name = "ChannelsLastElementwise"
  let anchors: Set<OperatorName> = []

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    guard let kind = OperatorRegistry[node.operatorName], kind.traits.contains(.elementwise), node.outputs.count == 1,
      !kind.traits.contains(.controlFlow), let output = node.output(0), let rank = context.rank(output), rank >= 3,
      node.inputs.contains(where: { view.source($0) != nil })
    else { return nil }
    var change = view.change(name)
    var inputs: [GraphChange.Ref?] = []
    for input in node.inputs {
      guard let input else {
        inputs.append(nil)
        continue
      }
      guard let ref = try follow(input, rank: rank, view, &change) else { return nil }
      inputs.append(ref)
    }
    let result = change.node(node.type, domain: node.domain, inputs, node.attributes, name: node.name)
    view.finish(&change, result, rank: rank)
    return change
  }

  /// An operand for a result of that rank; nil where it would cost a Transpose of a whole tensor.
  private func follow(
    _ value: ValueID, rank: Int, _ view: LayoutView, _ change: inout GraphChange
  ) throws -> GraphChange.Ref? {
    let context = view.context
    guard let shape = context.shape(value) else { return nil }
    if shape.count == rank, let source = view.source(value) { return .existing(source) }
    if shape.allSatisfy({ $0 == 1 }) && shape.count <= 1 { return .existing(value) }
    if let tensor = context.constant(value), tensor.dataType != .string, tensor.rank <= rank {
      let whole = [Int](repeating: 1, count: rank - tensor.rank) + tensor.shape
      let order = LayoutView.toLast(rank).map { whole[Int($0)] }
      let moving = LayoutView.toLast(rank).filter { whole[Int($0)] != 1 }
      if moving == moving.sorted() { return change.constant(try tensor.reshaped(order)) }
      return change.node(
        "Transpose", [change.constant(try tensor.reshaped(whole))],
        [NamedAttribute("perm", .ints(LayoutView.toLast(rank)))], covers: [])
    }
    // A value for each channel only.
    guard shape.count == rank, shape[2...].allSatisfy({ $0 == 1 }) else { return nil }
    return view.last(value, rank: rank, &change)
  }
}
