import GraphIR
import Operators
import PassKit
import Tensors

/// Splits in front of a Reshape or Transpose instead of behind it, where each part is reshaped anyway.
///
/// Before: `Split<axis = 2>(Reshape(x[N,S,2304], {0,0,3,768}), {1,1,1})`, each part squeezed.
/// After: `Split<axis = 2>(x, {768,768,768})`. A Transpose that brings the parts to the front goes likewise; where it also orders
/// heads for an Attention (`[2,0,3,1,4]`), each part keeps the Transpose of heads, which the Attention can take in.
public enum LiftSplits {
  public static let pass = RewritePass(
    "LiftSplits", level: 2, summary: "splits in front of reshapes and transposes instead of behind them",
    rules: [OverReshape(), OverTranspose()])

  struct Candidate {
    let data: ValueID
    let producer: NodeID
    let axis: Int
    let sizes: [Int]
    let parts: [ValueID]
  }

  /// The Split behind a movement that nothing else reads, with parts of known sizes that are all reshaped; nil for others.
  static func candidate(_ id: NodeID, _ type: String, _ context: PassContext) throws -> Candidate? {
    let graph = context.graph
    guard let moved = graph[id].input(0), let producer = graph.producer(moved), graph[producer].is(type),
      graph[producer].region == graph[id].region, let data = graph[producer].input(0), let rank = context.rank(moved),
      let axis = try Movement.axis(id, rank: rank, context)
    else { return nil }
    guard let sizes = Movement.sizes(id, axis: axis, context) else {
      throw Refusal("the sizes of the parts are not known", at: id)
    }
    guard graph.hasSingleUse(moved) else { throw Refusal("the \(type) is also read elsewhere", at: producer) }
    let parts = graph[id].outputs.compactMap { $0 }
    guard parts.count == sizes.count else { return nil }
    for part in parts {
      guard !graph.isRegionOutput(part), graph.consumers(part).allSatisfy({ Movement.isReshape($0, context) }) else {
        throw Refusal("a part is read in the shape that the \(type) gave it", at: id)
      }
    }
    return Candidate(data: data, producer: producer, axis: axis, sizes: sizes, parts: parts)
  }

  struct OverReshape: RewriteRule {
    let name = "LiftSplitOverReshape"
    let anchors: Set<OperatorName> = [OperatorName("Split")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      guard let found = try LiftSplits.candidate(id, "Reshape", context), let from = context.shape(found.data),
        let to = context.shape(context.graph[id].input(0))
      else { return nil }
      let axis = found.axis
      guard axis < from.count, from.prefix(axis) == to.prefix(axis), let whole = from[axis].value else { return nil }
      // The axis of the source is that of the parts and some behind it, as rows.
      var width = 1
      var end = axis
      while end < to.count, let length = to[end].value, width < whole {
        let (product, overflow) = width.multipliedReportingOverflow(by: length)
        if overflow { return nil }
        width = product
        end += 1
      }
      guard width == whole, end > axis, Array(from.dropFirst(axis + 1)) == Array(to.dropFirst(end)),
        let length = to[axis].value, length > 0
      else { throw Refusal("the Reshape does not cut one axis into the parts' axis and others", at: found.producer) }
      let row = whole / length
      var change = GraphChange(rule: name, covers: [found.producer, id])
      var constants = IntegerConstants()
      let sizes = try constants.ref(found.sizes.map { $0 * row }, in: &change)
      let outputs = change.nodes(
        "Split", [.existing(found.data), sizes], [NamedAttribute("axis", .int(Int64(axis)))],
        outputs: found.parts.count, name: context.graph[id].name)
      for (index, part) in found.parts.enumerated() {
        guard let shape = context.shape(part) else { return nil }
        var source = from
        source[axis] = Dim(found.sizes[index] * row)
        guard let target = MergeReshapes.constantShape(shape, from: source) else {
          throw Refusal("a Reshape cannot name the shape of the parts", at: id)
        }
        change.replace(
          part, with: change.node("Reshape", [outputs[index], try constants.ref(target, in: &change)], covers: []))
      }
      return change
    }
  }

  struct OverTranspose: RewriteRule {
    let name = "LiftSplitOverTranspose"
    let anchors: Set<OperatorName> = [OperatorName("Split")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      guard let found = try LiftSplits.candidate(id, "Transpose", context), let from = context.shape(found.data),
        let permutation = try Movement.permutation(found.producer, context)
      else { return nil }
      guard found.sizes.allSatisfy({ $0 == 1 }) else {
        throw Refusal("a part is \(found.sizes.max() ?? 0) long: its Transpose would stay", at: found.producer)
      }
      let axis = permutation[found.axis]
      var rest = permutation
      rest.remove(at: found.axis)
      let order = rest.map { $0 > axis ? $0 - 1 : $0 }
      let isOrdered = order == Array(0..<order.count)
      guard isOrdered || order == [0, 2, 1, 3] && found.parts.allSatisfy({ feedsAttention($0, context) }) else {
        throw Refusal("the Transpose moves more than the parts' axis", at: found.producer)
      }
      var change = GraphChange(rule: name, covers: [found.producer, id])
      var constants = IntegerConstants()
      let sizes = try constants.ref(found.sizes, in: &change)
      let outputs = change.nodes(
        "Split", [.existing(found.data), sizes], [NamedAttribute("axis", .int(Int64(axis)))],
        outputs: found.parts.count, name: context.graph[id].name)
      var inner = from
      inner[axis] = 1
      var dropped = from
      dropped.remove(at: axis)
      for (index, part) in found.parts.enumerated() {
        guard let shape = context.shape(part) else { return nil }
        func reshape(_ value: GraphChange.Ref, _ source: [Dim], _ shape: [Dim]) throws -> GraphChange.Ref {
          guard let target = MergeReshapes.constantShape(shape, from: source) else {
            throw Refusal("a Reshape cannot name the shape of the parts", at: id)
          }
          return change.node("Reshape", [value, try constants.ref(target, in: &change)], covers: [])
        }
        if isOrdered {
          change.replace(part, with: try reshape(outputs[index], inner, shape))
        } else {
          let moved = change.node(
            "Transpose", [try reshape(outputs[index], inner, dropped)],
            [NamedAttribute("perm", .ints(order.map(Int64.init)))], covers: [])
          change.replace(part, with: try reshape(moved, order.map { dropped[$0] }, shape))
        }
      }
      return change
    }

    /// True where every reader hands the part, without the axis, to an Attention.
    private func feedsAttention(_ part: ValueID, _ context: PassContext) -> Bool {
      let readers = context.graph.consumers(part)
      return !readers.isEmpty
        && readers.allSatisfy { reader in
          guard let output = context.graph[reader].output(0), context.rank(output) == 4 else { return false }
          let next = context.graph.consumers(output)
          return !next.isEmpty && next.allSatisfy { context.graph[$0].is("Attention") }
        }
    }
  }
}
