internal import CCUDA

/// A CUtensorMap but for its address: how bulk copies cut boxes from a tensor in device memory.
public struct TensorMap: Sendable, Hashable {
  /// The raw value is CUtensorMapDataType's.
  public enum Element: Int32, Sendable {
    case uint8 = 0
    case float16 = 6
    case float32 = 7
    case bfloat16 = 9
  }

  public var type: Element
  /// Extents, the contiguous axis first; at most five.
  public var sizes: [Int]
  /// In bytes, of all axes but the first: multiples of 16.
  public var strides: [Int]
  public var box: [Int]
  /// 32, 64 or 128: what rows of a box are swizzled by, and at most as long as; 0: not at all.
  public var swizzleBytes: Int

  public init(type: Element, sizes: [Int], strides: [Int], box: [Int], swizzleBytes: Int = 0) {
    (self.type, self.sizes, self.strides, self.box) = (type, sizes, strides, box)
    self.swizzleBytes = swizzleBytes
  }

  /// Writes the 128 bytes for a tensor at `address` to `target`, which is aligned to 64. What lies outside the tensor is read as zeros.
  func encode(_ address: UInt64, to target: UnsafeMutableRawPointer, _ driver: CUDADriver) throws {
    let rank = sizes.count
    let code = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 10) { longs -> Int32 in
      withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 10) { words -> Int32 in
        guard let longs = longs.baseAddress, let words = words.baseAddress,
          let tensor = UnsafeMutableRawPointer(bitPattern: UInt(address))
        else { return 1 }
        for axis in 0..<rank {
          longs[axis] = UInt64(sizes[axis])
          words[axis] = UInt32(box[axis])
          words[5 + axis] = 1
          if axis > 0 { longs[4 + axis] = UInt64(strides[axis - 1]) }
        }
        let swizzle: Int32 = swizzleBytes == 128 ? 3 : swizzleBytes == 64 ? 2 : swizzleBytes == 32 ? 1 : 0
        return driver.table.pointee.tensor_map_tiled(
          OpaquePointer(target), type.rawValue, UInt32(rank), tensor, longs, longs + 5, words, words + 5, 0, swizzle, 2,
          0
        )
      }
    }
    try driver.check(code, "cuTensorMapEncodeTiled")
  }
}
