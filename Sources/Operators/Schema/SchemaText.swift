/// Reads the schema tables: ASCII text, one field list a line, fields parted by one space, no blank at a line's end.
///
///     # anything                                   a comment; an empty line is skipped too
///     T <id> <types>                               a type list, named for the records of the same table
///     D <domain> <latest opset>                    the O lines that follow belong to it; "ai.onnx" is the default
///     O <name> <since> <in> <in> <out> <out> ...   a record: least and most inputs and outputs ('*': no limit), flags
///     a <name> <type>[!][=<default>]               an attribute; '!' marks it required
///     i[mark] <name> <type>                        an input: a type parameter of the record, or a type string
///     o[mark] <name> <type>                        an output
///     c <parameter> #<id> | <types>                a type parameter
///
/// Marks: `?` optional, `*n` variadic of one type with at least n values, `~n` variadic of mixed types.
/// Flags: `deprecated`, `experimental`, `nondeterministic`, `unknown-determinism`, `function=13,18` and
/// `context-function=13,18` (a function body, and the opsets it is written for).
/// Types: groups parted by ';', each a pattern with '*' for the element, ':', and elements parted by ',', or one type
/// string: `tensor(*):float,double;map(int64, *):string;opaque(x)`.
/// Defaults: by the attribute's type; list elements parted by ','; in strings %XX stands for a byte.
struct SchemaText: Sendable {
  /// A slice of the text.
  typealias Span = Range<Int>

  /// Where one record lies: from its O line to the end of its last line.
  struct Record: Sendable {
    var domain: Int
    var name: Span
    var since: Int
    var span: Span
  }

  /// A line that is not in the format.
  struct Malformed: Error, CustomStringConvertible {
    var line: String
    var reason: String
    var description: String { "schema table: \(reason): \"\(line)\"" }
  }

  let text: SchemaSource
  private(set) var domains: [(name: String, latestOpset: Int)] = []
  private(set) var records: [Record] = []
  private(set) var typeLists: [Int: Span] = [:]

  private var bytes: UnsafeBufferPointer<UInt8> { text.bytes }

  /// Finds the records: one walk over the text that reads only T, D and O lines.
  init(_ text: SchemaSource) throws(Malformed) {
    self.text = text
    let bytes = self.bytes
    var start = 0
    while start < bytes.count {
      var end = start
      while end < bytes.count, bytes[end] != UInt8(ascii: "\n") { end += 1 }
      if start < end { try index(start..<end, first: bytes[start]) }
      start = end + 1
    }
  }

  private mutating func index(_ line: Span, first: UInt8) throws(Malformed) {
    switch first {
    case UInt8(ascii: "a"), UInt8(ascii: "i"), UInt8(ascii: "o"), UInt8(ascii: "c"):
      guard let last = records.indices.last else { throw malformed(line, "outside a record") }
      records[last].span = records[last].span.lowerBound..<line.upperBound
    case UInt8(ascii: "O"):
      guard !domains.isEmpty else { throw malformed(line, "no D line before it") }
      var fields = Fields(bytes, line)
      _ = fields.next()
      guard let name = fields.next(), let since = fields.next().flatMap(integer) else {
        throw malformed(line, "no name or version")
      }
      records.append(Record(domain: domains.count - 1, name: name, since: since, span: line))
    case UInt8(ascii: "D"):
      var fields = Fields(bytes, line)
      _ = fields.next()
      guard let name = fields.next(), let latest = fields.next().flatMap(integer) else {
        throw malformed(line, "no domain or opset")
      }
      domains.append((SchemaRegistry.canonicalDomain(string(name)), latest))
    case UInt8(ascii: "T"):
      var fields = Fields(bytes, line)
      _ = fields.next()
      guard let id = fields.next().flatMap(integer), let list = fields.rest() else {
        throw malformed(line, "no number or types")
      }
      typeLists[id] = list
    case UInt8(ascii: "#"):
      break
    default:
      throw malformed(line, "unknown kind of line")
    }
  }

  func string(_ span: Span) -> String {
    String(decoding: bytes[span], as: UTF8.self)
  }

  func sameOperator(_ one: Record, _ other: Record) -> Bool {
    one.domain == other.domain && bytes[one.name].elementsEqual(bytes[other.name])
  }

  func malformed(_ line: Span, _ reason: String) -> Malformed {
    Malformed(line: string(line), reason: reason)
  }

