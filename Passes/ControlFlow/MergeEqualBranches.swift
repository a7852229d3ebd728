import GraphIR
import Operators
import PassKit
import Tensors

/// Replaces an If whose branches compute the same by one of them.
///
/// Before: `If(c) <then = {Neg(x)}, else = {Neg(x)}>`. After: `Neg(x)`.
public enum MergeEqualBranches {
  public static let pass = RewritePass(
    "MergeEqualBranches", level: 1, summary: "replaces an If of equal branches by one of them", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "MergeEqualBranches"
    let anchors: Set<OperatorName> = [OperatorName("If")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let reader = AttributeReader(graph[id])
      let then = try reader.region("then_branch")
      let other = try reader.region("else_branch")
      let first = graph[then].outputs
      let second = graph[other].outputs
      guard first.count == second.count, Set(first).count == first.count else { return nil }
      let known = graph.nodes(in: then).count <= 64 && graph.nodes(in: other).count <= 64
      guard known else { return nil }
      for (a, b) in zip(first, second) where !isSame(a, b, then, other, graph) { return nil }
      // A branch that hands an outer value or a constant out cannot carry a graph output's name.
      for (output, result) in zip(graph[id].outputs, first) {
        guard let output, graph.isRegionOutput(output) else { continue }
        guard let producer = graph.producer(result), graph[producer].region == then else {
          throw Refusal("the branches hand on a value from outside as an output of the graph", at: id)
        }
      }
      if graph.nodes(in: then).contains(where: {
        OperatorRegistry[graph[$0].operatorName]?.traits.contains(.random) ?? true
      }) {
        throw Refusal("the branches draw random numbers", at: id)
      }
      var change = GraphChange(rule: name, covers: [id])
      change.inline(then, of: id)
      return change
    }

    /// True where both values are the same whatever the inputs: one outer value, equal constants, or equal nodes of them.
    private func isSame(_ a: ValueID, _ b: ValueID, _ then: RegionID, _ other: RegionID, _ graph: Graph) -> Bool {
      if a == b { return true }
      if let x = graph.constant(a), let y = graph.constant(b) { return x.isIdentical(to: y) }
      guard case .node(let p, let i) = graph[a].producer, case .node(let q, let j) = graph[b].producer, i == j,
        graph[p].region == then, graph[q].region == other
      else { return false }
      let x = graph[p]
      let y = graph[q]
      guard x.operatorName == y.operatorName, x.overload == y.overload, x.inputs.count == y.inputs.count,
        x.outputs.count == y.outputs.count, x.regions.isEmpty, y.regions.isEmpty, Movement.haveSameAttributes(x, y)
      else { return false }
      return zip(x.inputs, y.inputs).allSatisfy { left, right in
        guard let left, let right else { return left == nil && right == nil }
        return isSame(left, right, then, other, graph)
      }
    }
  }
}
