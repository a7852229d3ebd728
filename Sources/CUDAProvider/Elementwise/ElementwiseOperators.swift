import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Operators as C expressions (the functions are those of elementwise.cuh). "%0" is an operand, "%alpha" an attribute that holds a float.
enum ElementwiseOperators {
  typealias Value = ElementwiseProgram.Value

  /// Of floats.
  static let functions: [String: String] = [
    "Sqrt": "e_sqrt(%0)", "Reciprocal": "e_reciprocal(%0)", "Exp": "e_exp(%0)", "Log": "e_log(%0)", "Sin": "e_sin(%0)",
    "Cos": "e_cos(%0)", "Tan": "e_tan(%0)", "Asin": "e_asin(%0)", "Acos": "e_acos(%0)", "Atan": "e_atan(%0)",
    "Sinh": "e_sinh(%0)", "Cosh": "e_cosh(%0)", "Tanh": "e_tanh(%0)", "Asinh": "e_asinh(%0)", "Acosh": "e_acosh(%0)",
    "Atanh": "e_atanh(%0)", "Erf": "e_erf(%0)", "Floor": "e_floor(%0)", "Ceil": "e_ceil(%0)", "Round": "e_round(%0)",
    "Sigmoid": "e_sigmoid(%0)", "Softplus": "e_softplus(%0)", "Softsign": "e_softsign(%0)", "Mish": "e_mish(%0)",
    "HardSwish": "e_hard_swish(%0)", "Elu": "e_elu(%0, %alpha)", "Celu": "e_celu(%0, %alpha)",
    "Selu": "e_selu(%0, %alpha, %gamma)", "LeakyRelu": "e_leaky(%0, %alpha)",
    "HardSigmoid": "e_hard_sigmoid(%0, %alpha, %beta)", "ThresholdedRelu": "e_thresholded(%0, %alpha)",
    "Shrink": "e_shrink(%0, %bias, %lambd)", "Swish": "e_swish(%0, %alpha)", "SwiGLU": "e_swish(%0, %alpha) * %1",
  ]

  /// Of numbers, whatever their type.
  static let numbers: [String: String] = [
    "Abs": "e_abs(%0)", "Neg": "-%0", "Sign": "e_sign(%0)", "Relu": "e_relu(%0)", "PRelu": "e_prelu(%0, %1)",
    "Sub": "%0 - %1", "Div": "e_divide(%0, %1)",
  ]

  /// Of one number or more, from the first to the last.
  static let folds: [String: String] = [
    "Add": "%0 + %1", "Mul": "%0 * %1", "Sum": "%0 + %1", "Mean": "%0 + %1", "Max": "e_max(%0, %1)",
    "Min": "e_min(%0, %1)",
  ]

  /// Of integers.
  static let integers: [String: String] = [
    "BitwiseAnd": "%0 & %1", "BitwiseOr": "%0 | %1", "BitwiseXor": "%0 ^ %1", "BitwiseNot": "~%0",
  ]

  /// To bool.
  static let tests: [String: String] = [
    "Equal": "%0 == %1", "Less": "%0 < %1", "LessOrEqual": "%0 <= %1", "Greater": "%0 > %1",
    "GreaterOrEqual": "%0 >= %1", "And": "%0 && %1", "Or": "%0 || %1", "Xor": "%0 != %1", "Not": "!%0",
    "IsNaN": "e_is_nan(%0)",
  ]

  /// Those that `emit` knows beside the tables.
  private static let special = [
    "Pow", "Mod", "BitShift", "Where", "Clip", "Cast", "CastLike", "Gelu", "IsInf", "QuantizeLinear",
    "DequantizeLinear", "Identity",
  ]

  static let names: [String] = [functions, numbers, folds, integers, tests].flatMap(\.keys) + special