  /// A decimal number below 2^32 or so; nil for anything else.
  private func integer(_ span: Span) -> Int? {
    var value = 0
    for byte in bytes[span] {
      guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte, value < 1 << 32 else { return nil }
      value = value * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return span.isEmpty ? nil : value
  }

  /// The fields of a line.
  private struct Fields {
    let bytes: UnsafeBufferPointer<UInt8>
    var position: Int
    let end: Int

    init(_ bytes: UnsafeBufferPointer<UInt8>, _ line: Span) {
      self.bytes = bytes
      position = line.lowerBound
      end = line.upperBound
    }

    mutating func next() -> Span? {
      guard position < end else { return nil }
      let start = position
      while position < end, bytes[position] != UInt8(ascii: " ") { position += 1 }
      defer { position += 1 }
      return start..<position
    }

    /// All that is left, blanks included.
    func rest() -> Span? {
      position < end ? position..<end : nil
    }
  }
}

extension SchemaText {
  /// Reads one record. Linear in its text and in that of its type lists.
  func schema(_ record: Record) throws(Malformed) -> OperatorSchema {
    let lines = string(record.span).split(separator: "\n")
    var schema = try header(lines[0], domain: domains[record.domain].name)
    // Parameters come before the constraints that they name.
    for line in lines.dropFirst() where line.first == "c" {
      schema.typeConstraints.append(try constraint(line))
    }
    for line in lines.dropFirst() {
      switch line.first {
      case "a": schema.attributes.append(try attribute(line))
      case "i": schema.inputs.append(try parameter(line, schema.typeConstraints))
      case "o": schema.outputs.append(try parameter(line, schema.typeConstraints))
      default: break
      }
    }
    return schema
  }

  private func header(_ line: Substring, domain: String) throws(Malformed) -> OperatorSchema {
    let fields = line.split(separator: " ")
    guard fields.count >= 7, let since = Int(fields[2]),
      let inputs = SchemaText.range(fields[3], fields[4]), let outputs = SchemaText.range(fields[5], fields[6])
    else { throw Malformed(line: String(line), reason: "a record's line needs a name and five numbers") }
    var schema = OperatorSchema(
      domain: domain, name: String(fields[1]), sinceVersion: since, isDeprecated: false, isExperimental: false,
      determinism: .deterministic, function: .none, inputCount: inputs, outputCount: outputs,
      attributes: [], inputs: [], outputs: [], typeConstraints: [])
    for flag in fields[7...] {
      let parts = flag.split(separator: "=", maxSplits: 1)
      let opsets = parts.count == 2 ? parts[1].split(separator: ",").compactMap { Int($0) } : []
      switch parts[0] {
      case "deprecated": schema.isDeprecated = true
      case "experimental": schema.isExperimental = true
      case "nondeterministic": schema.determinism = .nondeterministic
      case "unknown-determinism": schema.determinism = .unknown
      case "function": schema.function = .fixed(opsets: opsets)
      case "context-function": schema.function = .contextDependent(opsets: opsets)
      default: throw Malformed(line: String(line), reason: "unknown flag \(flag)")
      }
    }
    return schema
  }

  private func attribute(_ line: Substring) throws(Malformed) -> OperatorSchema.Attribute {
    let fields = line.split(separator: " ")
    guard fields.count == 3 else { throw Malformed(line: String(line), reason: "an attribute has a name and a type") }
    let parts = fields[2].split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let isRequired = parts[0].last == "!"
    let typeName = isRequired ? parts[0].dropLast() : parts[0]
    guard let type = OperatorSchema.AttributeType.allCases.first(where: { $0.name == typeName }) else {
      throw Malformed(line: String(line), reason: "unknown attribute type")
    }
    var value = AttributeDefault.none
    if parts.count == 2 {
      guard let read = SchemaText.value(parts[1], type) else {
        throw Malformed(line: String(line), reason: "the default is not of the attribute's type")
      }
      value = read
    }
    return .init(name: String(fields[1]), type: type, isRequired: isRequired, defaultValue: value)
  }

