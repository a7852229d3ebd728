import GraphIR
import Operators
import PassKit
import Tensors

/// Channels of a channels-last value that are cut into groups, put into another order and joined again (ShuffleNet's shuffle): the
/// same among the innermost axes.
struct ShuffleRule: RewriteRule {
  let name = "ChannelsLastShuffle"
  let anchors: Set<OperatorName> = [OperatorName("Reshape")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let graph = context.graph
    let view = LayoutView(id, context)
    guard let middle = inner("Transpose", view.node.input(0), context),
      let first = inner("Reshape", graph[middle].input(0), context), let source = view.source(graph[first].input(0)),
      let from = context.shape(graph[first].input(0)), let cut = context.shape(graph[first].output(0)),
      let to = context.shape(view.node.output(0)), let order = try Movement.permutation(middle, context)
    else { return nil }
    let rank = from.count
    let parts = cut.count - rank + 1
    guard parts > 1, to == from, let channels = from[1].value, cut[0] == from[0], cut[(1 + parts)...] == from[2...]
    else { return nil }
    let sizes = cut[1...parts].compactMap(\.value)
    let isMovedWithin = order.indices.allSatisfy { order[$0] == $0 || (1...parts).contains($0) }
    guard sizes.count == parts, sizes.reduce(1, *) == channels, isMovedWithin else { return nil }
    var change = GraphChange(rule: name, covers: [first, middle, id])
    // 0 keeps the extent of the axis that stands there.
    let kept = [Int](repeating: 0, count: rank - 1)
    let apart = change.node("Reshape", [.existing(source), change.constant(try .ints(kept + sizes))])
    let shift = Int64(rank - 2)
    let moved: [Int64] = Array(0...shift) + order[1...parts].map { Int64($0) + shift }
    let turned = change.node("Transpose", [apart], [NamedAttribute("perm", .ints(moved))])
    let joined = change.node("Reshape", [turned, change.constant(try .ints(kept + [channels]))], name: view.node.name)
    view.finish(&change, joined, rank: rank)
    return change
  }

  /// The node of that kind that makes a value nobody else reads.
  private func inner(_ type: String, _ value: ValueID?, _ context: PassContext) -> NodeID? {
    guard let value, let id = context.graph.producer(value), context.graph[id].is(type),
      context.graph.hasSingleUse(value)
    else { return nil }
    return id
  }
}
