internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Turns the body of a FusedElementwise into steps on tiles. Numbers are held as float32, int32, int64 or bytes; float16 and
/// bfloat16 are float32 rounded after every operator, as if each had stored its result.
struct ElementwiseCompiler {
  /// How a tile holds its elements.
  enum Lane {
    case float, int32, int64, byte

    var width: Int { self == .byte ? 1 : self == .int64 ? 8 : 4 }

    init(_ type: DataType) throws {
      switch type {
      case .float, .float16, .bfloat16: self = .float
      case .int32: self = .int32
      case .int64: self = .int64
      case .bool, .uint8, .int8: self = .byte
      default: throw Refusal("elements of \(type)")
      }
    }
  }

  enum Source: Equatable {
    case input(Int)
    case scalar(Int)
    case step(Int)
  }

  struct Step {
    var operation: ck_program_op
    var argument: Int32
    var operands: [Source]
    /// Bytes of an element of the result.
    let width: Int
    var p0: Float = 0
    var p1: Float = 0
  }

  private(set) var steps: [Step] = []
  /// 8 bytes each, in the lane's own type.
  private(set) var scalars: [UInt64] = []
  /// The reduction at the end and the shape that it goes over.
  private(set) var reduction: (operation: ck_reduce, from: Int)?
  /// The shape that the steps walk.
  private(set) var shape: [Int] = []

  private let body: Graph
  private var values: [ValueID: Source] = [:]
  private var types: [ValueID: DataType] = [:]
  /// Inputs in float16 and bfloat16, once they are float32.
  private var widened: [Int: Source] = [:]
  private let inputs: [Operand]

  /// Throws a refusal for what has no steps.
  init(_ body: Graph, _ inputs: [Operand]) throws {
    self.body = body
    self.inputs = inputs
    guard body.inputs.count == inputs.count, body.outputs.count == 1 else { throw Refusal("a body of another form") }
    let inference = ShapeInference(body)
    _ = try inference.run(inputs: inputs.map { ValueFacts(type: .tensor($0.type, $0.shape.map { Dim($0) })) })
    for value in body.allValues { types[value] = inference[value].dataType }
    for (index, input) in body.inputs.enumerated() { values[input] = .input(index) }
    let output = body.outputs[0]
    var last = output
    if let id = body.producer(output), ElementwiseVocabulary.reductions.contains(body[id].type),
      let data = body[id].input(0), let rank = inference[data].shape?.count
    {
      let axes = try body[id].input(1).map { axes in
        guard let tensor = body.constant(axes) else { throw Refusal("computed axes") }
        return try tensor.ints()
      }
      guard let from = ElementwiseVocabulary.reducedFrom(body[id], axes: axes, rank: rank), types[data] == .float else {
        throw Refusal("a reduction of other than trailing axes of float")
      }
      reduction = (try ElementwiseCompiler.operation(body[id].type), from)
      last = data
    }
    guard let shape = inference[last].type?.concreteShape else { throw Refusal("a shape that is not known") }
    self.shape = shape
    for id in body.nodes where reduction == nil || body[id].output(0) != output {
      try compile(id, isLast: reduction == nil && body[id].output(0) == output)
    }
    try finish(last)
  }

  private static func operation(_ name: String) throws -> ck_reduce {
    switch name {
    case "ReduceSum": return CK_REDUCE_SUM
    case "ReduceMean": return CK_REDUCE_MEAN
    case "ReduceMax": return CK_REDUCE_MAX
    case "ReduceMin": return CK_REDUCE_MIN
    case "ReduceL1": return CK_REDUCE_L1
    case "ReduceL2": return CK_REDUCE_L2
    case "ReduceSumSquare": return CK_REDUCE_SUM_SQUARE
    default: throw Refusal("the reduction \(name)")
    }
  }

  // MARK: Operands

  private func type(_ value: ValueID?) throws -> DataType {
    guard let value, let type = types[value] else { throw Refusal("an element type that is not known") }
    return type
  }

  private mutating func emit(
    _ operation: ck_program_op, _ argument: some BinaryInteger, _ operands: [Source], _ lane: Lane, _ p0: Float = 0,
    _ p1: Float = 0
  ) -> Source {
    emit(operation, argument, operands, width: lane.width, p0, p1)
  }

