import GraphIR
import Tensors

/// Reductions over axes, Softmax and running sums.
private let rules: [DerivativeRule] = [
  reduction("ReduceSum") { b, _, reduced in try b.expand(reduced.gradient, like: reduced.x) },
  reduction("ReduceMean") { b, call, reduced in
    let total = b.call("Size", [reduced.x])
    let count = b.call("Div", [total, b.call("Max", [b.call("Size", [try call.result]), try b.ints([1])])])
    return try b.expand(b.div(reduced.gradient, b.call("CastLike", [count, reduced.x])), like: reduced.x)
  },
  reduction("ReduceMax", extreme),
  reduction("ReduceMin", extreme),
  reduction("ReduceProd", product),
  reduction("ReduceL1") { b, _, reduced in b.mul(reduced.gradient, b.call("Sign", [reduced.x])) },
  reduction("ReduceL2") { b, _, reduced in
    // The norm of zeros has slope 0.
    let isZero = b.call("Equal", [reduced.y, try b.scalar(0, like: reduced.x)])
    let norm = b.select(isZero, try b.scalar(1, like: reduced.x), reduced.y)
    return b.mul(reduced.x, b.div(reduced.gradient, norm))
  },
  reduction("ReduceSumSquare") { b, _, reduced in
    b.mul(reduced.gradient, try b.mul(reduced.x, 2, like: reduced.x))
  },
  reduction("ReduceLogSum") { b, _, reduced in
    try b.expand(b.mul(reduced.gradient, b.call("Exp", [b.neg(reduced.y)])), like: reduced.x)
  },
  reduction("ReduceLogSumExp") { b, _, reduced in
    b.mul(reduced.gradient, b.call("Exp", [b.sub(reduced.x, reduced.y)]))
  },
  DerivativeRule("Softmax") { b, call in
    let (y, g) = (try call.result, try call.gradient)
    let sum = try sumKeeping(&b, b.mul(g, y), axis: call.attributes.int("axis", default: -1))
    return [b.mul(y, b.sub(g, sum))]
  },
  DerivativeRule("LogSoftmax") { b, call in
    let g = try call.gradient
    let sum = try sumKeeping(&b, g, axis: call.attributes.int("axis", default: -1))
    return [b.sub(g, b.mul(b.call("Exp", [try call.result]), sum))]
  },
  DerivativeRule("CumSum") { b, call in
    let isReversed = try call.attributes.bool("reverse")
    let attributes = [
      NamedAttribute("exclusive", .int(try call.attributes.bool("exclusive") ? 1 : 0)),
      NamedAttribute("reverse", .int(isReversed ? 0 : 1)),
    ]
    return [b.call("CumSum", [try call.gradient, try call.input(1)], attributes)]
  },
  global("GlobalAveragePool") { b, call, reduced in
    let count = b.call("Div", [b.call("Size", [reduced.x]), b.call("Size", [try call.result])])
    return try b.expand(b.div(reduced.gradient, b.call("CastLike", [count, reduced.x])), like: reduced.x)
  },
  global("GlobalMaxPool") { b, _, reduced in
    let axes = try b.ints(Array(2..<max(2, b.rank(reduced.x))))
    return try shared(&b, reduced, axes: axes, noop: true)
  },
]

/// A reduction's input, and its result and gradient with the reduced axes kept as 1.
private struct Reduced {
  let x: ValueID
  let y: ValueID
  let gradient: ValueID
}

private func reduction(
  _ name: String, _ rule: @escaping @Sendable (inout GradientBuilder, DerivativeCall, Reduced) throws -> ValueID
) -> DerivativeRule {
  DerivativeRule(name) { b, call in
    let (x, y, g) = (try call.input(0), try call.result, try call.gradient)
    if try call.attributes.int("keepdims", default: 1) != 0 {
      return [try rule(&b, call, Reduced(x: x, y: y, gradient: g))]
    }
    // The same reduction with its axes kept tells the shape, whatever the axes are.
    let attributes = call.node.attributes.filter { $0.name != "keepdims" } + [NamedAttribute("keepdims", .int(1))]
    let kept = b.call(call.node.operatorName, call.node.inputs, attributes, outputs: 1)[0]
    let shape = b.call("Shape", [kept])
    let gradient = b.call("Reshape", [g, shape], [NamedAttribute("allowzero", .int(1))])
    return [try rule(&b, call, Reduced(x: x, y: kept, gradient: gradient))]
  }
}

private func global(
  _ name: String, _ rule: @escaping @Sendable (inout GradientBuilder, DerivativeCall, Reduced) throws -> ValueID
) -> DerivativeRule {
  DerivativeRule(name) { b, call in
    [try rule(&b, call, Reduced(x: call.input(0), y: call.result, gradient: call.gradient))]
  }
}

private func sumKeeping(_ b: inout GradientBuilder, _ value: ValueID, axis: Int) throws -> ValueID {
  b.call("ReduceSum", [value, try b.ints([axis])], [NamedAttribute("keepdims", .int(1))])
}

/// ReduceMax, ReduceMin: the elements that reach the result share the gradient evenly.
private func extreme(_ b: inout GradientBuilder, _ call: DerivativeCall, _ reduced: Reduced) throws -> ValueID {
  try shared(&b, reduced, axes: call.node.input(1), noop: call.attributes.bool("noop_with_empty_axes"))
}

private func shared(_ b: inout GradientBuilder, _ reduced: Reduced, axes: ValueID?, noop: Bool) throws -> ValueID {
  let mask = b.call("CastLike", [b.call("Equal", [reduced.x, reduced.y]), reduced.x])
  let attributes = [NamedAttribute("keepdims", .int(1)), NamedAttribute("noop_with_empty_axes", .int(noop ? 1 : 0))]
  let count = b.call("ReduceSum", axes.map { [mask, $0] } ?? [mask], attributes)
  return b.mul(mask, b.div(reduced.gradient, count))
}

/// The product of the other elements, zeros among them or not.
private func product(_ b: inout GradientBuilder, _ call: DerivativeCall, _ reduced: Reduced) throws -> ValueID {
  let x = reduced.x
  let (zero, one) = (try b.scalar(0, like: x), try b.scalar(1, like: x))
  var attributes = [NamedAttribute("keepdims", .int(1))]
  if try call.attributes.bool("noop_with_empty_axes") {
    attributes.append(NamedAttribute("noop_with_empty_axes", .int(1)))
  }
  func reduce(_ name: String, _ value: ValueID) -> ValueID {
    b.call(name, [value] + call.node.inputs.dropFirst(), attributes)
  }
  let isZero = b.call("Equal", [x, zero])
  let filled = b.select(isZero, one, x)
  let rest = reduce("ReduceProd", filled)
  let zeros = reduce("ReduceSum", b.call("CastLike", [isZero, x]))
  let ofZero = b.select(b.call("Equal", [zeros, one]), rest, zero)
  let ofOthers = b.select(b.call("Equal", [zeros, zero]), b.div(rest, filled), zero)
  return b.mul(reduced.gradient, b.select(isZero, ofZero, ofOthers))
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (1, { DerivativeRules.submit(rules, to: $0) })
