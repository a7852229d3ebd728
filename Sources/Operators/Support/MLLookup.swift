import GraphIR
import Tensors

/// Where keys of one element type stand. Floats compare by value: -0 is 0, and every NaN is the same key.
struct MLLookup: Sendable {
  let dataType: DataType
  private let strings: [String: Int]
  private let numbers: [UInt64: Int]

  /// Of equal keys the last one counts.
  init(_ keys: Tensor) throws {
    dataType = keys.dataType
    if keys.dataType == .string {
      strings = Dictionary(zip(keys.strings, 0..<keys.count)) { $1 }
      numbers = [:]
    } else {
      strings = [:]
      numbers = Dictionary(zip(try MLLookup.codes(keys), 0..<keys.count)) { $1 }
    }
  }

  /// Numbers that are equal exactly where the elements are.
  static func codes(_ tensor: Tensor) throws -> [UInt64] {
    if tensor.dataType.isInteger { return try tensor.elements(as: Int64.self).map { UInt64(bitPattern: $0) } }
    return try tensor.elements(as: Double.self).map { $0.isNaN ? .max : $0 == 0 ? 0 : $0.bitPattern }
  }

  /// The place of each element's key; `missing` where there is none.
  func places(of x: Tensor, missing: Int) throws -> [Int] {
    guard x.dataType == dataType else {
      throw CameoError.badInput("the input is \(x), \(dataType) was expected: the keys are")
    }
    if dataType == .string { return x.strings.map { strings[$0] ?? missing } }
    return try MLLookup.codes(x).map { numbers[$0] ?? missing }
  }
}
