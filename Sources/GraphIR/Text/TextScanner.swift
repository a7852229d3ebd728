import Tensors

/// Where something stands in a text; both count from 1. Columns count Unicode scalars.
public struct TextLocation: Hashable, Sendable, CustomStringConvertible {
  public let line: Int
  public let column: Int
  public var description: String { "line \(line), column \(column)" }
}

/// Reads the words of ONNX text: identifiers, strings, numbers, symbols. Spaces and `#` comments count for nothing.
///
/// A value: copy it to look ahead and assign it back to return. Errors are `.badInput` with line and column.
public struct TextScanner: Sendable {
  /// The text as UTF-8.
  public let bytes: [UInt8]
  /// The next byte to read.
  public private(set) var offset = 0
  /// Open brackets, graphs and types around the present place.
  private(set) var depth = 0

  /// More nesting than this is an error.
  public static let maximumDepth = 64

  public init(_ text: String) { bytes = Array(text.utf8) }

  // MARK: Places and errors

  public func location(of offset: Int) -> TextLocation {
    var line = 1
    var column = 1
    for byte in bytes[..<Swift.min(Swift.max(offset, 0), bytes.count)] {
      if byte == 0x0a {
        line += 1
        column = 1
      } else if byte & 0xc0 != 0x80 {
        column += 1
      }
    }
    return TextLocation(line: line, column: column)
  }

  /// An error at `offset`.
  public func error(at offset: Int, _ reason: String) -> CameoError {
    .badInput("\(location(of: offset)): \(reason)")
  }

  /// The error that `expected` is not what comes next.
  public func expectation(_ expected: String) -> CameoError {
    var copy = self
    copy.skipSpace()
    return error(at: copy.offset, "expected \(expected), found \(copy.nextWord)")
  }

  /// What comes next, as messages show it.
  private var nextWord: String {
    guard offset < bytes.count else { return "the end of the text" }
    var end = offset
    if Self.isIdentifierByte(bytes[end]) {
      while end < bytes.count, Self.isIdentifierByte(bytes[end]), end - offset < 40 { end += 1 }
    } else {
      repeat { end += 1 } while end < bytes.count && bytes[end] & 0xc0 == 0x80 && end - offset < 4
    }
    return "'" + String(decoding: bytes[offset..<end], as: UTF8.self) + "'"
  }

  /// Runs `body` one level deeper; throws `.limit` where that is too deep.
  public mutating func nested<T>(_ body: (inout TextScanner) throws -> T) throws -> T {
    try enter()
    defer { leave() }
    return try body(&self)
  }

  /// Goes one level deeper; pairs with `leave`.
  public mutating func enter() throws {
    guard depth < Self.maximumDepth else {
      throw CameoError.limit("\(location(of: offset)): nested more than \(Self.maximumDepth) deep")
    }
    depth += 1
  }

  public mutating func leave() { depth -= 1 }

  // MARK: Bytes

  static func isLetter(_ byte: UInt8) -> Bool { byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a }
  static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
  static func isIdentifierByte(_ byte: UInt8) -> Bool { isLetter(byte) || isDigit(byte) || byte == 0x5f }

