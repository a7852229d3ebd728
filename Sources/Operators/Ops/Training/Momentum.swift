import GraphIR
import Tensors

/// Momentum: stochastic gradient descent with standard or Nesterov's momentum.
private let op = TrainingOptimizer("Momentum", states: 1) { attributes, rate, updates in
  let alpha = Double(try attributes.float("alpha"))
  // In the first step the gradient counts whole.
  let beta = updates > 0 ? Double(try attributes.float("beta")) : 1
  let norm = Double(try attributes.float("norm_coefficient"))
  let mode = try attributes.string("mode")
  guard mode == "standard" || mode == "nesterov" else {
    throw CameoError.badInput("mode is \(mode), standard or nesterov was expected")
  }
  return { x, gradient, states in
    let g = norm * x + gradient
    states[0] = alpha * states[0] + beta * g
    x -= rate * (mode == "nesterov" ? g + alpha * states[0] : states[0])
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
