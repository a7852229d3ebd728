import GraphIR
import Operators
import Tensors

/// Functions that ask about the matched nodes, their attributes and types, and what the caller of the optimizer wants.
enum RuleQuestions {
  static let arity: [String: ClosedRange<Int>] = [
    "if": 3...3, "given": 1...1, "default": 2...2, "operator": 1...1, "axes": 1...1, "readers": 1...1,
    "known": 1...1, "uniform": 1...1, "lowest": 1...1, "highest": 1...1, "lossless": 2...2, "type_min": 1...1,
    "type_max": 1...1, "along": 3...3, "spread": 3...3, "keeps": 1...1, "level": 0...0, "target": 0...0,
    "infinite": 1...1, "span": 2...2,
  ]

  static func call(_ name: String, _ arguments: [RuleExpression], _ scope: RuleScope) throws -> RuleValue {
    let context = scope.context
    switch name {
    case "if": return try scope.evaluate(arguments[try scope.condition(arguments[0]) ? 1 : 2])
    case "given", "default":
      guard case .capture(let capture) = arguments[0].node else { throw Refusal("\(name) asks for an attribute") }
      let attribute = scope.attributes[capture] ?? nil
      if name == "given" { return .bool(attribute != nil) }
      return try attribute.map { RuleValue($0) } ?? scope.evaluate(arguments[1])
    case "operator": return .text(context.graph[try node(arguments[0], scope)].type)
    case "axes": return .ints(try axes(try node(arguments[0], scope), context))
    case "readers": return .dim(Dim(context.graph[try scope.operand(arguments[0])].uses.count))
    case "known":
      if case .list(let items) = try scope.evaluate(arguments[0]) {
        return .bool(items.allSatisfy { $0.double != nil })
      }
      return .bool(try RuleFunctions.shape(arguments[0], scope).allSatisfy(\.isKnown))
    case "span":
      let shape = try RuleFunctions.shape(arguments[0], scope)
      guard let axes = try scope.computed(arguments[1]).integers, axes.allSatisfy({ shape.indices.contains($0) }) else {
        throw Refusal("the axes are not known")
      }
      return .dim(axes.reduce(1) { $0 * shape[$1] })
    case "uniform":
      guard case .tensor(let tensor, _) = try scope.computed(arguments[0]) else { return .bool(true) }
      return .bool(Operand.computed(tensor).uniform(context) != nil)
    case "lowest", "highest":
      let values = try numbers(arguments[0], name, scope)
      guard let result = name == "lowest" ? values.min() : values.max() else { throw Refusal("the constant is empty") }
      return .number(result)
    case "infinite": return .bool(try scope.computed(arguments[0]).double?.isInfinite ?? false)
    case "lossless":
      guard case .type(let from) = try scope.evaluate(arguments[0]),
        case .type(let to) = try scope.evaluate(arguments[1])
      else { throw Refusal("lossless asks for two element types") }
      return .bool(isLossless(from, to))
    case "type_min", "type_max":
      guard case .type(let type) = try scope.evaluate(arguments[0]), let range = range(of: type) else {
        throw Refusal("\(name) asks for an integer type of at most 16 bits")
      }
      return .dim(Dim(name == "type_min" ? range.lowerBound : range.upperBound))
    case "along": return .bool(try extent(arguments, scope) != nil)
    case "spread":
      guard let (tensor, shape) = try extent(arguments, scope) else {
        throw Refusal("\(RuleFunctions.label(arguments[0])) varies along other axes")
      }
      guard let count = try? Tensor.elementCount(shape.target), count <= 1 << 24 else {
        throw Refusal("\(RuleFunctions.label(arguments[0])) would have too many elements")
      }
      // Axes that the constant repeats along are filled; axes in front are all 1.
      let full = try RuleArithmetic.run(
        "Expand", [try tensor.reshaped(Array(shape.own)), try .ints(shape.target)])
      return .tensor(full, isWeak: false)
    case "keeps":
      guard case .text(let type) = try scope.evaluate(arguments[0]),
        let first = SchemaRegistry.versions(domain: "", name: type).min()
      else { throw Refusal("keeps asks for a standard operator's name") }
      return .bool(context.mayKeep(type, opset: first))
    case "level": return .dim(Dim(context.options.level))
    case "target": return .text(context.options.target.rawValue)
    default: throw Refusal("\(name) is not known")
    }
  }

  private static func node(_ expression: RuleExpression, _ scope: RuleScope) throws -> NodeID {
    guard let id = scope.match.node(RuleFunctions.label(expression)) else {
      throw Refusal("the node of \(RuleFunctions.label(expression)) is not there")
    }
    return id
  }

  private static func numbers(_ expression: RuleExpression, _ name: String, _ scope: RuleScope) throws -> [Double] {
    let value = try scope.computed(expression)
    if let number = value.double { return [number] }
    guard case .tensor(let tensor, _) = value, tensor.dataType != .string, tensor.count <= 1 << 24 else {
      throw Refusal("\(name) needs numbers")
    }
    return try tensor.elements(as: Double.self)
  }

