import GraphIR
import Tensors

/// Matrix products and convolutions.
private let rules = [
  DerivativeRule("MatMul", matMul),
  DerivativeRule("Gemm", gemm),
  DerivativeRule("Conv") { b, call in
    var results: [ValueID?] = [nil, nil, nil]
    let (x, w, g) = (try call.input(0), try call.input(1), try call.gradient)
    let window = try ConvolutionWindow(&b, call, weights: w, spatial: b.shape(x).map { Array($0.dropFirst(2)) })
    if call.needs(0) { results[0] = try window.transposed(&b, g, w, like: x) }
    if call.needs(1) { results[1] = try window.weights(&b, image: x, gradient: g, like: w) }
    if call.needs(2) { results[2] = try channelSums(&b, g, rank: window.rank) }
    return results
  },
  DerivativeRule("ConvTranspose") { b, call in
    var results: [ValueID?] = [nil, nil, nil]
    let (x, w, g) = (try call.input(0), try call.input(1), try call.gradient)
    for name in ["output_shape", "output_padding"] where try call.attributes.optionalInts(name)?.isEmpty == false {
      throw CameoError.unsupported("the derivative of ConvTranspose with \(name)")
    }
    let window = try ConvolutionWindow(&b, call, weights: w, spatial: nil)
    // It is the input gradient of the convolution that leads from its output back to its input.
    if call.needs(0) { results[0] = b.call("Conv", [g, w], window.attributes) }
    if call.needs(1) { results[1] = try window.weights(&b, image: g, gradient: x, like: w) }
    if call.needs(2) { results[2] = try channelSums(&b, g, rank: window.rank) }
    return results
  },
]

// MARK: Matrix products

private func swapLastAxes(_ b: inout GradientBuilder, _ value: ValueID, rank: Int) -> ValueID {
  b.transpose(value, Array(0..<rank - 2) + [rank - 1, rank - 2])
}

private func matMul(_ b: inout GradientBuilder, _ call: DerivativeCall) throws -> [ValueID?] {
  let (x, y) = (try call.input(0), try call.input(1))
  let (rankX, rankY) = (try b.rank(x), try b.rank(y))
  guard rankX > 0, rankY > 0 else { throw CameoError.badInput("a matrix product of a scalar") }
  // Vectors as matrices, as NumPy has it.
  let left = rankX == 1 ? b.call("Unsqueeze", [x, try b.ints([0])]) : x
  let right = rankY == 1 ? b.call("Unsqueeze", [y, try b.ints([1])]) : y
  var g = try call.gradient
  if rankX == 1 && rankY == 1 {
    g = b.call("Reshape", [g, try b.ints([1, 1])])
  } else if rankX == 1 {
    g = b.call("Unsqueeze", [g, try b.ints([-2])])
  } else if rankY == 1 {
    g = b.call("Unsqueeze", [g, try b.ints([-1])])
  }
  let shapes = (b.shape(x).map { rankX == 1 ? [1] + $0 : $0 }, b.shape(y).map { rankY == 1 ? $0 + [1] : $0 })
  var batch: [Dim]?
  if let p = shapes.0, let q = shapes.1 { batch = try Broadcast.shape(Array(p.dropLast(2)), Array(q.dropLast(2))) }
  var results: [ValueID?] = [nil, nil]
  if call.needs(0) {
    let whole = b.call("MatMul", [g, swapLastAxes(&b, right, rank: max(2, rankY))])
    let full = batch.flatMap { batch in shapes.0.map { batch + $0.suffix(2) } }
    results[0] = try b.unbroadcast(whole, to: x, from: full)
  }
  if call.needs(1) {
    var whole = b.call("MatMul", [swapLastAxes(&b, left, rank: max(2, rankX)), g])
    var full = batch.flatMap { batch in shapes.1.map { batch + $0.suffix(2) } }
    if rankY == 1 {
      whole = b.call("Squeeze", [whole, try b.ints([-1])])
      full = full.map { Array($0.dropLast()) }
    }
    results[1] = try b.unbroadcast(whole, to: y, from: full)
  }
  return results
}

private func gemm(_ b: inout GradientBuilder, _ call: DerivativeCall) throws -> [ValueID?] {
  let (a, m, g) = (try call.input(0), try call.input(1), try call.gradient)
  let (transA, transB) = (try call.attributes.bool("transA"), try call.attributes.bool("transB"))
  let alpha = NamedAttribute("alpha", .float(try call.attributes.float("alpha", default: 1)))
  func product(_ p: ValueID, _ isFirst: Bool, _ q: ValueID, _ isSecond: Bool) -> ValueID {
    b.call(
      "Gemm", [p, q],
      [alpha, NamedAttribute("transA", .int(isFirst ? 1 : 0)), NamedAttribute("transB", .int(isSecond ? 1 : 0))])
  }
  var results: [ValueID?] = [nil, nil, nil]
  if call.needs(0) { results[0] = transA ? product(m, transB, g, true) : product(g, false, m, !transB) }
  if call.needs(1) { results[1] = transB ? product(g, true, a, transA) : product(a, !transA, g, false) }
  if call.needs(2) {
    let c = try call.input(2)
    let whole = try b.mul(g, Double(call.attributes.float("beta", default: 1)), like: c)
    results[2] = try b.unbroadcast(whole, to: c, from: b.shape(call.result))
  }
  return results
}

// MARK: Convolutions

