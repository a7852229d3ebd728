import GraphIR
import Tensors

/// Integer tensors less their zero points.
enum NNIntegers {
  /// Towards zero; NaN is 0, what int64 cannot hold saturates.
  static func truncating(_ value: Double) -> Int64 {
    value.isNaN ? 0 : value >= 0x1p63 ? .max : value <= -0x1p63 ? .min : Int64(value)
  }

  /// `tensor - zero` as int32 (or float, for float8); one zero point, or one for each index of `axis`.
  static func shifted(_ tensor: Tensor, _ zero: Tensor?, axis: Int, as type: DataType = .int32) throws -> Tensor {
    guard let zero else { return try tensor.converted(to: type) }
    guard zero.dataType == tensor.dataType else { throw CameoError.badInput("\(tensor) with the zero point \(zero)") }
    if type.isFloatingPoint {
      let (values, zeros) = (try ElementView<Float>(tensor), try ElementView<Float>(zero))
      let place = try position(zero, in: tensor.shape, axis: axis)
      return try Tensor.make(type, tensor.shape, as: Float.self) { out in
        for i in 0..<values.count { out[i] = values[i] - zeros[place(i)] }
      }
    }
    let values = try ElementView<Int64>(tensor)
    let zeros = try ElementView<Int64>(zero)
    let place = try position(zero, in: tensor.shape, axis: axis)
    return try Tensor.make(.int32, tensor.shape, as: Int64.self) { out in
      for i in 0..<values.count { out[i] = values[i] - zeros[place(i)] }
    }
  }

  /// Where the parameter of element `i` stands: a scalar, one an index of `axis`, or a tensor of the same rank with ones.
  static func position(_ parameter: Tensor, in shape: [Int], axis: Int) throws -> (Int) -> Int {
    if parameter.count == 1 { return { _ in 0 } }
    if parameter.rank == 1 {
      guard axis >= 0, axis < shape.count, parameter.count == shape[axis] else {
        throw CameoError.badInput("a scale or zero point \(parameter) does not fit axis \(axis) of \(shape)")
      }
      let inner = shape[(axis + 1)...].reduce(1, *)
      let size = shape[axis]
      return { $0 / inner % size }
    }
    guard try Broadcast.shape(shape, parameter.shape) == shape else {
      throw CameoError.badInput("a scale or zero point \(parameter) does not fit \(shape)")
    }
    let offsets = NNContraction.offsets(of: parameter.shape, to: shape, size: 1)
    return { offsets[$0] }
  }

  /// clamp(round(value * factor) + zero): sums of products back to a quantized type.
  static func requantized(
    _ sums: Tensor, _ factor: (Int) -> Double, zero: (Int) -> Int64, as type: DataType
  ) throws -> Tensor {
    guard let range = NNIntegerRange.of(type) else { throw CameoError.unsupported("quantization to \(type)") }
    // Sums of float8 products are floats.
    let values = try ElementView<Double>(sums)
    return try Tensor.make(type, sums.shape, as: Int64.self) { out in
      for i in 0..<values.count {
        let value = (values[i] * factor(i) + Double(zero(i))).rounded(.toNearestOrEven)
        out[i] = value.isNaN ? 0 : Int64(min(max(value, Double(range.lowerBound)), Double(range.upperBound)))
      }
    }
  }
}

/// MatMulInteger: int32 products of 8-bit integers less their zero points.
struct MatMulInteger: Operator {
  let name = OperatorName("MatMulInteger")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, .int32, try MatrixProduct.shape(context, context.shape(0), context.shape(1)))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(0)
    let b = try context.tensor(1)
    let x = try NNIntegers.shifted(a, context.optionalTensor(2), axis: max(0, a.rank - 2))
    let y = try NNIntegers.shifted(b, context.optionalTensor(3), axis: max(0, b.rank - 1))
    return [.tensor(try MatrixProduct.compute(x, y, as: .int32, inDouble: false))]
  }
}

/// QLinearMatMul: a product of quantized tensors, quantized again.
struct QLinearMatMul: Operator {
  let name = OperatorName("QLinearMatMul")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, context.dataType(7), try MatrixProduct.shape(context, context.shape(0), context.shape(3)))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(0)
    let b = try context.tensor(3)
    let zero = try context.tensor(7)
    let isInteger = a.dataType.isInteger && b.dataType.isInteger
    let x = try NNIntegers.shifted(a, context.tensor(2), axis: max(0, a.rank - 2), as: isInteger ? .int32 : .float)
    let y = try NNIntegers.shifted(b, context.tensor(5), axis: max(0, b.rank - 1), as: isInteger ? .int32 : .float)
    let sums = try MatrixProduct.compute(
      x, y, as: isInteger ? .int32 : .float, inDouble: !isInteger && context.accumulatesInDouble)
    func parameter(_ index: Int, axis: Int) throws -> (Int) -> Double {
      let tensor = try context.tensor(index)
      let values = try ElementView<Double>(tensor)
      let place = try NNIntegers.position(tensor, in: sums.shape, axis: axis)
      return { values[place($0)] }
    }
    let rows = max(0, sums.rank - 2)
    let columns = max(0, sums.rank - 1)
    let aScale = try parameter(1, axis: rows)
    let bScale = try parameter(4, axis: columns)
    let yScale = try parameter(6, axis: rows)
    let zeroAt = try NNIntegers.position(zero, in: sums.shape, axis: rows)
    let factor = { aScale($0) * bScale($0) / yScale($0) }
    if zero.dataType.isFloatingPoint {
      let zeros = try ElementView<Double>(zero)
      let values = try ElementView<Double>(sums)
      let result = try Tensor.make(.float, sums.shape, as: Double.self) { out in
        for i in 0..<values.count { out[i] = values[i] * factor(i) + zeros[zeroAt(i)] }
      }
      return [.tensor(try ElementCasts.cast(result, to: zero.dataType, ElementCasts.Rules()))]
    }
    let zeros = try ElementView<Int64>(zero)
    return [.tensor(try NNIntegers.requantized(sums, factor, zero: { zeros[zeroAt($0)] }, as: zero.dataType))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MatMulInteger(), to: $0) })
@used @section("cameo_operators")
private let linearRegistration: RegistryRecord = (0, { OperatorRegistry.submit(QLinearMatMul(), to: $0) })
