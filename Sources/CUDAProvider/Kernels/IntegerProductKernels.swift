import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Products of 8-bit matrices: IntegerMatMul, MatMulInteger, QLinearMatMul and com.microsoft's MatMulIntegerToFloat and QGemm. Sums are exact and
/// what is done with them is done step by step, so that results are those of the portable evaluation (behind an activation with exp: nearly).
enum IntegerProductKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "ai.cameo.IntegerMatMul": { request in
      var roles = IntegerRoles.fused
      roles.isTransposed = try request.attributes.bool("transB")
      return try make(request, roles, activation: try FusedActivation(request.attributes))
    },
    "MatMulInteger": { try make($0, .plain) },
    "QLinearMatMul": { try make($0, .qLinearMatMul) },
    "com.microsoft.MatMulIntegerToFloat": { try make($0, .matMulIntegerToFloat) },
    "com.microsoft.QGemm": { try make($0, try IntegerRoles.qGemm($0.request)) },
  ]

  private static func make(
    _ request: CUDARequest, _ roles: IntegerRoles, activation: FusedActivation? = nil
  ) throws -> PreparedKernel {
    let (a, b, y) = (try request.operand(roles.a), try request.operand(roles.b), try request.result())
    for operand in [a, b] where operand.type != .int8 && operand.type != .uint8 {
      throw Refusal("factors of \(operand.type)")
    }
    guard [.int32, .float, .uint8, .int8].contains(y.type) else { throw Refusal("a result of \(y.type)") }
    guard a.rank >= 1, b.rank >= 1 else { throw Refusal("\(a.shape) against \(b.shape)") }
    let isTransposed = roles.isTransposed && b.rank > 1
    let last = b.rank == 1 ? [b.count, 1] : Array(b.shape.suffix(2))
    let (k, n) = isTransposed ? (last[1], last[0]) : (last[0], last[1])
    guard a.shape.last == k, k > 0, n > 0 else { throw Refusal("\(a.shape) against \(b.shape)") }
    var form = ProductForm(m: a.rank > 1 ? a.shape[a.rank - 2] : 1, n: n, k: k)
    form.isBTurned = isTransposed
    let (aBatch, bBatch) = (Array(a.shape.dropLast(2)), Array(b.shape.dropLast(2)))
    var batches = ProductBatches()
    if bBatch.allSatisfy({ $0 == 1 }) {
      form.m *= aBatch.reduce(1, *)
    } else {
      batches = try ProductBatches(aBatch, bBatch, &form)
    }
    guard y.count == form.m * n * form.batch * batches.items.count, form.m > 0, form.batch <= 65535 else {
      throw Refusal("a result of \(y.shape)")
    }
    try roles.check(request, n: n)
    let product = IntegerProduct(
      request: request, roles: roles, activation: activation, form: form, batches: batches,
      matrices: bBatch.reduce(1, *))
    return try product.prepared()
  }
}

extension IntegerRoles {
  /// Throws a refusal for parameters of another kind.
  func check(_ request: CUDARequest, n: Int) throws {
    for index in scalars {
      if let index, let operand = request.input(index), operand.count != 1 {
        throw Refusal("input \(index) has the shape \(operand.shape)")
      }
    }
    for index in rows {
      guard let index, let operand = request.input(index), operand.count != 1 || index == bias else { continue }
      guard operand.rank == 1 || operand.shape.last == operand.count, operand.count == n else {
        throw Refusal("input \(index) has the shape \(operand.shape)")
      }
    }
    for index in [aScale, bScale, yScale, zScale, addend] {
      if let index, let operand = request.input(index), operand.type != .float {
        throw Refusal("input \(index) is \(operand.type)")
      }
    }
    if let bias, let operand = request.input(bias), operand.type != .int32 {
      throw Refusal("a bias of \(operand.type)")
    }
    if let z, let operand = request.input(z) {
      guard operand.shape == (try request.result().shape) else {
        throw Refusal("a residual of the shape \(operand.shape)")
      }
      guard [.float, .int8, .uint8].contains(operand.type) else { throw Refusal("a residual of \(operand.type)") }
    }
  }
}
