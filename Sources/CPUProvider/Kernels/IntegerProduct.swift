internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Products of 8-bit matrices: IntegerMatMul, MatMulInteger, QLinearMatMul and com.microsoft's MatMulIntegerToFloat, DynamicQuantizeMatMul and
/// QGemm. Sums are exact and what is done with them is done step by step, so the results are those of the portable evaluation, bit by bit
/// (behind an activation with exp: nearly).
enum IntegerProductKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "ai.cameo.IntegerMatMul": { request in
      var roles = IntegerRoles.fused
      roles.isTransposed = try request.attributes.bool("transB")
      return try make(request, roles, activation: try ck_activation(request.attributes))
    },
    "MatMulInteger": { try make($0, .plain) },
    "QLinearMatMul": { try make($0, .qLinearMatMul) },
    "com.microsoft.MatMulIntegerToFloat": { try make($0, .matMulIntegerToFloat) },
    "com.microsoft.DynamicQuantizeMatMul": { try make($0, .dynamicQuantizeMatMul) },
    "com.microsoft.QGemm": { try make($0, try IntegerRoles.qGemm($0)) },
  ]

  private static func make(
    _ request: KernelRequest, _ roles: IntegerRoles, activation: ck_activation = .none
  ) throws -> PreparedKernel {
    let (a, b, y) = (try request.operand(roles.a), try request.operand(roles.b), try request.result())
    let isFloat = a.type == .float && roles.aScale == nil
    guard a.type == .int8 || a.type == .uint8 || isFloat else { throw Refusal("A of \(a.type)") }
    guard [.int32, .float, .uint8, .int8].contains(y.type) else { throw Refusal("a result of \(y.type)") }
    guard a.rank >= 1, b.rank >= 1 else { throw Refusal("\(a.shape) against \(b.shape)") }
    let isColumn = b.rank == 1
    let isTransposed = roles.isTransposed && !isColumn
    let last = (isColumn ? [b.count, 1] : Array(b.shape.suffix(2)))
    let (k, n) = isTransposed ? (last[1], last[0]) : (last[0], last[1])
    guard a.shape.last == k, k > 0, n > 0 else { throw Refusal("\(a.shape) against \(b.shape)") }
    let strides = isTransposed ? (1, k) : (n, 1)
    let (aBatch, bBatch) = (Array(a.shape.dropLast(2)), isColumn ? [] : Array(b.shape.dropLast(2)))
    let matrices = product(bBatch)
    let weights = try IntegerWeights(request, b, k: k, n: n, matrices: matrices, strides: strides)
    let left: IntegerKernel.Left
    let right: IntegerKernel.Right
    if matrices == 1 {
      let m = a.count / k
      guard y.count == m * n else { throw Refusal("a result of \(y.shape)") }
      left = .init(m: m, pitch: k, k: k, offsets: [0], floats: isFloat ? a.count : nil)
      right = .init(matrices: [0], offsets: [0], ldc: n)
    } else {
      let m = a.rank > 1 ? a.shape[a.rank - 2] : 1
      let batch = try Broadcast.shape(aBatch, bBatch)
      let count = product(batch)
      guard y.count == count * m * n else { throw Refusal("a result of \(y.shape)") }
      left = .init(
        m: m, pitch: k, k: k, offsets: places(aBatch, in: batch).map { $0 * m * k }, floats: isFloat ? a.count : nil)
      right = .init(matrices: places(bBatch, in: batch), offsets: (0..<count).map { $0 * m * n }, ldc: n)
    }
    let counts = IntegerParameters.Counts(n: n, matrices: matrices, k: k)
    let residual = roles.z.flatMap { request.input($0) }
    if let residual, residual.shape != y.shape { throw Refusal("a residual of the shape \(residual.shape)") }
    let parameters = try IntegerParameters(request, roles, counts, activation: activation)
    let kernel = try IntegerKernel(left.m == 1 ? "gemv" : "gemm", request, roles, weights, parameters, left, right)
    return PreparedKernel(
      kernel, scratchBytes: kernel.scratchBytes,
      inPlaceInputs: residual?.type == y.type ? [roles.z].compactMap { $0 } : [],
      unreadInputs: weights.isConstant ? [roles.b] : [])
  }

  /// Which item of `shape` belongs to each of `batch`, to which it is broadcast.
  private static func places(_ shape: [Int], in batch: [Int]) -> [Int] {
    let strides = Broadcast.strides(of: shape, to: batch)
    return (0..<product(batch)).map { index in
      var (rest, place) = (index, 0)
      for axis in batch.indices.reversed() {
        place += rest % batch[axis] * strides[axis]
        rest /= batch[axis]
      }
      return place
    }
  }
}

extension KernelRequest {
  /// The constant that an operand is. Throws a refusal where it is computed.
  func constant(_ operand: Operand) throws -> Tensor {
    guard let tensor = operand.constant else { throw Refusal("an operand that is not constant") }
    return tensor
  }
}
