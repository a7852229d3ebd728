import Tensors

extension JSON {
  /// The document in `bytes`. A number without point or exponent that fits is an `.int`. Throws `.badInput` with the place of what breaks
  /// RFC 8259, `.limit` where values nest deeper than 64.
  public init(parsing bytes: UnsafeRawBufferPointer) throws {
    var reader = JSONReader(bytes: bytes)
    self = try reader.document()
  }

  /// The document in the file at `path`.
  public init(contentsOf path: String) throws {
    self = try within("file \(path)") {
      let file = try MappedFile(path: path)
      return try withExtendedLifetime(file) { try JSON(parsing: file.bytes) }
    }
  }

  /// The first member of that name; nil where there is none, and for what is no object.
  public subscript(name: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.0 == name }?.1
  }

  /// The number, an integer or not.
  public var number: Double? {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }

  public var int: Int? { if case .int(let value) = self { value } else { nil } }
  public var string: String? { if case .string(let text) = self { text } else { nil } }
  public var array: [JSON]? { if case .array(let items) = self { items } else { nil } }
  public var members: [(String, JSON)]? { if case .object(let members) = self { members } else { nil } }
}

/// Source: RFC 8259.
private struct JSONReader {
  let bytes: UnsafeRawBufferPointer
  var at = 0
  var depth = 0

  init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func document() throws -> JSON {
    let value = try value()
    skipSpace()
    if at != bytes.count { throw failure("the end") }
    return value
  }

  private func failure(_ expected: String) -> CameoError {
    .badInput("this is no JSON: \(expected) was expected at byte \(at)")
  }

  private mutating func skipSpace() {
    while at < bytes.count, bytes[at] == 32 || bytes[at] == 10 || bytes[at] == 13 || bytes[at] == 9 { at += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  private mutating func value() throws -> JSON {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 64 else { throw CameoError.limit("JSON nests too deep") }
    skipSpace()
    guard at < bytes.count else { throw failure("a value") }
    switch bytes[at] {
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["):
      at += 1
      var items: [JSON] = []
      if take("]") { return .array(items) }
      repeat { items.append(try value()) } while take(",")
      guard take("]") else { throw failure("]") }
      return .array(items)
    case UInt8(ascii: "\""): return .string(try string())
    default: return try word()
    }
  }

  private mutating func object() throws -> JSON {
    at += 1
    var members: [(String, JSON)] = []
    if take("}") { return .object(members) }
    repeat {
      skipSpace()
      let key = try string()
      guard take(":") else { throw failure(":") }
      members.append((key, try value()))
    } while take(",")
    guard take("}") else { throw failure("}") }
    return .object(members)
  }

  /// A number, or one of `true`, `false`, `null`.
  private mutating func word() throws -> JSON {
    let start = at
    while at < bytes.count, ![9, 10, 13, 32, 44, 93, 125].contains(bytes[at]) { at += 1 }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    switch text {
    case "true": return .bool(true)
    case "false": return .bool(false)
    case "null": return .null
    default: break
    }
    let isPlain = text.utf8.allSatisfy { (48...57).contains($0) || [43, 45, 46, 69, 101].contains($0) }
    let starts = text.utf8.first { $0 != UInt8(ascii: "-") }.map { (48...57).contains($0) } ?? false
    if isPlain && starts {
      if let number = Int(text) { return .int(number) }
      if let number = Double(text), number.isFinite { return .double(number) }
    }
    at = start
    throw failure("a number")
  }

  private mutating func string() throws -> String {
    guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw failure("a string") }
    at += 1
    var text: [UInt8] = []
    while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
      if bytes[at] == UInt8(ascii: "\\") {
        text += Array(String(try escape()).utf8)
      } else {
        text.append(bytes[at])
        at += 1
      }
    }
    guard at < bytes.count else { throw failure("the end of a string") }
    at += 1
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func escape() throws -> Unicode.Scalar {
    guard at + 1 < bytes.count else { throw failure("the end of a string") }
    let code = bytes[at + 1]
    at += 2
    switch code {
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(code)
    case UInt8(ascii: "u"):
      let high = try unit()
      guard high >> 10 == 0x36 else { return Unicode.Scalar(high) ?? "\u{fffd}" }
      guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") else {
        return "\u{fffd}"
      }
      at += 2
      let low = try unit()
      guard low >> 10 == 0x37 else { return "\u{fffd}" }
      return Unicode.Scalar(0x10000 + (high & 0x3ff) << 10 + low & 0x3ff) ?? "\u{fffd}"
    default:
      at -= 1
      throw failure("an escape")
    }
  }

  /// Four hexadecimal digits.
  private mutating func unit() throws -> UInt32 {
    guard at + 4 <= bytes.count,
      let code = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
    else { throw failure("four hexadecimal digits") }
    at += 4
    return code
  }
}
