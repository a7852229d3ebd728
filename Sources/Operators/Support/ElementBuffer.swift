import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A tensor in the making whose elements are copied from others of its type: bytes, packed sub-byte elements or strings.
/// Positions are in elements; the caller keeps them inside.
struct ElementBuffer {
  let dataType: DataType
  let shape: [Int]
  let count: Int
  private let storage: TensorStorage?
  private var strings: [String] = []
  private let width: Int
  private let bits: Int

  /// Zeroes, or empty strings.
  init(_ dataType: DataType, _ shape: [Int]) throws {
    self.dataType = dataType
    self.shape = shape
    count = try Tensor.elementCount(shape)
    bits = dataType.bitWidth
    width = bits / 8
    if dataType == .string {
      try MemoryBudget.shared.check(count &* MemoryLayout<String>.stride)
      storage = nil
      strings = [String](repeating: "", count: count)
    } else {
      guard let bytes = dataType.byteCount(elements: count) else {
        throw CameoError.limit("the shape \(shape) overflows")
      }
      storage = try TensorStorage(byteCount: bytes)
    }
  }

  /// A copy of all elements of `tensor`.
  init(copying tensor: Tensor) throws {
    try self.init(tensor.dataType, tensor.shape)
    copy(tensor, from: 0, count: tensor.count, to: 0)
  }

  /// Copies `count` elements of `source` from `start` on to `position` on.
  mutating func copy(_ source: Tensor, from start: Int, count: Int, to position: Int) {
    if count <= 0 { return }
    assert(start >= 0 && start + count <= source.count && position >= 0 && position + count <= self.count)
    guard let storage else {
      for i in 0..<count { strings[position + i] = source.strings[start + i] }
      return
    }
    withExtendedLifetime(source.storage) {
      if width > 0 {
        memcpy(storage.base + position * width, source.baseAddress + start * width, count * width)
      } else if (start * bits) % 8 == 0 && (position * bits) % 8 == 0 && (count * bits) % 8 == 0 {
        memcpy(storage.base + position * bits / 8, source.baseAddress + start * bits / 8, count * bits / 8)
      } else {
        for i in 0..<count { setCode(position + i, code(source, start + i)) }
      }
    }
  }

  /// Copies `count` elements that lie `step` apart from `start` on (0 repeats one, negative goes back).
  mutating func copy(_ source: Tensor, from start: Int, step: Int, count: Int, to position: Int) {
    if step == 1 { return copy(source, from: start, count: count, to: position) }
    if count <= 0 { return }
    guard let storage else {
      for i in 0..<count { strings[position + i] = source.strings[start + i * step] }
      return
    }
    withExtendedLifetime(source.storage) {
      let (from, to) = (source.baseAddress, storage.base)
      switch width {
      case 1: spread(from, to, start, step, count, position, UInt8.self)
      case 2: spread(from, to, start, step, count, position, UInt16.self)
      case 4: spread(from, to, start, step, count, position, UInt32.self)
      case 8: spread(from, to, start, step, count, position, UInt64.self)
      case 0: for i in 0..<count { setCode(position + i, code(source, start + i * step)) }
      default: for i in 0..<count { memcpy(to + (position + i) * width, from + (start + i * step) * width, width) }
      }
    }
  }

  @inline(__always)
  private func spread<T: BitwiseCopyable>(
    _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ start: Int, _ step: Int, _ count: Int, _ position: Int,
    _: T.Type
  ) {
    var source = from + start * MemoryLayout<T>.size
    // Owned storage is aligned; the source may be mapped and is not.
    let target = (to + position * MemoryLayout<T>.size).assumingMemoryBound(to: T.self)
    let stride = step * MemoryLayout<T>.size
    var i = 0
    while i < count {
      target[i] = source.loadUnaligned(as: T.self)
      source += stride
      i &+= 1
    }
  }

  private func code(_ source: Tensor, _ index: Int) -> UInt8 {
    if bits == 6 {
      let (byte, shift) = (index * 6).quotientAndRemainder(dividingBy: 8)
      var word = UInt16(source.baseAddress.load(fromByteOffset: byte, as: UInt8.self))
      if shift > 2 { word |= UInt16(source.baseAddress.load(fromByteOffset: byte + 1, as: UInt8.self)) << 8 }
      return UInt8(truncatingIfNeeded: word >> UInt16(shift)) & 0x3f
    }
    let perByte = 8 / bits
    let byte = source.baseAddress.load(fromByteOffset: index / perByte, as: UInt8.self)
    return byte >> UInt8(index % perByte * bits) & UInt8((1 << bits) - 1)
  }

  private func setCode(_ index: Int, _ value: UInt8) {
    guard let storage else { return }
    if bits == 6 {
      for bit in 0..<6 {
        let (byte, shift) = (index * 6 + bit).quotientAndRemainder(dividingBy: 8)
        let old = storage.base.load(fromByteOffset: byte, as: UInt8.self) & ~(1 << UInt8(shift))
        storage.base.storeBytes(of: old | (value >> UInt8(bit) & 1) << UInt8(shift), toByteOffset: byte, as: UInt8.self)
      }
      return
    }
    let perByte = 8 / bits
    let shift = UInt8(index % perByte * bits)
    let mask = UInt8((1 << bits) - 1) << shift
    let old = storage.base.load(fromByteOffset: index / perByte, as: UInt8.self)
    storage.base.storeBytes(of: old & ~mask | value << shift & mask, toByteOffset: index / perByte, as: UInt8.self)
  }

  /// The finished tensor; the buffer is not written after this.
  consuming func finish() throws -> Tensor {
    if let storage { return try Tensor(dataType: dataType, shape: shape, storage: storage) }
    return try Tensor(strings: strings, shape: shape)
  }
}

/// Copies of elements in another order.
enum DataMovement {
  /// The tensor of `shape` whose element i is `tensor`'s element `indexOf(i)`.
  static func gather(_ tensor: Tensor, _ shape: [Int], indexOf: (Int) throws -> Int) throws -> Tensor {
    var out = try ElementBuffer(tensor.dataType, shape)
    for i in 0..<out.count { out.copy(tensor, from: try indexOf(i), count: 1, to: i) }
    return try out.finish()
  }

  /// The tensor of `shape` that walks `tensor` from element `start` on by `strides` (in elements; 0 and negative ones too).
  static func strided(_ tensor: Tensor, _ shape: [Int], strides: [Int], start: Int = 0) throws -> Tensor {
    var out = try ElementBuffer(tensor.dataType, shape)
    let walk = BroadcastWalk(shape, strides: [strides], start: [start])
    let step = walk.rowLength == 1 ? 1 : walk.rowStrides[0]
    walk.forEachRow { position, offsets in
      out.copy(tensor, from: offsets[0], step: step, count: walk.rowLength, to: position)
    }
    return try out.finish()
  }

  /// Axes in another order: axis i of the result is axis `permutation[i]`.
  static func transpose(_ tensor: Tensor, _ permutation: [Int]) throws -> Tensor {
    let strides = Tensor.strides(tensor.shape)
    return try strided(tensor, permutation.map { tensor.shape[$0] }, strides: permutation.map { strides[$0] })
  }
}
