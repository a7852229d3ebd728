import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// CausalConvWithState: a depthwise 1-D convolution that sees only the past, the last inputs kept as state.
struct CausalConvWithState: Operator {
  let name = OperatorName("CausalConvWithState")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 3...3, of: 0)
    try context.require(rank: 3...3, of: 1)
    let x = context.shape(0)
    context.set(0, context.dataType(0), x)
    let kept = context.shape(1).map { $0[2] - 1 } ?? context.unknownDim()
    context.set(1, context.dataType(0), x.map { [$0[0], $0[1], kept] })
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let weight = try context.tensor(1)
    guard x.rank == 3, weight.rank == 3, weight.shape[0] == x.shape[1], weight.shape[1] == 1, weight.shape[2] > 0 else {
      throw CameoError.badInput("an input \(x) against weights \(weight)")
    }
    let activation = try context.attributes.string("activation", default: "none")
    guard ["none", "silu", "swish"].contains(activation) else {
      throw CameoError.badInput("activation is \(activation)")
    }
    let (batch, channels, length, taps) = (x.shape[0], x.shape[1], x.shape[2], weight.shape[2])
    let past = try context.optionalTensor(3)
    if let past, past.shape != [batch, channels, taps - 1] { throw CameoError.badInput("past_state \(past)") }
    let bias = try context.optionalTensor(2)?.elements(as: Double.self)
    if let bias, bias.count != channels {
      throw CameoError.badInput("the bias has \(bias.count) elements, \(channels), one a channel, were expected")
    }
    let before = try past ?? Tensor.makeRaw(x.dataType, [batch, channels, taps - 1]) { _ in }
    let padded = try NNStack.concatenate([before, x], axis: 2)
    let values = try ElementView<Double>(padded)
    let w = try ElementView<Double>(weight)
    let width = length + taps - 1
    let output = try Tensor.make(x.dataType, x.shape, as: Double.self) { out in
      for row in 0..<batch * channels {
        let channel = row % channels
        for t in 0..<length {
          var sum = bias?[channel] ?? 0
          for tap in 0..<taps { sum += values[row * width + t + tap] * w[channel * taps + tap] }
          out[row * length + t] = activation == "none" ? sum : sum / (1 + exp(-sum))
        }
      }
    }
    return [.tensor(output), .tensor(try NNStack.slice(padded, axis: 2, width - (taps - 1)..<width))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(CausalConvWithState(), to: $0) })
