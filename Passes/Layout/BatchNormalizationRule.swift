import GraphIR
import Operators
import PassKit
import Tensors

/// BatchNormalization of a channels-last value, which no convolution next to it has taken: one product and one sum for each channel.
struct BatchNormalizationRule: RewriteRule {
  let name = "ChannelsLastBatchNormalization"
  let anchors: Set<OperatorName> = [OperatorName("BatchNormalization")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    guard let data = view.node.input(0), let source = view.source(data), let rank = context.rank(source),
      context.dataType(source) == .float, let affine = try AxisAffine.read(id, data, context)
    else { return nil }
    var change = view.change(name)
    let scale = change.constant(try Tensor.of(affine.scale, .float))
    let offset = change.constant(try Tensor.of(affine.offset, .float))
    let scaled = change.node("Mul", [.existing(source), scale], name: view.node.name)
    view.finish(&change, change.node("Add", [scaled, offset]), rank: rank)
    return change
  }
}
