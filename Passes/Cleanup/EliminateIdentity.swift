import GraphIR
import Operators
import PassKit
import Tensors

/// Bypasses nodes that hand their input through.
///
/// Before: `y = Identity(x)`, `Dropout`, `Cast` to the same type, `x + 0`, `x * 1`, `x / 1`, `x - 0`, `Pow(x, 1)`, one-input
/// `Concat`/`Sum`/`Max`/`Min`/`Mean`, `Expand` to its own shape, `Pad` by nothing, `Slice` of everything, `Clip` without bounds.
/// After: readers of `y` read `x`. Shape and Size of a Cast, QuantizeLinear or DequantizeLinear are those of its operand.
public enum EliminateIdentity {
  public static let pass = RewritePass(
    "EliminateIdentity", level: 1, summary: "bypasses nodes that hand their input through", rules: [Rule(), Shapes()])

  struct Rule: RewriteRule {
    let name = "EliminateIdentity"
    let anchors: Set<OperatorName> = Set(
      [
        "Identity", "Dropout", "Cast", "CastLike", "Add", "Sub", "Mul", "Div", "Pow", "Concat", "Sum", "Max", "Min",
        "Mean", "Expand",
        "Pad", "Slice", "Clip", "Tile", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten",
      ].map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let output = node.output(0), let input = passedThrough(id, context) else { return nil }
      for extra in node.outputs.dropFirst() {
        if let extra, !context.graph[extra].uses.isEmpty { return nil }
      }
      // A graph output needs a producer of its own: an input or constant cannot carry its name.
      if context.graph.isRegionOutput(output) {
        guard let producer = context.graph.producer(input), context.graph[producer].region == node.region,
          !context.graph.isRegionOutput(input)
        else { return nil }
      }
      var change = GraphChange(rule: name, covers: [id])
      change.replace(output, with: input)
      return change
    }

    private func passedThrough(_ id: NodeID, _ context: PassContext) -> ValueID? {
      let node = context.graph[id]
      guard let x = node.input(0) else { return nil }
      let y = node.input(1)
      func sameShape(_ value: ValueID) -> Bool { node.output(0).map { context.haveSameShape(value, $0) } ?? false }
      func sameType(_ value: ValueID) -> Bool {
        guard let out = node.output(0), let type = context.dataType(value) else { return false }
        return context.dataType(out) == type
      }
      switch node.type {
      case "Identity": return x
      case "Dropout":
        if let training = node.input(2), context.uniform(training) != 0 { return nil }
        return x
      case "Cast", "CastLike": return sameType(x) ? x : nil
      case "Add":
        if let y, context.uniform(y) == 0, sameShape(x) { return x }
        if let y, context.uniform(x) == 0, sameShape(y) { return y }
        return nil
      case "Mul":
        if let y, context.uniform(y) == 1, sameShape(x) { return x }
        if let y, context.uniform(x) == 1, sameShape(y) { return y }
        return nil
      case "Sub": return y != nil && context.uniform(y) == 0 && sameShape(x) ? x : nil
      case "Div": return y != nil && context.uniform(y) == 1 && sameShape(x) ? x : nil
      case "Pow": return y != nil && context.uniform(y) == 1 && sameShape(x) ? x : nil
      case "Concat", "Sum", "Max", "Min", "Mean": return node.inputs.count == 1 ? x : nil
      case "Expand", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Tile", "Slice":
        return sameShape(x) && isKnownIdentity(node, context) ? x : nil
      case "Pad":
        guard let pads = context.constant(y), let values = try? pads.ints() else { return nil }
        return values.allSatisfy { $0 == 0 } ? x : nil
      case "Clip": return y == nil && node.input(2) == nil ? x : nil
      case "Transpose":
        guard let rank = context.rank(x) else { return nil }
        let permutation = (try? AttributeReader(node).optionalInts("perm")) ?? nil
        return (permutation ?? Array((0..<rank).reversed())) == Array(0..<rank) ? x : nil
      default: return nil
      }
    }

    /// A Slice of the same shape is the identity only with positive steps; an Expand only where each length that it asks for is
    /// the input's own or 1: inference takes two symbols as equal, and one of them may be 1.
    private func isKnownIdentity(_ node: Node, _ context: PassContext) -> Bool {
      if node.type == "Expand" {
        guard let x = node.input(0), let y = node.input(1), let own = context.shape(x),
          let asked = context.facts(y).symbols, asked.count <= own.count
        else { return false }
        return zip(own.reversed(), asked.reversed()).allSatisfy { $0 == $1 || $1 == 1 }
      }
      guard node.type == "Slice", let steps = node.input(4) else { return true }
      guard let values = try? context.constant(steps)?.ints() else { return false }
      return values.allSatisfy { $0 > 0 }
    }
  }

  /// The shape of a value that is only kept in another type.
  struct Shapes: RewriteRule {
    let name = "ShapeOfConverted"
    let anchors: Set<OperatorName> = [OperatorName("Shape"), OperatorName("Size")]
    private static let conversions: Set<String> = ["Cast", "CastLike", "QuantizeLinear", "DequantizeLinear"]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let producer = graph.producer(graph[id].input(0)), graph[producer].domain.isEmpty,
        Self.conversions.contains(graph[producer].type), let source = graph[producer].input(0)
      else { return nil }
      var change = GraphChange(rule: name, covers: [])
      change.setInput(0, of: id, to: .existing(source))
      return change
    }
  }
}
