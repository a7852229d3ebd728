import GraphIR
import Operators
import PassKit
import Tensors

/// Takes the detour out of a Transpose of the last two axes that runs over flattened leading axes.
///
/// Before: `Reshape(Transpose<perm=[0,2,1]>(Reshape(x, {-1, S, D})), {B, H, D, S})`. After: `Transpose<perm=[0,1,3,2]>(x)`.
/// Squeeze and Unsqueeze count as Reshape.
public enum LiftTransposes {
  public static let pass = RewritePass(
    "LiftTransposes", level: 1, summary: "transposes the last two axes in place instead of over flattened leading ones",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "LiftTransposes"
    let anchors: Set<OperatorName> = Set(MergeReshapes.kinds.map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let flat = graph[id].input(0), let transpose = graph.producer(flat), graph[transpose].is("Transpose"),
        let middle = graph[transpose].input(0), let first = graph.producer(middle), graph[first].domain.isEmpty,
        MergeReshapes.kinds.contains(graph[first].type), let source = graph[first].input(0),
        let output = graph[id].output(0), graph[first].region == graph[id].region,
        let from = context.shape(source), let flattened = context.shape(middle), let to = context.shape(output),
        flattened.count == 3, to.count > 3, try AttributeReader(graph[transpose]).optionalInts("perm") == [0, 2, 1]
      else { return nil }
      let rank = to.count
      guard flattened[2] == to[rank - 2], flattened[1] == to[rank - 1] else { return nil }
      // The matrices untransposed, under the leading axes that the result has.
      let upright = Array(to.dropLast(2)) + [to[rank - 1], to[rank - 2]]
      var change = GraphChange(rule: name, covers: [first, transpose, id])
      var lifted = GraphChange.Ref.existing(source)
      if from != upright {
        guard graph.hasSingleUse(flat), graph.hasSingleUse(middle),
          let target = MergeReshapes.constantShape(upright, from: from)
        else { return nil }
        lifted = change.node("Reshape", [lifted, change.constant(try .ints(target))], covers: [first])
      }
      let permutation = (0..<rank - 2).map { Int64($0) } + [Int64(rank - 1), Int64(rank - 2)]
      change.replace(output, with: change.node("Transpose", [lifted], [NamedAttribute("perm", .ints(permutation))]))
      return change
    }
  }
}
