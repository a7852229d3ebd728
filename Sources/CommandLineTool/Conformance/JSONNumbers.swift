import Tensors

/// Reads the numbers of a JSON object's own members; strings, arrays and inner objects are checked and left.
///
/// Source: RFC 8259. Nesting past 64 is refused.
struct JSONNumbers {
  private let bytes: UnsafeRawBufferPointer
  private var at = 0
  private var depth = 0

  static func read(_ bytes: UnsafeRawBufferPointer) throws -> [String: Double] {
    var reader = JSONNumbers(bytes: bytes)
    var numbers: [String: Double] = [:]
    try reader.object { key, number in numbers[key] = number }
    reader.skipSpace()
    if reader.at != bytes.count { throw reader.failure("the end") }
    return numbers
  }

  private init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  private func failure(_ expected: String) -> CameoError {
    .badInput("this is no JSON: \(expected) was expected at byte \(at)")
  }

  private mutating func skipSpace() {
    while at < bytes.count, [9, 10, 13, 32].contains(bytes[at]) { at += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  private mutating func object(_ member: (String, Double) -> Void) throws {
    guard take("{") else { throw failure("{") }
    if take("}") { return }
    repeat {
      let key = try string()
      guard take(":") else { throw failure(":") }
      if let number = try value() { member(key, number) }
    } while take(",")
    guard take("}") else { throw failure("}") }
  }

  /// Goes past a value; its number, where it is one.
  private mutating func value() throws -> Double? {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 64 else { throw CameoError.limit("JSON nests too deep") }
    skipSpace()
    guard at < bytes.count else { throw failure("a value") }
    switch bytes[at] {
    case UInt8(ascii: "{"): try object { _, _ in }
    case UInt8(ascii: "["):
      at += 1
      if take("]") { return nil }
      repeat { _ = try value() } while take(",")
      guard take("]") else { throw failure("]") }
    case UInt8(ascii: "\""): _ = try string()
    default: return try word()
    }
    return nil
  }

  /// A number, or one of `true`, `false`, `null`.
  private mutating func word() throws -> Double? {
    let start = at
    while at < bytes.count, ![9, 10, 13, 32, 44, 93, 125].contains(bytes[at]) { at += 1 }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if ["true", "false", "null"].contains(text) { return nil }
    guard let number = Double(text), number.isFinite else {
      at = start
      throw failure("a number")
    }
    return number
  }

  /// A string as it stands, escapes unread: the keys that matter have none.
  private mutating func string() throws -> String {
    guard take("\"") else { throw failure("a string") }
    let start = at
    while at < bytes.count, bytes[at] != UInt8(ascii: "\"") { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
    guard at < bytes.count else { throw failure("the end of a string") }
    at += 1
    return String(decoding: bytes[start..<at - 1], as: UTF8.self)
  }
}
