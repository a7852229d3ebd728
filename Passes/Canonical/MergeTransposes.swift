import GraphIR
import Operators
import PassKit
import Tensors

/// Composes Transposes that follow each other.
///
/// Before: `Transpose<perm=[0,2,1,3]>(Transpose<perm=[0,2,1,3]>(x))`. After: `x`.
public enum MergeTransposes {
  public static let pass = RewritePass(
    "MergeTransposes", level: 1, summary: "composes Transposes that follow each other", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "MergeTransposes"
    let anchors: Set<OperatorName> = [OperatorName("Transpose")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let output = node.output(0), let middle = node.input(0), let inner = context.graph.producer(middle),
        context.graph[inner].is("Transpose"), let source = context.graph[inner].input(0),
        let rank = context.rank(source)
      else { return nil }
      func permutation(_ node: Node) throws -> [Int] {
        try AttributeReader(node).optionalInts("perm") ?? Array((0..<rank).reversed())
      }
      let first = try permutation(context.graph[inner])
      let second = try permutation(node)
      guard first.count == rank, second.count == rank, second.allSatisfy({ (0..<rank).contains($0) }) else {
        return nil
      }
      let composed = second.map { first[$0] }
      var change = GraphChange(rule: name, covers: [id, inner])
      if composed == Array(0..<rank) {
        if context.graph.isRegionOutput(output) { return nil }
        change.replace(output, with: source)
      } else {
        change.replace(
          output,
          with: change.node("Transpose", [.existing(source)], [NamedAttribute("perm", .ints(composed.map(Int64.init)))])
        )
      }
      return change
    }
  }
}
