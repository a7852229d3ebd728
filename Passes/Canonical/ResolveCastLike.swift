import GraphIR
import Operators
import PassKit
import Tensors

/// CastLike to a known type is a Cast, which folds where its input is constant.
///
/// Before: `CastLike(1.0, x)` with `x` float. After: `Cast<to=1>(1.0)`.
public enum ResolveCastLike {
  public static let pass = RewritePass(
    "ResolveCastLike", level: 1, summary: "turns CastLike of a known type into Cast", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "ResolveCastLike"
    let anchors: Set<OperatorName> = [OperatorName("CastLike")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let output = node.output(0), let type = context.dataType(node.input(1)), let input = node.input(0) else {
        return nil
      }
      var change = GraphChange(rule: name, covers: [id])
      var attributes = node.attributes
      attributes.append(NamedAttribute("to", .int(Int64(type.rawValue))))
      change.replace(output, with: change.node("Cast", [.existing(input)], attributes, name: node.name))
      return change
    }
  }
}
