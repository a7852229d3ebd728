import GraphIR
import Operators
import Tensors

/// The functions that guards and rewrites may call.
enum RuleFunctions {
  /// Names with the number of arguments that they take.
  static let arity: [String: ClosedRange<Int>] = [
    "rank": 1...1, "shape": 1...1, "dim": 2...2, "last_dim": 1...1, "type": 1...1, "value": 1...1, "count": 1...1,
    "constant": 1...1, "single_use": 1...1, "is_output": 1...1, "matched": 1...1, "same_shape": 2...2,
    "broadcasts": 2...2,
    "is_float": 1...1, "sqrt": 1...1, "exp": 1...1, "log": 1...1, "abs": 1...1, "min": 2...2, "max": 2...2,
    "reshape": 2...2,
    "transpose": 1...2, "cast": 2...2, "fill": 3...3, "permute": 2...2,
    "matmul": 2...2,
  ].merging(RuleQuestions.arity) { a, _ in a }.merging(RuleLists.arity) { a, _ in a }

  static func call(_ name: String, _ arguments: [RuleExpression], _ scope: RuleScope) throws -> RuleValue {
    let context = scope.context
    switch name {
    case "rank": return .dim(Dim(try shape(arguments[0], scope).count))
    case "shape": return .list(try shape(arguments[0], scope).map { .dim($0) })
    case "last_dim": return try dim(arguments[0], -1, scope)
    case "dim":
      guard let index = try scope.computed(arguments[1]).integer else {
        throw Refusal("the index of a dimension is not known")
      }
      return try dim(arguments[0], index, scope)
    case "count": return .dim(try shape(arguments[0], scope).reduce(1, *))
    case "type":
      if case .tensor(let tensor, _) = try scope.evaluate(arguments[0]) { return .type(tensor.dataType) }
      return .type(try type(arguments[0], scope))
    case "is_float":
      if case .tensor(let tensor, _) = try scope.evaluate(arguments[0]) {
        return .bool(tensor.dataType.isFloatingPoint)
      }
      return .bool(try type(arguments[0], scope).isFloatingPoint)
    case "value":
      let value = try scope.computed(arguments[0])
      if let number = value.double { return .number(number) }
      guard case .tensor(let tensor, _) = value, let number = Operand.computed(tensor).uniform(context) else {
        throw Refusal("\(label(arguments[0])) is not one number")
      }
      return .number(number)
    case "constant":
      if case .graph(let id) = try scope.evaluate(arguments[0]) { return .bool(context.constant(id) != nil) }
      return .bool(true)
    case "single_use": return .bool(context.graph.hasSingleUse(try scope.operand(arguments[0])))
    case "is_output": return .bool(context.graph.isRegionOutput(try scope.operand(arguments[0])))
    case "matched": return .bool(scope.match.node(label(arguments[0])) != nil)
    case "same_shape":
      return .bool(context.haveSameShape(try scope.operand(arguments[0]), try scope.operand(arguments[1])))
    case "broadcasts": return .bool(broadcasts(try shape(arguments[0], scope), to: try shape(arguments[1], scope)))
    default:
      if RuleQuestions.arity[name] != nil { return try RuleQuestions.call(name, arguments, scope) }
      if RuleLists.arity[name] != nil { return try RuleLists.call(name, arguments, scope) }
      return try compute(name, arguments, scope)
    }
  }

