import GraphIR
import Operators
import PassKit
import Tensors

/// Replaces the computed shape argument of Expand and ConstantOfShape, and computed bounds of Slice, by constants where
/// inference knows them.
///
/// Before: `Expand(x, Where(Equal(s, -1), ones, s))` with every dimension known. After: `Expand(x, {1, 12, 128})`.
public enum FoldComputedShapes {
  public static let pass = RewritePass(
    "FoldComputedShapes", level: 1,
    summary: "replaces computed shapes, bounds and axes by constants where they are known",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "FoldComputedShapes"
    let anchors: Set<OperatorName> = Set(
      [
        "Expand", "ConstantOfShape", "Slice", "Tile", "Pad", "Resize", "Range", "Squeeze", "Unsqueeze", "Split",
        "Gather", "Reshape",
      ]
      .map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      var change = GraphChange(rule: name, covers: [], region: node.region)
      for (index, input) in node.inputs.enumerated() {
        guard let input, context.graph.constant(input) == nil, context.graph[input].constant == nil,
          let tensor = context.facts(input).tensor, tensor.count <= ValueFacts.symbolLimit
        else { continue }
        change.setInput(index, of: id, to: change.constant(tensor))
      }
      return change.isEmpty ? nil : change
    }
  }
}