  /// The value of a node. `type`: its result's. Throws a refusal for what has no expression.
  static func emit(
    _ node: Node, _ operands: [Value?], to type: DataType, in program: inout ElementwiseProgram
  ) throws -> Value {
    guard let first = operands.first ?? nil else { throw Refusal("input 0 is left out") }
    let attributes = AttributeReader(node)
    let given = operands.compactMap { $0 }
    if let text = folds[node.type] { return try fold(node, text, given, in: &program) }
    if let text = tests[node.type] {
      try requireOneKind(given)
      return program.compute(text, given, as: .bool)
    }
    if let text = numbers[node.type] {
      guard first.kind != .bool else { throw Refusal("\(node.type) of bool") }
      try requireOneKind(given)
      return try expand(text, given, attributes, in: &program)
    }
    if let text = functions[node.type] {
      guard first.kind.isFloat else { throw Refusal("\(node.type) of \(first.type)") }
      try requireOneKind(given)
      return try expand(text, given, attributes, in: &program)
    }
    if let text = integers[node.type] {
      guard !first.kind.isFloat else { throw Refusal("\(node.type) of \(first.type)") }
      try requireOneKind(given)
      return program.compute(text, given)
    }
    switch node.type {
    case "Identity": return first
    case "Pow": return try power(given, in: &program)
    case "Mod":
      guard first.kind != .bool else { throw Refusal("Mod of bool") }
      try requireOneKind(given)
      return program.compute(try attributes.bool("fmod") ? "e_fmod(%0, %1)" : "e_floored_mod(%0, %1)", given)
    case "BitShift": return try shift(given, attributes, in: &program)
    case "Where":
      guard given.count == 3, given[1].kind == given[2].kind else { throw Refusal("operands of several types") }
      return program.compute("%0 ? %1 : %2", given, as: given[1].type)
    case "Clip": return try clip(operands, in: &program)
    case "Cast", "CastLike":
      return try cast(first, to: type, saturates: try attributes.int("saturate", default: 1) != 0, in: &program)
    case "Gelu":
      guard first.kind.isFloat else { throw Refusal("Gelu of \(first.type)") }
      let approximate = try attributes.string("approximate", default: "none")
      return program.compute(approximate == "tanh" ? "e_gelu_tanh(%0)" : "e_gelu(%0)", [first])
    case "IsInf":
      let below = try attributes.int("detect_negative", default: 1) != 0
      let above = try attributes.int("detect_positive", default: 1) != 0
      return program.compute("e_is_inf(%0, \(below), \(above))", [first], as: .bool)
    case "QuantizeLinear":
      return try quantize(
        operands, precision: try attributes.dataType("precision"), to: type,
        saturates: try attributes.int("saturate", default: 1) != 0, in: &program)
    case "DequantizeLinear": return try dequantize(operands, in: &program)
    default: throw Refusal("no element-wise program has the operator \(node.operatorName)")
    }
  }

  /// The activation of a fused product.
  static func emit(
    _ activation: FusedActivation, _ value: Value, in program: inout ElementwiseProgram
  ) throws -> Value {
    let texts = [
      "Relu": "e_relu(%0)", "Sigmoid": "e_sigmoid(%0)", "Tanh": "e_tanh(%0)", "HardSwish": "e_hard_swish(%0)",
      "Gelu": "e_gelu(%0)", "GeluTanh": "e_gelu_tanh(%0)", "LeakyRelu": "e_leaky(%0, %1)", "Elu": "e_elu(%0, %1)",
      "Swish": "e_swish(%0, %1)", "HardSigmoid": "e_hard_sigmoid(%0, %1, %2)", "Clip": "e_clamp(%0, %1, %2)",
    ]
    guard let text = texts[activation.name] else { throw Refusal("activation \(activation.name)") }
    return program.compute(
      text, [value] + activation.parameters.map { program.constant(Double($0), value.type) })
  }

  private static func requireOneKind(_ values: [Value]) throws {
    guard values.allSatisfy({ $0.type == values[0].type }) else {
      throw Refusal("operands of \(values.map(\.type.name).joined(separator: ", "))")
    }
  }

