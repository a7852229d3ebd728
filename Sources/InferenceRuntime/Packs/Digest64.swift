import Tensors

/// A 64-bit digest of bytes, for telling versions of a file apart; it withstands chance, not malice.
struct Digest64 {
  private(set) var value: UInt64 = 0x9e37_79b9_7f4a_7c15

  mutating func add(_ word: UInt64) {
    value = (value ^ word) &* 0xff51_afd7_ed55_8ccd
    value ^= value >> 32
  }

  mutating func add(_ number: Int) { add(UInt64(bitPattern: Int64(number))) }

  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    var place = 0
    while place + 8 <= bytes.count {
      add(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
      place += 8
    }
    var rest: UInt64 = 0
    while place < bytes.count {
      rest = rest << 8 | UInt64(bytes[place])
      place += 1
    }
    add(rest)
    add(bytes.count)
  }

  /// Three places of `bytes`, all of it where it is short.
  mutating func sample(_ bytes: UnsafeRawBufferPointer) {
    let (whole, part) = (4096, 1024)
    if bytes.count <= whole { return add(bytes) }
    for start in [0, (bytes.count - part) / 2, bytes.count - part] {
      add(UnsafeRawBufferPointer(rebasing: bytes[start..<start + part]))
    }
    add(bytes.count)
  }
}
