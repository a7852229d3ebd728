import GraphIR
import Tensors

/// GRU, gates in the order update, reset, hidden.
struct GRU: Operator {
  let name = OperatorName("GRU")

  func infer(_ context: inout InferenceContext) throws { try NNRecurrent.infer(&context, states: 1) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let net = try NNRecurrent(context, gates: 3, defaults: ["Sigmoid", "Tanh"])
    let hidden = net.hidden
    let isLinearFirst = try context.attributes.bool("linear_before_reset")
    return try net.run(states: [net.initial(context, 5)], context: context, type: context.tensor(0).dataType) {
      d, projected, t, states in
      let columns = 3 * hidden
      let old = states[0]
      let (f, g) = (net.activations[2 * d], net.activations[2 * d + 1])
      let gates = net.recurrent(old, d, 0..<2 * hidden)
      func input(_ item: Int, _ column: Int) -> Double { projected[(t * net.batch + item) * columns + column] }
      var update = old
      var reset = old
      for item in 0..<net.batch {
        for j in 0..<hidden {
          let at = item * hidden + j
          update[at] = f(net.clipped(input(item, j) + gates[item * 2 * hidden + j] + net.recurrenceBias(d, j)))
          reset[at] = f(
            net.clipped(
              input(item, hidden + j) + gates[item * 2 * hidden + hidden + j] + net.recurrenceBias(d, hidden + j)))
        }
      }
      let source = isLinearFirst ? old : zip(old, reset).map { $0 * $1 }
      let candidate = net.recurrent(source, d, 2 * hidden..<columns)
      var h = old
      for item in 0..<net.batch {
        for j in 0..<hidden {
          let at = item * hidden + j
          let bias = net.recurrenceBias(d, 2 * hidden + j)
          let inner = isLinearFirst ? reset[at] * (candidate[at] + bias) : candidate[at] + bias
          let fresh = g(net.clipped(input(item, 2 * hidden + j) + inner))
          h[at] = (1 - update[at]) * fresh + update[at] * old[at]
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
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(GRU(), to: $0) })
