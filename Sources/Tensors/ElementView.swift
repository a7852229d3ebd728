/// A tensor's elements as one Swift type, in row-major order.
///
/// Points straight into the tensor where its type is `Element`'s own and its bytes are aligned; else at a converted copy.
/// Keeps the memory alive. Indexing is not bounds-checked in release builds.
public struct ElementView<Element: ComputeElement>: @unchecked Sendable {
  public let base: UnsafePointer<Element>
  public let count: Int
  private let owner: TensorStorage

  /// Throws `.badInput` for strings, `.limit` where the converted copy passes the memory budget.
  public init(_ tensor: Tensor) throws {
    guard tensor.dataType != .string else { throw CameoError.badInput("strings have no numeric value") }
    count = tensor.count
    let address = tensor.baseAddress
    if tensor.dataType == Element.nativeType,
      UInt(bitPattern: address) % UInt(MemoryLayout<Element>.alignment) == 0
    {
      base = address.assumingMemoryBound(to: Element.self)
      owner = tensor.storage
      return
    }
    let copy = try TensorStorage(byteCount: tensor.count * MemoryLayout<Element>.stride, zeroed: false)
    let target = copy.base.bindMemory(to: Element.self, capacity: tensor.count)
    withExtendedLifetime(tensor.storage) {
      for index in 0..<tensor.count { target[index] = Element.load(address, index, as: tensor.dataType) }
    }
    base = UnsafePointer(target)
    owner = copy
  }

  @inline(__always) public subscript(index: Int) -> Element {
    assert(index >= 0 && index < count)
    return base[index]
  }

  public var array: [Element] { Array(UnsafeBufferPointer(start: base, count: count)) }
}

extension Tensor {
  /// The elements as `T`, converted where the type differs (floats to integers truncate and saturate).
  public func elements<T: ComputeElement>(as _: T.Type) throws -> [T] { try ElementView<T>(self).array }

  /// Integer elements as `Int`.
  public func ints() throws -> [Int] {
    try elements(as: Int64.self).map { Int(truncatingIfNeeded: $0) }
  }

  /// The only element of a scalar or one-element tensor, as a number.
  public func scalar<T: ComputeElement>(as _: T.Type) throws -> T {
    guard count == 1, dataType != .string else {
      throw CameoError.badInput("one number was expected, \(self) is there")
    }
    return T.load(baseAddress, 0, as: dataType)
  }

  /// A new tensor of `dataType` whose elements `fill` computes as `T`; `fill` gets zeroed memory of `count` elements.
  public static func make<T: ComputeElement>(
    _ dataType: DataType, _ shape: [Int], as _: T.Type, _ fill: (UnsafeMutablePointer<T>) throws -> Void
  ) throws -> Tensor {
    let count = try elementCount(shape)
    if dataType == T.nativeType {
      let storage = try TensorStorage(byteCount: count * MemoryLayout<T>.stride)
      try fill(storage.base.bindMemory(to: T.self, capacity: count))
      return try Tensor(dataType: dataType, shape: shape, storage: storage)
    }
    guard dataType != .string, let bytes = dataType.byteCount(elements: count) else {
      throw CameoError.badInput("numbers cannot fill a tensor of \(dataType)")
    }
    let computed = try TensorStorage(byteCount: count * MemoryLayout<T>.stride)
    let pointer = computed.base.bindMemory(to: T.self, capacity: count)
    try fill(pointer)
    let storage = try TensorStorage(byteCount: bytes)
    for index in 0..<count { T.store(pointer[index], storage.base, index, as: dataType) }
    return try Tensor(dataType: dataType, shape: shape, storage: storage)
  }

  /// A new tensor whose raw bytes `fill` writes; the memory comes zeroed.
  public static func makeRaw(
    _ dataType: DataType, _ shape: [Int], _ fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> Tensor {
    let count = try elementCount(shape)
    guard dataType != .string, let bytes = dataType.byteCount(elements: count) else {
      throw CameoError.badInput("a tensor \(dataType)\(shape) cannot be stored as bytes")
    }
    let storage = try TensorStorage(byteCount: bytes)
    try fill(UnsafeMutableRawBufferPointer(start: storage.base, count: bytes))
    return try Tensor(dataType: dataType, shape: shape, storage: storage)
  }

  /// A tensor of the given elements, stored as `dataType`.
  public static func of<T: ComputeElement>(_ elements: [T], _ dataType: DataType, shape: [Int]? = nil) throws -> Tensor
  {
    let shape = shape ?? [elements.count]
    guard try elementCount(shape) == elements.count else {
      throw CameoError.badInput("\(elements.count) elements do not fill \(shape)")
    }
    return try make(dataType, shape, as: T.self) { out in
      for (index, element) in elements.enumerated() { out[index] = element }
    }
  }

  public static func ints(_ values: [Int], shape: [Int]? = nil) throws -> Tensor {
    try of(values.map(Int64.init), .int64, shape: shape)
  }

  public static func scalar<T: ComputeElement>(_ value: T, _ dataType: DataType) throws -> Tensor {
    try of([value], dataType, shape: [])
  }

  /// The same numbers as another numeric type, by the rules of ONNX's Cast (floats to integers truncate; out of range wraps
  /// or saturates as `ComputeElement` says; float8 saturates).
  public func converted(to other: DataType) throws -> Tensor {
    if other == dataType { return self }
    guard dataType != .string, other != .string else {
      throw CameoError.badInput("cannot convert \(dataType) to \(other)")
    }
    if dataType == .double || other == .double
      || (dataType.bitWidth >= 32 && dataType.isInteger && other.isFloatingPoint)
    {
      let view = try ElementView<Double>(self)
      return try Tensor.make(other, shape, as: Double.self) { out in for i in 0..<count { out[i] = view[i] } }
    }
    if (dataType.isInteger || dataType == .bool) && (other.isInteger || other == .bool) {
      let view = try ElementView<Int64>(self)
      return try Tensor.make(other, shape, as: Int64.self) { out in for i in 0..<count { out[i] = view[i] } }
    }
    let view = try ElementView<Float>(self)
    return try Tensor.make(other, shape, as: Float.self) { out in for i in 0..<count { out[i] = view[i] } }
  }
}
