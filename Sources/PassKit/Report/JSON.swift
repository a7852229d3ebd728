/// A JSON document: object members keep the order in which they were given.
///
/// Small on purpose (no Foundation). Numbers that JSON cannot say (NaN, infinities) are written as null. `JSON(parsing:)` reads.
public indirect enum JSON: Sendable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSON])
  case object([(String, JSON)])

  public init(_ value: Int?) { self = value.map { .int($0) } ?? .null }
  public init(_ value: Double?) { self = value.map { .double($0) } ?? .null }
  public init(_ value: String?) { self = value.map { .string($0) } ?? .null }
  public init(_ values: [String]) { self = .array(values.map { .string($0) }) }
  public init(_ values: [Int]) { self = .array(values.map { .int($0) }) }
  /// Members by ascending name.
  public init(_ counts: [String: Int]) {
    self = .object(counts.sorted { $0.key < $1.key }.map { ($0.key, .int($0.value)) })
  }

  /// The document as text. `indent` 0: one line; else members on lines of their own, short arrays and objects kept on one.
  public func text(indent: Int = 2) -> String {
    var out = ""
    write(to: &out, indent: indent, level: 0)
    return out
  }

  private func write(to out: inout String, indent: Int, level: Int) {
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .int(let value): out += String(value)
    case .double(let value): out += JSON.number(value)
    case .string(let value): JSON.quote(value, to: &out)
    case .array(let items):
      if indent == 0 || items.isEmpty || isShort {
        out += "["
        for (index, item) in items.enumerated() {
          if index > 0 { out += indent == 0 ? "," : ", " }
          item.write(to: &out, indent: 0, level: 0)
        }
        out += "]"
      } else {
        out += "["
        for (index, item) in items.enumerated() {
          out += index > 0 ? ",\n" : "\n"
          out += String(repeating: " ", count: indent * (level + 1))
          item.write(to: &out, indent: indent, level: level + 1)
        }
        out += "\n" + String(repeating: " ", count: indent * level) + "]"
      }
    case .object(let members):
      if indent == 0 || members.isEmpty || isShort {
        out += "{"
        for (index, member) in members.enumerated() {
          if index > 0 { out += indent == 0 ? "," : ", " }
          JSON.quote(member.0, to: &out)
          out += indent == 0 ? ":" : ": "
          member.1.write(to: &out, indent: 0, level: 0)
        }
        out += "}"
      } else {
        out += "{"
        for (index, member) in members.enumerated() {
          out += index > 0 ? ",\n" : "\n"
          out += String(repeating: " ", count: indent * (level + 1))
          JSON.quote(member.0, to: &out)
          out += ": "
          member.1.write(to: &out, indent: indent, level: level + 1)
        }
        out += "\n" + String(repeating: " ", count: indent * level) + "}"
      }
    }
  }

  /// True where one line of about 100 columns holds it.
  private var isShort: Bool { width(limit: 100) != nil }

  private func width(limit: Int) -> Int? {
    switch self {
    case .null, .bool: return 5
    case .int, .double: return 8
    case .string(let text): return text.utf8.count + 2 <= limit ? text.utf8.count + 2 : nil
    case .array(let items):
      var sum = 2
      for item in items {
        guard sum <= limit, let width = item.width(limit: limit - sum) else { return nil }
        sum += width + 2
      }
      return sum <= limit ? sum : nil
    case .object(let members):
      var sum = 2
      for (name, item) in members {
        if case .array(let inner) = item, inner.count > 8 { return nil }
        if case .object = item { return nil }
        guard sum <= limit, let width = item.width(limit: limit - sum) else { return nil }
        sum += name.utf8.count + width + 6
      }
      return sum <= limit ? sum : nil
    }
  }

  private static func number(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    if value == value.rounded(), abs(value) < 1e15 { return String(Int(value)) }
    return "\(value)"
  }

  private static func quote(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\t": out += "\\t"
      case "\r": out += "\\r"
      case _ where scalar.value < 0x20 || scalar.value == 0x7f:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByFloatLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .int(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
}
