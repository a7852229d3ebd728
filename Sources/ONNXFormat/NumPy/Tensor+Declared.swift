package import GraphIR
package import Tensors

extension Tensor {
  /// As a model declares it: types that files of numpy cannot name (bfloat16, float8, 4-bit) come as bytes of the same width. A tensor
  /// that is of the declared type, or of one that numpy has, is given back as it is.
  package func adapted(to declared: ValueType?) throws -> Tensor {
    guard let type = declared?.dataType, type != dataType else { return self }
    let isBytes = dataType.isUnsignedInteger || dataType == .int8 || dataType == .int16
    let hasName = type.isInteger || [.bool, .string, .float16, .float, .double].contains(type)
    return isBytes && !hasName && type.bitWidth == dataType.bitWidth ? try bitCast(to: type) : self
  }
}