  private mutating func emit(
    _ operation: ck_program_op, _ argument: some BinaryInteger, _ operands: [Source], width: Int, _ p0: Float = 0,
    _ p1: Float = 0
  ) -> Source {
    steps.append(
      Step(operation: operation, argument: Int32(argument), operands: operands, width: width, p0: p0, p1: p1))
    return .step(steps.count - 1)
  }

  private mutating func scalar(_ value: Double, _ lane: Lane) -> Source {
    switch lane {
    case .float: scalars.append(UInt64(Float(value).bitPattern))
    default: scalars.append(UInt64(bitPattern: Int64(value)))
    }
    return .scalar(scalars.count - 1)
  }

  /// The contents of a scalar constant.
  private func constant(_ value: ValueID?) throws -> Tensor {
    guard let tensor = body.constant(value) else { throw Refusal("a computed parameter") }
    guard tensor.count == 1, tensor.dataType != .string else {
      throw Refusal("a constant of \(tensor.count) elements in the body")
    }
    return tensor
  }

  private mutating func scalar(_ tensor: Tensor, _ lane: Lane) throws -> Source {
    if lane == .float { return scalar(try tensor.scalar(as: Double.self), lane) }
    let value = try tensor.scalar(as: Int64.self)
    scalars.append(UInt64(bitPattern: lane == .byte ? (value != 0 ? 1 : 0) : value))
    return .scalar(scalars.count - 1)
  }

  /// The value in its lane.
  private mutating func source(_ value: ValueID?) throws -> Source {
    guard let value else { throw Refusal("an operand is left out") }
    if let source = values[value] {
      guard case .input(let index) = source else { return source }
      if let known = widened[index] { return known }
      switch inputs[index].type {
      case .float16: widened[index] = emit(CK_PROGRAM_CONVERT, CK_PROGRAM_F16_TO_F32.rawValue, [source], .float)
      case .bfloat16: widened[index] = emit(CK_PROGRAM_CONVERT, CK_PROGRAM_BF16_TO_F32.rawValue, [source], .float)
      default: return source
      }
      return widened[index] ?? source
    }
    let made = try scalar(try constant(value), try Lane(try type(value)))
    values[value] = made
    return made
  }

  // MARK: Nodes

  private mutating func compile(_ id: NodeID, isLast: Bool) throws {
    let node = body[id]
    guard let output = node.output(0), node.outputs.count == 1 else { throw Refusal("a node with several outputs") }
    let operands = node.inputs.map { input in
      input.map {
        ElementwiseVocabulary.Operand(type: types[$0], isScalar: body.constant($0)?.count == 1)
      }
    }
    if let reason = ElementwiseVocabulary.refusal(node, operands, result: types[output]) { throw Refusal(reason) }
    let type = try type(output)
    var result = try steps(of: node, type)
    // The last result is rounded by being stored; what moves elements only has nothing to round.
    if !isLast, node.type != "Where" {
      switch type {
      case .float16: result = emit(CK_PROGRAM_CONVERT, CK_PROGRAM_ROUND_F16.rawValue, [result], .float)
      case .bfloat16: result = emit(CK_PROGRAM_CONVERT, CK_PROGRAM_ROUND_BF16.rawValue, [result], .float)
      default: break
      }
    }
    values[output] = result
  }