  private static func compute(_ name: String, _ arguments: [RuleExpression], _ scope: RuleScope) throws -> RuleValue {
    let values = try arguments.enumerated().map { index, argument in
      name == "cast" && index == 1 ? try scope.evaluate(argument) : try scope.computed(argument)
    }
    switch name {
    case "sqrt", "exp", "log", "abs":
      let operatorName = name.prefix(1).uppercased() + name.dropFirst()
      if case .tensor(let tensor, let isWeak) = values[0] {
        let result = try RuleArithmetic.run(operatorName, [try tensor.converted(to: .double)]).converted(
          to: tensor.dataType)
        return .tensor(result, isWeak: isWeak)
      }
      guard let number = values[0].double else { throw Refusal("\(name) needs a number") }
      return .number(try RuleArithmetic.run(operatorName, [try .scalar(number, .double)]).scalar(as: Double.self))
    case "min", "max":
      if case .dim(let a) = values[0], case .dim(let b) = values[1] {
        return .dim(name == "min" ? Dim.min(a, b) : Dim.max(a, b))
      }
      guard let a = values[0].double, let b = values[1].double else { throw Refusal("\(name) needs numbers") }
      return .number(name == "min" ? Swift.min(a, b) : Swift.max(a, b))
    case "reshape":
      guard case .tensor(let tensor, let isWeak) = values[0], let shape = values[1].integers else {
        throw Refusal("reshape needs a constant and a known shape")
      }
      return .tensor(try RuleArithmetic.run("Reshape", [tensor, try .ints(shape)]), isWeak: isWeak)
    case "transpose":
      guard case .tensor(let tensor, let isWeak) = values[0] else { throw Refusal("transpose needs a constant") }
      var attributes: [NamedAttribute] = []
      if values.count == 2 {
        guard let permutation = values[1].integers, permutation.sorted() == Array(0..<tensor.rank) else {
          throw Refusal("transpose needs a permutation of the axes")
        }
        attributes = [NamedAttribute("perm", .ints(permutation.map { Int64($0) }))]
      }
      return .tensor(try RuleArithmetic.run("Transpose", [tensor], attributes), isWeak: isWeak)
    case "cast":
      guard case .type(let type) = values[1] else { throw Refusal("cast needs an element type") }
      if case .tensor(let tensor, _) = values[0] { return .tensor(try tensor.converted(to: type), isWeak: false) }
      guard let number = values[0].double else { throw Refusal("cast needs a constant") }
      return .tensor(try .scalar(number, type), isWeak: false)
    case "fill":
      guard let number = values[0].double, case .type(let type) = values[1], let shape = values[2].integers,
        let count = try? Tensor.elementCount(shape), count <= 1 << 24
      else { throw Refusal("fill needs a number, an element type and a known shape") }
      return .tensor(try .of([Double](repeating: number, count: count), type, shape: shape), isWeak: false)
    case "matmul":
      guard case .tensor(let a, _) = values[0], case .tensor(let b, _) = values[1] else {
        throw Refusal("matmul needs constants")
      }
      let product = try RuleArithmetic.run("MatMul", [try a.converted(to: .double), try b.converted(to: .double)])
      return .tensor(try product.converted(to: a.dataType), isWeak: false)
    case "permute":
      guard let items = values[0].integers, let order = values[1].integers,
        order.allSatisfy({ items.indices.contains($0) })
      else {
        throw Refusal("permute needs two lists of axes")
      }
      return .ints(order.map { items[$0] })
    default: throw Refusal("\(name) is not known")
    }
  }

  static func label(_ expression: RuleExpression) -> String { expression.names.first ?? "the value" }

  static func shape(_ expression: RuleExpression, _ scope: RuleScope) throws -> [Dim] {
    switch try scope.evaluate(expression) {
    case .tensor(let tensor, _): return tensor.shape.map { Dim($0) }
    case .graph(let id):
      if let shape = scope.context.shape(id) { return shape }
    default: break
    }
    throw Refusal("the shape of \(label(expression)) is not known")
  }

  private static func dim(_ expression: RuleExpression, _ index: Int, _ scope: RuleScope) throws -> RuleValue {
    let shape = try shape(expression, scope)
    let position = index < 0 ? index + shape.count : index
    guard shape.indices.contains(position) else { throw Refusal("\(label(expression)) has no dimension \(index)") }
    return .dim(shape[position])
  }

  static func type(_ expression: RuleExpression, _ scope: RuleScope) throws -> DataType {
    guard let type = scope.context.dataType(try scope.operand(expression)) else {
      throw Refusal("the element type of \(label(expression)) is not known")
    }
    return type
  }

  /// True where a tensor of shape `a` broadcasts to `b` and leaves it as it is.
  static func broadcasts(_ a: [Dim], to b: [Dim]) -> Bool {
    a.count <= b.count && zip(a.reversed(), b.reversed()).allSatisfy { $0 == 1 || $0 == $1 }
  }
}
