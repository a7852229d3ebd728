import GraphIR
import Tensors

/// Activations of one element.
private let rules: [DerivativeRule] = [
  DerivativeRule("Relu") { b, call in
    let x = try call.input(0)
    return [try b.pass(call.gradient, where: b.call("Greater", [x, try b.scalar(0, like: x)]), like: x)]
  },
  DerivativeRule("ThresholdedRelu") { b, call in
    let x = try call.input(0)
    let alpha = try b.scalar(Double(call.attributes.float("alpha", default: 1)), like: x)
    return [try b.pass(call.gradient, where: b.call("Greater", [x, alpha]), like: x)]
  },
  DerivativeRule("Shrink") { b, call in
    let x = try call.input(0)
    let lambd = try b.scalar(Double(call.attributes.float("lambd", default: 0.5)), like: x)
    return [try b.pass(call.gradient, where: b.call("Greater", [b.call("Abs", [x]), lambd]), like: x)]
  },
  .unary("LeakyRelu") { b, call, x, _ in
    try slopes(&b, x, below: b.scalar(Double(call.attributes.float("alpha", default: 0.01)), like: x), above: 1)
  },
  // Below 0 the result itself tells the exponential.
  .unary("Elu") { b, call, x, y in
    try slopes(&b, x, below: b.add(y, Double(call.attributes.float("alpha", default: 1)), like: x), above: 1)
  },
  .unary("Celu") { b, call, x, y in
    let alpha = Double(try call.attributes.float("alpha", default: 1))
    return try slopes(&b, x, below: b.add(b.mul(y, 1 / alpha, like: x), 1, like: x), above: 1)
  },
  .unary("Selu") { b, call, x, y in
    let alpha = Double(try call.attributes.float("alpha", default: 1.67326319217681884765625))
    let gamma = Double(try call.attributes.float("gamma", default: 1.05070102214813232421875))
    return try slopes(&b, x, below: b.add(y, alpha * gamma, like: x), above: gamma)
  },
  .unary("Sigmoid") { b, _, x, y in b.mul(y, b.sub(try b.scalar(1, like: x), y)) },
  .unary("HardSigmoid") { b, call, x, y in
    let inside = b.call(
      "And", [b.call("Greater", [y, try b.scalar(0, like: x)]), b.call("Less", [y, try b.scalar(1, like: x)])])
    return try b.pass(
      b.scalar(Double(call.attributes.float("alpha", default: 0.2)), like: x), where: inside, like: x)
  },
  .unary("HardSwish") { b, _, x, _ in
    let middle = try b.add(b.mul(x, 1.0 / 3, like: x), 0.5, like: x)
    let (zero, one) = (try b.scalar(0, like: x), try b.scalar(1, like: x))
    let upper = b.select(b.call("GreaterOrEqual", [x, try b.scalar(3, like: x)]), one, middle)
    return b.select(b.call("LessOrEqual", [x, try b.scalar(-3, like: x)]), zero, upper)
  },
  .unary("Softplus") { b, _, x, _ in b.call("Sigmoid", [x]) },
  .unary("Softsign") { b, _, x, _ in
    b.call("Reciprocal", [b.square(try b.add(b.call("Abs", [x]), 1, like: x))])
  },
  .unary("Gelu") { b, call, x, _ in
    try call.attributes.string("approximate", default: "none") == "tanh" ? tanhGelu(&b, x) : exactGelu(&b, x)
  },
  .unary("Mish") { b, _, x, _ in
    let t = b.call("Tanh", [b.call("Softplus", [x])])
    let rest = b.mul(b.mul(x, b.call("Sigmoid", [x])), b.sub(try b.scalar(1, like: x), b.square(t)))
    return b.add(t, rest)
  },
  .unary("Swish") { b, call, x, _ in
    try swish(&b, x, alpha: Double(call.attributes.float("alpha", default: 1))).slope
  },
  DerivativeRule("SwiGLU") { b, call in
    let (a, g) = (try call.input(0), try call.gradient)
    let gate = try swish(&b, a, alpha: Double(call.attributes.float("alpha", default: 1)))
    return [
      call.needs(0) ? b.mul(b.mul(g, try call.input(1)), gate.slope) : nil, call.needs(1) ? b.mul(g, gate.value) : nil,
    ]
  },
  DerivativeRule("PRelu") { b, call in
    let (x, slope, g) = (try call.input(0), try call.input(1), try call.gradient)
    let isBelow = b.call("Less", [x, try b.scalar(0, like: x)])
    var second: ValueID?
    if call.needs(1) {
      second = try b.unbroadcast(b.pass(b.mul(g, x), where: isBelow, like: x), to: slope, from: b.shape(x))
    }
    return [call.needs(0) ? b.select(isBelow, b.mul(g, slope), g) : nil, second]
  },
]

private func slopes(_ b: inout GradientBuilder, _ x: ValueID, below: ValueID, above: Double) throws -> ValueID {
  b.select(b.call("Less", [x, try b.scalar(0, like: x)]), below, try b.scalar(above, like: x))
}

/// x sigmoid(alpha x) and its derivative.
private func swish(
  _ b: inout GradientBuilder, _ x: ValueID, alpha: Double
) throws -> (value: ValueID, slope: ValueID) {
  let s = b.call("Sigmoid", [try b.mul(x, alpha, like: x)])
  let value = b.mul(x, s)
  let rest = b.mul(try b.mul(value, alpha, like: x), b.sub(try b.scalar(1, like: x), s))
  return (value, b.add(s, rest))
}

/// Phi(x) + x phi(x).
private func exactGelu(_ b: inout GradientBuilder, _ x: ValueID) throws -> ValueID {
  let erf = b.call("Erf", [try b.mul(x, 0.5.squareRoot(), like: x)])
  let distribution = try b.mul(b.add(erf, 1, like: x), 0.5, like: x)
  let density = try b.mul(
    b.call("Exp", [b.mul(b.square(x), -0.5, like: x)]), 1 / (2 * Double.pi).squareRoot(), like: x)
  return b.add(distribution, b.mul(x, density))
}

/// The derivative of x (1 + tanh u) / 2 with u = c (x + 0.044715 x^3).
private func tanhGelu(_ b: inout GradientBuilder, _ x: ValueID) throws -> ValueID {
  let c = (2 / Double.pi).squareRoot()
  let squared = b.square(x)
  let u = b.mul(x, try b.add(b.mul(squared, c * 0.044715, like: x), c, like: x))
  let t = b.call("Tanh", [u])
  let inner = try b.add(b.mul(squared, 3 * 0.044715 * c, like: x), c, like: x)
  let steep = b.mul(b.mul(x, b.sub(try b.scalar(1, like: x), b.square(t))), inner)
  return try b.mul(b.add(b.add(t, 1, like: x), steep), 0.5, like: x)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (1, { DerivativeRules.submit(rules, to: $0) })
