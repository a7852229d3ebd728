import GraphIR
import Tensors

/// com.microsoft.MatMulIntegerToFloat: a product of quantized tensors as float: sum * a_scale * b_scale + bias. Scales of more
/// than one element are broadcast to the result; zero points are those of MatMulInteger.
struct MatMulIntegerToFloat: Operator {
  let name = OperatorName("MatMulIntegerToFloat", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O MatMulIntegerToFloat 1 4 7 1 1
    i A T1
    i B T2
    i a_scale T3
    i b_scale T3
    i? a_zero_point T1
    i? b_zero_point T2
    i? bias T3
    o Y T3
    c T1 tensor(*):int8,uint8
    c T2 tensor(*):int8,uint8
    c T3 tensor(*):float,float16
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    for input in [0, 1] { try Quantized.require(context, input, Quantized.eightBit) }
    for input in [2, 3, 6] { try Quantized.require(context, input, [.float, .float16]) }
    let shape = try MatrixProduct.shape(context, context.shape(0), context.shape(1))
    context.set(0, context.dataType(2) ?? context.dataType(3), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (a, b) = (try Quantized.tensor(context, 0), try Quantized.tensor(context, 1))
    let sums = try WholeProduct.matmul(
      WholeNumbers.centered(a, context.optionalTensor(4), axis: max(0, a.rank - 2)),
      WholeNumbers.centered(b, context.optionalTensor(5), axis: max(0, b.rank - 1)))
    let (aScale, bScale) = (try context.tensor(2), try context.tensor(3))
    for scale in [aScale, bScale] where scale.dataType != .float && scale.dataType != .float16 {
      throw CameoError.badInput("a scale is \(scale), float or float16 was expected")
    }
    let result = try ScaledProduct.finish(sums, aScale, bScale, bias: context.optionalTensor(6))
    return [.tensor(try result.converted(to: aScale.dataType))]
  }
}

/// int32 products as float.
enum ScaledProduct {
  /// sum * a * b + bias in float32; each of them is one element, one a column, or broadcasts to the sums' shape.
  static func finish(_ sums: Tensor, _ a: Tensor, _ b: Tensor, bias: Tensor?) throws -> Tensor {
    let columns = sums.shape.last ?? 1
    let (x, y) = (try ElementView<Float>(a), try ElementView<Float>(b))
    let added = try bias.map { try ElementView<Float>($0) }
    if let bias, bias.count != columns {
      throw CameoError.badInput("a bias \(bias) for \(columns) columns")
    }
    if sums.isEmpty { return try sums.converted(to: .float) }
    if a.count == 1, b.count == 1 || b.rank == 1 && b.count == columns {
      let scales = y.array.map { x[0] * $0 }
      return try Requantization.floats(sums, scales: scales, bias: added?.array, columns: columns)
    }
    for scale in [a, b] {
      guard try Broadcast.shape(sums.shape, scale.shape) == sums.shape else {
        throw CameoError.badInput("a scale \(scale) for a product \(sums.shape)")
      }
    }
    let values = try ElementView<Int64>(sums)
    let walk = BroadcastWalk(sums.shape, broadcasting: [sums.shape, a.shape, b.shape])
    return try Tensor.make(.float, sums.shape, as: Float.self) { out in
      let steps = walk.rowStrides
      walk.forEachRow { position, offsets in
        for i in 0..<walk.rowLength {
          let scale = x[offsets[1] + i * steps[1]] * y[offsets[2] + i * steps[2]]
          out[position + i] = Float(values[position + i]) * scale + (added?[(position + i) % columns] ?? 0)
        }
      }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MatMulIntegerToFloat(), to: $0) })
