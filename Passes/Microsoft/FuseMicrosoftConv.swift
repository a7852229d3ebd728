import GraphIR
import Operators
import PassKit
import Tensors

/// Puts what follows a convolution into it, for ONNX Runtime.
///
/// Before: `Relu(Conv(x, W, B))`. After: `com.microsoft.FusedConv<activation="Relu">(x, W, B)`.
/// Before: `Add(Conv(x, W, B), z)` of rank 3 or 5. After: `com.microsoft.FusedConv(x, W, B, z)`. Sums of rank 4 stay: ONNX Runtime
/// runs plain convolutions of images in a blocked layout, the sum included; FusedConv with a sum takes 1.3 times as long.
public enum FuseMicrosoftConv {
  public static let pass = RewritePass(
    "FuseMicrosoftConv", level: 2, summary: "puts activations into com.microsoft.FusedConv (target ort)",
    rules: [Sum(), Activation()])

  /// The convolution without activation that computes `value`.
  private static func convolution(_ value: ValueID, in region: RegionID, _ context: PassContext) -> NodeID? {
    guard let id = context.graph.producer(value), context.graph[id].region == region else { return nil }
    let node = context.graph[id]
    return node.is("Conv") || node.is("FusedConv", domain: Microsoft.domain) && node["activation"] == nil ? id : nil
  }

  /// The attribute `activation_params`; nil where the node is none of FusedConv's activations.
  static func parameters(_ id: NodeID, _ context: PassContext) throws -> [Float]? {
    let node = context.graph[id]
    let reader = AttributeReader(node)
    switch node.type {
    case "Relu", "Sigmoid", "Tanh": return []
    case "LeakyRelu": return [try reader.float("alpha")]
    case "HardSigmoid": return [try reader.float("alpha"), try reader.float("beta")]
    case "Clip":
      let bounds = try [(1, -Float.greatestFiniteMagnitude), (2, Float.greatestFiniteMagnitude)].map { index, open in
        guard let bound = node.input(index) else { return open }
        guard let number = Microsoft.scalar(bound, context) else {
          throw Refusal("a bound of Clip is computed", at: id)
        }
        return Float(number)
      }
      return bounds
    default: return nil
    }
  }

  struct Activation: RewriteRule {
    let name = "MicrosoftConvActivation"
    let anchors = Set(["Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "Clip"].map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard Microsoft.isTarget(context), let data = graph[id].input(0), let output = graph[id].output(0),
        let product = convolution(data, in: graph[id].region, context)
      else { return nil }
      try Microsoft.requireFloat(data, "FusedConv", at: product, context)
      guard graph.hasSingleUse(data) else { throw Refusal("the convolution is also read elsewhere", at: product) }
      guard let parameters = try parameters(id, context) else { return nil }
      var change = GraphChange(rule: name, covers: [product, id], isFusion: true)
      var attributes = graph[product].attributes + [NamedAttribute("activation", .string(graph[id].type))]
      if !parameters.isEmpty { attributes.append(NamedAttribute("activation_params", .floats(parameters))) }
      change.replace(
        output,
        with: change.node(
          "FusedConv", domain: Microsoft.domain, GraphChange.kept(graph[product].inputs), attributes,
          name: graph[product].name))
      return change
    }
  }

  struct Sum: RewriteRule {
    let name = "MicrosoftConvSum"
    let anchors: Set<OperatorName> = [OperatorName("Add")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard Microsoft.isTarget(context), let output = graph[id].output(0), let a = graph[id].input(0),
        let b = graph[id].input(1), a != b
      else { return nil }
      // Of two convolutions the later one takes the other's result.
      let sides = [(a, b), (b, a)].sorted { (graph.producer($0.0)?.index ?? 0) > (graph.producer($1.0)?.index ?? 0) }
      for (data, other) in sides {
        guard let product = convolution(data, in: graph[id].region, context), graph[product].input(3) == nil else {
          continue
        }
        guard let rank = context.rank(data), rank != 4 else {
          throw Refusal(
            "ONNX Runtime runs convolutions of rank 4 in a blocked layout, where a sum of its own is faster",
            at: product)
        }
        guard graph.hasSingleUse(data), graph.constant(other) == nil, context.haveSameShape(data, other) else {
          continue
        }
        try Microsoft.requireFloat(data, "FusedConv", at: product, context)
        var inputs = GraphChange.kept(graph[product].inputs)
        while inputs.count < 3 { inputs.append(nil) }
        var change = GraphChange(rule: name, covers: [product, id], isFusion: true)
        change.replace(
          output,
          with: change.node(
            "FusedConv", domain: Microsoft.domain, inputs + [.existing(other)], graph[product].attributes,
            name: graph[product].name))
        return change
      }
      return nil
    }
  }
}
