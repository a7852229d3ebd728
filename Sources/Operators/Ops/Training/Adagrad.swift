import GraphIR
import Tensors

/// Adagrad: steps scaled by the root of the accumulated squared gradient (Duchi, Hazan, Singer 2011).
private let op = TrainingOptimizer("Adagrad", states: 1) { attributes, rate, updates in
  let decay = Double(try attributes.float("decay_factor", default: 0))
  let epsilon = Double(try attributes.float("epsilon", default: 1e-6))
  let norm = Double(try attributes.float("norm_coefficient", default: 0))
  let r = rate / (1 + Double(updates) * decay)
  return { x, gradient, states in
    let g = norm * x + gradient
    states[0] += g * g
    x -= r * g / (states[0].squareRoot() + epsilon)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
