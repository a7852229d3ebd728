import GraphIR
import Operators
import PassKit
import Tensors

/// Takes apart the activations that fusions make whatever may be written, where the output's opset lacks them or the runtimes that
/// the target names would expand them (`RuntimeOperators`). A HardSwish or Mish that the source holds stays: its expansion is what
/// it stands for, node for node.
///
/// Before: `Swish(x)`, `Swish<alpha=a>(x)`, `SwiGLU(g, u)`, `Mish(x)`, `HardSwish(x)`. After: `Mul(x, Sigmoid(x))`,
/// `Mul(x, Sigmoid(Mul(x, a)))`, `Mul(Mul(g, Sigmoid(g)), u)`, `Mul(x, Tanh(Softplus(x)))`,
/// `Mul(x, HardSigmoid<alpha=1/6, beta=0.5>(x))`. At level 3, for a run, nothing is taken apart.
public enum LegalizeActivations {
  public static let pass = RewritePass(
    "LegalizeActivations", level: 2, summary: "takes apart activations that known runtimes lack", rules: [Rule()])

  /// Since which opset they are published.
  static let versions: [String: Int] = ["Swish": 24, "SwiGLU": 28, "Mish": 18, "HardSwish": 14]

  /// Their expansion takes as long as the nodes that would be written for them.
  private static let harmless: Set<String> = ["HardSwish", "Mish"]

  struct Rule: RewriteRule {
    let name = "LegalizeActivations"
    let anchors = Set(LegalizeActivations.versions.keys.map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let opset = LegalizeActivations.versions[node.type], !context.mayKeep(node.type, opset: opset),
        let x = node.input(0),
        let y = node.output(0)
      else { return nil }
      // One source node, and not several: no fusion made it.
      if LegalizeActivations.harmless.contains(node.type), node.origins.indices.count <= 1,
        context.mayEmit(opset: opset)
      {
        return nil
      }
      guard let type = context.dataType(x) else { throw Refusal("the element type is not known", at: id) }
      var change = GraphChange(rule: name, covers: [id])
      let data = GraphChange.Ref.existing(x)
      switch node.type {
      case "Mish":
        let gate = change.node("Tanh", [change.node("Softplus", [data])])
        change.replace(y, with: change.node("Mul", [data, gate], name: node.name))
      case "HardSwish":
        let gate = change.node(
          "HardSigmoid", [data], [NamedAttribute("alpha", .float(1 / 6)), NamedAttribute("beta", .float(0.5))])
        change.replace(y, with: change.node("Mul", [data, gate], name: node.name))
      default:
        let alpha = try AttributeReader(node).float("alpha", default: 1)
        let slope =
          alpha == 1
          ? data : change.node("Mul", [data, change.constant(try .scalar(Double(alpha), .double).converted(to: type))])
        let swish = change.node("Mul", [data, change.node("Sigmoid", [slope])])
        guard node.type == "SwiGLU" else {
          change.replace(y, with: swish)
          break
        }
        guard let up = node.input(1) else { return nil }
        change.replace(y, with: change.node("Mul", [swish, .existing(up)], name: node.name))
      }
      return change
    }
  }
}