  private mutating func steps(of node: Node, _ type: DataType) throws -> Source {
    let attributes = AttributeReader(node)
    let lane = try Lane(try self.type(node.input(0)))
    switch node.type {
    case "Add", "Sub", "Mul", "Div", "PRelu", "Max", "Min", "Sum", "Mean":
      return try fold(node, lane)
    case "SwiGLU":
      let alpha = try attributes.float("alpha", default: 1)
      let gate = emit(
        CK_PROGRAM_UNARY_F32, CK_UNARY_SILU.rawValue, [try source(node.input(0))], .float, alpha)
      return emit(CK_PROGRAM_BINARY_F32, CK_BINARY_MUL.rawValue, [gate, try source(node.input(1))], .float)
    case "Pow":
      let exponent =
        body.constant(node.input(1))?.count == 1
        ? try scalar(try constant(node.input(1)), .float) : try source(node.input(1))
      return emit(CK_PROGRAM_BINARY_F32, CK_BINARY_POW.rawValue, [try source(node.input(0)), exponent], .float)
    case "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual": return try compare(node, lane)
    case "And": return try logic(node, CK_PROGRAM_AND)
    case "Or": return try logic(node, CK_PROGRAM_OR)
    case "Xor": return try logic(node, CK_PROGRAM_XOR)
    case "Not": return try logic(node, CK_PROGRAM_NOT)
    case "IsNaN": return emit(CK_PROGRAM_IS_NAN, 0, [try source(node.input(0))], .byte)
    case "IsInf":
      let below = try attributes.int("detect_negative", default: 1) != 0
      let above = try attributes.int("detect_positive", default: 1) != 0
      return emit(CK_PROGRAM_IS_INF, 0, [try source(node.input(0))], .byte, below ? 1 : 0, above ? 1 : 0)
    case "Where":
      let lane = try Lane(type)
      let operands = try [source(node.input(0)), source(node.input(1)), source(node.input(2))]
      return emit(CK_PROGRAM_WHERE, lane.width, operands, lane)
    case "Clip": return try clip(node, lane)
    case "Cast": return try cast(node, lane, to: type)
    case "QuantizeLinear", "DequantizeLinear": return try quantization(node, type)
    default: break
    }
    guard let activation = try UnaryKernels.activations[node.type]?(attributes) else {
      throw Refusal("operator \(node.operatorName)")
    }
    let operation =
      lane == .float ? CK_PROGRAM_UNARY_F32 : lane == .int64 ? CK_PROGRAM_UNARY_I64 : CK_PROGRAM_UNARY_I32
    return emit(
      operation, activation.op, [try source(node.input(0))], lane, activation.p0, activation.p1)
  }

  private static func binary(_ lane: Lane) -> ck_program_op {
    lane == .float ? CK_PROGRAM_BINARY_F32 : lane == .int64 ? CK_PROGRAM_BINARY_I64 : CK_PROGRAM_BINARY_I32
  }

  /// Operators of two or more numbers, from the first to the last.
  private mutating func fold(_ node: Node, _ lane: Lane) throws -> Source {
    let operations: [String: ck_binary] = [
      "Add": CK_BINARY_ADD, "Sub": CK_BINARY_SUB, "Mul": CK_BINARY_MUL, "Div": CK_BINARY_DIV, "Max": CK_BINARY_MAX,
      "Min": CK_BINARY_MIN, "Sum": CK_BINARY_ADD, "Mean": CK_BINARY_ADD, "PRelu": CK_BINARY_PRELU,
    ]
    guard let operation = operations[node.type] else { throw Refusal("operator \(node.operatorName)") }
    let family = ElementwiseCompiler.binary(lane)
    var result = try source(node.input(0))
    for input in node.inputs.dropFirst() {
      result = emit(family, operation.rawValue, [result, try source(input)], lane)
    }
    if node.type == "Mean", node.inputs.count > 1 {
      let count = scalar(Double(node.inputs.count), .float)
      result = emit(family, CK_BINARY_DIV.rawValue, [result, count], lane)
    }
    return result
  }

  private mutating func compare(_ node: Node, _ lane: Lane) throws -> Source {
    let family: ck_program_op =
      switch lane {
      case .float: CK_PROGRAM_COMPARE_F32
      case .int32: CK_PROGRAM_COMPARE_I32
      case .int64: CK_PROGRAM_COMPARE_I64
      case .byte: CK_PROGRAM_COMPARE_U8
      }
    var operands = [try source(node.input(0)), try source(node.input(1))]
    if node.type.hasPrefix("Greater") { operands.swapAt(0, 1) }
    let comparison: ck_program_compare =
      switch node.type {
      case "Equal": CK_PROGRAM_EQUAL
      case "Less", "Greater": CK_PROGRAM_LESS
      default: CK_PROGRAM_LESS_EQUAL
      }
    return emit(family, comparison.rawValue, operands, .byte)
  }

  private mutating func logic(_ node: Node, _ operation: ck_program_logic) throws -> Source {
    var operands: [Source] = []
    for input in node.inputs { operands.append(try source(input)) }
    return emit(CK_PROGRAM_LOGIC, operation.rawValue, operands, .byte)
  }

