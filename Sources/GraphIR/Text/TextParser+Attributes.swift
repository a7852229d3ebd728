import Tensors

extension AttributeKind {
  private static let names: [(String, AttributeKind)] = [
    ("float", .float), ("int", .int), ("string", .string), ("tensor", .tensor), ("graph", .graph), ("floats", .floats),
    ("ints", .ints), ("strings", .strings), ("tensors", .tensors), ("graphs", .graphs), ("sparse_tensor", .sparse),
    ("sparse_tensors", .sparses), ("type_proto", .type), ("type_protos", .types),
  ]

  /// The kind of that name in ONNX text: `float`, `ints`, `type_proto`.
  public init?(textName: String) {
    guard let found = AttributeKind.names.first(where: { $0.0 == textName }) else { return nil }
    self = found.1
  }

  /// Its name in ONNX text.
  public var textName: String { AttributeKind.names.first { $0.1 == self }?.0 ?? "undefined" }
}

extension TextParser {
  /// Reads `<name = value, ...>` where it comes next.
  public mutating func attributes() throws -> [AttributeSyntax] {
    guard scanner.matches("<") else { return [] }
    if scanner.matches(">") { return [] }
    var result: [AttributeSyntax] = []
    repeat { result.append(try attribute()) } while scanner.matches(",")
    try scanner.expect(">")
    return result
  }

  /// Reads `name = value` or `name: kind = value`.
  public mutating func attribute() throws -> AttributeSyntax {
    _ = scanner.peek()
    let offset = scanner.offset
    return try attribute(named: try scanner.expectName("an attribute's name"), offset: offset)
  }

  mutating func attribute(named name: String, offset: Int) throws -> AttributeSyntax {
    var annotation: AttributeKind?
    if scanner.matches(":") {
      let before = scanner
      guard let word = scanner.identifier(), let kind = AttributeKind(textName: word) else {
        throw before.expectation("an attribute type")
      }
      annotation = kind
    }
    try scanner.expect("=")
    return AttributeSyntax(name, annotation: annotation, try attributeValue(), offset: offset)
  }

  /// Reads the value of an attribute: a list in brackets or one item.
  public mutating func attributeValue() throws -> AttributeValueSyntax {
    guard scanner.matches("[") else { return try attributeItem() }
    if scanner.matches("]") { return .list([]) }
    var items: [AttributeValueSyntax] = []
    repeat { items.append(try attributeItem()) } while scanner.matches(",")
    try scanner.expect("]")
    return .list(items)
  }

  private mutating func attributeItem() throws -> AttributeValueSyntax {
    _ = scanner.peek()
    let offset = scanner.offset
    if scanner.matches("@") { return .reference(try scanner.expectName("an attribute's name after '@'")) }
    if rules, scanner.matches("$") { return .variable(try scanner.expectIdentifier("a variable's name after '$'")) }
    if let number = try scanner.number() { return .number(number) }
    if nextIsType() { return try typedItem(offset) }
    let before = scanner
    if let text = try scanner.string() {
      if !nextIsGraphBody() { return .string(text) }
    } else if let word = scanner.identifier() {
      if word == "hex", scanner.peek(is: "\"") { return .bytes(try hexadecimal()) }
      if !nextIsGraphBody() {
        if rules { return .identifier(word) }
        throw before.expectation("an attribute's value")
      }
    } else {
      throw before.expectation("an attribute's value")
    }
    scanner = before
    return .graph(try graph())
  }

  private mutating func nextIsGraphBody() -> Bool {
    if scanner.peek(is: "(") { return true }
    var copy = scanner
    return copy.matches("=>")
  }

  /// Reads what starts with a type: a tensor, a sparse tensor or just the type.
  private mutating func typedItem(_ offset: Int) throws -> AttributeValueSyntax {
    let type = try type()
    if case .sparse = type, scanner.peek(is: "{") { return .sparse(try sparse(type: type, offset: offset)) }
    if scanner.peek(is: "{") { return .tensor(try tensor(type: type, offset: offset)) }
    if scanner.matches("=") { return .tensor(try tensor(type: type, offset: offset)) }
    var copy = scanner
    if try copy.name() != nil {
      scanner = copy
      _ = scanner.matches("=")
      return .tensor(try tensor(type: type, offset: offset))
    }
    return .type(type)
  }

  private mutating func hexadecimal() throws -> [UInt8] {
    let offset = scanner.offset
    let digits = Array(try scanner.expectString("hexadecimal digits").utf8)
    guard digits.count % 2 == 0 else { throw scanner.error(at: offset, "a byte has two hexadecimal digits") }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else {
        throw scanner.error(at: offset, "a byte has two hexadecimal digits")
      }
      bytes.append(byte)
    }
    return bytes
  }
}
