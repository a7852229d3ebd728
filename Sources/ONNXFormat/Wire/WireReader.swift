import Tensors

/// How a protobuf field is laid out.
enum WireType: UInt8 {
  case varint = 0
  case fixed64 = 1
  case bytes = 2
  case startGroup = 3
  case endGroup = 4
  case fixed32 = 5
}

/// A field's number and layout, and where its tag starts.
struct WireField {
  let number: Int
  let type: WireType
  let tagOffset: Int
}

/// Walks one protobuf message inside a larger buffer. Every step is bounds-checked; errors carry the byte offset.
///
/// The buffer must outlive the reader. Offsets count from the start of the whole buffer.
struct WireReader {
  /// Messages nested deeper than this are refused: three levels a control-flow body.
  static let maximumDepth = 200

  /// What the empty buffer points at; never read.
  private nonisolated(unsafe) static let nothing = UnsafeRawPointer(
    UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1))

  let base: UnsafeRawPointer
  private(set) var position: Int
  let end: Int
  let depth: Int

  init(_ buffer: UnsafeRawBufferPointer) {
    base = buffer.baseAddress ?? WireReader.nothing
    position = 0
    end = buffer.count
    depth = 0
  }

  private init(base: UnsafeRawPointer, range: Range<Int>, depth: Int) {
    self.base = base
    position = range.lowerBound
    end = range.upperBound
    self.depth = depth
  }

  var isAtEnd: Bool { position >= end }

  func malformed(_ reason: String, at offset: Int? = nil) -> CameoError {
    CameoError.badInput("\(reason) at byte \(offset ?? position)")
  }

  // MARK: Fields

  /// The next field's tag, or nil at the end of the message.
  mutating func next() throws -> WireField? {
    if position >= end { return nil }
    let start = position
    let tag = try varint()
    guard tag >> 3 > 0, tag >> 3 <= 0x1fff_ffff, let type = WireType(rawValue: UInt8(tag & 7)), type != .endGroup else {
      throw malformed("malformed protobuf tag", at: start)
    }
    return WireField(number: Int(tag >> 3), type: type, tagOffset: start)
  }

  mutating func varint() throws -> UInt64 {
    if position < end {
      let first = base.load(fromByteOffset: position, as: UInt8.self)
      if first < 0x80 {
        position += 1
        return UInt64(first)
      }
    }
    return try longVarint()
  }

  private mutating func longVarint() throws -> UInt64 {
    let start = position
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while position < end {
      let byte = base.load(fromByteOffset: position, as: UInt8.self)
      position += 1
      result |= UInt64(byte & 0x7f) &<< shift
      if byte < 0x80 { return result }
      shift += 7
      if shift >= 70 { throw malformed("a varint of more than ten bytes", at: start) }
    }
    throw malformed("truncated varint", at: start)
  }

  mutating func fixed32() throws -> UInt32 {
    guard end - position >= 4 else { throw malformed("truncated 32-bit field") }
    defer { position += 4 }
    return UInt32(littleEndian: base.loadUnaligned(fromByteOffset: position, as: UInt32.self))
  }

  mutating func fixed64() throws -> UInt64 {
    guard end - position >= 8 else { throw malformed("truncated 64-bit field") }
    defer { position += 8 }
    return UInt64(littleEndian: base.loadUnaligned(fromByteOffset: position, as: UInt64.self))
  }

  /// The range of a length-delimited field.
  mutating func bytes() throws -> Range<Int> {
    let start = position
    let length = try varint()
    guard length <= UInt64(end - position) else {
      throw malformed("a field of \(length) bytes runs past its message", at: start)
    }
    let range = position..<position + Int(length)
    position = range.upperBound
    return range
  }

  /// Steps over the field whose tag was just read.
  mutating func skip(_ field: WireField) throws {
    switch field.type {
    case .varint: _ = try varint()
    case .fixed64: _ = try fixed64()
    case .fixed32: _ = try fixed32()
    case .bytes: _ = try bytes()
    case .startGroup: try skipGroup(field, level: depth)
    case .endGroup: throw malformed("malformed protobuf tag", at: field.tagOffset)
    }
  }

  private mutating func skipGroup(_ field: WireField, level: Int) throws {
    guard level < Self.maximumDepth else {
      throw CameoError.limit("messages nest too deeply at byte \(field.tagOffset)")
    }
    while position < end {
      let start = position
      let tag = try varint()
      guard let type = WireType(rawValue: UInt8(tag & 7)), tag >> 3 <= 0x1fff_ffff else {
        throw malformed("malformed protobuf tag", at: start)
      }
      if type == .endGroup {
        guard Int(tag >> 3) == field.number else { throw malformed("mismatched group end", at: start) }
        return
      }
      let inner = WireField(number: Int(tag >> 3), type: type, tagOffset: start)
      if type == .startGroup { try skipGroup(inner, level: level + 1) } else { try skip(inner) }
    }
    throw malformed("a group does not end", at: field.tagOffset)
  }

  // MARK: Typed values of the field whose tag was just read

  private func require(_ field: WireField, _ type: WireType) throws {
    if field.type != type { throw malformed("field \(field.number) has the wrong wire type", at: field.tagOffset) }
  }

  mutating func int64(_ field: WireField) throws -> Int64 {
    try require(field, .varint)
    return Int64(bitPattern: try varint())
  }

  /// An int32 or enum field: high bits are dropped, as protobuf does.
  mutating func int32(_ field: WireField) throws -> Int32 {
    try require(field, .varint)
    return Int32(truncatingIfNeeded: try varint())
  }

  mutating func float(_ field: WireField) throws -> Float {
    try require(field, .fixed32)
    return Float(bitPattern: try fixed32())
  }

  mutating func range(_ field: WireField) throws -> Range<Int> {
    try require(field, .bytes)
    return try bytes()
  }

  mutating func string(_ field: WireField) throws -> String {
    text(try range(field))
  }

  /// A reader of the embedded message.
  mutating func message(_ field: WireField) throws -> WireReader {
    let range = try range(field)
    guard depth < Self.maximumDepth else {
      throw CameoError.limit("messages nest too deeply at byte \(field.tagOffset)")
    }
    return WireReader(base: base, range: range, depth: depth + 1)
  }

  /// A repeated varint field, packed or not, appended to `list`.
  mutating func varints(_ field: WireField, into list: inout [Int64]) throws {
    if field.type == .varint {
      list.append(Int64(bitPattern: try varint()))
      return
    }
    let range = try range(field)
    var inner = WireReader(base: base, range: range, depth: depth)
    while !inner.isAtEnd { list.append(Int64(bitPattern: try inner.varint())) }
  }

  /// The bytes of a repeated fixed-width field, packed or not: `visit` gets each run.
  mutating func fixedRun(_ field: WireField, width: Int) throws -> Range<Int> {
    if field.type == .bytes {
      let range = try bytes()
      guard range.count % width == 0 else {
        throw malformed("a packed field ends inside an element", at: field.tagOffset)
      }
      return range
    }
    try require(field, width == 4 ? .fixed32 : .fixed64)
    guard end - position >= width else { throw malformed("truncated \(width * 8)-bit field") }
    defer { position += width }
    return position..<position + width
  }

  mutating func floats(_ field: WireField, into list: inout [Float]) throws {
    let range = try fixedRun(field, width: 4)
    list.reserveCapacity(list.count + range.count / 4)
    for offset in stride(from: range.lowerBound, to: range.upperBound, by: 4) {
      list.append(Float(bitPattern: UInt32(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))))
    }
  }

  // MARK: Bytes

  /// UTF-8 text; malformed sequences are repaired.
  func text(_ range: Range<Int>) -> String { String(decoding: buffer(range), as: UTF8.self) }

  func buffer(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count)
  }

  /// Skips the field and appends it, tag included, to `unknown`.
  mutating func keep(_ field: WireField, in unknown: inout [UInt8]) throws {
    try skip(field)
    unknown.append(contentsOf: buffer(field.tagOffset..<position))
  }
}
