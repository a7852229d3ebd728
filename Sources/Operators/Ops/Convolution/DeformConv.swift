import GraphIR
import Tensors

/// DeformConv: a 2-D convolution whose taps are moved by learned offsets, sampled bilinearly, and scaled by a mask.
struct DeformConv: Operator {
  let name = OperatorName("DeformConv")

  func infer(_ context: inout InferenceContext) throws {
    let x = context.shape(0)
    let w = context.shape(1)
    let offset = context.shape(2)
    guard let rank = x?.count ?? w?.count ?? offset?.count else { return context.set(0, context.dataType(0), nil) }
    guard rank >= 3 else { throw CameoError.badInput("the inputs have rank \(rank), 3 or more was expected") }
    for index in 0...2 { try context.require(rank: rank...rank, of: index) }
    var shape = [x?[0] ?? context.unknownDim(), w?[0] ?? context.unknownDim()]
    shape += offset.map { Array($0[2...]) } ?? context.unknownShape(rank: rank - 2)
    context.set(0, context.dataType(0), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let w = try context.tensor(1)
    let offset = try context.tensor(2)
    guard x.rank == 4, w.rank == 4, offset.rank == 4 else {
      throw CameoError.unsupported("DeformConv of rank \(x.rank)")
    }
    let groups = try context.attributes.int("group", default: 1)
    let offsetGroups = try context.attributes.int("offset_group", default: 1)
    let window = try NNWindow(context.attributes, kernel: Array(w.shape[2...]))
    let geometry = try window.resolved(Array(x.shape[2...]))
    let (batch, channels, outChannels) = (x.shape[0], x.shape[1], w.shape[0])
    let (taps, positions) = (geometry.taps, geometry.outputCount)
    guard groups > 0, offsetGroups > 0, groups <= channels, offsetGroups <= channels,
      channels == w.shape[1] * groups, outChannels % groups == 0, channels % offsetGroups == 0,
      offset.shape == [batch, offsetGroups * taps * 2] + geometry.output
    else {
      throw CameoError.badInput(
        "offset \(offset) does not fit X \(x) and W \(w): [N, 2 * offset_group * taps, outputs..] was expected")
    }
    let mask = try context.optionalTensor(4)
    if let mask, mask.shape != [batch, offsetGroups * taps] + geometry.output {
      throw CameoError.badInput("mask is \(mask), \([batch, offsetGroups * taps] + geometry.output) was expected")
    }
    let bias = try context.optionalTensor(3)?.elements(as: Double.self)
    if let bias, bias.count != outChannels {
      throw CameoError.badInput("the bias has \(bias.count) elements, \(outChannels), one a channel, were expected")
    }
    let image = try ElementView<Double>(x)
    let moves = try ElementView<Double>(offset)
    let factors = try mask.map { try ElementView<Double>($0) }
    let weights = try ElementView<Double>(w)
    let sampler = NNSampler(mode: .linear, padding: .zeros, alignsCorners: true, sizes: geometry.input)
    let plane = geometry.inputCount
    let depth = channels * taps
    return [
      .tensor(
        try Tensor.make(x.dataType, [batch, outChannels] + geometry.output, as: Double.self) { out in
          let columns = try NNScratch(depth * positions, Double.self)
          for item in 0..<batch {
            NNParallel.ranges(positions, grain: 16) { range in
              for position in range {
                let row = position / geometry.output[1]
                let column = position % geometry.output[1]
                for group in 0..<offsetGroups {
                  for tap in 0..<taps {
                    let at = ((item * offsetGroups + group) * taps + tap) * 2 * positions + position
                    let y = Double(
                      row * geometry.strides[0] - geometry.padsBegin[0] + tap / geometry.kernel[1]
                        * geometry.dilations[0])
                    let xx = Double(
                      column * geometry.strides[1] - geometry.padsBegin[1] + tap % geometry.kernel[1]
                        * geometry.dilations[1])
                    let samples = sampler.weights(at: [y + moves.base[at], xx + moves.base[at + positions]])
                    let factor =
                      factors.map { $0.base[((item * offsetGroups + group) * taps + tap) * positions + position] } ?? 1
                    let each = channels / offsetGroups
                    for channel in group * each..<(group + 1) * each {
                      let source = image.base + (item * channels + channel) * plane
                      var sum = 0.0
                      for (index, weight) in samples { sum += source[index] * weight }
                      columns.base[(channel * taps + tap) * positions + position] = sum * factor
                    }
                  }
                }
              }
            }
            let (rows, inner) = (outChannels / groups, depth / groups)
            for group in 0..<groups {
              let target = out + (item * outChannels + group * rows) * positions
              NNContraction.multiply(
                target, ldc: positions, NNMatrix(weights.base + group * rows * inner, row: inner, col: 1),
                NNMatrix(UnsafePointer(columns.base) + group * inner * positions, row: positions, col: 1), m: rows,
                n: positions,
                k: inner, inDouble: true)
              guard let bias else { continue }
              for i in 0..<rows * positions { target[i] += bias[group * rows + i / positions] }
            }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(DeformConv(), to: $0) })