  public mutating func skipSpace() {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x20, 0x09...0x0d: offset += 1
      case UInt8(ascii: "#"): while offset < bytes.count, bytes[offset] != 0x0a { offset += 1 }
      default: return
      }
    }
  }

  /// The next byte that counts, 0 at the end; it stays unread.
  public mutating func peek() -> UInt8 {
    skipSpace()
    return offset < bytes.count ? bytes[offset] : 0
  }

  public mutating func peek(is symbol: Unicode.Scalar) -> Bool { peek() == UInt8(ascii: symbol) }

  /// True where nothing but spaces and comments is left.
  public mutating func isAtEnd() -> Bool {
    skipSpace()
    return offset == bytes.count
  }

  // MARK: Words

  /// Reads `symbol` ("(", "=>", "&&") where it comes next.
  public mutating func matches(_ symbol: StaticString) -> Bool {
    skipSpace()
    let count = symbol.utf8CodeUnitCount
    guard bytes.count - offset >= count else { return false }
    for index in 0..<count where bytes[offset + index] != symbol.utf8Start[index] { return false }
    offset += count
    return true
  }

  public mutating func expect(_ symbol: StaticString) throws {
    if !matches(symbol) { throw expectation("'\(symbol)'") }
  }

  /// Reads an identifier: a letter or `_`, then letters, digits and `_`.
  public mutating func identifier() -> String? {
    let start = (peek() == 0) ? bytes.count : offset
    guard start < bytes.count, Self.isLetter(bytes[start]) || bytes[start] == 0x5f else { return nil }
    while offset < bytes.count, Self.isIdentifierByte(bytes[offset]) { offset += 1 }
    return String(decoding: bytes[start..<offset], as: UTF8.self)
  }

  /// The identifier that comes next; it stays unread.
  public func peekIdentifier() -> String? {
    var copy = self
    return copy.identifier()
  }

  /// Reads `word` where it comes next as a whole identifier.
  public mutating func matches(word: StaticString) -> Bool {
    skipSpace()
    let count = word.utf8CodeUnitCount
    guard bytes.count - offset >= count else { return false }
    for index in 0..<count where bytes[offset + index] != word.utf8Start[index] { return false }
    if offset + count < bytes.count, Self.isIdentifierByte(bytes[offset + count]) { return false }
    offset += count
    return true
  }

  /// What has been read since `start`, each run of spaces as one.
  public func words(from start: Int) -> String {
    var result: [UInt8] = []
    result.reserveCapacity(offset - start)
    var isSpace = false
    for byte in bytes[start..<offset] {
      if byte == 0x20 || (0x09...0x0d).contains(byte) {
        isSpace = true
      } else {
        if isSpace, !result.isEmpty { result.append(0x20) }
        isSpace = false
        result.append(byte)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  public mutating func expectIdentifier(_ what: String) throws -> String {
    guard let name = identifier() else { throw expectation(what) }
    return name
  }

  /// Reads a string in double quotes, where `\` makes the next character stand for itself.
  public mutating func string() throws -> String? {
    guard peek(is: "\"") else { return nil }
    let start = offset
    var content: [UInt8] = []
    var index = offset + 1
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        offset = index + 1
        return String(decoding: content, as: UTF8.self)
      case UInt8(ascii: "\\"):
        index += 1
        if index < bytes.count { content.append(bytes[index]) }
      default: content.append(bytes[index])
      }
      index += 1
    }
    throw error(at: start, "the string that starts here does not end")
  }

  public mutating func expectString(_ what: String) throws -> String {
    guard let text = try string() else { throw expectation(what) }
    return text
  }

  /// Reads a name: an identifier, or a string where the name is not one.
  public mutating func name() throws -> String? { try string() ?? identifier() }

  public mutating func expectName(_ what: String) throws -> String {
    guard let text = try name() else { throw expectation(what) }
    return text
  }

  /// Reads `inf`, `infinity` or `nan`, in any case, where it comes next as a whole word.
  private mutating func specialFloat() -> String? {
    var copy = self
    guard let word = copy.identifier(), ["inf", "infinity", "nan"].contains(word.lowercased()) else { return nil }
    self = copy
    return word.lowercased()
  }

  /// Reads a number with an optional sign: digits with an optional fraction and exponent, `inf`, `infinity` or `nan`.
  public mutating func number() throws -> NumberSyntax? {
    var copy = self
    copy.skipSpace()
    let start = copy.offset
    let isNegative = copy.matches("-")
    let sign = isNegative ? "-" : ""
    copy.skipSpace()
    if let word = copy.specialFloat() {
      self = copy
      return NumberSyntax(text: sign + word, isInteger: false, offset: start)
    }
    let first = copy.offset
    copy.skipDigits()
    guard copy.offset > first else {
      if isNegative { throw copy.expectation("a number after '-'") }
      return nil
    }
    var isInteger = true
    if copy.offset < copy.bytes.count, copy.bytes[copy.offset] == UInt8(ascii: ".") {
      isInteger = false
      copy.offset += 1
      copy.skipDigits()
    }
    if copy.offset < copy.bytes.count, copy.bytes[copy.offset] | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      copy.offset += 1
      if copy.offset < copy.bytes.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(copy.bytes[copy.offset]) {
        copy.offset += 1
      }
      let exponent = copy.offset
      copy.skipDigits()
      if copy.offset == exponent { throw copy.expectation("the digits of an exponent") }
    }
    let text = sign + String(decoding: bytes[first..<copy.offset], as: UTF8.self)
    self = copy
    return NumberSyntax(text: text, isInteger: isInteger, offset: start)
  }

  private mutating func skipDigits() {
    while offset < bytes.count, Self.isDigit(bytes[offset]) { offset += 1 }
  }

  public mutating func expectInteger(_ what: String) throws -> Int64 {
    let before = self
    guard let number = try number(), number.isInteger else { throw before.expectation(what) }
    guard let value = Int64(number.text) else {
      throw error(at: number.offset, "\(number.text) is not a 64-bit integer")
    }
    return value
  }
}

/// A number as it was written, so that each type reads it its own way (`-0`, 64-bit integers).
public struct NumberSyntax: Hashable, Sendable {
  public let text: String
  /// No fraction, no exponent, not inf or nan.
  public let isInteger: Bool
  public let offset: Int

  public init(text: String, isInteger: Bool, offset: Int = 0) {
    self.text = text
    self.isInteger = isInteger
    self.offset = offset
  }

  /// The number as a float; nil where it is finite but passes the largest one.
  public var float: Float? {
    if let special { return Float(special) }
    return Float(text).flatMap { $0.isFinite ? $0 : nil }
  }

  public var double: Double? { special ?? Double(text).flatMap { $0.isFinite ? $0 : nil } }

  private var special: Double? {
    switch text {
    case "inf", "infinity": .infinity
    case "-inf", "-infinity": -.infinity
    case "nan": .nan
    case "-nan": -.nan
    default: nil
    }
  }
}
