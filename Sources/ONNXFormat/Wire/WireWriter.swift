import Tensors

/// Builds one protobuf message. Large tensor bytes are not copied: they are pieces that the file writer reads where they lie.
struct WireWriter {
  enum Piece {
    case bytes([UInt8])
    case tensor(Tensor)
  }

  /// Tensors below this are copied in.
  private static let copyLimit = 4096

  private var pieces: [Piece] = []
  private var tail: [UInt8] = []
  private(set) var byteCount = 0

  /// The whole message in order.
  var all: [Piece] { tail.isEmpty ? pieces : pieces + [.bytes(tail)] }

  // MARK: Raw

  mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      tail.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
      byteCount += 1
    }
    tail.append(UInt8(rest))
    byteCount += 1
  }

  private mutating func tag(_ field: Int, _ type: WireType) { varint(UInt64(field) << 3 | UInt64(type.rawValue)) }

  /// Whole fields, tags included, as they came.
  mutating func fields(_ bytes: [UInt8]) {
    tail.append(contentsOf: bytes)
    byteCount += bytes.count
  }

  /// The fields of another message, one after the other.
  mutating func fields(_ other: WireWriter) {
    byteCount += other.byteCount
    if other.pieces.isEmpty {
      tail.append(contentsOf: other.tail)
      return
    }
    flush()
    pieces.append(contentsOf: other.pieces)
    tail = other.tail
  }

  private mutating func append(_ bytes: UnsafeRawBufferPointer) {
    tail.append(contentsOf: bytes)
    byteCount += bytes.count
  }

  // MARK: Fields

  mutating func int64(_ field: Int, _ value: Int64) {
    tag(field, .varint)
    varint(UInt64(bitPattern: value))
  }

  mutating func float(_ field: Int, _ value: Float) {
    tag(field, .fixed32)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { append($0) }
  }

  mutating func string(_ field: Int, _ value: String) {
    tag(field, .bytes)
    var value = value
    value.withUTF8 { utf8 in
      varint(UInt64(utf8.count))
      append(UnsafeRawBufferPointer(utf8))
    }
  }

  /// Nothing where it is empty.
  mutating func optionalString(_ field: Int, _ value: String) { if !value.isEmpty { string(field, value) } }

  mutating func bytes(_ field: Int, _ value: [UInt8]) {
    tag(field, .bytes)
    varint(UInt64(value.count))
    fields(value)
  }

  mutating func floats(_ field: Int, _ values: [Float]) {
    if values.isEmpty { return }
    tag(field, .bytes)
    varint(UInt64(values.count * 4))
    for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { append($0) } }
  }

  /// One tag a number, as `ints` of attributes and `dims` are declared; `packed` for the fields that are.
  mutating func int64s(_ field: Int, _ values: some Sequence<Int64>, packed: Bool = false) {
    if !packed {
      for value in values { int64(field, value) }
      return
    }
    var inner = WireWriter()
    for value in values { inner.varint(UInt64(bitPattern: value)) }
    if inner.byteCount > 0 { message(field, inner) }
  }

  mutating func message(_ field: Int, _ inner: WireWriter) {
    tag(field, .bytes)
    varint(UInt64(inner.byteCount))
    fields(inner)
  }

  /// The tensor's packed bytes as one field.
  mutating func tensorBytes(_ field: Int, _ tensor: Tensor) {
    let count = tensor.byteCount
    tag(field, .bytes)
    varint(UInt64(count))
    if count < Self.copyLimit {
      tensor.withUnsafeBytes { append($0) }
      return
    }
    flush()
    pieces.append(.tensor(tensor))
    byteCount += count
  }

  private mutating func flush() {
    if tail.isEmpty { return }
    pieces.append(.bytes(tail))
    tail = []
  }
}
