internal import CKernels
import GraphIR
import Tensors

/// DynamicQuantizeLinear: uint8 with the scale and zero point that cover the input and zero.
struct DynamicQuantizeLinear: Operator {
  let name = OperatorName("DynamicQuantizeLinear")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, .uint8, context.shape(0))
    context.set(1, .float, [])
    context.set(2, .uint8, [])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let values = try ElementView<Float>(x)
    var (low, high): (Float, Float) = (0, 0)
    ck_range_f32(&low, &high, values.base, values.count)
    guard low.isFinite, high.isFinite else { throw CameoError.badInput("an infinite input has no scale") }
    let scale = (high - low) / 255
    let zero = scale == 0 ? 0 : min(max((0 - low) / scale, 0), 255).rounded(.toNearestOrEven)
    let (one, point) = (try Tensor.scalar(scale == 0 ? 1 : scale, .float), try Tensor.scalar(Int64(zero), .uint8))
    let y = try QuantizeLinear.compute(x, one, point, type: .uint8, axis: 0)
    return [.tensor(y), .tensor(try .scalar(scale, .float)), .tensor(try .scalar(Int64(zero), .uint8))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(DynamicQuantizeLinear(), to: $0) })