  /// The axes that a node reduces, slices, removes or adds, counted from the front and sorted.
  static func axes(_ id: NodeID, _ context: PassContext) throws -> [Int] {
    let node = context.graph[id]
    let adds = node.type == "Unsqueeze"
    guard let rank = adds ? context.rank(node.output(0)) : context.rank(node.input(0)) else {
      throw Refusal("the rank of the input is not known", at: id)
    }
    let listed: [Int]
    if let attribute = try AttributeReader(node).optionalInts("axes") {
      listed = attribute
    } else if let axis = node["axis"], case .int(let value) = axis {
      listed = [Int(value)]
    } else if let input = node.input(node.type == "Slice" || node.type == "Pad" ? 3 : 1) {
      guard let axes = try context.constant(input)?.ints() else { throw Refusal("the axes are computed", at: id) }
      listed = axes
    } else if node.type == "Slice" {
      guard let starts = context.constant(node.input(1)) else { throw Refusal("the bounds are computed", at: id) }
      return Array(0..<min(starts.count, rank))
    } else if node.type == "Squeeze" {
      guard let shape = context.shape(node.input(0)), shape.allSatisfy(\.isKnown) else {
        throw Refusal("the axes are not known", at: id)
      }
      return shape.indices.filter { shape[$0] == 1 }
    } else {
      listed = []
    }
    if listed.isEmpty {
      let keepsAll =
        try node.type.hasPrefix("Reduce") && AttributeReader(node).int("noop_with_empty_axes", default: 0) != 0
      return keepsAll ? [] : Array(0..<rank)
    }
    let axes = listed.map { $0 < 0 ? $0 + rank : $0 }.sorted()
    guard axes.allSatisfy({ (0..<rank).contains($0) }) else {
      throw Refusal("the axes \(listed) are out of range", at: id)
    }
    return axes
  }

  /// `along(c, x, axes)`: the constant and its dimensions at these axes of x, where it is 1 at all others and does not widen x.
  private static func extent(
    _ arguments: [RuleExpression], _ scope: RuleScope
  ) throws -> (tensor: Tensor, shape: (own: [Int], target: [Int]))? {
    let constant: Tensor
    switch try scope.computed(arguments[0]) {
    case .tensor(let tensor, _): constant = tensor
    case let other:
      guard let number = other.double else { throw Refusal("along needs a constant") }
      constant = try .scalar(number, .double)
    }
    let shape = try RuleFunctions.shape(arguments[1], scope)
    guard let axes = try scope.computed(arguments[2]).integers, axes.allSatisfy({ shape.indices.contains($0) }) else {
      throw Refusal("the axes are not known")
    }
    guard constant.rank <= shape.count else { return nil }
    let padded = [Int](repeating: 1, count: shape.count - constant.rank) + constant.shape
    var target: [Int] = []
    for axis in axes {
      guard let dim = shape[axis].value else { throw Refusal("the dimension \(shape[axis]) is not known") }
      if padded[axis] != 1 && padded[axis] != dim { return nil }
      target.append(dim)
    }
    for axis in padded.indices where !axes.contains(axis) && padded[axis] != 1 { return nil }
    return (constant, (axes.map { padded[$0] }, target))
  }

  /// True where every value of `from` is one of `to`.
  static func isLossless(_ from: DataType, _ to: DataType) -> Bool {
    if from == to { return true }
    if let a = integerBits(from) {
      if let b = integerBits(to) { return a.isSigned == b.isSigned ? a.bits <= b.bits : !a.isSigned && a.bits < b.bits }
      return mantissaBits(to).map { a.bits - (a.isSigned ? 1 : 0) <= $0 } ?? false && to != .float16
        || to == .float16 && a.bits <= 8
    }
    if from == .bool { return integerBits(to) != nil || mantissaBits(to) != nil }
    switch (from, to) {
    case (.float16, .float), (.float16, .double), (.bfloat16, .float), (.bfloat16, .double), (.float, .double):
      return true
    default: return false
    }
  }

  private static func integerBits(_ type: DataType) -> (bits: Int, isSigned: Bool)? {
    switch type {
    case .int8: (8, true)
    case .int16: (16, true)
    case .int32: (32, true)
    case .int64: (64, true)
    case .uint8: (8, false)
    case .uint16: (16, false)
    case .uint32: (32, false)
    case .uint64: (64, false)
    default: nil
    }
  }

  /// Integers up to two to that power are exact.
  private static func mantissaBits(_ type: DataType) -> Int? {
    switch type {
    case .float16: 11
    case .bfloat16: 8
    case .float: 24
    case .double: 53
    default: nil
    }
  }

  private static func range(of type: DataType) -> ClosedRange<Int>? {
    guard let (bits, isSigned) = integerBits(type), bits <= 16 else { return nil }
    return isSigned ? -(1 << (bits - 1))...((1 << (bits - 1)) - 1) : 0...((1 << bits) - 1)
  }
}
