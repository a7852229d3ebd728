import GraphIR
import Operators
import PassKit
import Tensors

/// Takes the detour over two dimensions out of a Softmax of the last axis: what import makes of opset 12's Softmax while the
/// rank is not known.
///
/// Before: `Reshape(Softmax<axis=-1>(Flatten<axis=3>(x)), Shape(x))` with `x` of rank 4. After: `Softmax<axis=-1>(x)`.
public enum LiftSoftmax {
  public static let pass = RewritePass(
    "LiftSoftmax", level: 1, summary: "applies Softmax to the tensor itself instead of its two-dimensional form",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "LiftSoftmax"
    let anchors: Set<OperatorName> = [OperatorName("Reshape")]
    private static let rowwise: Set<String> = ["Softmax", "LogSoftmax", "Hardmax"]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0), let rows = graph[id].input(0), let softmax = graph.producer(rows),
        Self.rowwise.contains(graph[softmax].type), graph[softmax].domain.isEmpty, let flat = graph[softmax].input(0),
        let flatten = graph.producer(flat), ["Flatten", "Reshape"].contains(graph[flatten].type),
        let source = graph[flatten].input(0), graph[flatten].region == graph[id].region,
        let shape = context.shape(source), let flatShape = context.shape(flat), context.shape(output) == shape,
        let last = shape.last, flatShape.last == last, shape.count > 1, graph.hasSingleUse(rows)
      else { return nil }
      let axis = try AttributeReader(graph[softmax]).int("axis", default: -1)
      guard axis == -1 || axis == flatShape.count - 1 else { return nil }
      var change = GraphChange(rule: name, covers: [flatten, softmax, id])
      change.replace(
        output,
        with: change.node(
          graph[softmax].type, [.existing(source)], [NamedAttribute("axis", .int(-1))], name: graph[softmax].name))
      return change
    }
  }
}
