/// Protobuf fields, one after the other, right or wrong: what a file holds byte for byte, written by nothing that the library uses.
public struct Wire: Sendable {
  public private(set) var bytes: [UInt8] = []

  public init(_ body: (inout Wire) -> Void = { _ in }) { body(&self) }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  public mutating func int(_ field: UInt64, _ value: some FixedWidthInteger) {
    varint(field << 3)
    varint(UInt64(bitPattern: Int64(value)))
  }

  public mutating func float(_ field: UInt64, _ value: Float) {
    varint(field << 3 | 5)
    let bits = value.bitPattern
    for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
  }

  public mutating func data(_ field: UInt64, _ value: [UInt8]) {
    varint(field << 3 | 2)
    varint(UInt64(value.count))
    bytes += value
  }

  public mutating func text(_ field: UInt64, _ value: String) { data(field, Array(value.utf8)) }

  public mutating func message(_ field: UInt64, _ value: Wire) { data(field, value.bytes) }

  /// The fields of another message, at the end.
  public mutating func append(_ other: Wire) { bytes += other.bytes }
}
