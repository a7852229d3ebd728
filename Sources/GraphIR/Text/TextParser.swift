import Tensors

/// Parses ONNX text into its syntax tree. Each method reads one piece at the present place and can be called on its own.
///
/// The grammar is that of onnx 1.23's `defs/parser.cc`, with these additions: names that are no identifiers may be quoted
/// everywhere, lists of tensors, types and graphs, sparse tensors, `hex "..."` strings, `undefined` as element type, and
/// `int64[] {1, 2}`, which takes its length from its elements. `rules` adds what PassKit's rules need: `$variables`, bare
/// words as attribute values, literals and calls as operands.
public struct TextParser: Sendable {
  public var scanner: TextScanner
  public let rules: Bool

  public init(_ text: String, rules: Bool = false) {
    scanner = TextScanner(text)
    self.rules = rules
  }

  /// Runs `body` where one more level of nesting is allowed; throws `.limit` where it is not.
  mutating func nested<T>(_ body: (inout TextParser) throws -> T) throws -> T {
    try scanner.enter()
    defer { scanner.leave() }
    return try body(&self)
  }

  /// Throws unless the text ends here.
  public mutating func expectEnd() throws {
    if !scanner.isAtEnd() { throw scanner.expectation("the end of the text") }
  }

  // MARK: Types

  private static let typeWords: Set<String> = ["seq", "optional", "map", "sparse_tensor", "opaque"]

  /// True for words that start a type, so a value of that name must be quoted.
  static func isTypeWord(_ word: String) -> Bool {
    DataType(name: word) != nil || typeWords.contains(word) || word == "undefined"
  }

  /// True where a type comes next.
  public func nextIsType() -> Bool {
    var copy = scanner
    guard let word = copy.identifier() else { return false }
    if DataType(name: word) != nil { return true }
    if Self.typeWords.contains(word) { return copy.peek(is: "(") }
    return word == "undefined" && (copy.peek(is: "[") || copy.peek(is: "\"") || copy.peekIdentifier() != nil)
  }

  public mutating func type() throws -> TypeSyntax {
    let before = scanner
    guard let word = scanner.identifier() else { throw before.expectation("a type") }
    if let element = DataType(name: word) { return .tensor(element, try shape()) }
    switch word {
    case "undefined": return .tensor(nil, try shape())
    case "seq": return .sequence(try bracketedType())
    case "optional": return .optional(try bracketedType())
    case "sparse_tensor":
      let inner = try bracketedType()
      guard case .tensor(let element, let shape) = inner else {
        throw before.expectation("a sparse tensor's element type")
      }
      return .sparse(element, shape)
    case "map":
      return try nested { parser in
        try parser.scanner.expect("(")
        let key = parser.scanner
        guard let word = parser.scanner.identifier(), let type = DataType(name: word) else {
          throw key.expectation("the element type of a map's keys")
        }
        try parser.scanner.expect(",")
        let value = try parser.type()
        try parser.scanner.expect(")")
        return .map(type, value)
      }
    case "opaque": return try opaque()
    default: throw before.expectation("a type")
    }
  }

  private mutating func bracketedType() throws -> TypeSyntax {
    try nested { parser in
      try parser.scanner.expect("(")
      let type = try parser.type()
      try parser.scanner.expect(")")
      return type
    }
  }

  private mutating func opaque() throws -> TypeSyntax {
    try scanner.expect("(")
    if scanner.matches(")") { return .opaque(domain: "", name: "") }
    var first = try scanner.expectName("a domain or name")
    while scanner.matches(".") { first += "." + (try scanner.expectName("a part of a domain")) }
    var result = TypeSyntax.opaque(domain: "", name: first)
    if scanner.matches(",") { result = .opaque(domain: first, name: try scanner.expectName("a name")) }
    try scanner.expect(")")
    return result
  }

  /// Reads `[N, 3]`, `[]` (unknown rank: nil) or nothing (a scalar).
  private mutating func shape() throws -> [DimSyntax]? {
    guard scanner.matches("[") else { return [] }
    if scanner.matches("]") { return nil }
    var dims: [DimSyntax] = []
    repeat { dims.append(try dim()) } while scanner.matches(",")
    try scanner.expect("]")
    return dims
  }

  private mutating func dim() throws -> DimSyntax {
    if scanner.matches("?") { return .unknown }
    if let name = try scanner.name() { return name.isEmpty ? .unknown : .name(name) }
    let before = scanner
    let value = try scanner.expectInteger("a dimension")
    guard value >= 0 else { throw before.expectation("a dimension that is not negative") }
    return .integer(Int(value))
  }

  // MARK: Tensors

  /// Reads `type {elements}` with an optional name and `=` after the type, as the standard allows.
  public mutating func tensor() throws -> TensorSyntax {
    _ = scanner.peek()
    let offset = scanner.offset
    let type = try type()
    if !scanner.peek(is: "{") {
      _ = try scanner.name()
      _ = scanner.matches("=")
    }
    return try tensor(type: type, offset: offset)
  }

  /// Reads `{elements}` for a type already read.
  mutating func tensor(type: TypeSyntax, offset: Int) throws -> TensorSyntax {
    guard case .tensor = type else { throw scanner.error(at: offset, "only a dense tensor can be written out here") }
    if scanner.peek(is: "[") { throw scanner.expectation("'{' (external data cannot be read from text)") }
    try scanner.expect("{")
    var elements: [LiteralSyntax] = []
    if scanner.matches("}") { return TensorSyntax(type: type, elements: [], offset: offset) }
    repeat {
      guard let element = try literal() else {
        throw scanner.expectation(
          scanner.bytes.dropFirst(scanner.offset).starts(with: "...".utf8)
            ? "the elements (they were left out here)" : "a number or string")
      }
      elements.append(element)
    } while scanner.matches(",")
    try scanner.expect("}")
    return TensorSyntax(type: type, elements: elements, offset: offset)
  }

  /// Reads a number or string where one comes next.
  public mutating func literal() throws -> LiteralSyntax? {
    if let number = try scanner.number() { return .number(number) }
    let offset = scanner.offset
    return try scanner.string().map { .string($0, offset: offset) }
  }

  mutating func sparse(type: TypeSyntax, offset: Int) throws -> SparseSyntax {
    try scanner.expect("{")
    let values = try tensor()
    try scanner.expect(",")
    let indices = try tensor()
    try scanner.expect("}")
    return SparseSyntax(type: type, values: values, indices: indices, offset: offset)
  }
}
