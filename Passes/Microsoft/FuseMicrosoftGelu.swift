import GraphIR
import Operators
import PassKit
import Tensors

/// Puts the bias in front of a Gelu into it, and makes x * sigmoid(alpha x) one node, for ONNX Runtime.
///
/// Before: `Gelu(Add(x, b))`, b a row of the last axis. After: `com.microsoft.BiasGelu(x, b)`.
/// Before: `Gelu<approximate="tanh">(Add(x, b))`. After: `com.microsoft.FastGelu(x, b)`.
/// Before: `Swish<alpha>(x)`, or written with Sigmoid. After: `com.microsoft.QuickGelu<alpha>(x)`, which ONNX Runtime has a kernel for.
/// Before: `SwiGLU(x, u)`. After: `Mul(com.microsoft.QuickGelu<alpha = 1>(x), u)`.
public enum FuseMicrosoftGelu {
  public static let pass = RewritePass(
    "FuseMicrosoftGelu", level: 2, summary: "writes com.microsoft's BiasGelu, FastGelu and QuickGelu (target ort)",
    rules: [
      Bias(), Swish(),
      sigmoid("MicrosoftQuickGeluPlain", [PatternNode("Sigmoid", inputs: [.value("x")], outputs: ["s"])]),
      sigmoid(
        "MicrosoftQuickGeluScaled",
        [
          PatternNode("Mul", inputs: [.value("x"), .constant("alpha", .uniform)], outputs: ["v"]),
          PatternNode("Sigmoid", inputs: [.value("v")], outputs: ["s"]),
        ]),
    ])

  struct Bias: RewriteRule {
    let name = "MicrosoftBiasGelu"
    let anchors: Set<OperatorName> = [OperatorName("Gelu")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard Microsoft.isTarget(context), let sum = graph[id].input(0), let output = graph[id].output(0),
        let add = graph.producer(sum), graph[add].region == graph[id].region,
        let (data, bias) = Microsoft.biased(add, context)
      else { return nil }
      let isTanh = try AttributeReader(graph[id]).string("approximate", default: "none") == "tanh"
      let type = isTanh ? "FastGelu" : "BiasGelu"
      try Microsoft.requireFloat(sum, type, at: id, context)
      guard graph.hasSingleUse(sum) else { throw Refusal("the sum is also read elsewhere", at: add) }
      var change = GraphChange(rule: name, covers: [add, id], isFusion: true)
      let row = try Microsoft.row(bias, context, &change)
      change.replace(
        output, with: change.node(type, domain: Microsoft.domain, [.existing(data), row], name: graph[id].name))
      return change
    }
  }

  struct Swish: RewriteRule {
    let name = "MicrosoftSwish"
    let anchors: Set<OperatorName> = [OperatorName("Swish"), OperatorName("SwiGLU")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard Microsoft.isTarget(context), let data = node.input(0), let output = node.output(0) else { return nil }
      try Microsoft.requireFloat(data, "QuickGelu", at: id, context)
      var change = GraphChange(rule: name, covers: [id])
      let alpha = try AttributeReader(node).float("alpha", default: 1)
      let isGated = node.type == "SwiGLU"
      let swish = change.node(
        "QuickGelu", domain: Microsoft.domain, [.existing(data)], [NamedAttribute("alpha", .float(alpha))],
        name: isGated ? "" : node.name)
      guard isGated else {
        change.replace(output, with: swish)
        return change
      }
      guard let gated = node.input(1) else { return nil }
      change.replace(output, with: change.node("Mul", [swish, .existing(gated)], name: node.name))
      return change
    }
  }

  private static func sigmoid(_ name: String, _ gate: [PatternNode]) -> any RewriteRule {
    let product = PatternNode("Mul", inputs: [.value("x"), .value("s")], outputs: ["y"])
    let rule = PatternRule(name, match: Pattern(gate + [product], results: ["y"])) { match, context, change in
      guard let x = match.value("x"), let y = match.value("y"), let key = match.node("s") else { return }
      try Microsoft.requireFloat(x, "QuickGelu", at: key, context)
      let alpha = match["alpha"].map { $0.uniform(context) ?? 1 } ?? 1
      change.replace(
        y,
        with: change.node(
          "QuickGelu", domain: Microsoft.domain, [.existing(x)], [NamedAttribute("alpha", .float(Float(alpha)))]))
    }
    return TargetRule(rule)
  }

  /// A rule that runs for that target alone.
  private struct TargetRule: RewriteRule {
    let rule: PatternRule
    var name: String { rule.name }
    var anchors: Set<OperatorName> { rule.anchors }

    init(_ rule: PatternRule) { self.rule = rule }

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      Microsoft.isTarget(context) ? try rule.rewrite(id, in: context) : nil
    }
  }
}
