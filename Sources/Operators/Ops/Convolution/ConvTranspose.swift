import GraphIR
import Tensors

/// ConvTranspose: the gradient of Conv with respect to its input. Weights [C, M / group, ..].
struct ConvTranspose: Operator {
  let name = OperatorName("ConvTranspose")

  /// Output sizes and resolved padding of each axis.
  private static func layout(
    _ attributes: AttributeReader, _ given: NNWindow, sizes: [Dim]? = nil, spatial: [Dim]
  ) throws -> (outputs: [Dim], window: NNWindow) {
    var window = given
    let rank = window.rank
    guard spatial.count == rank else {
      throw CameoError.badInput("weights with \(rank) spatial axes for \(spatial.count)")
    }
    let extra =
      try attributes.optionalInts("output_padding").flatMap { $0.isEmpty ? nil : $0 }
      ?? [Int](repeating: 0, count: rank)
    guard extra.count == rank, extra.allSatisfy({ (0..<1 << 32).contains($0) }) else {
      throw CameoError.badInput("attribute output_padding is \(extra), \(rank) integers of 0 or more were expected")
    }
    var asked = try attributes.optionalInts("output_shape").flatMap { $0.isEmpty ? nil : $0 }
    if let shape = asked, shape.count == rank + 2 { asked = Array(shape[2...]) }
    if let asked, asked.count != rank || !asked.allSatisfy({ (0..<1 << 32).contains($0) }) {
      throw CameoError.badInput("attribute output_shape is \(asked), \(rank) integers of 0 or more were expected")
    }
    var outputs: [Dim] = []
    for axis in 0..<rank {
      let full =
        Dim(window.strides[axis]) * (spatial[axis] - 1) + Dim(extra[axis])
        + window.extent(axis, kernel: sizes?[axis] ?? Dim(window.kernel[axis]))
      let isSame = window.autoPad == .sameUpper || window.autoPad == .sameLower
      if asked != nil || isSame {
        let size = asked.map { Dim($0[axis]) } ?? spatial[axis] * Dim(window.strides[axis])
        outputs.append(size)
        // Where sizes are symbolic the padding is not asked for.
        let total = max(0, (full - size).value ?? 0)
        window.padsBegin[axis] = window.autoPad == .sameUpper ? total / 2 : total - total / 2
        window.padsEnd[axis] = total - window.padsBegin[axis]
      } else {
        outputs.append(full - Dim(window.padsBegin[axis] + window.padsEnd[axis]))
      }
      if let size = outputs[axis].value, size < 0 {
        throw CameoError.badInput("the output would have the size \(size)")
      }
    }
    return (outputs, window)
  }

  func infer(_ context: inout InferenceContext) throws {
    let x = context.shape(0)
    let shape = try ConvTranspose.shape(&context, x)
    context.set(0, context.dataType(0) ?? context.dataType(1), shape)
  }

  /// The result's shape for input 0 of the shape `x`, channels first; nil where not even the rank is known.
  static func shape(_ context: inout InferenceContext, _ x: [Dim]?) throws -> [Dim]? {
    let w = context.shape(1)
    guard let rank = x?.count ?? w?.count else { return nil }
    guard rank >= 2, x == nil || w == nil || x?.count == w?.count else {
      throw CameoError.badInput(
        "the input has rank \(x?.count ?? rank) and the weights \(w?.count ?? rank), one rank of 3 or more was expected"
      )
    }
    let groups = try context.attributes.int("group", default: 1)
    guard groups > 0 else { throw CameoError.badInput("attribute group is \(groups), 1 or more was expected") }
    if let x, let w { _ = try context.unify(x[1], w[0], "channels of the input and of the weights") }
    let window = try NNWindow.ofWeights(w.map { Array($0.dropFirst(2)) }, context.attributes)
    var shape: [Dim]
    if let window, let x {
      shape = try layout(context.attributes, window.window, sizes: window.sizes, spatial: Array(x.dropFirst(2))).outputs
    } else {
      shape = context.unknownShape(rank: rank - 2)
    }
    shape.insert(w.map { $0[1] * Dim(groups) } ?? context.unknownDim(), at: 0)
    shape.insert(x?[0] ?? context.unknownDim(), at: 0)
    return shape
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    return [.tensor(try x.dataType == .double ? compute(context, x, Double.self) : compute(context, x, Float.self))]
  }

  private func compute<T: NNConvolvable>(_ context: EvaluationContext, _ x: Tensor, _: T.Type) throws -> Tensor {
    let w = try context.tensor(1)
    let groups = try context.attributes.int("group", default: 1)
    guard x.rank >= 2, x.rank == w.rank, groups > 0, x.shape[1] == w.shape[0], x.shape[1] % groups == 0 else {
      throw CameoError.badInput("channels do not fit: X \(x), W \(w), group \(groups)")
    }
    let spatial = Array(x.shape[2...])
    let (outputs, window) = try ConvTranspose.layout(
      context.attributes, NNWindow(context.attributes, kernel: Array(w.shape[2...])), spatial: spatial.map { Dim($0) })
    // The convolution whose input is our output.
    let sizes = outputs.map { $0.value ?? 0 }
    _ = try Tensor.elementCount([x.shape[0], w.shape[1] * groups] + sizes)
    let geometry = NNGeometry(
      input: sizes, output: spatial, kernel: window.kernel, strides: window.strides,
      dilations: window.dilations, padsBegin: window.padsBegin, padsEnd: window.padsEnd)
    let perGroup = w.shape[1]
    let (channels, outChannels, taps) = (x.shape[1], perGroup * groups, geometry.taps)
    let (positions, plane) = (geometry.outputCount, geometry.inputCount)
    let input = try ElementView<T>(x)
    let weights = try ElementView<T>(w)
    let bias = try context.optionalTensor(2).map { try ElementView<T>($0) }
    if let bias, bias.count != outChannels {
      throw CameoError.badInput("the bias has \(bias.count) elements, \(outChannels), one a channel, were expected")
    }
    return try Tensor.make(x.dataType, [x.shape[0], outChannels] + geometry.input, as: T.self) { y in
      if let bias {
        for row in 0..<x.shape[0] * outChannels {
          (y + row * plane).update(repeating: bias[row % outChannels], count: plane)
        }
      }
      guard positions > 0, perGroup > 0 else { return }
      let block = max(1, min(perGroup, (1 << 24) / max(1, taps * positions)))
      let scratch = try NNScratch(block * taps * positions, T.self)
      for item in 0..<x.shape[0] {
        for group in 0..<groups {
          let first = group * (channels / groups)
          let image = NNMatrix(input.base + (item * channels + first) * positions, row: positions, col: 1)
          for begin in stride(from: 0, to: perGroup, by: block) {
            let count = min(block, perGroup - begin)
            let kernel = NNMatrix(weights.base + (first * perGroup + begin) * taps, row: 1, col: perGroup * taps)
            NNContraction.multiply(
              scratch.base, ldc: positions, kernel, image, m: count * taps, n: positions, k: channels / groups,
              inDouble: context.accumulatesInDouble)
            let target = y + (item * outChannels + group * perGroup + begin) * plane
            let columns = UnsafePointer(scratch.base)
            try NNParallel.throwingRanges(count, grain: 1) { range in
              try T.addColumns(
                target + range.lowerBound * plane, columns + range.lowerBound * taps * positions, ld: positions,
                channels: range.count, geometry)
            }
          }
        }
      }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ConvTranspose(), to: $0) })
