internal import CKernels
import GraphIR
import Tensors

/// com.microsoft.QLinearGlobalAveragePool: the mean of each channel of a quantized tensor, quantized; spatial axes stay with
/// size 1. `channels_last` for [N, .., C]. Sums are exact; round((float)sum * (sX / (sY * count))) + zY.
struct QLinearGlobalAveragePool: Operator {
  let name = OperatorName("QLinearGlobalAveragePool", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QLinearGlobalAveragePool 1 5 5 1 1
    a channels_last int=0
    i X T
    i x_scale tensor(float)
    i x_zero_point T
    i y_scale tensor(float)
    i y_zero_point T
    o Y T
    c T tensor(*):uint8,int8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    try Quantized.require(context, 0, Quantized.eightBit)
    for input in 1...4 { try Quantized.requireScalar(context, input) }
    guard let x = context.shape(0) else { return context.set(0, context.dataType(0), nil) }
    guard x.count >= 3 else { throw CameoError.badInput("pooling needs spatial axes, the input has rank \(x.count)") }
    let channel = try context.attributes.bool("channels_last") ? x.count - 1 : 1
    context.set(0, context.dataType(0), x.indices.map { $0 == 0 || $0 == channel ? x[$0] : 1 })
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let given = try Quantized.tensor(context, 0)
    guard given.rank >= 3 else { throw CameoError.badInput("pooling needs spatial axes, the input is \(given)") }
    let isLast = try context.attributes.bool("channels_last")
    let from = try QuantizedScale(context, scale: 1, zero: 2, of: given.dataType)
    let to = try QuantizedScale(context, scale: 3, zero: 4, of: given.dataType)
    let x = isLast ? try LastChannels.toFirst(given) : given
    let size = x.shape[2...].reduce(1, *)
    guard size > 0, size < 1 << 23 else { throw CameoError.unsupported("the mean of \(size) elements") }
    let channel = isLast ? given.rank - 1 : 1
    let shape = given.shape.indices.map { $0 == 0 || $0 == channel ? given.shape[$0] : 1 }
    let planes = x.shape[0] * x.shape[1]
    let sums = try QuantizedSums.rows(x, count: size, less: from.zero, shape: shape)
    let scale = from.scale / (to.scale * Float(size))
    return [
      .tensor(
        try Requantization.planes(
          sums, bias: nil, scales: [scale], zero: to.zero, as: x.dataType, channels: 1, inner: max(1, planes)))
    ]
  }
}

/// Sums over the last axes of an 8-bit tensor.
enum QuantizedSums {
  /// int32[shape]: for each row of `count` elements, the sum of element - zero.
  static func rows(_ x: Tensor, count: Int, less zero: Int32, shape: [Int]) throws -> Tensor {
    let sums = try Tensor.elementCount(shape)
    guard sums * count == x.count else { throw CameoError.badInput("\(x) has no \(sums) rows of \(count)") }
    return try Tensor.makeRaw(.int32, shape) { raw in
      guard let out = raw.baseAddress?.assumingMemoryBound(to: Int32.self), raw.count > 0 else { return }
      withExtendedLifetime(x) {
        NNParallel.ranges(sums, grain: max(1, (1 << 16) / max(1, count))) { range in
          ck_sum_rows_i8(out, x.baseAddress, x.dataType == .int8, count, range.lowerBound, range.upperBound)
          for i in range { out[i] &-= zero &* Int32(truncatingIfNeeded: count) }
        }
      }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QLinearGlobalAveragePool(), to: $0) })