  /// Attributes become constants of the first operand's type.
  private static func expand(
    _ text: String, _ operands: [Value], _ attributes: AttributeReader, in program: inout ElementwiseProgram
  ) throws -> Value {
    var text = text
    for name in ["alpha", "beta", "gamma", "bias", "lambd"] where text.contains("%\(name)") {
      let fallback: Float? = ["alpha": 1, "bias": 0, "lambd": 0.5][name]
      let value = program.constant(Double(try attributes.float(name, default: fallback)), operands[0].type)
      text = text.replacing("%\(name)", with: value.name)
    }
    return program.compute(text, operands)
  }

  private static func fold(
    _ node: Node, _ text: String, _ values: [Value], in program: inout ElementwiseProgram
  ) throws -> Value {
    try requireOneKind(values)
    guard values[0].kind != .bool else { throw Refusal("\(node.type) of bool") }
    var result = values[0]
    for value in values.dropFirst() { result = program.compute(text, [result, value]) }
    if node.type == "Mean", values.count > 1 {
      result = program.compute("%0 / %1", [result, program.constant(Double(values.count), result.type)])
    }
    return result
  }

  /// Constant exponents that are a product or a root are computed as such.
  private static func power(_ values: [Value], in program: inout ElementwiseProgram) throws -> Value {
    guard values.count == 2 else { throw Refusal("\(values.count) operands of Pow") }
    let (base, exponent) = (values[0], values[1])
    if base.kind == .float, let number = program.number(exponent) {
      switch number {
      case 2: return program.compute("e_square(%0)", [base])
      case 3: return program.compute("e_cube(%0)", [base])
      case 0.5: return program.compute("e_sqrt(%0)", [base])
      case 1: return base
      case -1: return program.compute("e_reciprocal(%0)", [base])
      default: break
      }
    }
    switch (base.kind, exponent.kind) {
    case (.float, .double):
      return program.compute("(float)e_power((double)%0, %1)", values)
    case (.float, _), (.double, _):
      return program.compute("e_power(%0, (\(base.kind.rawValue))%1)", values)
    case (.bool, _), (_, .bool): throw Refusal("Pow of bool")
    case (_, .float), (_, .double):
      return program.compute("(\(base.kind.rawValue))e_power((double)%0, (double)%1)", values)
    case (.uint64, .uint64), (.uint32, .uint32): return program.compute("e_power(%0, %1)", values)
    default: return program.compute("(\(base.kind.rawValue))e_power((i64)%0, (i64)%1)", values)
    }
  }

  private static func shift(
    _ values: [Value], _ attributes: AttributeReader, in program: inout ElementwiseProgram
  ) throws -> Value {
    try requireOneKind(values)
    guard !values[0].kind.isFloat, values[0].kind != .bool else { throw Refusal("BitShift of \(values[0].type)") }
    let name = try attributes.string("direction") == "LEFT" ? "e_shift_left" : "e_shift_right"
    return program.compute("\(name)(%0, %1, \(values[0].type.bitWidth))", values)
  }

  /// The lower bound first, so that the upper one wins; NaN passes.
  private static func clip(_ operands: [Value?], in program: inout ElementwiseProgram) throws -> Value {
    guard var result = operands[0] else { throw Refusal("input 0 is left out") }
    for (index, text) in [(1, "%0 < %1 ? %1 : %0"), (2, "%0 > %1 ? %1 : %0")] where index < operands.count {
      guard let bound = operands[index] else { continue }
      try requireOneKind([result, bound])
      result = program.compute(text, [result, bound])
    }
    return result
  }

