import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Adam: averaged gradient over the root of the averaged squared gradient (Kingma, Ba 2015), with weight decay before and
/// after the step. States: the averaged gradient, the averaged squared gradient.
private let op = TrainingOptimizer("Adam", states: 2) { attributes, rate, updates in
  let alpha = Double(try attributes.float("alpha", default: 0.9))
  let beta = Double(try attributes.float("beta", default: 0.999))
  let epsilon = Double(try attributes.float("epsilon", default: 1e-6))
  let norm = Double(try attributes.float("norm_coefficient", default: 0))
  let after = Double(try attributes.float("norm_coefficient_post", default: 0))
  let t = Double(updates)
  let r = updates > 0 ? rate * (1 - pow(beta, t)).squareRoot() / (1 - pow(alpha, t)) : rate
  return { x, gradient, states in
    let g = norm * x + gradient
    states[0] = alpha * states[0] + (1 - alpha) * g
    states[1] = beta * states[1] + (1 - beta) * g * g
    x = (1 - after) * (x - r * states[0] / (states[1].squareRoot() + epsilon))
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
