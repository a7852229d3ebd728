import GraphIR
import Operators
import PassKit
import Tensors

/// Reshapes of an image: where it is one position, and where spatial axes become one.
struct ReshapeRule: RewriteRule {
  let name = "ChannelsLastReshape"
  let anchors: Set<OperatorName> = Set(["Reshape", "Flatten", "Squeeze"].map { OperatorName($0) })

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    guard let source = view.source(node.input(0)), let shape = context.shape(node.input(0)),
      let output = node.output(0), let to = context.shape(output)
    else { return nil }
    var change = view.change(name)
    if shape[2...].allSatisfy({ $0 == 1 }) {
      // The elements lie in the same order.
      guard let target = MergeReshapes.constantShape(to, from: nil) else { return nil }
      let constant = change.constant(try .ints(target))
      change.replace(output, with: change.node("Reshape", [.existing(source), constant], name: node.name))
      return change
    }
    // [N, C, H, W] to [N, C, H * W].
    guard to.count == 3, shape.count > 3, to[0] == shape[0], to[1] == shape[1], let channels = shape[1].value else {
      return nil
    }
    let constant = change.constant(try .ints([0, -1, channels]))
    let flat = change.node("Reshape", [.existing(source), constant], name: node.name)
    view.finish(&change, flat, rank: 3)
    return change
  }
}

/// A Transpose of the file meets the one in front of it.
struct TransposeRule: RewriteRule {
  let name = "ChannelsLastTranspose"
  let anchors: Set<OperatorName> = [OperatorName("Transpose")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    guard let source = view.source(view.node.input(0)), let rank = context.rank(source),
      let output = view.node.output(0),
      let own = try Movement.permutation(id, context)
    else { return nil }
    let both = own.map { LayoutView.toFirst(rank)[$0] }
    var change = view.change(name)
    if both == (0..<Int64(rank)).map({ $0 }) {
      change.replace(output, with: source)
    } else {
      change.replace(
        output,
        with: change.node("Transpose", [.existing(source)], [NamedAttribute("perm", .ints(both))], name: view.node.name)
      )
    }
    return change
  }
}

/// The shape of an image is asked of what it was transposed from.
struct ShapeRule: RewriteRule {
  let name = "ChannelsLastShape"
  let anchors: Set<OperatorName> = [OperatorName("Shape")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    guard let source = view.source(view.node.input(0)), let rank = context.rank(source),
      let output = view.node.output(0)
    else { return nil }
    let reader = AttributeReader(view.node)
    func limit(_ name: String, _ fallback: Int) throws -> Int {
      let given = try reader.optionalInt(name) ?? fallback
      return max(0, min(rank, given < 0 ? given + rank : given))
    }
    let (start, end) = (try limit("start", 0), try limit("end", rank))
    guard start < end else { return nil }
    var change = view.change(name)
    let whole = change.node("Shape", [.existing(source)], name: view.node.name)
    let order = change.constant(try .ints(LayoutView.toFirst(rank).map { Int($0) }[start..<end].map { $0 }))
    change.replace(output, with: change.node("Gather", [whole, order], [NamedAttribute("axis", .int(0))]))
    return change
  }
}
