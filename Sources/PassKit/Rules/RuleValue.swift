import GraphIR
import Operators
import Tensors

/// What an expression of a rule evaluates to.
enum RuleValue {
  /// An integer, or a dimension that is not known yet.
  case dim(Dim)
  case number(Double)
  case bool(Bool)
  case text(String)
  case type(DataType)
  case list([RuleValue])
  /// A weak tensor has no element type of its own: it takes that of what it meets.
  case tensor(Tensor, isWeak: Bool)
  case attribute(Attribute)
  /// A value of the graph.
  case graph(ValueID)

  static func ints(_ values: [Int]) -> RuleValue { .list(values.map { .dim(Dim($0)) }) }

  /// The value of an attribute as expressions compute with it; tensors and others stay attributes.
  init(_ attribute: Attribute) {
    switch attribute {
    case .int(let value): self = .dim(Dim(Int(value)))
    case .float(let value): self = .number(Double(value))
    case .string(let text): self = .text(text)
    case .ints(let values): self = .ints(values.map { Int($0) })
    case .floats(let values): self = .list(values.map { .number(Double($0)) })
    case .strings(let values): self = .list(values.map { .text($0) })
    case .tensor(let tensor): self = .tensor(tensor, isWeak: false)
    default: self = .attribute(attribute)
    }
  }

  var integer: Int? {
    switch self {
    case .dim(let dim): dim.value
    case .tensor(let tensor, _) where tensor.count == 1 && tensor.dataType.isInteger: (try? tensor.ints())?.first
    default: nil
    }
  }

  var double: Double? {
    switch self {
    case .dim(let dim): dim.value.map { Double($0) }
    case .number(let value): value
    case .tensor(let tensor, _) where tensor.count == 1 && tensor.dataType != .string:
      try? tensor.scalar(as: Double.self)
    default: nil
    }
  }

  /// A list of integers, or a one-dimensional integer tensor.
  var integers: [Int]? {
    switch self {
    case .list(let items):
      let values = items.compactMap(\.integer)
      return values.count == items.count ? values : nil
    case .tensor(let tensor, _) where tensor.rank <= 1 && tensor.dataType.isInteger: return try? tensor.ints()
    default: return nil
    }
  }

  /// Equality where it can be told; nil where it depends on dimensions that are not known.
  func equals(_ other: RuleValue) -> Bool? {
    switch (self, other) {
    case (.dim(let a), .dim(let b)):
      if a == b { return true }
      if let difference = (a - b).value { return difference == 0 }
      return nil
    case (.bool(let a), .bool(let b)): return a == b
    case (.text(let a), .text(let b)): return a == b
    case (.type(let a), .type(let b)): return a == b
    case (.graph(let a), .graph(let b)): return a == b
    case (.list(let a), .list(let b)):
      if a.count != b.count { return false }
      var isOpen = false
      for (x, y) in zip(a, b) {
        switch x.equals(y) {
        case false: return false
        case nil: isOpen = true
        default: break
        }
      }
      return isOpen ? nil : true
    case (.attribute(let a), .attribute(let b)): return a.isIdentical(to: b)
    case (.tensor(let a, _), .tensor(let b, _)) where a.count != 1 || b.count != 1: return a.isIdentical(to: b)
    default:
      if let a = integers, let b = other.integers { return a == b }
      if let a = double, let b = other.double { return a == b }
      return false
    }
  }

  var description: String {
    switch self {
    case .dim(let dim): dim.description
    case .number(let value): "\(value)"
    case .bool(let value): "\(value)"
    case .text(let text): "\"\(text)\""
    case .type(let type): type.name
    case .list(let items): "[" + items.map(\.description).joined(separator: ", ") + "]"
    case .tensor(let tensor, _): tensor.count == 1 ? double.map { "\($0)" } ?? tensor.description : tensor.description
    case .attribute(let attribute): "an attribute of kind \(attribute.kind.textName)"
    case .graph: "a computed value"
    }
  }

  /// The value as an attribute of `kind`; nil kind: the natural one. Throws `Refusal` where it is none.
  func attribute(_ kind: OperatorSchema.AttributeType?, _ name: String) throws -> Attribute {
    let wrong = Refusal("attribute \(name) would be \(description)")
    switch (self, kind) {
    case (.attribute(let attribute), _): return attribute
    case (_, .int?):
      if case .type(let type) = self { return .int(Int64(type.rawValue)) }
      if case .bool(let value) = self { return .int(value ? 1 : 0) }
      guard let integer else { throw wrong }
      return .int(Int64(integer))
    case (_, .float?):
      guard let double else { throw wrong }
      return .float(Float(double))
    case (_, .ints?):
      guard let integers else { throw wrong }
      return .ints(integers.map { Int64($0) })
    case (.list(let items), .floats?):
      let values = items.compactMap(\.double)
      guard values.count == items.count else { throw wrong }
      return .floats(values.map { Float($0) })
    case (.text(let text), _): return .string(text)
    case (.tensor(let tensor, _), .tensor?), (.tensor(let tensor, _), nil): return .tensor(tensor)
    case (.dim, nil), (.bool, nil), (.type, nil): return try attribute(.int, name)
    case (.number, nil): return try attribute(.float, name)
    case (.list(let items), _):
      if let integers, !items.isEmpty || kind == nil { return .ints(integers.map { Int64($0) }) }
      let texts = items.compactMap { if case .text(let text) = $0 { text } else { nil } }
      if texts.count == items.count { return .strings(texts) }
      return try attribute(.floats, name)
    default: throw wrong
    }
  }
}