  /// Between integers the bits wrap; a float beyond an integer type's range gives what the type holds.
  private static func cast(
    _ value: Value, to type: DataType, saturates: Bool, in program: inout ElementwiseProgram
  ) throws -> Value {
    guard let kind = type.elementKind else { throw Refusal("\(value.type) to \(type)") }
    switch type {
    case .float16 where value.kind != .bool: return program.compute("e_round_half((float)%0)", [value], as: .float)
    case .bfloat16 where value.kind != .bool: return program.compute("e_round_bf16((float)%0)", [value], as: .float)
    case .float8e4m3fn: return program.compute("e_round_e4m3((float)%0, \(saturates))", [value], as: .float)
    case .float8e5m2: return program.compute("e_round_e5m2((float)%0, \(saturates))", [value], as: .float)
    case .bool: return program.compute("%0 != 0", [value], as: .bool)
    default: break
    }
    if kind == value.kind, kind != .int32 || value.type == type { return value }
    return program.compute("(\(kind.rawValue))%0", [value], as: type)
  }

  // MARK: Quantization

  private static let ranges: [DataType: (Int, Int)] = [
    .int8: (-128, 127), .uint8: (0, 255), .int16: (-32768, 32767), .uint16: (0, 65535),
  ]

  /// Operands: x, scale, zero point. `precision`: of the quotient; nil: float32, and double for integers. Without `saturates` an 8-bit float
  /// is NaN or infinite where its type does not reach.
  static func quantize(
    _ operands: [Value?], precision: DataType?, to type: DataType, saturates: Bool = true,
    in program: inout ElementwiseProgram
  ) throws -> Value {
    if type.isFloat8 { return try quantizeFloat8(operands, precision, type, saturates, in: &program) }
    guard let range = ranges[type], let x = operands[0], operands.count > 1, let scale = operands[1] else {
      throw Refusal("a result of \(type)")
    }
    let zero = operands.count > 2 ? operands[2] : nil
    let bounds = "\(zero == nil ? "0" : "%2"), \(range.0), \(range.1)"
    let values = [x, scale] + (zero.map { [$0] } ?? [])
    if precision == .double || x.kind == .int32 {
      return program.compute("e_quantize_wide((double)%0, (double)%1, \(bounds))", values, as: type)
    }
    guard x.kind == .float, scale.kind == .float else { throw Refusal("\(x.type) by \(scale.type) to \(type)") }
    let name =
      precision == .float16 ? "e_quantize_half" : precision == .bfloat16 ? "e_quantize_bf16" : "e_quantize"
    return program.compute("\(name)(%0, %1, \(bounds))", values, as: type)
  }

  /// The zero point of 8-bit floats is 0.
  private static func quantizeFloat8(
    _ operands: [Value?], _ precision: DataType?, _ type: DataType, _ saturates: Bool,
    in program: inout ElementwiseProgram
  ) throws -> Value {
    guard let x = operands[0], operands.count > 1, let scale = operands[1], x.kind == .float, scale.kind == .float
    else { throw Refusal("operands of other types") }
    let suffix = type == .float8e4m3fn ? "e4m3" : "e5m2"
    switch precision {
    case .float16, .bfloat16:
      let name = precision == .float16 ? "e_round_half" : "e_round_bf16"
      let quotient = program.compute("\(name)(__fdiv_rn(%0, %1))", [x, scale], as: .float)
      return program.compute("e_round_\(suffix)(%0, \(saturates))", [quotient], as: .float)
    case nil, .float:
      return program.compute("e_quantize_\(suffix)(%0, %1, \(saturates))", [x, scale], as: .float)
    default: throw Refusal("a quotient of the type \(precision?.name ?? "")")
    }
  }

  private static func dequantize(_ operands: [Value?], in program: inout ElementwiseProgram) throws -> Value {
    guard let x = operands[0], operands.count > 1, let scale = operands[1], scale.kind == .float,
      x.kind == .int32 || x.kind == .float
    else { throw Refusal("operands of other types") }
    guard operands.count > 2, let zero = operands[2] else {
      return program.compute("(float)%0 * %1", [x, scale], as: .float)
    }
    return program.compute("(float)(%0 - %2) * %1", [x, scale, zero], as: .float)
  }
}
