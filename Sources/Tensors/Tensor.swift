/// A dense tensor: element type, dimensions, shared immutable bytes in row-major order.
///
/// Strings live in `strings`; every other type in `storage` from `byteOffset` on, packed as ONNX's `raw_data` is. The bytes
/// may be unaligned where they are mapped from a file: read through `ElementView` or `loadUnaligned`.
public struct Tensor: Sendable {
  public let dataType: DataType
  public let shape: [Int]
  public let count: Int
  public let storage: TensorStorage
  public let byteOffset: Int
  public let strings: [String]

  /// Checks that `storage` holds all elements. Throws `.badInput` for negative or overflowing dimensions.
  public init(dataType: DataType, shape: [Int], storage: TensorStorage, byteOffset: Int = 0) throws {
    let count = try Tensor.elementCount(shape)
    guard dataType != .string, let bytes = dataType.byteCount(elements: count) else {
      throw CameoError.badInput("a tensor \(dataType)\(shape) cannot be stored as bytes")
    }
    guard byteOffset >= 0, byteOffset <= storage.byteCount, bytes <= storage.byteCount - byteOffset else {
      throw CameoError.badInput(
        "a tensor \(dataType)\(shape) needs \(bytes) bytes, \(storage.byteCount - byteOffset) are there")
    }
    self.dataType = dataType
    self.shape = shape
    self.count = count
    self.storage = storage
    self.byteOffset = byteOffset
    strings = []
  }

  /// A tensor of strings. Throws where the count does not fit the shape, `.limit` past the memory budget.
  public init(strings: [String], shape: [Int]) throws {
    let count = try Tensor.elementCount(shape)
    guard strings.count == count else {
      throw CameoError.badInput("a tensor string\(shape) needs \(count) strings, \(strings.count) are there")
    }
    dataType = .string
    self.shape = shape
    self.count = count
    // Up to 15 bytes lie in the string itself.
    storage = try TensorStorage(
      counting: strings.reduce(0) { $0 + MemoryLayout<String>.stride + ($1.utf8.count > 15 ? $1.utf8.count + 32 : 0) })
    byteOffset = 0
    self.strings = strings
  }

  /// The product of `shape`. Throws `.badInput` for a negative dimension, `.limit` where it overflows.
  public static func elementCount(_ shape: some Sequence<Int>) throws -> Int {
    var product = 1
    var hasZero = false
    for dim in shape {
      guard dim >= 0 else { throw CameoError.badInput("dimension \(dim) is negative") }
      if dim == 0 { hasZero = true; continue }
      let (next, overflow) = product.multipliedReportingOverflow(by: dim)
      guard !overflow, next < 1 << 56 else { throw CameoError.limit("the shape \(Array(shape)) overflows") }
      product = next
    }
    return hasZero ? 0 : product
  }

  public var rank: Int { shape.count }
  public var byteCount: Int { dataType.byteCount(elements: count) ?? 0 }
  public var isEmpty: Bool { count == 0 }

  /// The packed bytes. Valid while the tensor (its storage) lives.
  public var baseAddress: UnsafeRawPointer { UnsafeRawPointer(storage.base + byteOffset) }

  /// Gives the packed bytes to `body`.
  public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try withExtendedLifetime(storage) { try body(UnsafeRawBufferPointer(start: baseAddress, count: byteCount)) }
  }

  /// The same elements under another shape of the same count; nothing is copied.
  public func reshaped(_ shape: [Int]) throws -> Tensor {
    guard try Tensor.elementCount(shape) == count else {
      throw CameoError.badInput("\(self.shape) cannot be reshaped to \(shape)")
    }
    if dataType == .string { return try Tensor(strings: strings, shape: shape) }
    return try Tensor(dataType: dataType, shape: shape, storage: storage, byteOffset: byteOffset)
  }

  /// The same bytes read as another type of the same width. Throws for strings and differing widths.
  public func bitCast(to other: DataType) throws -> Tensor {
    guard dataType != .string, other.bitWidth == dataType.bitWidth else {
      throw CameoError.badInput("\(dataType) cannot be seen as \(other)")
    }
    return try Tensor(dataType: other, shape: shape, storage: storage, byteOffset: byteOffset)
  }

  /// True where types, shapes and bytes are the same (NaN equals the same NaN). O(bytes).
  public func isIdentical(to other: Tensor) -> Bool {
    guard dataType == other.dataType, shape == other.shape else { return false }
    if dataType == .string { return strings == other.strings }
    if let rows = deferredRows, let others = other.deferredRows, rows.map(\.shape) == others.map(\.shape) {
      return zip(rows, others).allSatisfy { $0.address == $1.address || $0.isIdentical(to: $1) }
    }
    return withUnsafeBytes { a in other.withUnsafeBytes { b in a.elementsEqual(b) } }
  }

  /// Row-major strides in elements.
  public static func strides(_ shape: [Int]) -> [Int] {
    var result = [Int](repeating: 1, count: shape.count)
    for axis in stride(from: shape.count - 2, through: 0, by: -1) { result[axis] = result[axis + 1] &* shape[axis + 1] }
    return result
  }
}

extension Tensor: CustomStringConvertible {
  public var description: String { "\(dataType)\(shape)" }
}
