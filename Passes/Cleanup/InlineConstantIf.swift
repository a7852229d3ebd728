import GraphIR
import Operators
import PassKit

/// Replaces an If whose condition is known by the branch that it takes.
public enum InlineConstantIf {
  public static let pass = RewritePass(
    "InlineConstantIf", level: 1, summary: "replaces an If of known condition by its branch", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "InlineConstantIf"
    let anchors: Set<OperatorName> = [OperatorName("If")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let condition = context.uniform(node.input(0)) else { return nil }
      let branch = try AttributeReader(node).region(condition != 0 ? "then_branch" : "else_branch")
      let results = context.graph[branch].outputs
      // A branch that hands an outer value or a constant out cannot carry a graph output's name.
      for (output, result) in zip(node.outputs, results) {
        guard let output, context.graph.isRegionOutput(output) else { continue }
        guard let producer = context.graph.producer(result), context.graph[producer].region == branch else {
          return nil
        }
      }
      if Set(results).count != results.count { return nil }
      var change = GraphChange(rule: name, covers: [id])
      change.inline(branch, of: id)
      return change
    }
  }
}
