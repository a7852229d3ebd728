import GraphIR
import Operators
import Tensors

/// `+ - * / %` on dimensions, numbers and tensors. Tensors broadcast; floats are computed in double and rounded once.
enum RuleArithmetic {
  static func apply(_ symbol: String, _ a: RuleValue, _ b: RuleValue) throws -> RuleValue {
    switch (a, b) {
    case (.dim(let x), .dim(let y)): return try dims(symbol, x, y)
    case (.tensor, .tensor), (.tensor, .dim), (.tensor, .number), (.dim, .tensor), (.number, .tensor):
      return try tensors(symbol, a, b)
    case (.list(let x), .list(let y)) where symbol == "+": return .list(x + y)
    default:
      guard let x = a.double, let y = b.double else {
        throw Refusal("\(a.description) \(symbol) \(b.description) cannot be computed")
      }
      switch symbol {
      case "+": return .number(x + y)
      case "-": return .number(x - y)
      case "*": return .number(x * y)
      case "/": return .number(x / y)
      default: throw Refusal("% needs integers")
      }
    }
  }

  private static func dims(_ symbol: String, _ x: Dim, _ y: Dim) throws -> RuleValue {
    switch symbol {
    case "+": return .dim(x + y)
    case "-": return .dim(x - y)
    case "*": return .dim(x * y)
    case "/":
      guard y != 0 else { throw Refusal("a division by 0") }
      let quotient = x.floorDiv(y)
      if quotient * y == x { return .dim(quotient) }
      guard let a = x.value, let b = y.value else { throw Refusal("\(y) is not known to divide \(x)") }
      return .number(Double(a) / Double(b))
    default:
      guard y != 0 else { throw Refusal("a division by 0") }
      return .dim(x.modulo(y))
    }
  }

  private static let operators = ["+": "Add", "-": "Sub", "*": "Mul", "/": "Div", "%": "Mod"]

  private static func tensors(_ symbol: String, _ a: RuleValue, _ b: RuleValue) throws -> RuleValue {
    guard let name = operators[symbol] else { throw Refusal("\(symbol) is not known of tensors") }
    // The element type that stays: that of a tensor with one of its own, else that of either.
    var type: DataType?
    var isWeak = true
    for case .tensor(let tensor, let weak) in [a, b] where type == nil || (isWeak && !weak) {
      type = tensor.dataType
      isWeak = weak
    }
    guard let type else { throw Refusal("no tensor is there") }
    func operand(_ value: RuleValue) throws -> Tensor {
      let working = type.isFloatingPoint ? DataType.double : type
      if case .tensor(let tensor, _) = value { return try tensor.converted(to: working) }
      guard let number = value.double, type.isFloatingPoint || number == number.rounded() else {
        throw Refusal("\(value.description) is no value of \(type)")
      }
      return try .scalar(number, working)
    }
    if type.isInteger, symbol == "/" || symbol == "%" {
      let divisor = try operand(b)
      if try divisor.ints().contains(0) { throw Refusal("a division by 0") }
    }
    let result = try run(name, [try operand(a), try operand(b)])
    return .tensor(try result.converted(to: type), isWeak: isWeak)
  }

  /// One operator on fixed tensors, through the portable evaluation.
  static func run(_ name: String, _ inputs: [Tensor], _ attributes: [NamedAttribute] = []) throws -> Tensor {
    var graph = Graph()
    let values = inputs.map { graph.addConstant($0) }
    let output = graph.addValue(name: "y")
    graph.addNode(OperatorName(name), inputs: values, outputs: [output], attributes: attributes)
    graph.setOutputs([output])
    do {
      guard let result = try GraphEvaluator(graph).run([]).first?.tensor else {
        throw Refusal("\(name) gave no tensor")
      }
      return result
    } catch let error as CameoError {
      throw Refusal("\(name) cannot be computed: \(error.reason)")
    }
  }
}