/// Sums of [N, M, ..] over everything but the channels.
private func channelSums(_ b: inout GradientBuilder, _ g: ValueID, rank: Int) throws -> ValueID {
  b.call("ReduceSum", [g, try b.ints([0] + Array(2..<rank + 2))], [NamedAttribute("keepdims", .int(0))])
}

/// The window of a convolution from an image [N, C, ..] to a result [N, M, ..] with weights [M, C / group, ..].
private struct ConvolutionWindow {
  let strides: [Int]
  let dilations: [Int]
  let padsBegin: [Int]
  let padsEnd: [Int]
  let group: Int

  var rank: Int { strides.count }

  /// `spatial`: the image's sizes, needed where `auto_pad` asks for the same size.
  init(_ b: inout GradientBuilder, _ call: DerivativeCall, weights: ValueID, spatial: [Dim]?) throws {
    let known = b.shape(weights).flatMap { shape -> [Int]? in
      let values = shape.dropFirst(2).compactMap(\.value)
      return values.count == shape.count - 2 ? values : nil
    }
    guard try known != nil || call.attributes.optionalInts("kernel_shape") != nil else {
      throw CameoError.unsupported("its derivative needs the kernel's size, which is not known")
    }
    var window = try NNWindow(call.attributes, kernel: known)
    if window.autoPad == .sameUpper || window.autoPad == .sameLower {
      guard let spatial, spatial.count == window.rank, spatial.allSatisfy(\.isKnown) else {
        throw CameoError.unsupported("its derivative needs the image's size for auto_pad, which is not known")
      }
      let geometry = try window.resolved(spatial.compactMap(\.value))
      window.padsBegin = geometry.padsBegin
      window.padsEnd = geometry.padsEnd
    }
    strides = window.strides
    dilations = window.dilations
    padsBegin = window.padsBegin
    padsEnd = window.padsEnd
    group = try call.attributes.int("group", default: 1)
    guard group > 0 else { throw CameoError.badInput("group is \(group)") }
  }

  /// Of the convolution from image to result.
  var attributes: [NamedAttribute] {
    [
      list("strides", strides), list("dilations", dilations), list("pads", padsBegin + padsEnd),
      NamedAttribute("group", .int(Int64(group))),
    ]
  }

  private func list(_ name: String, _ values: [Int]) -> NamedAttribute {
    NamedAttribute(name, .ints(values.map(Int64.init)))
  }

  /// The gradient of the image from that of the result.
  func transposed(_ b: inout GradientBuilder, _ g: ValueID, _ w: ValueID, like x: ValueID) throws -> ValueID {
    if strides.allSatisfy({ $0 == 1 }) { return b.call("ConvTranspose", [g, w], attributes) }
    // Strides may leave a rest at the end of the image: the whole, some zeros, and the image's part of it.
    let whole = b.call(
      "ConvTranspose", [g, w],
      [list("strides", strides), list("dilations", dilations), NamedAttribute("group", .int(Int64(group)))])
    let zeros = Array(repeating: 0, count: rank + 4)
    let padded = b.call("Pad", [whole, try b.ints(zeros + strides.map { $0 - 1 })])
    let begin = try b.ints(padsBegin)
    let axes = try b.ints(Array(2..<rank + 2))
    let sizes = b.call("Slice", [try b.shapeTensor(x), try b.ints([2]), try b.ints([rank + 2])])
    return b.call("Slice", [padded, begin, b.add(sizes, begin), axes])
  }

  /// The gradient of the weights: a convolution of the image with the result's gradient, batch and channels exchanged.
  func weights(
    _ b: inout GradientBuilder, image: ValueID, gradient: ValueID, like w: ValueID
  ) throws -> ValueID {
    let space = Array(2..<rank + 2)
    let exchanged = [1, 0] + space
    var left: ValueID
    if group == 1 {
      left = b.transpose(image, exchanged)
    } else {
      // [N, G C', ..] to [C', G N, ..].
      let shape = b.call("Shape", [image])
      let rest = b.call("Slice", [shape, try b.ints([2]), try b.ints([rank + 2])])
      let batch = b.call("Slice", [shape, try b.ints([0]), try b.ints([1])])
      let first = [NamedAttribute("axis", .int(0))]
      // -1 cannot stand for the channels of a group where another size is 0.
      let channels = b.call("Slice", [shape, try b.ints([1]), try b.ints([2])])
      let perGroup = b.div(channels, try b.ints([group]))
      let split = b.call("Concat", [batch, try b.ints([group]), perGroup, rest], first)
      let joined = b.call("Concat", [perGroup, b.mul(batch, try b.ints([group])), rest], first)
      let whole = [NamedAttribute("allowzero", .int(1))]
      let parts = b.call("Reshape", [image, split], whole)
      left = b.transpose(parts, [2, 1, 0] + space.map { $0 + 1 })
      left = b.call("Reshape", [left, joined], whole)
    }
    let product = b.call(
      "Conv", [left, b.transpose(gradient, exchanged)],
      [
        list("strides", dilations), list("dilations", strides), list("pads", padsBegin + padsEnd),
        NamedAttribute("group", .int(Int64(group))),
      ])
    // What the strides leave at the end of the image gives further columns.
    let sizes = b.call("Slice", [try b.shapeTensor(w), try b.ints([2]), try b.ints([rank + 2])])
    let zeros = try b.ints(Array(repeating: 0, count: rank))
    let cut = strides.allSatisfy { $0 == 1 } ? product : b.call("Slice", [product, zeros, sizes, try b.ints(space)])
    return b.transpose(cut, exchanged)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (1, { DerivativeRules.submit(rules, to: $0) })
