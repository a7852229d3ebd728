import Tensors

/// The header of a .npy file: element type, order and shape, and where the data starts.
///
/// Source: NumPy Enhancement Proposal 1 / `numpy.lib.format`, versions 1 to 3.
struct NumPyHeader {
  enum Kind: Equatable {
    case number(DataType)
    /// UCS-4, `length` code points each.
    case unicode(length: Int)
    /// Bytes, `length` each.
    case bytes(length: Int)
  }

  var kind: Kind
  var isSwapped: Bool
  var isFortranOrder: Bool
  var shape: [Int]
  var dataOffset: Int

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  init(_ bytes: UnsafeRawBufferPointer) throws {
    guard bytes.count >= 10, zip(bytes, Self.magic).allSatisfy({ $0 == $1 }) else {
      throw CameoError.badInput("this is no .npy array")
    }
    let isLong = bytes[6] >= 2
    guard bytes[6] <= 3, bytes.count >= 12 else { throw CameoError.unsupported(".npy version \(bytes[6])") }
    let length =
      isLong
      ? Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
      : Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
    let start = isLong ? 12 : 10
    guard length <= bytes.count - start, length <= 1 << 20 else {
      throw CameoError.badInput("the .npy header is cut off")
    }
    dataOffset = start + length
    var parser = LiteralParser(text: Array(bytes[start..<dataOffset]))
    let fields = try parser.dictionary()
    guard case .string(let descr) = fields["descr"] else {
      throw CameoError.unsupported("structured .npy arrays")
    }
    guard case .bool(let isFortran) = fields["fortran_order"], case .tuple(let dims) = fields["shape"] else {
      throw CameoError.badInput("the .npy header lacks its fields")
    }
    isFortranOrder = isFortran
    shape = dims
    (kind, isSwapped) = try Self.kind(descr)
  }

  private static func kind(_ descr: String) throws -> (Kind, Bool) {
    var text = Substring(descr)
    var isSwapped = false
    if let order = text.first, "<>=|".contains(order) {
      isSwapped = order == ">"
      text.removeFirst()
    }
    if let code = text.first, code == "U" || code == "S", let length = Int(text.dropFirst()), length >= 0,
      length < 1 << 28
    {
      return (code == "U" ? .unicode(length: length) : .bytes(length: length), isSwapped)
    }
    guard let type = codes.first(where: { $0.code == text })?.type else {
      throw CameoError.unsupported(".npy element type \(descr)")
    }
    return (.number(type), isSwapped && type.bitWidth > 8)
  }

  private static let codes: [(code: String, type: DataType)] = [
    ("f2", .float16), ("f4", .float), ("f8", .double), ("i1", .int8), ("i2", .int16), ("i4", .int32), ("i8", .int64),
    ("u1", .uint8), ("u2", .uint16), ("u4", .uint32), ("u8", .uint64), ("b1", .bool), ("c8", .complex64),
    ("c16", .complex128),
  ]

  /// numpy's name of a type; nil where numpy has none.
  static func descriptor(_ type: DataType) -> String? {
    guard let code = codes.first(where: { $0.type == type })?.code else { return nil }
    return (type.bitWidth == 8 ? "|" : "<") + code
  }

  /// A whole header, padded so that the data starts at a multiple of 64.
  static func encode(descriptor: String, shape: [Int]) -> [UInt8] {
    let dims = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = Array("{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (\(dims)), }".utf8)
    let isLong = text.count + 64 > 65535
    let start = isLong ? 12 : 10
    let total = (start + text.count + 1 + 63) / 64 * 64
    text += [UInt8](repeating: UInt8(ascii: " "), count: total - start - text.count - 1) + [UInt8(ascii: "\n")]
    var bytes = magic + [isLong ? 2 : 1, 0]
    for shift in stride(from: 0, to: isLong ? 32 : 16, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: text.count >> shift))
    }
    return bytes + text
  }
}

/// The Python literals of a .npy header.
private struct LiteralParser {
  enum Literal {
    case string(String)
    case bool(Bool)
    case tuple([Int])
    case other
  }

  let text: [UInt8]
  var position = 0

  init(text: [UInt8]) { self.text = text }

  private func malformed() -> CameoError { CameoError.badInput("the .npy header is malformed at byte \(position)") }

  private mutating func skipSpace() {
    while position < text.count, [32, 9, 10, 13].contains(text[position]) { position += 1 }
  }

  private mutating func accept(_ character: Character) -> Bool {
    skipSpace()
    guard position < text.count, text[position] == character.asciiValue else { return false }
    position += 1
    return true
  }

  mutating func dictionary() throws -> [String: Literal] {
    guard accept("{") else { throw malformed() }
    var result: [String: Literal] = [:]
    while !accept("}") {
      let key = try string()
      guard accept(":") else { throw malformed() }
      result[key] = try literal()
      if !accept(",") {
        guard accept("}") else { throw malformed() }
        break
      }
    }
    return result
  }

  private mutating func literal() throws -> Literal {
    skipSpace()
    guard position < text.count else { throw malformed() }
    switch text[position] {
    case UInt8(ascii: "'"), UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "T"): return .bool(try word("True"))
    case UInt8(ascii: "F"): return .bool(try !word("False"))
    case UInt8(ascii: "("): return .tuple(try tuple())
    case UInt8(ascii: "["): throw CameoError.unsupported("structured .npy arrays")
    default: throw malformed()
    }
  }

  private mutating func string() throws -> String {
    skipSpace()
    guard position < text.count, text[position] == UInt8(ascii: "'") || text[position] == UInt8(ascii: "\"") else {
      throw malformed()
    }
    let quote = text[position]
    position += 1
    guard let end = text[position...].firstIndex(of: quote) else { throw malformed() }
    defer { position = end + 1 }
    return String(decoding: text[position..<end], as: UTF8.self)
  }

  private mutating func word(_ word: String) throws -> Bool {
    guard text[position...].starts(with: word.utf8) else { throw malformed() }
    position += word.utf8.count
    return true
  }

  private mutating func tuple() throws -> [Int] {
    guard accept("(") else { throw malformed() }
    var result: [Int] = []
    while !accept(")") {
      skipSpace()
      let start = position
      while position < text.count, text[position] >= 48, text[position] <= 57 { position += 1 }
      guard let value = Int(String(decoding: text[start..<position], as: UTF8.self)), result.count < 1024 else {
        throw malformed()
      }
      // numpy 1 on Python 2 wrote 3L.
      _ = accept("L")
      result.append(value)
      if !accept(",") {
        guard accept(")") else { throw malformed() }
        break
      }
    }
    return result
  }
}
