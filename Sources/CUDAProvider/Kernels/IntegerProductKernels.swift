import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Products of 8-bit matrices: IntegerMatMul, MatMulInteger, QLinearMatMul and com.microsoft's MatMulIntegerToFloat and QGemm. Sums are exact and
/// what is done with them is done step by step, so that results are those of the portable evaluation (behind an activation with exp: nearly).
enum IntegerProductKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "ai.cameo.IntegerMatMul": { request in
      var roles = IntegerRoles(
        a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5, yScale: 7, yZero: 8, addend: 6, z: 9, zScale: 10,
        zZero: 11, foldsResult: false)
      roles.isTransposed = try request.attributes.bool("transB")
      return try make(request, roles, activation: try FusedActivation(request.attributes))
    },
    "MatMulInteger": { try make($0, IntegerRoles(a: 0, aZero: 2, b: 1, bZero: 3)) },
    "QLinearMatMul": {
      try make($0, IntegerRoles(a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5, yScale: 6, yZero: 7))
    },
    "com.microsoft.MatMulIntegerToFloat": {
      try make($0, IntegerRoles(a: 0, aScale: 2, aZero: 4, b: 1, bScale: 3, bZero: 5, addend: 6))
    },
    "com.microsoft.QGemm": { request in
      guard try !request.attributes.bool("transA") else { throw Refusal("a transposed A") }
      var roles = IntegerRoles(a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5, yScale: 7, yZero: 8, bias: 6)
      roles.isTransposed = try request.attributes.bool("transB")
      roles.alpha = try request.attributes.float("alpha", default: 1)
      return try make(request, roles)
    },
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

/// Which input of an 8-bit product is what; nil: the operator has none.
struct IntegerRoles {
  let a: Int
  var aScale: Int?
  var aZero: Int?
  let b: Int
  var bScale: Int?
  var bZero: Int?
  var yScale: Int?
  var yZero: Int?
  /// Added in int32.
  var bias: Int?
  /// Added in float, after scaling; one number or one a column.
  var addend: Int?
  var z: Int?
  var zScale: Int?
  var zZero: Int?
  /// B is [n, k].
  var isTransposed = false
  var alpha: Float?
  /// Where y_scale is heeded: in the factor of each column, or behind the activation by its inverse.
  var foldsResult = true

  /// Throws a refusal for parameters of another kind.
  func check(_ request: CUDARequest, n: Int) throws {
    for index in [aScale, aZero, yScale, yZero, zScale, zZero] {
      if let index, let operand = request.input(index), operand.count != 1 {
        throw Refusal("input \(index) has the shape \(operand.shape)")
      }
    }
    for index in [bScale, bZero, addend, bias] {
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
