import GraphIR
import Tensors

/// The losses of training graphs.
private let rules = [
  DerivativeRule("NegativeLogLikelihoodLoss") { b, call in
    try noWeightGradient(call)
    return [try likelihood(&b, call)]
  },
  DerivativeRule("SoftmaxCrossEntropyLoss") { b, call in
    try noWeightGradient(call)
    // With respect to the logarithms of the probabilities, then through LogSoftmax.
    var g = call.gradients.count > 1 ? call.gradients[1] : nil
    if call.gradients.first.flatMap({ $0 }) != nil {
      let loss = try likelihood(&b, call)
      g = g.map { b.add($0, loss) } ?? loss
    }
    guard let g else { return [] }
    let probabilities = b.call("Softmax", [try call.input(0)], [NamedAttribute("axis", .int(1))])
    let sum = b.call("ReduceSum", [g, try b.ints([1])], [NamedAttribute("keepdims", .int(1))])
    return [b.sub(g, b.mul(probabilities, sum))]
  },
]

private func noWeightGradient(_ call: DerivativeCall) throws {
  if call.needs(2) {
    throw CameoError.unsupported("the derivative of \(call.node.operatorName) with respect to its weights")
  }
}

/// The gradient of the (weighted, reduced) negative log likelihood with respect to the log probabilities [N, C, ..]: minus the
/// weight of the target class at the target, zeros elsewhere and where the target is ignored.
private func likelihood(_ b: inout GradientBuilder, _ call: DerivativeCall) throws -> ValueID {
  let (x, target, g) = (try call.input(0), try call.input(1), try call.gradient)
  var classes = target
  var weight = try b.fill(1, like: x)
  weight = b.call("ReduceMax", [weight, try b.ints([1])], [NamedAttribute("keepdims", .int(0))])
  if let ignored = try call.attributes.optionalInt("ignore_index") {
    let value = b.call("CastLike", [b.constant(try Tensor.scalar(Int64(ignored), .int64)), target])
    let isIgnored = b.call("Equal", [target, value])
    let zero = b.call("CastLike", [b.constant(try Tensor.scalar(Int64(0), .int64)), target])
    classes = b.select(isIgnored, zero, target)
    if let weights = call.node.input(2) { weight = b.call("Gather", [weights, classes]) }
    weight = b.select(isIgnored, try b.scalar(0, like: x), weight)
  } else if let weights = call.node.input(2) {
    weight = b.call("Gather", [weights, classes])
  }
  var share = b.mul(g, weight)
  let reduction = try call.attributes.string("reduction", default: "mean")
  if reduction == "mean" {
    share = b.div(share, b.call("ReduceSum", [weight], [NamedAttribute("keepdims", .int(0))]))
  }
  let depth = b.call("Shape", [x], [NamedAttribute("start", .int(1)), NamedAttribute("end", .int(2))])
  let values = b.call(
    "Concat",
    [
      try b.call("Unsqueeze", [b.scalar(0, like: x), b.ints([0])]),
      try b.call("Unsqueeze", [b.scalar(-1, like: x), b.ints([0])]),
    ],
    [NamedAttribute("axis", .int(0))])
  let places = b.call("OneHot", [classes, depth, values], [NamedAttribute("axis", .int(1))])
  return b.mul(b.call("Unsqueeze", [share, try b.ints([1])]), places)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (1, { DerivativeRules.submit(rules, to: $0) })
