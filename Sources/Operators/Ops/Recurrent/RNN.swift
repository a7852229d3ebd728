import GraphIR
import Tensors

/// RNN: h = f(x W' + h R' + b).
struct RNN: Operator {
  let name = OperatorName("RNN")

  func infer(_ context: inout InferenceContext) throws { try NNRecurrent.infer(&context, states: 1) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let net = try NNRecurrent(context, gates: 1, defaults: ["Tanh"])
    let hidden = net.hidden
    return try net.run(states: [net.initial(context, 5)], context: context, type: context.tensor(0).dataType) {
      d, projected, t, states in
      let recurrent = net.recurrent(states[0], d, 0..<hidden)
      var h = states[0]
      for item in 0..<net.batch {
        for j in 0..<hidden {
          let at = item * hidden + j
          h[at] = net.activations[d](
            net.clipped(projected[(t * net.batch + item) * hidden + j] + recurrent[at] + net.recurrenceBias(d, j)))
        }
      }
      return [h]
    }
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 7 { graph.setAttribute("output_sequence", of: node, to: nil) }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 14 { try NNRecurrent.lowerLayout(&graph, node) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(RNN(), to: $0) })
