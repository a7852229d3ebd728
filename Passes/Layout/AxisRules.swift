import GraphIR
import Operators
import PassKit
import Tensors

/// Concat of channels-last values.
struct ConcatRule: RewriteRule {
  let name = "ChannelsLastConcat"
  let anchors: Set<OperatorName> = [OperatorName("Concat")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    let sources = node.inputs.map { view.source($0) }
    guard let output = node.output(0), let rank = context.rank(output), !sources.isEmpty,
      sources.allSatisfy({ $0 != nil }), let axis = try Movement.axis(id, rank: rank, context)
    else { return nil }
    var change = view.change(name)
    let result = change.node(
      "Concat", sources.map { $0.map { .existing($0) } },
      [NamedAttribute("axis", .int(Int64(LayoutView.moved(axis, rank: rank))))], name: node.name)
    view.finish(&change, result, rank: rank)
    return change
  }
}

/// Softmax, LogSoftmax and Split along one axis.
struct AxisRule: RewriteRule {
  let name = "ChannelsLastAxis"
  let anchors: Set<OperatorName> = [OperatorName("Softmax"), OperatorName("LogSoftmax"), OperatorName("Split")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    guard let source = view.source(node.input(0)), let rank = context.rank(source) else { return nil }
    let given = try AttributeReader(node).int("axis", default: node.is("Split") ? 0 : -1)
    let axis = given < 0 ? given + rank : given
    guard (0..<rank).contains(axis) else { return nil }
    var change = view.change(name)
    var inputs: [GraphChange.Ref?] = node.inputs.map { $0.map { .existing($0) } }
    inputs[0] = .existing(source)
    let attributes =
      node.attributes.filter { $0.name != "axis" }
      + [NamedAttribute("axis", .int(Int64(LayoutView.moved(axis, rank: rank))))]
    let results = change.nodes(
      node.type, inputs, attributes, present: node.outputs.map { $0 != nil }, name: node.name)
    for (index, result) in results.enumerated() {
      if let result { view.finish(&change, result, rank: rank, output: index) }
    }
    return change
  }
}

/// Reductions over constant axes.
struct ReduceRule: RewriteRule {
  let name = "ChannelsLastReduce"
  let anchors: Set<OperatorName> = Set(
    [
      "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceProd",
      "ReduceLogSum", "ReduceLogSumExp",
    ].map { OperatorName($0) })

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    guard let source = view.source(node.input(0)), let rank = context.rank(source), let output = node.output(0),
      let axes = try view.axes(input: 1, rank: rank), !axes.isEmpty
    else { return nil }
    let keeps = try AttributeReader(node).int("keepdims", default: 1) != 0
    // Without the reduced axes the others must stand in the same order.
    let left = (0..<rank).filter { !axes.contains($0) }
    guard
      keeps || left.map({ LayoutView.moved($0, rank: rank) }).sorted() == left.map({ LayoutView.moved($0, rank: rank) })
    else { return nil }
    var change = view.change(name)
    let moved = change.constant(try .ints(axes.map { LayoutView.moved($0, rank: rank) }.sorted()))
    let result = change.node(node.type, [.existing(source), moved], node.attributes, name: node.name)
    if keeps {
      view.finish(&change, result, rank: rank)
    } else {
      change.replace(output, with: result)
    }
    return change
  }
}

/// Resize by constant scales or sizes, and Pad by constant amounts: one number for each axis.
struct ResizeRule: RewriteRule {
  let name = "ChannelsLastResize"
  let anchors: Set<OperatorName> = [OperatorName("Resize")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    let mode = try AttributeReader(node).string("coordinate_transformation_mode", default: "half_pixel")
    guard let source = view.source(node.input(0)), let rank = context.rank(source), mode != "tf_crop_and_resize",
      node["axes"] == nil
    else { return nil }
    var change = view.change(name)
    var inputs: [GraphChange.Ref?] = [.existing(source), nil]
    for index in 2..<max(2, node.inputs.count) {
      guard let value = node.input(index) else {
        inputs.append(nil)
        continue
      }
      if let shape = context.shape(value), shape == [0] {
        inputs.append(nil)
        continue
      }
      guard context.shape(value) == [Dim(rank)] else { return nil }
      // The numbers may be computed: a Gather puts them in the new order.
      let order = change.constant(try .ints(LayoutView.toLast(rank).map { Int($0) }))
      inputs.append(change.node("Gather", [.existing(value), order], [NamedAttribute("axis", .int(0))], covers: []))
    }
    let result = change.node("Resize", inputs, node.attributes, name: node.name)
    view.finish(&change, result, rank: rank)
    return change
  }
}

struct PadRule: RewriteRule {
  let name = "ChannelsLastPad"
  let anchors: Set<OperatorName> = [OperatorName("Pad")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    guard let source = view.source(node.input(0)), let rank = context.rank(source), node.input(3) == nil,
      let pads = try context.constant(node.input(1))?.ints(), pads.count == 2 * rank
    else { return nil }
    var change = view.change(name)
    let order = LayoutView.toLast(rank).map { Int($0) }
    let moved = change.constant(try .ints(order.map { pads[$0] } + order.map { pads[rank + $0] }))
    let result = change.node(
      "Pad", [.existing(source), moved, node.input(2).map { .existing($0) }], node.attributes, name: node.name)
    view.finish(&change, result, rank: rank)
    return change
  }
}