  /// The lower bound first, so that the upper one wins.
  private mutating func clip(_ node: Node, _ lane: Lane) throws -> Source {
    var result = try source(node.input(0))
    if lane == .float {
      let low = try node.input(1).map { try constant($0).scalar(as: Float.self) } ?? -.infinity
      let high = try node.input(2).map { try constant($0).scalar(as: Float.self) } ?? .infinity
      return emit(CK_PROGRAM_UNARY_F32, CK_UNARY_CLIP.rawValue, [result], .float, low, high)
    }
    for (index, operation) in [(1, CK_BINARY_MAX), (2, CK_BINARY_MIN)] where node.input(index) != nil {
      let bound = try scalar(try constant(node.input(index)), lane)
      result = emit(ElementwiseCompiler.binary(lane), operation.rawValue, [result, bound], lane)
    }
    return result
  }

  private mutating func cast(_ node: Node, _ lane: Lane, to type: DataType) throws -> Source {
    let from = try self.type(node.input(0))
    let target = try Lane(type)
    let input = try source(node.input(0))
    let conversion: ck_program_convert
    switch (lane, target) {
    case (.float, .float): return input
    case (.int32, .float): conversion = CK_PROGRAM_I32_TO_F32
    case (.int64, .float): conversion = CK_PROGRAM_I64_TO_F32
    case (.byte, .float): conversion = CK_PROGRAM_U8_TO_F32
    case (.float, .int32): conversion = CK_PROGRAM_F32_TO_I32
    case (.float, .int64): conversion = CK_PROGRAM_F32_TO_I64
    case (.float, .byte): conversion = CK_PROGRAM_F32_TO_BOOL
    case (.int32, .int64): conversion = CK_PROGRAM_I32_TO_I64
    case (.int64, .int32): conversion = CK_PROGRAM_I64_TO_I32
    case (.byte, .int32): conversion = CK_PROGRAM_U8_TO_I32
    case (.byte, .int64): conversion = CK_PROGRAM_U8_TO_I64
    case (.int32, .byte): conversion = CK_PROGRAM_I32_TO_BOOL
    case (.int64, .byte): conversion = CK_PROGRAM_I64_TO_BOOL
    default: throw Refusal("\(from) to \(type)")
    }
    return emit(CK_PROGRAM_CONVERT, conversion.rawValue, [input], target)
  }

  /// Between float and bytes.
  private mutating func quantization(_ node: Node, _ type: DataType) throws -> Source {
    let scale = try constant(node.input(1)).scalar(as: Float.self)
    let zero = try node.input(2).map { Float(try constant($0).scalar(as: Int64.self)) } ?? 0
    let isQuantize = node.type == "QuantizeLinear"
    let integer = try isQuantize ? type : self.type(node.input(0))
    guard body.constant(node.input(0)) == nil else { throw Refusal("a constant that is quantized or dequantized") }
    return emit(
      isQuantize ? CK_PROGRAM_QUANTIZE : CK_PROGRAM_DEQUANTIZE, integer == .int8 ? 1 : 0, [try source(node.input(0))],
      isQuantize ? .byte : .float, scale, zero)
  }

  /// Makes `output` the last step's result, and drops steps that nothing reads.
  private mutating func finish(_ output: ValueID) throws {
    var result = try source(output)
    switch try type(output) {
    case .float16: result = emit(CK_PROGRAM_CONVERT, CK_PROGRAM_F32_TO_F16.rawValue, [result], width: 2)
    case .bfloat16: result = emit(CK_PROGRAM_CONVERT, CK_PROGRAM_F32_TO_BF16.rawValue, [result], width: 2)
    default:
      if case .step = result { break }
      // The greater of a number and itself, and the conjunction, are copies.
      switch try Lane(try type(output)) {
      case .float: result = emit(CK_PROGRAM_UNARY_F32, CK_UNARY_NONE.rawValue, [result], .float)
      case .int32: result = emit(CK_PROGRAM_BINARY_I32, CK_BINARY_MAX.rawValue, [result, result], .int32)
      case .int64: result = emit(CK_PROGRAM_BINARY_I64, CK_BINARY_MAX.rawValue, [result, result], .int64)
      case .byte: result = emit(CK_PROGRAM_LOGIC, CK_PROGRAM_AND.rawValue, [result, result], .byte)
      }
    }
    guard case .step(let last) = result else { throw Refusal("a body that computes nothing") }
    steps = ElementwisePasses.merged(ElementwisePasses.needed(Array(steps[...last])))
  }
}
