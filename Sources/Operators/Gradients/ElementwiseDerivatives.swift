import GraphIR
import Tensors

/// Functions of one element.
private let unary: [DerivativeRule] = [
  .unary("Abs") { b, _, x, _ in b.call("Sign", [x]) },
  .unary("Neg") { b, _, x, _ in try b.scalar(-1, like: x) },
  .unary("Exp") { _, _, _, y in y },
  .unary("Log") { b, _, x, _ in b.call("Reciprocal", [x]) },
  .unary("Sqrt") { b, _, x, y in b.div(try b.scalar(0.5, like: x), y) },
  .unary("Reciprocal") { b, _, _, y in b.neg(b.square(y)) },
  .unary("Sin") { b, _, x, _ in b.call("Cos", [x]) },
  .unary("Cos") { b, _, x, _ in b.neg(b.call("Sin", [x])) },
  .unary("Tan") { b, _, x, y in try b.add(b.square(y), 1, like: x) },
  .unary("Asin") { b, _, x, _ in try inverseRoot(&b, b.sub(b.scalar(1, like: x), b.square(x))) },
  .unary("Acos") { b, _, x, _ in b.neg(try inverseRoot(&b, b.sub(b.scalar(1, like: x), b.square(x)))) },
  .unary("Atan") { b, _, x, _ in b.call("Reciprocal", [try b.add(b.square(x), 1, like: x)]) },
  .unary("Sinh") { b, _, x, _ in b.call("Cosh", [x]) },
  .unary("Cosh") { b, _, x, _ in b.call("Sinh", [x]) },
  .unary("Tanh") { b, _, x, y in b.sub(try b.scalar(1, like: x), b.square(y)) },
  .unary("Asinh") { b, _, x, _ in try inverseRoot(&b, b.add(b.square(x), 1, like: x)) },
  .unary("Acosh") { b, _, x, _ in try inverseRoot(&b, b.add(b.square(x), -1, like: x)) },
  .unary("Atanh") { b, _, x, _ in b.call("Reciprocal", [b.sub(try b.scalar(1, like: x), b.square(x))]) },
  .unary("Erf") { b, _, x, _ in
    try b.mul(b.call("Exp", [b.neg(b.square(x))]), 2 / Double.pi.squareRoot(), like: x)
  },
]

private func inverseRoot(_ b: inout GradientBuilder, _ value: ValueID) throws -> ValueID {
  b.call("Reciprocal", [b.call("Sqrt", [value])])
}

/// Functions of several elements, broadcast to each other.
private let broadcasting: [DerivativeRule] = [
  DerivativeRule("Add") { b, call in
    [try operand(&b, call, 0, call.gradient), try operand(&b, call, 1, call.gradient)]
  },
  DerivativeRule("Sub") { b, call in
    let g = try call.gradient
    return [try operand(&b, call, 0, g), call.needs(1) ? try operand(&b, call, 1, b.neg(g)) : nil]
  },
  DerivativeRule("Mul") { b, call in
    let g = try call.gradient
    return [
      call.needs(0) ? try operand(&b, call, 0, b.mul(g, call.input(1))) : nil,
      call.needs(1) ? try operand(&b, call, 1, b.mul(g, call.input(0))) : nil,
    ]
  },
  DerivativeRule("Div") { b, call in
    let part = b.div(try call.gradient, try call.input(1))
    return [
      try operand(&b, call, 0, part), call.needs(1) ? try operand(&b, call, 1, b.neg(b.mul(part, call.result))) : nil,
    ]
  },
  DerivativeRule("Pow", power),
  DerivativeRule("Mod") { b, call in
    let g = try call.gradient
    var second: ValueID?
    if call.needs(1) {
      // x - y trunc(x / y): the quotient is constant but for jumps.
      let quotient = b.div(b.sub(try call.input(0), try call.result), try call.input(1))
      second = try operand(&b, call, 1, b.neg(b.mul(g, quotient)))
    }
    return [try operand(&b, call, 0, g), second]
  },
  DerivativeRule("Sum") { b, call in
    try call.node.inputs.indices.map { try operand(&b, call, $0, call.gradient) }
  },
  DerivativeRule("Mean") { b, call in
    let share = try b.mul(call.gradient, 1 / Double(call.node.inputs.count), like: call.result)
    return try call.node.inputs.indices.map { try operand(&b, call, $0, share) }
  },
  DerivativeRule("Max", extreme),
  DerivativeRule("Min", extreme),
  DerivativeRule("Where") { b, call in
    let (condition, g) = (try call.input(0), try call.gradient)
    let zero = try b.scalar(0, like: call.result)
    return [
      nil, call.needs(1) ? try operand(&b, call, 1, b.select(condition, g, zero)) : nil,
      call.needs(2) ? try operand(&b, call, 2, b.select(condition, zero, g)) : nil,
    ]
  },
  DerivativeRule("Clip", clip),
]

