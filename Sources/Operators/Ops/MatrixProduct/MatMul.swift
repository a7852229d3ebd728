import GraphIR
import Tensors

/// NumPy's matmul on shapes and data; MatMulInteger and the quantized forms use it too.
enum MatrixProduct {
  /// The shape of `matmul(a, b)`, nil where a rank is unknown.
  static func shape(_ context: InferenceContext, _ a: [Dim]?, _ b: [Dim]?) throws -> [Dim]? {
    guard let a, let b else { return nil }
    guard !a.isEmpty, !b.isEmpty else { throw CameoError.badInput("an input is a scalar, rank 1 or more was expected") }
    let k = a[a.count - 1]
    _ = try context.unify(k, b.count == 1 ? b[0] : b[b.count - 2], "inner dimensions of the matrix product")
    var result = try Broadcast.shape(Array(a.dropLast(2)), Array(b.dropLast(2)))
    if a.count > 1 { result.append(a[a.count - 2]) }
    if b.count > 1 { result.append(b[b.count - 1]) }
    return result
  }

  static func compute<T: NNScalar>(_ a: Tensor, _ b: Tensor, as type: DataType, _: T.Type, inDouble: Bool) throws
    -> Tensor
  {
    guard a.rank > 0, b.rank > 0 else { throw CameoError.badInput("an input is a scalar, rank 1 or more was expected") }
    let aShape = a.rank == 1 ? [1] + a.shape : a.shape
    let bShape = b.rank == 1 ? b.shape + [1] : b.shape
    let (m, k, n) = (aShape[aShape.count - 2], aShape[aShape.count - 1], bShape[bShape.count - 1])
    guard bShape[bShape.count - 2] == k else {
      throw CameoError.badInput("shapes \(a.shape) and \(b.shape) cannot be multiplied")
    }
    let aBatch = Array(aShape.dropLast(2))
    let bBatch = Array(bShape.dropLast(2))
    let batch = try Broadcast.shape(aBatch, bBatch)
    var result = batch
    if a.rank > 1 { result.append(m) }
    if b.rank > 1 { result.append(n) }
    let x = try ElementView<T>(a)
    let y = try ElementView<T>(b)
    return try Tensor.make(type, result, as: T.self) { c in
      let left = NNMatrix(x.base, row: k, col: 1)
      let right = NNMatrix(y.base, row: n, col: 1)
      if bBatch.allSatisfy({ $0 == 1 }) {
        let rows = aBatch.reduce(m, *)
        NNContraction.multiply(c, ldc: n, left, right, m: rows, n: n, k: k, inDouble: inDouble)
      } else {
        NNContraction.batched(
          c, count: batch.reduce(1, *), left, right,
          aOffsets: NNContraction.offsets(of: aBatch, to: batch, size: m * k),
          bOffsets: NNContraction.offsets(of: bBatch, to: batch, size: k * n), m: m, n: n, k: k, inDouble: inDouble)
      }
    }
  }

  static func compute(_ a: Tensor, _ b: Tensor, as type: DataType, inDouble: Bool) throws -> Tensor {
    if a.dataType == .double { return try compute(a, b, as: type, Double.self, inDouble: true) }
    if a.dataType.isInteger { return try compute(a, b, as: type, Int64.self, inDouble: false) }
    return try compute(a, b, as: type, Float.self, inDouble: inDouble)
  }
}

/// MatMul: NumPy's matmul.
struct MatMul: Operator {
  let name = OperatorName("MatMul")

  func infer(_ context: inout InferenceContext) throws {
    let shape = try MatrixProduct.shape(context, context.shape(0), context.shape(1))
    context.set(0, context.dataType(0) ?? context.dataType(1), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(0)
    return [
      .tensor(try MatrixProduct.compute(a, context.tensor(1), as: a.dataType, inDouble: context.accumulatesInDouble))
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MatMul(), to: $0) })
