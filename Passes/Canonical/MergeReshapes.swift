import GraphIR
import Operators
import PassKit
import Tensors

/// One Reshape with a constant shape in place of a chain of Reshape, Squeeze, Unsqueeze and Flatten, or of a Reshape whose
/// shape is computed from its input's dimensions.
///
/// Before: `Reshape(x, Concat(Gather(Shape(x), 0), -1, 12, 64))`. After: `Reshape(x, {0, -1, 12, 64})`.
public enum MergeReshapes {
  public static let pass = RewritePass(
    "MergeReshapes", level: 1, summary: "merges chains of reshapes and folds their computed shapes", rules: [Rule()])

  static let kinds: Set<String> = ["Reshape", "Squeeze", "Unsqueeze", "Flatten"]

  struct Rule: RewriteRule {
    let name = "MergeReshapes"
    let anchors: Set<OperatorName> = Set(MergeReshapes.kinds.map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let output = node.output(0), let shape = context.shape(output), var source = node.input(0) else {
        return nil
      }
      if let change = bypass(id, output, shape, context) { return change }
      // Only a single link changes nothing unless its shape is still computed.
      var covered = [id]
      while let producer = context.graph.producer(source), context.graph[producer].domain.isEmpty,
        MergeReshapes.kinds.contains(context.graph[producer].type), context.graph[producer].region == node.region,
        context.graph.hasSingleUse(source), let next = context.graph[producer].input(0)
      {
        covered.append(producer)
        source = next
      }
      let isComputed = node.type == "Reshape" && context.graph.constant(node.input(1)) == nil
      if covered.count == 1 && !isComputed { return nil }
      guard let target = MergeReshapes.constantShape(shape, from: context.shape(source)) else { return nil }
      var change = GraphChange(rule: name, covers: covered)
      if context.shape(source) == shape, !context.graph.isRegionOutput(output) {
        change.replace(output, with: source)
        return change
      }
      let constant = change.constant(try .ints(target))
      if covered.count == 1 {
        change.setInput(1, of: id, to: constant)
        change.setAttribute("allowzero", of: id, to: nil)
        change.covers = []
        change.region = node.region
        return change
      }
      change.replace(output, with: change.node("Reshape", [.existing(source), constant]))
      return change
    }

    /// Readers of a shape that a value further up already has read that value, whoever else reads what stands between.
    private func bypass(_ id: NodeID, _ output: ValueID, _ shape: [Dim], _ context: PassContext) -> GraphChange? {
      let graph = context.graph
      var value = graph[id].input(0)
      if graph.isRegionOutput(output) { return nil }
      while let middle = value, let producer = graph.producer(middle), graph[producer].domain.isEmpty,
        MergeReshapes.kinds.contains(graph[producer].type), graph[producer].region == graph[id].region
      {
        value = graph[producer].input(0)
        guard let value, context.shape(value) == shape else { continue }
        var change = GraphChange(rule: name, covers: [id])
        change.replace(output, with: value)
        return change
      }
      return nil
    }
  }

  /// The Reshape argument that yields `shape`: known dimensions as numbers, dimensions equal to the source's at the same place
  /// as 0, at most one other as -1. nil where that cannot say it, or where a 0 or -1 would be ambiguous.
  static func constantShape(_ shape: [Dim], from source: [Dim]?) -> [Int]? {
    var result: [Int] = []
    var open = 0
    for (axis, dim) in shape.enumerated() {
      if let value = dim.value {
        if value == 0 { return nil }
        result.append(value)
      } else if let source, axis < source.count, source[axis] == dim {
        result.append(0)
      } else {
        open += 1
        result.append(-1)
      }
    }
    if open > 1 { return nil }
    return result
  }
}