/// The gradient of input `index` from one of the broadcast result's shape; nil where it is not needed.
private func operand(
  _ b: inout GradientBuilder, _ call: DerivativeCall, _ index: Int, _ gradient: ValueID
) throws -> ValueID? {
  guard call.needs(index) else { return nil }
  return try b.unbroadcast(gradient, to: call.input(index), from: b.shape(call.result))
}

/// x^y: y x^(y-1), 0 where y is 0; and x^y log x, 0 where x is not positive.
private func power(_ b: inout GradientBuilder, _ call: DerivativeCall) throws -> [ValueID?] {
  let (x, g) = (try call.input(0), try call.gradient)
  var y = try call.input(1)
  if b.type(y) != b.type(x) || b.type(x) == nil { y = b.call("CastLike", [y, x]) }
  let zero = try b.scalar(0, like: x)
  var results: [ValueID?] = [nil, nil]
  if call.needs(0) {
    let slope = b.mul(y, b.call("Pow", [x, try b.add(y, -1, like: x)]))
    let factor = b.select(b.call("Equal", [y, zero]), zero, slope)
    results[0] = try operand(&b, call, 0, b.mul(g, factor))
  }
  if call.needs(1) {
    let isPositive = b.call("Greater", [x, zero])
    let logarithm = b.call("Log", [b.select(isPositive, x, try b.scalar(1, like: x))])
    var factor = b.mul(try call.result, logarithm)
    if let own = b.type(try call.input(1)), own != b.type(x) {
      factor = b.call("CastLike", [factor, try call.input(1)])
    }
    var gradient = g
    if let own = b.type(try call.input(1)), own != b.type(x) { gradient = b.call("CastLike", [g, try call.input(1)]) }
    results[1] = try operand(&b, call, 1, b.mul(gradient, factor))
  }
  return results
}

/// Max and Min: the inputs that reach the result share the gradient evenly.
private func extreme(_ b: inout GradientBuilder, _ call: DerivativeCall) throws -> [ValueID?] {
  let y = try call.result
  let masks = try call.node.inputs.indices.map { index in
    b.call("CastLike", [b.call("Equal", [try call.input(index), y]), y])
  }
  let count = masks.count == 1 ? masks[0] : b.call("Sum", masks.map { Optional($0) })
  let share = b.div(try call.gradient, count)
  return try masks.indices.map { index in
    call.needs(index) ? try operand(&b, call, index, b.mul(share, masks[index])) : nil
  }
}

/// Clip: the gradient goes to x within the bounds, else to the bound that holds.
private func clip(_ b: inout GradientBuilder, _ call: DerivativeCall) throws -> [ValueID?] {
  let (x, g) = (try call.input(0), try call.gradient)
  var results: [ValueID?] = [nil, nil, nil]
  let zero = try b.scalar(0, like: x)
  var inside = g
  var raised = x
  if let low = call.node.input(1) {
    let isBelow = b.call("Less", [x, low])
    inside = b.select(isBelow, zero, inside)
    raised = b.call("Max", [x, low])
    if call.needs(1) {
      var own = b.select(isBelow, g, zero)
      if let high = call.node.input(2) { own = b.select(b.call("Greater", [low, high]), zero, own) }
      results[1] = try b.reshape(b.call("ReduceSum", [own], [NamedAttribute("keepdims", .int(0))]), like: low)
    }
  }
  if let high = call.node.input(2) {
    let isAbove = b.call("Greater", [raised, high])
    inside = b.select(isAbove, zero, inside)
    if call.needs(2) {
      let own = b.call("ReduceSum", [b.select(isAbove, g, zero)], [NamedAttribute("keepdims", .int(0))])
      results[2] = try b.reshape(own, like: high)
    }
  }
  results[0] = inside
  return results
}

/// What does not change with small changes of its inputs.
private let constants = [
  "Sign", "Floor", "Ceil", "Round", "Shape", "Size", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
  "IsNaN",
  "IsInf", "Not", "And", "Or", "Xor", "ArgMax", "ArgMin", "NonZero", "ConstantOfShape", "EyeLike", "RandomNormalLike",
  "RandomUniformLike", "Bernoulli", "Multinomial", "Hardmax",
].map(DerivativeRule.zero)

@used @section("cameo_operators")
private let registration: RegistryRecord = (1, { DerivativeRules.submit(unary + broadcasting + constants, to: $0) })
