import GraphIR
import Tensors

/// ai.cameo.FusedConv(X, W, B?, Z?): activation(Conv(X, W, B) + Z); Z has the result's shape. Float32 in speed, any float in
/// meaning. Attributes: Conv's, `activation` and `activation_params` as `FusedActivation` reads them.
struct FusedConv: Operator {
  let name = OperatorName("FusedConv", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O FusedConv 1 2 4 1 1
    a activation string
    a activation_params floats
    a auto_pad string=NOTSET
    a dilations ints
    a group int=1
    a kernel_shape ints
    a pads ints
    a strides ints
    i X T
    i W T
    i? B T
    i? Z T
    o Y T
    c T tensor(*):float,float16,bfloat16,double
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    _ = try FusedActivation(context.attributes)
    try Conv.infer(&context, weights: 1, type: context.dataType(0) ?? context.dataType(1))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let plain = try Conv.compute(context, x, context.tensor(1), context.optionalTensor(2), as: .float, Float.self)
    return [.tensor(try FusedProduct.finish(context, plain, adding: [try context.optionalTensor(3)], as: x.dataType))]
  }
}

/// What fused products do after the product.
enum FusedProduct {
  /// What is added, each of the product's shape, one row of it, or one number.
  static func finish(
    _ context: EvaluationContext, _ product: Tensor, scale: Float = 1, adding others: [Tensor?], as type: DataType
  ) throws -> Tensor {
    let function = try FusedActivation(context.attributes)?.function
    let view = try ElementView<Float>(product)
    let added = try others.compactMap { $0 }.map { try addend($0, of: product) }
    return try Tensor.make(type, product.shape, as: Float.self) { out in
      for i in 0..<view.count {
        var value = scale * view[i]
        for (values, period) in added { value += values[i % period] }
        out[i] = function?(value) ?? value
      }
    }
  }

  /// Its elements, and after how many they begin again.
  private static func addend(_ other: Tensor, of product: Tensor) throws -> (values: ElementView<Float>, period: Int) {
    guard try Broadcast.shape(product.shape, other.shape) == product.shape else {
      throw CameoError.badInput("\(other) cannot be added to \(product)")
    }
    guard [product.count, product.shape.last ?? 1, 1].contains(other.count) else {
      throw CameoError.unsupported("\(other) is neither a row nor of the result's shape")
    }
    return (try ElementView<Float>(other), max(1, other.count))
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(FusedConv(), to: $0) })
