import GraphIR
import Operators
import PassKit
import Tensors

/// Puts the activation behind a product of matrices into it, for ONNX Runtime.
///
/// Before: `Tanh(Gemm(a, b, c))`. After: `com.microsoft.FusedGemm<activation="Tanh">(a, b, c)`. A MatMul of two matrices is a
/// Gemm without c.
public enum FuseMicrosoftGemm {
  public static let pass = RewritePass(
    "FuseMicrosoftGemm", level: 2, summary: "puts activations into com.microsoft.FusedGemm (target ort)",
    rules: [Rule()])

  /// The activations that it has, with the attributes that go with them, in the order of activation_alpha, _beta, _gamma.
  private static let parameters: [String: [(from: String, to: String)]] = [
    "Relu": [], "Tanh": [], "Sigmoid": [], "Softplus": [], "Softsign": [],
    "LeakyRelu": [("alpha", "activation_alpha")], "Elu": [("alpha", "activation_alpha")],
    "ThresholdedRelu": [("alpha", "activation_alpha")],
    "HardSigmoid": [("alpha", "activation_alpha"), ("beta", "activation_beta")],
    "Selu": [("alpha", "activation_alpha"), ("gamma", "activation_gamma")],
  ]

  struct Rule: RewriteRule {
    let name = "MicrosoftGemmActivation"
    let anchors = Set(parameters.keys.map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard Microsoft.isTarget(context), let data = graph[id].input(0), let output = graph[id].output(0),
        let product = graph.producer(data), graph[product].region == graph[id].region,
        let parameters = parameters[graph[id].type]
      else { return nil }
      let node = graph[product]
      let isMatrices = context.rank(node.input(0)) == 2 && context.rank(node.input(1)) == 2
      guard node.is("Gemm") || node.is("MatMul") && isMatrices else { return nil }
      try Microsoft.requireFloat(data, "FusedGemm", at: product, context)
      guard graph.hasSingleUse(data) else { throw Refusal("the product is also read elsewhere", at: product) }
      let reader = AttributeReader(graph[id])
      var attributes = node.attributes + [NamedAttribute("activation", .string(graph[id].type))]
      for (from, to) in parameters { attributes.append(NamedAttribute(to, .float(try reader.float(from)))) }
      var change = GraphChange(rule: name, covers: [product, id], isFusion: true)
      change.replace(
        output,
        with: change.node(
          "FusedGemm", domain: Microsoft.domain, GraphChange.kept(node.inputs), attributes, name: node.name))
      return change
    }
  }
}
