public import GraphIR
public import Tensors

/// Which nodes the body of a FusedElementwise may hold: what its kernels know. Pass and kernels ask here, so that what is
/// fused is also fast.
public enum ElementwiseVocabulary {
  /// An operand as the question needs it.
  public struct Operand: Sendable {
    public let type: DataType?
    /// A constant of one element.
    public let isScalar: Bool

    public init(type: DataType?, isScalar: Bool) {
      self.type = type
      self.isScalar = isScalar
    }
  }

  /// Reductions that may end a program.
  public static let reductions: Set<String> = [
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare",
  ]

  private enum Family {
    /// One float.
    case function
    /// One number.
    case signed
    /// Two or more numbers of one type, or of floats only.
    case numbers, floats
    case comparison, logic, test, clip, choice, cast, power
    /// Between float and 8-bit integers, by one constant scale and zero point.
    case quantization
  }

  private static let families: [String: Family] = {
    var table: [String: Family] = [
      "Abs": .signed, "Neg": .signed, "Sign": .signed, "Add": .numbers, "Sub": .numbers, "Mul": .numbers,
      "Div": .numbers, "Max": .numbers, "Min": .numbers, "Sum": .numbers, "Mean": .floats, "PRelu": .floats,
      "SwiGLU": .floats, "Pow": .power, "Equal": .comparison, "Less": .comparison, "Greater": .comparison,
      "LessOrEqual": .comparison, "GreaterOrEqual": .comparison, "And": .logic, "Or": .logic, "Xor": .logic,
      "Not": .logic, "IsNaN": .test, "IsInf": .test, "Clip": .clip, "Where": .choice, "Cast": .cast,
      "QuantizeLinear": .quantization, "DequantizeLinear": .quantization,
    ]
    let functions = [
      "Sqrt", "Reciprocal", "Exp", "Log", "Sin", "Cos", "Tan", "Tanh", "Sigmoid", "Erf", "Relu", "LeakyRelu", "Elu",
      "Celu", "Selu", "Softplus", "Softsign", "HardSigmoid", "HardSwish", "Gelu", "Swish", "Mish", "Floor", "Ceil",
      "Round", "ThresholdedRelu",
    ]
    for name in functions { table[name] = .function }
    return table
  }()

  /// True for operators that are element-wise in some types.
  public static func knows(_ name: OperatorName) -> Bool { name.domain.isEmpty && families[name.name] != nil }

  private static let floats: Set<DataType> = [.float, .float16, .bfloat16]
  private static let numbers: Set<DataType> = [.float, .float16, .bfloat16, .int64, .int32]

  /// Why the node cannot be a step of a program; nil where it can.
  public static func refusal(_ node: Node, _ operands: [Operand?], result: DataType?) -> String? {
    guard node.domain.isEmpty, let family = families[node.type] else {
      return "no element-wise program has the operator \(node.operatorName)"
    }
    guard let result else { return "its element type is not known" }
    var types: [DataType] = []
    for operand in operands {
      guard let operand else { continue }
      guard let type = operand.type else { return "the element type of an operand is not known" }
      types.append(type)
    }
    guard let first = types.first else { return "it has no operand" }
    let uniform = types.allSatisfy { $0 == first }
    let holds: Bool
    switch family {
    case .function: holds = floats.contains(first)
    case .signed, .numbers: holds = uniform && numbers.contains(first)
    case .floats: holds = uniform && floats.contains(first)
    case .power:
      holds = floats.contains(first) && (types.last == first || operands.last??.isScalar == true)
    case .comparison:
      holds = uniform && (numbers.contains(first) || first == .bool && node.type == "Equal")
    case .logic: holds = uniform && first == .bool
    case .test: holds = floats.contains(first)
    case .clip:
      guard operands.dropFirst().allSatisfy({ $0?.isScalar ?? true }) else { return "its bounds are computed" }
      holds = uniform && numbers.contains(first)
    case .choice:
      holds =
        types.count == 3 && first == .bool && types[1] == types[2] && (numbers.contains(result) || result == .bool)
    case .cast: holds = converts(first, to: result)
    case .quantization:
      guard operands.dropFirst().allSatisfy({ $0?.isScalar ?? true }) else {
        return "its scale or zero point is not one constant number"
      }
      holds = quantizes(node, first, scale: types[1], to: result)
    }
    if holds { return nil }
    return "no element-wise program has \(node.type) of \(types.map(\.description).joined(separator: ", "))"
      + (family == .cast ? " to \(result)" : "")
  }

  /// Conversions that come out as Cast's do.
  private static func converts(_ from: DataType, to: DataType) -> Bool {
    switch (from, to) {
    case (.float, .float16), (.float, .bfloat16), (.float16, .float), (.bfloat16, .float), (.float16, .bfloat16),
      (.bfloat16, .float16):
      true
    case (.float, .int32), (.float, .int64), (.float, .bool), (.float16, .int32), (.float16, .int64), (.float16, .bool),
      (.bfloat16, .int32), (.bfloat16, .int64), (.bfloat16, .bool):
      true
    case (.int32, .float), (.int64, .float), (.bool, .float), (.bool, .float16), (.bool, .bfloat16), (.uint8, .float):
      true
    case (.int32, .int64), (.int64, .int32), (.bool, .int32), (.bool, .int64), (.uint8, .int32), (.uint8, .int64),
      (.int32, .bool), (.int64, .bool):
      true
    default: false
    }
  }

  private static func quantizes(_ node: Node, _ from: DataType, scale: DataType, to: DataType) -> Bool {
    if case .int(let size)? = node["block_size"], size != 0 { return false }
    if case .int(let type)? = node["precision"], type != 0, type != Int64(DataType.float.rawValue) { return false }
    let bytes: Set<DataType> = [.uint8, .int8]
    guard scale == .float else { return false }
    return node.type == "QuantizeLinear" ? from == .float && bytes.contains(to) : bytes.contains(from) && to == .float
  }

  /// The first of the trailing axes that the reduction goes over, for an operand of that rank; nil where it is no reduction of
  /// trailing axes. `axes`: the contents of input 1, nil where it is left out.
  public static func reducedFrom(_ node: Node, axes: [Int]?, rank: Int) -> Int? {
    guard node.domain.isEmpty, reductions.contains(node.type), rank > 0 else { return nil }
    guard let axes, !axes.isEmpty else {
      if case .int(let value) = node["noop_with_empty_axes"], value != 0 { return nil }
      return 0
    }
    let sorted = Set(axes.map { $0 < 0 ? $0 + rank : $0 }).sorted()
    guard sorted == Array(rank - sorted.count..<rank) else { return nil }
    return sorted[0]
  }
}
