import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// What a variable of a generated program holds, by its C type.
enum ElementKind: String, Sendable, Hashable {
  case float, double
  case int32 = "int"
  case uint32 = "u32"
  case int64 = "i64"
  case uint64 = "u64"
  case bool

  var isFloat: Bool { self == .float || self == .double }
  var bytes: Int { self == .double || self == .int64 || self == .uint64 ? 8 : 4 }
}

extension DataType {
  /// What a program computes its elements in; nil for types that it does not take.
  var elementKind: ElementKind? {
    switch self {
    case .float, .float16, .bfloat16, .float8e4m3fn, .float8e5m2: .float
    case .double: .double
    case .int8, .int16, .int32, .uint8, .uint16: .int32
    case .uint32: .uint32
    case .int64: .int64
    case .uint64: .uint64
    case .bool: .bool
    default: nil
    }
  }

  /// Its C type in memory (elements.cuh).
  var elementStorage: String {
    switch self {
    case .float: "float"
    case .float16: "half"
    case .bfloat16: "bf16"
    case .float8e4m3fn: "e4m3"
    case .float8e5m2: "e5m2"
    case .double: "double"
    case .int8: "i8"
    case .int16: "i16"
    case .int32: "int"
    case .int64: "i64"
    case .uint16: "u16"
    case .uint32: "u32"
    case .uint64: "u64"
    default: "u8"
    }
  }

  var isHalf: Bool { self == .float16 || self == .bfloat16 }
  /// Of 8 bits, of the kinds that products take.
  var isFloat8: Bool { self == .float8e4m3fn || self == .float8e5m2 }
  /// What a program's variable holds of it.
  fileprivate var widened: DataType { isHalf || isFloat8 ? .float : self }
}

/// A function of elements, as CUDA source: inputs and constants in, results out, straight on. Floats of 8 and 16 bits are float32 within and
/// rounded once, where they are stored; integers wrap as their type does.
///
/// `launch` runs it over tensors that broadcast. Where another kernel wants the function itself, `function(named:)` is its text:
/// `DEVICE void NAME(float x0, int x1, float c0, float &y0)`, inputs, constants and results in their order.
///
///     var program = ElementwiseProgram()
///     let sum = program.compute("%0 + %1", [try program.input(.float16), try program.input(.float)])
///     program.store(try ElementwiseOperators.emit(activation, sum, in: &program), as: .float16)
///     // In place over output 0, with a row of biases from input 2:
///     let launch = try program.launch(
///       over: shape, [.init(.output(0), shape), .init(.input(2), [columns])], to: [.output(0)], request.context)
struct ElementwiseProgram: Sendable {
  struct Value: Sendable {
    let name: String
    /// float for what lies in memory as a narrower one.
    let type: DataType
    var kind: ElementKind { type.elementKind ?? .float }
  }

  /// A constant of the launch: programs that differ in constants only are one text.
  struct Scalar: Sendable, Hashable {
    let kind: ElementKind
    let bits: UInt64
  }

  private(set) var inputs: [DataType] = []
  private(set) var scalars: [Scalar] = []
  private(set) var lines: [String] = []
  private(set) var results: [(value: Value, type: DataType)] = []
  private var steps = 0

  /// A further input, of that type in memory. Throws a refusal for types that programs do not take.
  mutating func input(_ type: DataType) throws -> Value {
    guard type.elementKind != nil else { throw Refusal("elements of \(type)") }
    inputs.append(type)
    return Value(name: "x\(inputs.count - 1)", type: type.widened)
  }

  mutating func constant(_ value: Double, _ type: DataType) -> Value {
    let type = type.widened
    let bits: UInt64 =
      switch type.elementKind {
      case .float: UInt64(Float(value).bitPattern)
      case .double: value.bitPattern
      default: UInt64(bitPattern: Int64(value))
      }
    return constant(Scalar(kind: type.elementKind ?? .float, bits: bits), type)
  }

  /// The one element of a tensor.
  mutating func constant(_ tensor: Tensor) throws -> Value {
    guard let kind = tensor.dataType.elementKind, tensor.count == 1 else { throw Refusal("a constant \(tensor)") }
    switch kind {
    case .float, .double: return constant(try tensor.scalar(as: Double.self), tensor.dataType)
    case .uint64:
      return constant(Scalar(kind: kind, bits: try tensor.scalar(as: UInt64.self)), tensor.dataType)
    case .bool: return constant(try tensor.scalar(as: Bool.self) ? 1 : 0, .bool)
    default:
      return constant(Scalar(kind: kind, bits: UInt64(bitPattern: try tensor.scalar(as: Int64.self))), tensor.dataType)
    }
  }

  private mutating func constant(_ scalar: Scalar, _ type: DataType) -> Value {
    let index =
      scalars.firstIndex(of: scalar)
      ?? {
        scalars.append(scalar)
        return scalars.count - 1
      }()
    return Value(name: "c\(index)", type: type)
  }

  /// What a constant of the program is; nil for what is no constant.
  func number(_ value: Value) -> Double? {
    guard value.name.hasPrefix("c"), let index = Int(value.name.dropFirst()) else { return nil }
    let scalar = scalars[index]
    switch scalar.kind {
    case .float: return Double(Float(bitPattern: UInt32(truncatingIfNeeded: scalar.bits)))
    case .double: return Double(bitPattern: scalar.bits)
    default: return Double(Int64(bitPattern: scalar.bits))
    }
  }

  /// The value of a C expression in which "%0", "%1" stand for operands. Small integers wrap.
  mutating func compute(_ expression: String, _ operands: [Value], as type: DataType? = nil) -> Value {
    var text = expression
    for (index, operand) in operands.enumerated().reversed() {
      text = text.replacing("%\(index)", with: operand.name)
    }
    let type = type ?? operands.first?.type ?? .float
    if type.elementKind == .int32, type != .int32 { text = "(\(type.elementStorage))(\(text))" }
    let value = Value(name: "v\(steps)", type: type.widened)
    lines.append("\(value.kind.rawValue) \(value.name) = \(text);")
    steps += 1
    return value
  }

  /// Makes the value the next result, in memory of that type.
  mutating func store(_ value: Value, as type: DataType) throws {
    guard let kind = type.elementKind, kind == value.kind else {
      throw Refusal("a result \(value.type) stored as \(type)")
    }
    results.append((value, type))
  }

  /// True where results hold 16 bits of a float at most: functions need not be exact to the last bits of float32.
  var isShort: Bool { !results.isEmpty && results.allSatisfy { $0.type.isHalf } }

  /// The function's text; behind elements.cuh, division.cuh and elementwise.cuh.
  func function(named name: String) -> String {
    let parameters =
      inputs.enumerated().map { "\(($1.elementKind ?? .float).rawValue) x\($0)" }
      + scalars.enumerated().map { "\($1.kind.rawValue) c\($0)" }
      + results.enumerated().map { "\($1.value.kind.rawValue) &y\($0)" }
    let body = lines + results.enumerated().map { "y\($0) = \($1.value.name);" }
    return "DEVICE void \(name)(\(parameters.joined(separator: ", "))) {\n"
      + body.map { "    \($0)\n" }.joined() + "}\n"
  }
}
