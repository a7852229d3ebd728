import GraphIR
import Operators
import PassKit
import Tensors

/// One Split in place of Slices and Gathers that read parts of one axis.
///
/// Before: `Slice(x, {0}, {4}, {2})`, `Slice(x, {4}, {8}, {2})`. After: `a, b = Split<axis = 2>(x, {4, 4})`.
/// A Gather by a scalar becomes a part and a Squeeze: only where a Reshape behind it takes the Squeeze in. Stretches that
/// nobody reads become parts of their own, where they are no longer than what is read.
public enum FormSplits {
  public static let pass = RewritePass(
    "FormSplits", level: 2, summary: "turns Slices and Gathers of parts of one axis into one Split", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "FormSplits"
    let anchors: Set<OperatorName> = [OperatorName("Slice"), OperatorName("Gather")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let data = graph[id].input(0), graph.constant(data) == nil, let shape = context.shape(data) else {
        return nil
      }
      // Shape arithmetic folds elsewhere.
      if shape.count == 1, context.dataType(data)?.isInteger ?? true { return nil }
      let readers = graph.consumers(data).filter {
        graph[$0].region == graph[id].region && anchors.contains(graph[$0].operatorName) && graph[$0].input(0) == data
      }
      guard readers.count >= 2, let mine = try AxisPart.of(id, context) else { return nil }
      let parts = readers.compactMap { reader -> AxisPart? in
        let part = try? AxisPart.of(reader, context)
        return part.flatMap { $0.axis == mine.axis ? $0 : nil }
      }
      .sorted { ($0.range.lowerBound, $0.node) < ($1.range.lowerBound, $1.node) }
      guard parts.count >= 2, parts.map(\.node).min() == id, let length = shape[mine.axis].value else { return nil }
      let ranges = try stretches(parts, length, axis: mine.axis)
      guard savesNodes(parts, context) else { return nil }
      var change = GraphChange(rule: name, covers: parts.map(\.node), region: graph[id].region)
      let sizes = change.constant(try .ints(ranges.map(\.count)))
      let outputs = change.nodes(
        "Split", [.existing(data), sizes], [NamedAttribute("axis", .int(Int64(mine.axis)))], outputs: ranges.count)
      var axes: GraphChange.Ref?
      for part in parts {
        guard let place = ranges.firstIndex(of: part.range) else { return nil }
        var result = outputs[place]
        if part.dropsAxis {
          let axis = try axes ?? change.constant(.ints([mine.axis]))
          axes = axis
          result = change.node("Squeeze", [result, axis], covers: [part.node])
        }
        change.replace(part.output, with: result)
      }
      return change
    }

    /// The axis cut where the parts cut it, what nobody reads included.
    private func stretches(_ parts: [AxisPart], _ length: Int, axis: Int) throws -> [Range<Int>] {
      var ranges: [Range<Int>] = []
      var end = 0
      for part in parts where ranges.last != part.range {
        if part.range.lowerBound < end {
          throw Refusal("the parts overlap at element \(part.range.lowerBound) of axis \(axis)", at: part.node)
        }
        if part.range.lowerBound > end { ranges.append(end..<part.range.lowerBound) }
        ranges.append(part.range)
        end = part.range.upperBound
      }
      if end < length { ranges.append(end..<length) }
      let read = Set(parts.map(\.range)).reduce(0) { $0 + $1.count }
      if length - read > read {
        throw Refusal("\(length - read) of the \(length) elements of axis \(axis) are read by none of the parts")
      }
      return ranges
    }

    /// A Split must save nodes: a Squeeze that stays counts.
    private func savesNodes(_ parts: [AxisPart], _ context: PassContext) -> Bool {
      1 + parts.filter { $0.dropsAxis && !absorbs($0.output, context) }.count < parts.count
    }

    /// True where the only reader is one that `MergeReshapes` will merge with a Squeeze.
    private func absorbs(_ value: ValueID, _ context: PassContext) -> Bool {
      guard context.graph.hasSingleUse(value), let reader = context.graph.consumers(value).first else { return false }
      return Movement.isReshape(reader, context)
    }
  }
}
