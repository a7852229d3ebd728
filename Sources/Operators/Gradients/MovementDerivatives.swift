import GraphIR
import Tensors

/// What moves elements without computing.
private let rules: [DerivativeRule] =
  [
    DerivativeRule("Identity") { _, call in [try call.gradient] },
    DerivativeRule("Cast", cast),
    DerivativeRule("CastLike", cast),
    DerivativeRule("Dropout") { b, call in
      if call.node.input(2) != nil {
        guard let isTraining = b.constant(call.node.input(2)), try isTraining.scalar(as: Double.self) == 0 else {
          throw CameoError.unsupported("the derivative of Dropout in training mode")
        }
      }
      return [try call.gradient]
    },
    DerivativeRule("Transpose") { b, call in
      guard let permutation = try call.attributes.optionalInts("perm"), !permutation.isEmpty else {
        return [b.call("Transpose", [try call.gradient])]
      }
      guard permutation.sorted() == Array(permutation.indices) else {
        throw CameoError.badInput("perm is \(permutation)")
      }
      var inverse = permutation
      for (axis, source) in permutation.enumerated() { inverse[source] = axis }
      return [b.transpose(try call.gradient, inverse)]
    },
    DerivativeRule("Expand") { b, call in
      let x = try call.input(0)
      return [try b.unbroadcast(call.gradient, to: x, from: b.shape(call.result))]
    },
    DerivativeRule("Concat") { b, call in
      let axis = try call.attributes.int("axis")
      let inputs = try call.node.inputs.indices.map { try call.input($0) }
      if inputs.count == 1 { return [try call.gradient] }
      let rank = try b.rank(inputs[0])
      let begin = axis < 0 ? axis + rank : axis
      guard begin >= 0, begin < rank else { throw CameoError.badInput("axis \(axis) lies outside rank \(rank)") }
      let lengths = try inputs.map { input -> ValueID in
        if let length = b.shape(input)?[begin].value { return try b.ints([length]) }
        return b.call(
          "Shape", [input],
          [NamedAttribute("start", .int(Int64(begin))), NamedAttribute("end", .int(Int64(begin + 1)))])
      }
      let sizes = b.call("Concat", lengths, [NamedAttribute("axis", .int(0))])
      return b.call(
        OperatorName("Split"), [try call.gradient, sizes], [NamedAttribute("axis", .int(Int64(axis)))],
        outputs: inputs.count
      ).map { Optional($0) }
    },
    DerivativeRule("ScatterElements", scatter),
    DerivativeRule("TopK") { b, call in
      let (x, g) = (try call.input(0), try call.gradient)
      let again = b.call(call.node.operatorName, call.node.inputs, call.node.attributes, outputs: 2)
      let axis = NamedAttribute("axis", .int(Int64(try call.attributes.int("axis", default: -1))))
      return [b.call("ScatterElements", [try b.fill(0, like: x), again[1], g], [axis])]
    },
    DerivativeRule("MaxPool") { b, call in
      guard try call.attributes.int("storage_order", default: 0) == 0 else {
        throw CameoError.unsupported("the derivative of MaxPool with storage_order 1")
      }
      let again = b.call(call.node.operatorName, call.node.inputs, call.node.attributes, outputs: 2)
      return [try scattered(&b, call.gradient, at: again[1], like: call.input(0), offset: 0)]
    },
  ]
  + ["Reshape", "Squeeze", "Unsqueeze", "Flatten"].map { name in
    DerivativeRule(name) { b, call in [try b.reshape(call.gradient, like: call.input(0))] }
  }
  + [
    "Slice", "Split", "Gather", "GatherElements", "GatherND", "Tile", "Pad", "DepthToSpace", "SpaceToDepth", "Compress",
    "ReverseSequence", "Trilu", "CenterCropPad",
  ].map { DerivativeRule($0, movement) }

private func cast(_ b: inout GradientBuilder, _ call: DerivativeCall) throws -> [ValueID?] {
  [b.call("CastLike", [try call.gradient, try call.input(0)])]
}

/// Any operator that moves elements of input 0: the same node moves the elements' numbers, from 1 on, and so tells where each
/// result comes from; 0 stands for what it adds.
private func movement(_ b: inout GradientBuilder, _ call: DerivativeCall) throws -> [ValueID?] {
  let x = try call.input(0)
  for index in call.node.inputs.indices.dropFirst() where call.needs(index) {
    throw CameoError.unsupported("the derivative of \(call.node.operatorName) with respect to input \(index)")
  }
  let one = b.constant(try Tensor.scalar(Int64(1), .int64))
  let numbers = try b.reshape(b.call("Range", [one, b.add(b.call("Size", [x]), one), one]), like: x)
  var inputs = call.node.inputs
  inputs[0] = numbers
  // The value that Pad adds.
  if call.node.is("Pad"), inputs.count > 2 { inputs[2] = nil }
  let moved = b.call(call.node.operatorName, inputs, call.node.attributes, outputs: call.node.outputs.count)
  var total: ValueID?
  for (places, gradient) in zip(moved, call.gradients) {
    guard let gradient else { continue }
    let part = try scattered(&b, gradient, at: places, like: x, offset: 1)
    total = total.map { b.add($0, part) } ?? part
  }
  return [total]
}

/// Zeros of the shape of `x` with `gradient` added at `places`, linear positions that start at `offset`; those below are dropped.
private func scattered(
  _ b: inout GradientBuilder, _ gradient: ValueID, at places: ValueID, like x: ValueID, offset: Int
) throws -> ValueID {
  let flat = try b.ints([-1])
  let size = b.call("Reshape", [b.call("Size", [x]), flat])
  let length = offset == 0 ? size : b.add(size, try b.ints([offset]))
  let zeros = b.call("Expand", [try b.scalar(0, like: x), length])
  var sum = b.call(
    "ScatterElements", [zeros, b.call("Reshape", [places, flat]), b.call("Reshape", [gradient, flat])],
    [NamedAttribute("axis", .int(0)), NamedAttribute("reduction", .string("add"))])
  if offset > 0 { sum = b.call("Slice", [sum, try b.ints([offset]), length, try b.ints([0])]) }
  return try b.reshape(sum, like: x)
}

/// ScatterElements that replaces or adds; where two updates meet in one place without `reduction`, either may count.
private func scatter(_ b: inout GradientBuilder, _ call: DerivativeCall) throws -> [ValueID?] {
  let reduction = try call.attributes.string("reduction", default: "none")
  guard reduction == "none" || reduction == "add" else {
    throw CameoError.unsupported("the derivative of ScatterElements with reduction \(reduction)")
  }
  let (indices, g) = (try call.input(1), try call.gradient)
  let axis = [NamedAttribute("axis", .int(Int64(try call.attributes.int("axis", default: 0))))]
  var first = g
  if reduction == "none", call.needs(0) {
    let zeros = b.call("Expand", [try b.scalar(0, like: call.input(0)), b.call("Shape", [indices])])
    first = b.call("ScatterElements", [g, indices, zeros], axis)
  }
  return [first, nil, call.needs(2) ? b.call("GatherElements", [g, indices], axis) : nil]
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (1, { DerivativeRules.submit(rules, to: $0) })
