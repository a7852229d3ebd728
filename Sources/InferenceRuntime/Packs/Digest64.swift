import Tensors

/// A 64-bit digest of bytes, for telling versions of a file apart; it withstands chance, not malice.
package struct Digest64 {
  package private(set) var value: UInt64 = 0x9e37_79b9_7f4a_7c15

  package init() {}

  package mutating func add(_ word: UInt64) {
    value = (value ^ word) &* 0xff51_afd7_ed55_8ccd
    value ^= value >> 32
  }

  package mutating func add(_ number: Int) { add(UInt64(bitPattern: Int64(number))) }

  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
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
  package mutating func sample(_ bytes: UnsafeRawBufferPointer) {
    for range in Digest64.samples(bytes.count) { add(UnsafeRawBufferPointer(rebasing: bytes[range])) }
    add(bytes.count)
  }

  static func samples(of range: Range<Int>) -> [Range<Int>] {
    samples(range.count).map { $0.lowerBound + range.lowerBound..<$0.upperBound + range.lowerBound }
  }

  /// What `sample` reads of so many bytes.
  static func samples(_ count: Int) -> [Range<Int>] {
    let (whole, part) = (4096, 1024)
    return count <= whole ? [0..<count] : [0, (count - part) / 2, count - part].map { $0..<$0 + part }
  }
}
