import GraphIR
import Tensors

/// ReverseSequence: along `time_axis`, the first `sequence_lens[b]` elements of batch entry b the other way round.
struct ReverseSequence: Operator {
  let name = OperatorName("ReverseSequence")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 2...Int.max, of: 0)
    try context.require(rank: 1...1, of: 1)
    context.set(0, context.dataType(0), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (data, lengths) = (try context.tensor(0), try context.tensor(1).ints())
    let batch = try context.attributes.int("batch_axis", default: 1)
    let time = try context.attributes.int("time_axis", default: 0)
    guard data.rank >= 2, [batch, time].sorted() == [0, 1] else {
      throw CameoError.badInput(
        "batch_axis \(batch) and time_axis \(time) must be 0 and 1, the input has rank \(data.rank)")
    }
    guard lengths.count == data.shape[batch] else {
      throw CameoError.badInput("\(lengths.count) lengths are given for a batch of \(data.shape[batch])")
    }
    for length in lengths where length < 0 || length > data.shape[time] {
      throw CameoError.badInput("a length of \(length) lies outside dimension \(time) of length \(data.shape[time])")
    }
    let inner = try Tensor.elementCount(data.shape[2...])
    let strides = Tensor.strides(data.shape)
    var out = try ElementBuffer(data.dataType, data.shape)
    for (entry, length) in lengths.enumerated() {
      for step in 0..<data.shape[time] {
        let source = step < length ? length - 1 - step : step
        let base = entry * strides[batch]
        out.copy(data, from: base + source * strides[time], count: inner, to: base + step * strides[time])
      }
    }
    return [.tensor(try out.finish())]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ReverseSequence(), to: $0) })
