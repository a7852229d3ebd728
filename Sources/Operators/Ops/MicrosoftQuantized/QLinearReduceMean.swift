import GraphIR
import Tensors

/// com.microsoft.QLinearReduceMean: the mean over `axes` of a quantized tensor, quantized. Sums are exact;
/// round((float)sum * (sX / (sY * count))) + zY.
struct QLinearReduceMean: Operator {
  let name = OperatorName("QLinearReduceMean", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QLinearReduceMean 1 4 5 1 1
    a axes ints!
    a keepdims int!
    i data T
    i data_scale tensor(float)
    i? data_zero_point T
    i reduced_scale tensor(float)
    i? reduced_zero_point T
    o reduced T
    c T tensor(*):uint8,int8
    """
  }

  /// No axes: all.
  private func axes(_ attributes: AttributeReader, rank: Int) throws -> Set<Int> {
    let given = try attributes.optionalInts("axes") ?? []
    return given.isEmpty ? Set(0..<rank) : Set(try Axes.normalize(given, rank: rank))
  }

  func infer(_ context: inout InferenceContext) throws {
    try Quantized.require(context, 0, Quantized.eightBit)
    for input in 1...4 { try Quantized.requireScalar(context, input) }
    guard let shape = context.shape(0) else { return context.set(0, context.dataType(0), nil) }
    let axes = try axes(context.attributes, rank: shape.count)
    let keeps = try context.attributes.int("keepdims", default: 1) != 0
    context.set(
      0, context.dataType(0), shape.indices.compactMap { axes.contains($0) ? (keeps ? 1 : nil) : shape[$0] })
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try Quantized.tensor(context, 0)
    let from = try QuantizedScale(context, scale: 1, zero: 2, of: x.dataType)
    let to = try QuantizedScale(context, scale: 3, zero: 4, of: x.dataType)
    let axes = try axes(context.attributes, rank: x.rank)
    let (_, shape) = try context.outputType(by: self)
    let count = axes.reduce(1) { $0 * x.shape[$1] }
    guard count > 0, count < 1 << 23 else { throw CameoError.unsupported("the mean of \(count) elements") }
    let order = x.shape.indices.filter { !axes.contains($0) } + axes.sorted()
    let moved = order == Array(x.shape.indices) ? x : try LastChannels.transpose(x, order)
    let sums = try QuantizedSums.rows(moved, count: count, less: from.zero, shape: shape)
    let scale = from.scale / (to.scale * Float(count))
    return [
      .tensor(
        try Requantization.planes(
          sums, bias: nil, scales: [scale], zero: to.zero, as: x.dataType, channels: 1, inner: max(1, sums.count)))
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QLinearReduceMean(), to: $0) })
