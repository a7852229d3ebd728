import GraphIR
import Tensors

/// TensorScatter: a copy of the cache with `update` written along `axis` from each batch entry's write index on; past the end
/// it is an error (`mode` linear) or starts again (circular).
struct TensorScatter: Operator {
  let name = OperatorName("TensorScatter")

  func infer(_ context: inout InferenceContext) throws {
    try context.requireList(2)
    let type = try context.commonType([0, 1])
    if let rank = context.rank(0) { try context.require(rank: rank...rank, of: 1) }
    context.set(0, type, context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (cache, update) = (try context.tensor(0), try context.tensor(1))
    let axis = try Axes.normalize(try context.attributes.int("axis", default: -2), rank: cache.rank)
    guard axis > 0 else { throw CameoError.badInput("axis is 0, the batch's; another was expected") }
    guard cache.dataType == update.dataType, cache.rank == update.rank,
      cache.shape.indices.allSatisfy({ $0 == axis || cache.shape[$0] == update.shape[$0] })
    else { throw CameoError.badInput("the update \(update) does not fit the cache \(cache) along axis \(axis)") }
    let circular: Bool
    switch try context.attributes.string("mode", default: "linear") {
    case "linear": circular = false
    case "circular": circular = true
    case let other: throw CameoError.badInput("attribute mode is \(other), linear or circular was expected")
    }
    let starts = try context.optionalTensor(2)?.ints() ?? [Int](repeating: 0, count: cache.shape[0])
    guard starts.count == cache.shape[0] else {
      throw CameoError.badInput("\(starts.count) write indices are given for a batch of \(cache.shape[0])")
    }
    let (room, length) = (cache.shape[axis], update.shape[axis])
    for start in starts where start < 0 || !circular && (start > room || length > room - start) {
      throw CameoError.badInput(
        "\(length) elements from index \(start) on lie outside dimension \(axis) of length \(room)")
    }
    let inner = try Tensor.elementCount(cache.shape[(axis + 1)...])
    let perBatch = try Tensor.elementCount(cache.shape[1..<axis])
    var out = try ElementBuffer(copying: cache)
    for row in 0..<cache.shape[0] * perBatch {
      let start = starts[row / perBatch]
      for step in 0..<length where room > 0 {
        let place = circular ? (start % room + step) % room : start + step
        out.copy(update, from: (row * length + step) * inner, count: inner, to: (row * room + place) * inner)
      }
    }
    return [.tensor(try out.finish())]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(TensorScatter(), to: $0) })
