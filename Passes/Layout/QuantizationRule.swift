import GraphIR
import Operators
import PassKit
import Tensors

/// QuantizeLinear and DequantizeLinear of channels-last values: by one number as any element-wise operator, by numbers along an
/// axis with that axis moved. Blocks stay.
struct QuantizationRule: RewriteRule {
  let name = "ChannelsLastQuantization"
  let anchors: Set<OperatorName> = [OperatorName("QuantizeLinear"), OperatorName("DequantizeLinear")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    guard let source = view.source(node.input(0)), let rank = context.rank(source),
      let parameters = try QuantizationNode(id, context)
    else { return nil }
    var change = view.change(name)
    var inputs: [GraphChange.Ref?] = node.inputs.map { $0.map { .existing($0) } }
    inputs[0] = .existing(source)
    let attributes = parameters.attributes(axis: parameters.axis.map { LayoutView.moved($0, rank: rank) })
    let result = change.node(node.type, inputs, attributes, name: node.name)
    view.finish(&change, result, rank: rank)
    return change
  }
}
