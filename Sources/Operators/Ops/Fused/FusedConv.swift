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
    return [.tensor(try FusedProduct.finish(context, plain, adding: try context.optionalTensor(3), as: x.dataType))]
  }
}

/// What fused products do after the product.
enum FusedProduct {
  static func finish(
    _ context: EvaluationContext, _ product: Tensor, scale: Float = 1, adding other: Tensor?, as type: DataType
  ) throws -> Tensor {
    let function = try FusedActivation(context.attributes)?.function
    let view = try ElementView<Float>(product)
    let added = try other.map { try ElementView<Float>($0) }
    if let other, try Broadcast.shape(product.shape, other.shape) != product.shape {
      throw CameoError.badInput("\(other) cannot be added to \(product)")
    }
    let width = product.shape.last ?? 1
    let isWhole = other?.count == product.count
    if let other, !isWhole, other.count != width, other.count != 1 {
      throw CameoError.unsupported("\(other) is neither a row nor of the result's shape")
    }
    return try Tensor.make(type, product.shape, as: Float.self) { out in
      for i in 0..<view.count {
        var value = scale * view[i]
        if let added { value += added[isWhole ? i : added.count == 1 ? 0 : i % width] }
        out[i] = function?(value) ?? value
      }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(FusedConv(), to: $0) })
