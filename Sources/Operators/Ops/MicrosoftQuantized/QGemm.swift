import GraphIR
import Tensors

/// com.microsoft.QGemm: alpha * A' B' of quantized matrices with an int32 C at the product's scale, quantized again, or float
/// where no zero point of Y is given.
struct QGemm: Operator {
  let name = OperatorName("QGemm", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QGemm 1 6 9 1 1
    a alpha float=1
    a transA int=0
    a transB int=0
    i A TA
    i a_scale T
    i a_zero_point TA
    i B TB
    i b_scale T
    i b_zero_point TB
    i? C TC
    i? y_scale T
    i? y_zero_point TYZ
    o Y TY
    c T tensor(*):float
    c TA tensor(*):uint8,int8
    c TB tensor(*):uint8,int8
    c TC tensor(*):int32
    c TYZ tensor(*):uint8,int8
    c TY tensor(*):float,uint8,int8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    for input in [0, 3] {
      try Quantized.require(context, input, Quantized.eightBit)
      try context.require(rank: 2...2, of: input)
    }
    for input in [1, 2, 7, 8] { try Quantized.requireScalar(context, input) }
    try Quantized.require(context, 6, [.int32])
    let (transA, transB) = (try context.attributes.bool("transA"), try context.attributes.bool("transB"))
    let type = context.hasInput(8) ? context.dataType(8) : .float
    let (a, b) = (context.shape(0), context.shape(3))
    if let a, let b {
      _ = try context.unify(transA ? a[0] : a[1], transB ? b[1] : b[0], "inner dimensions of QGemm")
    }
    guard a != nil || b != nil else { return context.set(0, type, nil) }
    let shape = [
      a.map { transA ? $0[1] : $0[0] } ?? context.unknownDim(),
      b.map { transB ? $0[0] : $0[1] } ?? context.unknownDim(),
    ]
    if let c = context.shape(6) {
      guard c.count <= 2 else { throw CameoError.badInput("C of QGemm has rank \(c.count)") }
      _ = try Broadcast.shape(shape, c)
    }
    context.set(0, type, shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (a, b) = (try Quantized.tensor(context, 0), try Quantized.tensor(context, 3))
    guard a.rank == 2, b.rank == 2 else { throw CameoError.badInput("QGemm takes matrices, not \(a) and \(b)") }
    let (transA, transB) = (try context.attributes.bool("transA"), try context.attributes.bool("transB"))
    let (m, k) = transA ? (a.shape[1], a.shape[0]) : (a.shape[0], a.shape[1])
    let n = transB ? b.shape[0] : b.shape[1]
    guard (transB ? b.shape[1] : b.shape[0]) == k else {
      throw CameoError.badInput("shapes \(a.shape) and \(b.shape) cannot be multiplied")
    }
    let from = try QuantizedScale(context, scale: 1, zero: 2, of: a.dataType)
    let x = try ElementView<Float>(WholeNumbers.centered(a, context.tensor(2), axis: 0))
    let y = try ElementView<Float>(WholeNumbers.centered(b, context.tensor(5), axis: transB ? 0 : 1))
    let sums = try Tensor.makeRaw(.int32, [m, n]) { raw in
      guard let c = raw.baseAddress?.assumingMemoryBound(to: Int32.self), raw.count > 0 else { return }
      let (left, right) = (
        NNMatrix(x.base, row: a.shape[1], col: 1), NNMatrix(y.base, row: b.shape[1], col: 1)
      )
      WholeProduct.multiply(
        c, ldc: n, transA ? left.transposed : left, transB ? right.transposed : right, m: m, n: n, k: k)
      if let tensor = try context.optionalTensor(6) { try add(tensor, to: c, m, n) }
    }
    let alpha = try context.attributes.float("alpha", default: 1)
    let scales = try context.tensor(4)
    guard scales.dataType == .float, scales.count == 1 || scales.rank == 1 && scales.count == n else {
      throw CameoError.badInput("the scale of B is \(scales), one float or \(n) were expected")
    }
    let target = context.hasInput(7) ? try QuantizedScale.scalar(context, 7) : nil
    let factors = try scales.elements(as: Float.self).map { scale in
      let factor = alpha * from.scale * scale
      return target.map { factor / $0 } ?? factor
    }
    guard let zero = try context.optionalTensor(8) else {
      return [.tensor(try Requantization.floats(sums, scales: factors, bias: nil, columns: n))]
    }
    guard target != nil, Quantized.isEightBit(zero.dataType) else {
      throw CameoError.badInput("a zero point \(zero) of Y without its scale")
    }
    let to = try QuantizedScale(context, scale: 7, zero: 8, of: zero.dataType)
    return [.tensor(try Requantization.rows(sums, scales: factors, zero: to.zero, as: zero.dataType, columns: n))]
  }

  /// Adds `tensor`, broadcast to [m, n], in int32 arithmetic, which wraps.
  private func add(_ tensor: Tensor, to sums: UnsafeMutablePointer<Int32>, _ m: Int, _ n: Int) throws {
    guard tensor.dataType == .int32, try Broadcast.shape([m, n], tensor.shape) == [m, n] else {
      throw CameoError.badInput("C of QGemm is \(tensor) for a product [\(m), \(n)]")
    }
    let strides = Broadcast.strides(of: tensor.shape, to: [m, n])
    let values = try ElementView<Int64>(tensor)
    for i in 0..<m {
      for j in 0..<n {
        sums[i * n + j] &+= Int32(truncatingIfNeeded: values[i * strides[0] + j * strides[1]])
      }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QGemm(), to: $0) })
