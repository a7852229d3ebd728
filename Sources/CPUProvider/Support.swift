internal import CBLAS
internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

enum Blas {
  static let isLoaded: Bool = cblas_loader_open() != 0
}

/// Integers at an address that C may read as long as the object lives.
final class Longs: @unchecked Sendable {
  let base: UnsafeMutablePointer<Int>
  let count: Int

  init(_ values: [Int]) {
    count = values.count
    base = .allocate(capacity: max(1, values.count))
    for (index, value) in values.enumerated() { base[index] = value }
  }

  deinit { base.deallocate() }
  @inline(__always) subscript(_ index: Int) -> Int { base[index] }
}

/// Floats at an address that C may read as long as the object lives.
final class Floats: @unchecked Sendable {
  let base: UnsafeMutablePointer<Float>
  let count: Int

  init(_ values: [Float]) {
    count = values.count
    base = .allocate(capacity: max(1, values.count))
    for (index, value) in values.enumerated() { base[index] = value }
  }

  deinit { base.deallocate() }
}

extension KernelRequest {
  /// Throws a refusal unless the given inputs, where present, and output 0 are float32.
  func requireFloat(_ indices: [Int]? = nil) throws {
    for index in indices ?? Array(inputs.indices) {
      if let operand = input(index), operand.type != .float { throw Refusal("input \(index) is \(operand.type)") }
    }
    if let operand = output(0), operand.type != .float { throw Refusal("the result is \(operand.type)") }
  }

  /// Throws a refusal unless the operand can be broadcast to `shape`.
  func requireBroadcast(_ operand: Operand, to shape: [Int]) throws {
    let offset = shape.count - operand.rank
    guard offset >= 0,
      operand.shape.indices.allSatisfy({ operand.shape[$0] == 1 || operand.shape[$0] == shape[$0 + offset] })
    else {
      throw Refusal("\(operand.shape) against \(shape)")
    }
  }

  /// Integer contents of a constant input; nil where it is left out; a refusal where it is computed.
  func constantInts(_ index: Int) throws -> [Int]? {
    guard let operand = input(index) else { return nil }
    guard let tensor = operand.constant else { throw Refusal("input \(index) is computed") }
    return try tensor.ints()
  }

  func constantFloats(_ index: Int) throws -> [Float]? {
    guard let operand = input(index) else { return nil }
    guard let tensor = operand.constant else { throw Refusal("input \(index) is computed") }
    return try tensor.elements(as: Float.self)
  }

  func axis(_ name: String, _ fallback: Int, rank: Int) throws -> Int {
    let axis = try attributes.int(name, default: fallback)
    let normalized = axis < 0 ? axis + rank : axis
    guard normalized >= 0, normalized < rank else { throw Refusal("axis \(axis) for rank \(rank)") }
    return normalized
  }

  /// Bytes of one element. A refusal for packed types.
  func width(_ operand: Operand) throws -> Int {
    guard operand.type.bitWidth >= 8, operand.type != .string else { throw Refusal("elements of \(operand.type)") }
    return operand.type.bitWidth / 8
  }
}

func product(_ values: some Sequence<Int>) -> Int { values.reduce(1, *) }

/// Bytes rounded up so that the next thread's part starts on a cache line.
func aligned(_ bytes: Int) -> Int { (bytes + 63) & ~63 }

extension ck_activation {
  static let none = ck_activation(op: Int32(CK_UNARY_NONE.rawValue), p0: 0, p1: 0)

  init(_ op: ck_unary, _ p0: Float = 0, _ p1: Float = 0) { self.init(op: Int32(op.rawValue), p0: p0, p1: p1) }

  /// The activation of a fused node.
  init(_ attributes: AttributeReader) throws {
    guard let activation = try FusedActivation(attributes) else {
      self = .none
      return
    }
    let p = activation.parameters
    switch activation.name {
    case "Relu": self.init(CK_UNARY_RELU)
    case "Sigmoid": self.init(CK_UNARY_SIGMOID)
    case "Tanh": self.init(CK_UNARY_TANH)
    case "HardSwish": self.init(CK_UNARY_HARD_SWISH)
    case "Gelu": self.init(CK_UNARY_GELU)
    case "GeluTanh": self.init(CK_UNARY_GELU_TANH)
    case "LeakyRelu": self.init(CK_UNARY_LEAKY_RELU, p[0])
    case "Elu": self.init(CK_UNARY_ELU, p[0])
    case "Swish": self.init(CK_UNARY_SILU, p[0])
    case "HardSigmoid": self.init(CK_UNARY_HARD_SIGMOID, p[0], p[1])
    case "Clip": self.init(CK_UNARY_CLIP, p[0], p[1])
    default: throw Refusal("activation \(activation.name)")
    }
  }

  var isNone: Bool { op == Int32(CK_UNARY_NONE.rawValue) }
}
