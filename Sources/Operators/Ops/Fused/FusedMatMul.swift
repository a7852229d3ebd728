import GraphIR
import Tensors

/// ai.cameo.FusedMatMul(A, B, bias?, residual?): activation(alpha * A' B' + bias + residual); `transA`, `transB` exchange the last two axes;
/// bias is one row, residual has the result's shape. Attributes: `activation`, `activation_params`, `transA`, `transB`, `alpha`.
struct FusedMatMul: Operator {
  let name = OperatorName("FusedMatMul", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O FusedMatMul 1 2 4 1 1
    a activation string
    a activation_params floats
    a alpha float=1
    a transA int=0
    a transB int=0
    i A T
    i B T
    i? bias T
    i? residual T
    o Y T
    c T tensor(*):float,float16,bfloat16,double
    """
  }

  private func swapped(_ shape: [Dim]?, _ swaps: Bool) -> [Dim]? {
    guard swaps, var result = shape, result.count > 1 else { return shape }
    result.swapAt(result.count - 1, result.count - 2)
    return result
  }

  func infer(_ context: inout InferenceContext) throws {
    _ = try FusedActivation(context.attributes)
    let a = swapped(context.shape(0), try context.attributes.bool("transA"))
    let b = swapped(context.shape(1), try context.attributes.bool("transB"))
    context.set(0, context.dataType(0) ?? context.dataType(1), try MatrixProduct.shape(context, a, b))
  }

  private func swapped(_ tensor: Tensor) throws -> Tensor {
    guard tensor.rank > 1 else { return tensor }
    let (rows, columns) = (tensor.shape[tensor.rank - 2], tensor.shape[tensor.rank - 1])
    let view = try ElementView<Float>(tensor)
    let shape = tensor.shape.dropLast(2) + [columns, rows]
    return try Tensor.make(.float, Array(shape), as: Float.self) { out in
      let size = rows * columns
      for i in 0..<view.count { out[i / size * size + i % columns * rows + i % size / columns] = view[i] }
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let type = try context.tensor(0).dataType
    var a = try context.tensor(0)
    var b = try context.tensor(1)
    if try context.attributes.bool("transA") { a = try swapped(a) }
    if try context.attributes.bool("transB") { b = try swapped(b) }
    let product = try MatrixProduct.compute(a, b, as: .float, Float.self, inDouble: context.accumulatesInDouble)
    return [
      .tensor(
        try FusedProduct.finish(
          context, product, scale: try context.attributes.float("alpha", default: 1),
          adding: [try context.optionalTensor(2), try context.optionalTensor(3)], as: type))
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(FusedMatMul(), to: $0) })
