import GraphIR
import Tensors

/// RotaryEmbedding: rotates pairs of each head by the angles of its position.
struct RotaryEmbedding: Operator {
  let name = OperatorName("RotaryEmbedding")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 3...4, of: 0)
    context.set(0, context.dataType(0), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let cosines = try context.tensor(1)
    let sines = try context.tensor(2)
    let isInterleaved = try context.attributes.bool("interleaved")
    let batch: Int
    let heads: Int
    let length: Int
    let size: Int
    if x.rank == 4 {
      (batch, heads, length, size) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    } else {
      heads = try context.attributes.int("num_heads", default: 0)
      guard x.rank == 3, heads > 0, x.shape[2] % heads == 0 else {
        throw CameoError.badInput("input 0 (X) is \(x), a last dimension divisible by num_heads \(heads) was expected")
      }
      (batch, length, size) = (x.shape[0], x.shape[1], x.shape[2] / heads)
    }
    var rotated = try context.attributes.int("rotary_embedding_dim", default: 0)
    if rotated == 0 { rotated = size }
    let half = rotated / 2
    guard rotated > 0, rotated <= size, rotated % 2 == 0, cosines.shape == sines.shape, cosines.shape.last == half
    else {
      throw CameoError.badInput(
        "cos_cache \(cosines) and sin_cache \(sines) do not fit a rotation of \(rotated) of \(size) elements")
    }
    var rows: [Int] = Array(0..<batch * length)
    if let positions = try context.optionalTensor(3) {
      rows = try positions.ints()
      let count = cosines.shape[0]
      guard cosines.rank == 2, rows.count == batch * length else {
        throw CameoError.badInput("position_ids \(positions) do not fit X \(x): [batch, sequence] was expected")
      }
      rows = try rows.map { row in
        let place = row < 0 ? row + count : row
        guard place >= 0, place < count else { throw CameoError.badInput("position \(row) lies outside the caches") }
        return place
      }
    } else if cosines.count != batch * length * half {
      guard cosines.rank == 3, cosines.shape[0] == 1, cosines.shape[1] == length else {
        throw CameoError.badInput("cos_cache \(cosines) does not fit X \(x): [batch, sequence, half] was expected")
      }
      rows = rows.map { $0 % length }
    }
    let values = try ElementView<Double>(x)
    let c = try ElementView<Double>(cosines)
    let s = try ElementView<Double>(sines)
    return [
      .tensor(
        try Tensor.make(x.dataType, x.shape, as: Double.self) { out in
          for b in 0..<batch {
            for h in 0..<heads {
              for t in 0..<length {
                let start = x.rank == 4 ? ((b * heads + h) * length + t) * size : ((b * length + t) * heads + h) * size
                for i in start..<start + size { out[i] = values[i] }
                let row = rows[b * length + t] * half
                for i in 0..<half {
                  let first = start + (isInterleaved ? 2 * i : i)
                  let second = start + (isInterleaved ? 2 * i + 1 : i + half)
                  out[first] = c[row + i] * values[first] - s[row + i] * values[second]
                  out[second] = s[row + i] * values[first] + c[row + i] * values[second]
                }
              }
            }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(RotaryEmbedding(), to: $0) })
