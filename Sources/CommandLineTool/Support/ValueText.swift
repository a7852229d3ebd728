import Cameo
import Tensors

/// Values as people read them, and as files hold them.
enum ValueText {
  /// `float[1, 10]  min -2.1  max 8.7  mean 0.02  [0.1, 0.2, ...]`
  static func summary(_ value: Value) -> String {
    switch value {
    case .tensor(let tensor): return summary(tensor)
    case .sparse(let sparse): return "sparse \(sparse.values.dataType)\(sparse.shape), \(sparse.values.count) elements"
    case .sequence(let values):
      return "sequence of \(values.count)" + (values.first.map { ", first: " + summary($0) } ?? "")
    case .optional(nil): return "empty"
    case .optional(let value?): return summary(value)
    case .map(let map): return "map of \(map.keys.count)"
    }
  }

  private static func summary(_ tensor: Tensor) -> String {
    let head = "\(tensor)"
    if tensor.count == 0 { return head }
    if tensor.dataType == .string {
      return head + "  " + tensor.strings.prefix(4).map { "\"\($0)\"" }.joined(separator: ", ")
        + (tensor.count > 4 ? ", …" : "")
    }
    guard let view = try? ElementView<Double>(tensor) else { return head }
    let isWhole = tensor.dataType.isInteger || tensor.dataType == .bool
    func text(_ value: Double) -> String { isWhole && value.magnitude < 0x1p53 ? String(Int(value)) : digits(value) }
    let first = (0..<min(6, view.count)).map { text(view[$0]) }.joined(separator: ", ") + (view.count > 6 ? ", …" : "")
    if view.count == 1 { return "\(head)  \(first)" }
    var (low, high, sum, nans) = (Double.infinity, -Double.infinity, 0.0, 0)
    for index in 0..<view.count {
      let value = view[index]
      if value.isNaN { nans += 1; continue }
      low = min(low, value)
      high = max(high, value)
      sum += value
    }
    if nans == view.count { return head + "  all nan" }
    return "\(head)  min \(text(low))  max \(text(high))  mean \(digits(sum / Double(view.count - nans)))"
      + (nans > 0 ? "  nan \(nans)" : "") + "  [\(first)]"
  }

  private static func digits(_ value: Double) -> String {
    if value == value.rounded(), value.magnitude < 1e4 { return Figures.fixed(value, 1) }
    return value.magnitude >= 1e-3 && value.magnitude < 1e4 ? Figures.fixed(value, 4) : Figures.short(value)
  }

  /// A tensor that NumPy has a type for: bfloat16 and smaller floats become float, narrow integers int8 or uint8.
  static func forNumPy(_ tensor: Tensor) throws -> Tensor {
    switch tensor.dataType {
    case .float, .double, .float16, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64, .bool, .complex64,
      .complex128, .string:
      return tensor
    case .int4, .int2: return try tensor.converted(to: .int8)
    case .uint4, .uint2: return try tensor.converted(to: .uint8)
    default: return try tensor.converted(to: .float)
    }
  }
}
