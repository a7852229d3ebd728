import Tensors

/// The directory of a zip archive. Zip64 is understood; encryption and spanning are refused.
///
/// Source: PKWARE's APPNOTE 6.3.
enum ZipReader {
  struct Entry {
    var name: String
    var data: Range<Int>
    var byteCount: Int
    var isDeflated: Bool
  }

  static func entries(_ bytes: UnsafeRawBufferPointer) throws -> [Entry] {
    func u16(_ offset: Int) throws -> Int {
      guard offset >= 0, offset <= bytes.count - 2 else { throw CameoError.badInput("the archive is cut off") }
      return Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
    }
    func u32(_ offset: Int) throws -> Int {
      guard offset >= 0, offset <= bytes.count - 4 else { throw CameoError.badInput("the archive is cut off") }
      return Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
    func u64(_ offset: Int) throws -> Int {
      guard offset >= 0, offset <= bytes.count - 8,
        let value = Int(exactly: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
      else { throw CameoError.badInput("the archive is cut off") }
      return value
    }
    var end = bytes.count - 22
    while end >= 0 && end >= bytes.count - 22 - 65535, try u32(end) != 0x0605_4b50 { end -= 1 }
    guard end >= 0, end >= bytes.count - 22 - 65535 else { throw CameoError.badInput("this is no .npz archive") }
    var count = try u16(end + 10)
    var place = try u32(end + 16)
    if end >= 20, try u32(end - 20) == 0x0706_4b50, count == 0xffff || place == 0xffff_ffff {
      let record = try u64(end - 12)
      guard record <= bytes.count, try u32(record) == 0x0606_4b50 else {
        throw CameoError.badInput("the archive's directory is malformed")
      }
      count = try u64(record + 32)
      place = try u64(record + 48)
    }
    var result: [Entry] = []
    for _ in 0..<count {
      guard place <= bytes.count, try u32(place) == 0x0201_4b50 else {
        throw CameoError.badInput("the archive's directory is malformed")
      }
      let flags = try u16(place + 8)
      let method = try u16(place + 10)
      var packed = try u32(place + 20)
      var size = try u32(place + 24)
      let nameLength = try u16(place + 28)
      let extraLength = try u16(place + 30)
      let commentLength = try u16(place + 32)
      var header = try u32(place + 42)
      let nameStart = place + 46
      guard nameLength + extraLength + commentLength <= bytes.count - nameStart else {
        throw CameoError.badInput("the archive is cut off")
      }
      let name = String(decoding: bytes[nameStart..<nameStart + nameLength], as: UTF8.self)
      var extra = nameStart + nameLength
      let extraEnd = extra + extraLength
      while extra + 4 <= extraEnd {
        let length = try u16(extra + 2)
        if try u16(extra) == 1 {
          var field = extra + 4
          func wide(_ value: inout Int) throws {
            if value == 0xffff_ffff {
              value = try u64(field)
              field += 8
            }
          }
          try wide(&size)
          try wide(&packed)
          try wide(&header)
        }
        extra += 4 + length
      }
      guard flags & 1 == 0, method == 0 || method == 8 else {
        throw CameoError.unsupported("\(name): zip compression method \(method)")
      }
      guard header <= bytes.count, try u32(header) == 0x0403_4b50 else {
        throw CameoError.badInput("\(name): the archive's directory is malformed")
      }
      let start = header + 30 + (try u16(header + 26)) + (try u16(header + 28))
      guard start <= bytes.count, packed <= bytes.count - start, method == 8 || packed == size else {
        throw CameoError.badInput("\(name) runs past the archive")
      }
      result.append(Entry(name: name, data: start..<start + packed, byteCount: size, isDeflated: method == 8))
      place = extraEnd + commentLength
    }
    return result
  }
}

/// Writes a zip archive of stored entries, zip64 where sizes ask for it.
struct ZipWriter {
  let output: FileOutput
  private var directory: [UInt8] = []
  private var count = 0

  init(output: FileOutput) { self.output = output }

  private static func little(_ value: Int, _ width: Int) -> [UInt8] {
    (0..<width).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }

  mutating func add(name: String, pieces: [WireWriter.Piece]) throws {
    var crc = CRC32()
    var size = 0
    for piece in pieces {
      switch piece {
      case .bytes(let bytes):
        bytes.withUnsafeBytes { crc.update($0) }
        size += bytes.count
      case .tensor(let tensor):
        tensor.withUnsafeBytes { crc.update($0) }
        size += tensor.byteCount
      }
    }
    let position = output.position
    let utf8 = Array(name.utf8)
    guard utf8.count < 65536 else { throw CameoError.unsupported("an array name of \(utf8.count) bytes") }
    let isWide = size >= 0xffff_ffff || position >= 0xffff_ffff
    let extra = isWide ? Self.little(1, 2) + Self.little(16, 2) + Self.little(size, 8) + Self.little(size, 8) : []
    let shown = isWide ? 0xffff_ffff : size
    // Version, flags (UTF-8 names), method, time, date (1980-01-01), crc, sizes.
    let common =
      Self.little(isWide ? 45 : 20, 2) + Self.little(0x800, 2) + Self.little(0, 2) + Self.little(0, 2)
      + Self.little(0x21, 2)
      + Self.little(Int(crc.value), 4) + Self.little(shown, 4) + Self.little(shown, 4) + Self.little(utf8.count, 2)
    try output.write(Self.little(0x0403_4b50, 4) + common + Self.little(extra.count, 2) + utf8 + extra)
    for piece in pieces {
      switch piece {
      case .bytes(let bytes): try output.write(bytes)
      case .tensor(let tensor): try output.write(tensor)
      }
    }
    let wideExtra =
      isWide
      ? Self.little(1, 2) + Self.little(24, 2) + Self.little(size, 8) + Self.little(size, 8) + Self.little(position, 8)
      : []
    directory +=
      Self.little(0x0201_4b50, 4) + Self.little(isWide ? 45 : 20, 2) + common + Self.little(wideExtra.count, 2)
    directory += Self.little(0, 2) + Self.little(0, 2) + Self.little(0, 2) + Self.little(0, 4)
    directory += Self.little(isWide ? 0xffff_ffff : position, 4) + utf8 + wideExtra
    count += 1
  }

  mutating func finish() throws {
    let position = output.position
    try output.write(directory)
    let isWide = position >= 0xffff_ffff || count >= 0xffff
    if isWide {
      let record = output.position
      try output.write(
        Self.little(0x0606_4b50, 4) + Self.little(44, 8) + Self.little(45, 2) + Self.little(45, 2) + Self.little(0, 8)
          + Self.little(count, 8) + Self.little(count, 8) + Self.little(directory.count, 8) + Self.little(position, 8))
      try output.write(Self.little(0x0706_4b50, 4) + Self.little(0, 4) + Self.little(record, 8) + Self.little(1, 4))
    }
    let shown = min(count, 0xffff)
    try output.write(
      Self.little(0x0605_4b50, 4) + Self.little(0, 4) + Self.little(shown, 2) + Self.little(shown, 2)
        + Self.little(min(directory.count, 0xffff_ffff), 4) + Self.little(min(position, 0xffff_ffff), 4)
        + Self.little(0, 2))
    try output.commit()
  }
}

/// The checksum of zip (polynomial 0xedb88320), eight bytes a step.
struct CRC32 {
  private var state: UInt32 = 0xffff_ffff
  var value: UInt32 { ~state }

  private static let tables: [[UInt32]] = {
    var first = [UInt32](repeating: 0, count: 256)
    for index in 0..<256 {
      var value = UInt32(index)
      for _ in 0..<8 { value = value & 1 == 1 ? 0xedb8_8320 ^ (value >> 1) : value >> 1 }
      first[index] = value
    }
    var tables = [first]
    for step in 1..<8 { tables.append(tables[step - 1].map { first[Int($0 & 0xff)] ^ ($0 >> 8) }) }
    return tables
  }()
  private static let flat = tables.flatMap { $0 }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var crc = state
    Self.flat.withUnsafeBufferPointer { table in
      var offset = 0
      while offset + 8 <= bytes.count {
        let low = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) ^ crc
        let high = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
        crc =
          table[7 * 256 + Int(low & 0xff)] ^ table[6 * 256 + Int(low >> 8 & 0xff)]
          ^ table[5 * 256 + Int(low >> 16 & 0xff)]
          ^ table[4 * 256 + Int(low >> 24)]
        crc ^=
          table[3 * 256 + Int(high & 0xff)] ^ table[2 * 256 + Int(high >> 8 & 0xff)]
          ^ table[256 + Int(high >> 16 & 0xff)]
          ^ table[Int(high >> 24)]
        offset += 8
      }
      while offset < bytes.count {
        crc = table[Int((crc ^ UInt32(bytes[offset])) & 0xff)] ^ (crc >> 8)
        offset += 1
      }
    }
    state = crc
  }
}
