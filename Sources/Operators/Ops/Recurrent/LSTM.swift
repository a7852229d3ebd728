import GraphIR
import Tensors

/// LSTM, gates in the order input, output, forget, cell; peepholes in the order input, output, forget.
struct LSTM: Operator {
  let name = OperatorName("LSTM")

  func infer(_ context: inout InferenceContext) throws { try NNRecurrent.infer(&context, states: 2) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    try LSTM.run(NNRecurrent(context, gates: 4, defaults: ["Sigmoid", "Tanh", "Tanh"]), context)
  }

  /// The outputs of a network with four gates; initial states and peepholes are inputs 5 to 7.
  static func run(_ net: NNRecurrent, _ context: EvaluationContext) throws -> [Value?] {
    let hidden = net.hidden
    let couplesForget = try context.attributes.bool("input_forget")
    var peepholes: [Double]?
    if let tensor = try context.optionalTensor(7) {
      guard tensor.count == net.directions * 3 * hidden else {
        throw CameoError.badInput("P has the shape \(tensor.shape), [directions, 3 * hidden_size] was expected")
      }
      peepholes = try tensor.elements(as: Double.self)
    }
    let states = [try net.initial(context, 5), try net.initial(context, 6)]
    return try net.run(states: states, context: context, type: context.tensor(0).dataType) { d, projected, t, states in
      let columns = 4 * hidden
      let recurrent = net.recurrent(states[0], d, 0..<columns)
      var h = states[0]
      var c = states[1]
      let (f, g, last) = (net.activations[3 * d], net.activations[3 * d + 1], net.activations[3 * d + 2])
      for item in 0..<net.batch {
        for j in 0..<hidden {
          func gate(_ k: Int) -> Double {
            let column = k * hidden + j
            return projected[(t * net.batch + item) * columns + column] + recurrent[item * columns + column]
              + net.recurrenceBias(d, column)
          }
          func peephole(_ k: Int, _ cell: Double) -> Double {
            peepholes.map { $0[(d * 3 + k) * hidden + j] * cell } ?? 0
          }
          let at = item * hidden + j
          let old = states[1][at]
          let input = f(net.clipped(gate(0) + peephole(0, old)))
          let forget = couplesForget ? 1 - input : f(net.clipped(gate(2) + peephole(2, old)))
          let cell = forget * old + input * g(net.clipped(gate(3)))
          let output = f(net.clipped(gate(1) + peephole(1, cell)))
          c[at] = cell
          h[at] = output * last(cell)
        }
      }
      return [h, c]
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
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(LSTM(), to: $0) })
