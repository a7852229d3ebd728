import ArgumentParser
import Cameo
import GraphIR
import ONNXFormat
import Tensors

/// `NAME=FILE` or `NAME=GENERATOR`: a tensor as the command line gives it. The element type comes from the model.
struct TensorSpec: ExpressibleByArgument, Sendable {
  enum Source: Sendable {
    case file(String)
    /// Standard normal numbers; integers and bools 0 or 1.
    case random([Dim]?)
    case zeros([Dim]?)
    case ones([Dim]?)
    /// Integers from `low` up to, not including, `high`.
    case int(low: Int, high: Int, [Dim]?)
    /// One value for every element.
    case value(String)
  }

  let name: String
  let source: Source

  init(name: String, source: Source) {
    self.name = name
    self.source = source
  }

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
    name = String(argument[..<equals])
    let text = argument[argument.index(after: equals)...]
    guard let source = TensorSpec.source(text) else { return nil }
    self.source = source
  }

  private static func source(_ text: Substring) -> Source? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard let kind = parts.first, !text.isEmpty else { return nil }
    func shape(_ index: Int) -> [Dim]?? {
      if parts.count <= index { return .some(nil) }
      guard parts.count == index + 1, let dims = InputShape.parse(parts[index]) else { return nil }
      return .some(dims)
    }
    switch kind {
    case "random": return shape(1).map { .random($0) }
    case "zeros": return shape(1).map { .zeros($0) }
    case "ones": return shape(1).map { .ones($0) }
    case "int":
      guard parts.count >= 3, let low = Int(parts[1]), let high = Int(parts[2]), low < high else { return nil }
      return shape(3).map { .int(low: low, high: high, $0) }
    case "value":
      guard parts.count >= 2 else { return nil }
      return .value(String(text.dropFirst("value:".count)))
    default: return .file(String(text))
    }
  }

  /// The shape that the text states; nil: the model's.
  var shape: [Dim]? {
    switch source {
    case .random(let shape), .zeros(let shape), .ones(let shape), .int(_, _, let shape): shape
    case .file, .value: nil
    }
  }
}

/// Deterministic numbers: the same seed gives the same tensors on every machine (xorshift of a SplitMix64 start).
struct SeededNumbers {
  private var state: UInt64
  private var spare: Double?

  init(seed: UInt64, stream: Int) {
    var z = seed &+ 0x9e37_79b9_7f4a_7c15 &* UInt64(stream + 1)
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    state = (z ^ z >> 31) | 1
  }

  mutating func bits() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_f491_4f6c_dd1d
  }

  /// 0 <= x < 1.
  mutating func uniform() -> Double { Double(bits() >> 11) * 0x1p-53 }

  /// 0 <= x < bound.
  mutating func below(_ bound: UInt64) -> UInt64 { bits().multipliedFullWidth(by: bound).high }

  /// About normal with variance 1: the sum of 4 uniforms, which needs no library function and so is the same everywhere.
  mutating func normal() -> Double { (uniform() + uniform() + uniform() + uniform() - 2) * 1.7320508075688772 }
}

/// Makes tensors that specs describe.
enum TensorFactory {
  static func make(_ source: TensorSpec.Source, _ type: DataType, _ shape: [Int], seed: UInt64, stream: Int) throws
    -> Tensor
  {
    var numbers = SeededNumbers(seed: seed, stream: stream)
    if type == .string { return try strings(source, shape) }
    switch source {
    case .zeros: return try Tensor.makeRaw(type, shape) { _ in }
    case .ones: return try fill(type, shape, 1)
    case .value(let text):
      if type.isFloatingPoint || type.isComplex {
        guard let value = Double(text) else { throw CameoError.badInput("value:\(text) is no number") }
        return try fill(type, shape, value)
      }
      let value = type == .bool ? ["true": 1, "false": 0][text.lowercased()] ?? Int64(text) : Int64(text)
      guard let value else { throw CameoError.badInput("value:\(text) is no \(type)") }
      return try Tensor.make(type, shape, as: Int64.self) { out in
        for index in 0..<(try Tensor.elementCount(shape)) { out[index] = value }
      }
    case .int(let low, let high, _):
      let (span, overflow) = high.subtractingReportingOverflow(low)
      guard !overflow else { throw CameoError.badInput("int:\(low):\(high) is too wide") }
      return try Tensor.make(type, shape, as: Int64.self) { out in
        for index in 0..<(try Tensor.elementCount(shape)) {
          out[index] = Int64(low) + Int64(numbers.below(UInt64(span)))
        }
      }
    case .random:
      if type.isInteger || type == .bool {
        return try Tensor.make(type, shape, as: Int64.self) { out in
          for index in 0..<(try Tensor.elementCount(shape)) { out[index] = Int64(numbers.below(2)) }
        }
      }
      return try Tensor.make(type, shape, as: Float.self) { out in
        for index in 0..<(try Tensor.elementCount(shape)) { out[index] = Float(numbers.normal()) }
      }
    case .file: throw CameoError(.invariant, "a file is read, not made")
    }
  }

  private static func fill(_ type: DataType, _ shape: [Int], _ value: Double) throws -> Tensor {
    try Tensor.make(type, shape, as: Double.self) { out in
      for index in 0..<(try Tensor.elementCount(shape)) { out[index] = value }
    }
  }

  private static func strings(_ source: TensorSpec.Source, _ shape: [Int]) throws -> Tensor {
    var text = ""
    if case .value(let value) = source { text = value }
    return try Tensor(strings: [String](repeating: text, count: try Tensor.elementCount(shape)), shape: shape)
  }

  /// A tensor from a .npy, .npz or TensorProto file. Of an archive: the array called `name`, or the only one.
  static func read(_ path: String, name: String) throws -> Tensor {
    if path.hasSuffix(".npy") { return try NumPyFile.readArray(path: path) }
    if path.hasSuffix(".npz") {
      let arrays = try NumPyFile.readArchive(path: path)
      if let found = arrays.first(where: { $0.name == name }) { return found.tensor }
      if arrays.count == 1 { return arrays[0].tensor }
      throw CameoError.badInput("there is no array \(name); it holds \(arrays.map(\.name).joined(separator: ", "))")
        .within("file \(path)")
    }
    if path.hasSuffix(".pb") { return try TensorFile.readProto(path: path).tensor }
    throw CameoError.badInput("a tensor file is .npy, .npz or .pb (or random:, zeros:, ones:, int:, value: is meant)")
      .within("file \(path)")
  }
}
