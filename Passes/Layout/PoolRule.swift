import GraphIR
import Operators
import PassKit
import Tensors

/// MaxPool without indices and AveragePool behind a channels-last value.
struct PoolRule: RewriteRule {
  let name = "ChannelsLastPool"
  let anchors: Set<OperatorName> = [OperatorName("MaxPool"), OperatorName("AveragePool")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    guard let source = view.source(node.input(0)), let rank = context.rank(source), rank <= 5, node.output(1) == nil,
      let type = context.dataType(source), type == .float || node.is("MaxPool") && (type == .uint8 || type == .int8)
    else { return nil }
    var change = view.change(name)
    let result = change.node(
      "ChannelsLast\(node.type)", domain: "ai.cameo", [.existing(source)],
      node.attributes.filter { $0.name != "storage_order" }, name: node.name)
    view.finish(&change, result, rank: rank)
    return change
  }
}

/// GlobalAveragePool and GlobalMaxPool are reductions of the inner axes.
struct GlobalPoolRule: RewriteRule {
  let name = "ChannelsLastGlobalPool"
  let anchors: Set<OperatorName> = [OperatorName("GlobalAveragePool"), OperatorName("GlobalMaxPool")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    guard let source = view.source(node.input(0)), let rank = context.rank(source) else { return nil }
    var change = view.change(name)
    let axes = change.constant(try .ints(Array(1..<rank - 1)))
    let result = change.node(
      node.is("GlobalAveragePool") ? "ReduceMean" : "ReduceMax", [.existing(source), axes],
      [NamedAttribute("keepdims", .int(1))], name: node.name)
    view.finish(&change, result, rank: rank)
    return change
  }
}
