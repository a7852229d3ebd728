import Tensors

/// Functions on lists, and on texts as names of types.
enum RuleLists {
  static let arity: [String: ClosedRange<Int>] = [
    "range": 2...2, "length": 1...1, "item": 2...2, "slice": 3...3, "disjoint": 2...2, "without": 2...2,
    "repeat": 2...2, "every": 2...2, "sorted": 1...1, "list": 1...1,
  ]

  static func call(_ name: String, _ arguments: [RuleExpression], _ scope: RuleScope) throws -> RuleValue {
    let values = try arguments.map { try scope.computed($0) }
    switch name {
    case "range":
      guard let from = values[0].integer, let to = values[1].integer, to - from <= 1 << 16 else {
        throw Refusal("range needs two known integers")
      }
      return .ints(Array(from..<max(from, to)))
    case "length": return .dim(Dim(try items(values[0]).count))
    case "item":
      let list = try items(values[0])
      guard let index = values[1].integer, list.indices.contains(index < 0 ? index + list.count : index) else {
        throw Refusal("the list has no such item")
      }
      return list[index < 0 ? index + list.count : index]
    case "slice":
      let list = try items(values[0])
      guard let from = values[1].integer, let to = values[2].integer else {
        throw Refusal("slice needs known integers")
      }
      let low = min(max(from < 0 ? from + list.count : from, 0), list.count)
      let high = min(max(to < 0 ? to + list.count : to, low), list.count)
      return .list(Array(list[low..<high]))
    case "disjoint":
      let (a, b) = (try integers(values[0]), try integers(values[1]))
      return .bool(Set(a).isDisjoint(with: b))
    case "without":
      let gone = Set(try integers(values[1]))
      return .list(try items(values[0]).enumerated().filter { !gone.contains($0.offset) }.map(\.element))
    case "repeat":
      guard let count = values[1].integer, (0...4096).contains(count) else {
        throw Refusal("repeat needs a known count")
      }
      return .list(Array(repeating: values[0], count: count))
    case "every":
      guard let wanted = values[1].double else { throw Refusal("every needs a number") }
      return .bool(try items(values[0]).allSatisfy { $0.double == wanted })
    case "list": return .list(try items(values[0]))
    case "sorted": return .ints(try integers(values[0]).sorted())
    default: throw Refusal("\(name) is not known")
    }
  }

  /// The items of a list or of a one-dimensional integer constant.
  private static func items(_ value: RuleValue) throws -> [RuleValue] {
    if case .list(let items) = value { return items }
    if let integers = value.integers { return integers.map { .dim(Dim($0)) } }
    throw Refusal("\(value.description) is no list")
  }

  private static func integers(_ value: RuleValue) throws -> [Int] {
    guard let integers = value.integers else { throw Refusal("\(value.description) is no list of integers") }
    return integers
  }
}
