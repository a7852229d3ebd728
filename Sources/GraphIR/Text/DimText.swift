import Tensors

extension Dim {
  /// Reads what `Dim.description` writes, and the spellings that exporters use: `N + 1`, `2*past + seq`, `(a + b)//8`,
  /// `floor(n, 2)`, `max(a, b)`, `min(a, b)`. nil where the text is no such expression.
  ///
  /// Names may hold `-`, `.`, `:` and `/` where no space stands beside them, so `batch-size` is one symbol.
  public init?(parsing text: String) {
    var parser = DimParser(bytes: Array(text.utf8))
    guard let dim = parser.whole() else { return nil }
    self = dim
  }

  /// The dimension that a `dim_param` of a file means: the expression where it is one, else a symbol of that name.
  public init(parameter text: String) { self = Dim(parsing: text) ?? .symbol(text) }
}

private struct DimParser {
  let bytes: [UInt8]
  var offset = 0
  var depth = 0
  var factors = 0

  mutating func whole() -> Dim? {
    guard bytes.count <= 4096, let dim = sum() else { return nil }
    skipSpace()
    return offset == bytes.count ? dim : nil
  }

  mutating func skipSpace() { while offset < bytes.count, bytes[offset] == 0x20 { offset += 1 } }

  mutating func matches(_ symbol: String) -> Bool {
    skipSpace()
    guard bytes[offset...].starts(with: symbol.utf8) else { return false }
    offset += symbol.utf8.count
    return true
  }

  mutating func sum() -> Dim? {
    guard depth < 32 else { return nil }
    depth += 1
    defer { depth -= 1 }
    guard var result = product() else { return nil }
    while true {
      if matches("+") {
        guard let next = product() else { return nil }
        result = result + next
      } else if matches("-") {
        guard let next = product() else { return nil }
        result = result - next
      } else {
        return result
      }
    }
  }

  mutating func product() -> Dim? {
    var isNegative = false
    while matches("-") { isNegative.toggle() }
    guard var result = atom() else { return nil }
    if isNegative { result = -result }
    while true {
      if matches("*") {
        guard let next = atom() else { return nil }
        result = result * next
      } else if matches("//") {
        guard let next = atom() else { return nil }
        result = result.floorDiv(next)
      } else {
        return result
      }
    }
  }

  mutating func atom() -> Dim? {
    // Canonical forms grow with every factor; a shape needs few.
    factors += 1
    guard factors <= 64 else { return nil }
    if matches("(") {
      guard let inner = sum(), matches(")") else { return nil }
      return inner
    }
    skipSpace()
    let start = offset
    while offset < bytes.count, TextScanner.isDigit(bytes[offset]) { offset += 1 }
    if offset > start {
      if offset < bytes.count, TextScanner.isIdentifierByte(bytes[offset]) { return nil }
      return Int(String(decoding: bytes[start..<offset], as: UTF8.self)).map { Dim($0) }
    }
    guard let name = symbol() else { return nil }
    let arguments: [String: (Dim, Dim) -> Dim] = [
      "floor": { $0.floorDiv($1) }, "max": { Dim.max($0, $1) }, "min": { Dim.min($0, $1) },
    ]
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: "(") else { return .symbol(name) }
    guard let apply = arguments[name], matches("("), let a = sum(), matches(","), let b = sum(), matches(")") else {
      return nil
    }
    return apply(a, b)
  }

  mutating func symbol() -> String? {
    func starts(_ byte: UInt8) -> Bool { TextScanner.isLetter(byte) || byte == 0x5f || byte >= 0x80 || byte == 0x3f }
    guard offset < bytes.count, starts(bytes[offset]) else { return nil }
    let start = offset
    while offset < bytes.count {
      let byte = bytes[offset]
      if TextScanner.isIdentifierByte(byte) || byte >= 0x80 {
        offset += 1
      } else if offset == start, byte == 0x3f {
        offset += 1
      } else if [0x2d, 0x2e, 0x2f, 0x3a].contains(byte), offset + 1 < bytes.count,
        TextScanner.isIdentifierByte(bytes[offset + 1]) || bytes[offset + 1] >= 0x80
      {
        offset += 2
      } else {
        break
      }
    }
    return String(decoding: bytes[start..<offset], as: UTF8.self)
  }
}