  private func parameter(
    _ line: Substring, _ constraints: [OperatorSchema.TypeConstraint]
  ) throws(Malformed) -> OperatorSchema.FormalParameter {
    let fields = line.split(separator: " ", maxSplits: 2)
    guard fields.count == 3, let option = SchemaText.option(fields[0].dropFirst()) else {
      throw Malformed(line: String(line), reason: "a parameter has a mark, a name and a type")
    }
    let type = String(fields[2])
    let index = constraints.firstIndex { $0.name == type }
    guard index != nil || type.contains("(") else {
      throw Malformed(line: String(line), reason: "\(type) is neither a type parameter nor a type")
    }
    let types = index.map { constraints[$0].types } ?? TypeSet(type) ?? TypeSet()
    return .init(name: String(fields[1]), type: type, constraint: index, option: option, types: types)
  }

  private func constraint(_ line: Substring) throws(Malformed) -> OperatorSchema.TypeConstraint {
    let fields = line.split(separator: " ", maxSplits: 2)
    guard fields.count == 3 else { throw Malformed(line: String(line), reason: "a constraint has a name and types") }
    var result = OperatorSchema.TypeConstraint(name: String(fields[1]), types: TypeSet(), otherTypes: [])
    var list = fields[2]
    var interned = ""
    if list.first == "#" {
      guard let span = Int(list.dropFirst()).flatMap({ typeLists[$0] }) else {
        throw Malformed(line: String(line), reason: "no type list of this number")
      }
      interned = string(span)
      list = interned[...]
    }
    for group in list.split(separator: ";") { SchemaText.read(group, into: &result) }
    return result
  }
}

extension SchemaText {
  private static func range(_ low: Substring, _ high: Substring) -> ClosedRange<Int>? {
    guard let low = Int(low), low >= 0, let high = high == "*" ? Int.max : Int(high), low <= high else { return nil }
    return low...high
  }

  private static func option(_ mark: Substring) -> OperatorSchema.FormalParameter.Option? {
    switch mark.first {
    case nil: .single
    case "?": mark.count == 1 ? .optional : nil
    case "*": Int(mark.dropFirst()).map { .variadic(isHomogeneous: true, minArity: $0) }
    case "~": Int(mark.dropFirst()).map { .variadic(isHomogeneous: false, minArity: $0) }
    default: nil
    }
  }

  /// Adds `tensor(*):float,double` or `opaque(x)` to a constraint.
  private static func read(_ group: Substring, into constraint: inout OperatorSchema.TypeConstraint) {
    func add(_ type: String) {
      if let one = TypeSet(type) { constraint.types.formUnion(one) } else { constraint.otherTypes.append(type) }
    }
    guard let star = group.firstIndex(of: "*"), let colon = group.lastIndex(of: ":"), star < colon else {
      return add(String(group))
    }
    let prefix = group[..<star]
    let suffix = group[group.index(after: star)..<colon]
    let elements = group[group.index(after: colon)...].split(separator: ",")
    let form = TypeSet.Form(prefix: prefix, suffix: suffix)
    for element in elements {
      if let form, let number = TypeSet.dataTypeNumber(element) {
        constraint.types.insert(form, dataType: number)
      } else {
        add(String(prefix + element + suffix))
      }
    }
  }

  private static func value(_ text: Substring, _ type: OperatorSchema.AttributeType) -> AttributeDefault? {
    let items = text.split(separator: ",")
    switch type {
    case .int: return Int64(text).map { .int($0) }
    case .float: return Float(text).map { .float($0) }
    case .string: return .string(unescape(text))
    case .ints:
      let values = items.compactMap { Int64($0) }
      return values.count == items.count ? .ints(values) : nil
    case .floats:
      let values = items.compactMap { Float($0) }
      return values.count == items.count ? .floats(values) : nil
    case .strings: return .strings(items.map(unescape))
    default: return nil
    }
  }

  /// Reads %XX back; a '%' without two hexadecimal digits stays as it is.
  private static func unescape(_ text: Substring) -> String {
    guard text.contains("%") else { return String(text) }
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2, let value = UInt8(String(Substring(rest.prefix(2))), radix: 16) {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The text of a table, which lives as long as the process.
///
/// `@unchecked Sendable`: nobody writes to it.
struct SchemaSource: @unchecked Sendable {
  let bytes: UnsafeBufferPointer<UInt8>

  init(_ text: StaticString) {
    bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
  }

  /// A copy that is never freed: signatures stay registered.
  init(keeping text: String) {
    let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
    _ = copy.initialize(from: text.utf8)
    bytes = UnsafeBufferPointer(copy)
  }
}
