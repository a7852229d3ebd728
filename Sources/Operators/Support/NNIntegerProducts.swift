import GraphIR
import Tensors

/// Integer tensors less their zero points.
enum NNIntegers {
  /// Towards zero; NaN is 0, what int64 cannot hold saturates.
  static func truncating(_ value: Double) -> Int64 {
    value.isNaN ? 0 : value >= 0x1p63 ? .max : value <= -0x1p63 ? .min : Int64(value)
  }

  /// `tensor - zero` as float, for float8; one zero point, or one for each index of `axis`.
  static func shifted(_ tensor: Tensor, _ zero: Tensor?, axis: Int) throws -> Tensor {
    guard let zero else { return try tensor.converted(to: .float) }
    guard zero.dataType == tensor.dataType else { throw CameoError.badInput("\(tensor) with the zero point \(zero)") }
    let (values, zeros) = (try ElementView<Float>(tensor), try ElementView<Float>(zero))
    let place = try position(zero, in: tensor.shape, axis: axis)
    return try Tensor.make(.float, tensor.shape, as: Float.self) { out in
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

  /// clamp(round(value * factor) + zero): sums of products back to a quantized type; the product in float.
  static func requantized(_ sums: Tensor, _ factor: (Int) -> Float, zero: (Int) -> Int64, as type: DataType) throws
    -> Tensor
  {
    guard let range = NNIntegerRange.of(type) else { throw CameoError.unsupported("quantization to \(type)") }
    let values = try ElementView<Int64>(sums)
    return try Tensor.make(type, sums.shape, as: Int64.self) { out in
      for i in 0..<values.count {
        let value = (Float(values[i]) * factor(i)).rounded(.toNearestOrEven)
        let whole = value.isNaN ? 0 : Int64(min(max(value, -0x1p40), 0x1p40))
        out[i] = min(max(whole + zero(i), range.lowerBound), range.upperBound)
      }
    }
  }
}
