import GraphIR
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Runs every operator through its portable evaluation. Slow, and the measure for the others.
public struct ReferenceProvider: ExecutionProvider {
  public let name = "reference"
  /// Contractions accumulate in double.
  public let accumulatesInDouble: Bool

  public init(accumulatesInDouble: Bool = false) { self.accumulatesInDouble = accumulatesInDouble }

  public func probe() -> [ProviderFinding] {
    [ProviderFinding("portable evaluation", isFound: true, "\(OperatorRegistry.all.count) operators")]
  }

  public func prepare(_ request: KernelRequest) throws -> PreparedKernel {
    // The plan builder makes reference kernels itself: they may also hold sequences, strings and bodies.
    throw Refusal("the portable evaluation stands behind every provider")
  }
}

/// Where an operand of a reference step is.
enum ReferenceOperand: Sendable {
  case absent
  /// Memory of the step's operand table, as a tensor of this type and shape.
  case memory(DataType, [Int])
  case constant(Value)
  /// A sequence, string tensor, or tensor whose shape is known only once it is there.
  case boxed(Int)
}

/// One node through `Operator.evaluate`, between the plan's memory and values.
final class ReferenceKernel: Kernel, @unchecked Sendable {
  private let node: Node
  private let core: ProgramCore
  private let inputs: [ReferenceOperand]
  private let outputs: [ReferenceOperand]
  /// Values from outside that the node's bodies read, behind the node's own inputs in the operand table.
  private let captures: [(ValueID, ReferenceOperand)]
  private let bodies: [RegionID: RegionProgram]
  private let copiesInputs: Bool
  private let accumulatesInDouble: Bool

  init(
    _ node: Node, core: ProgramCore, inputs: [ReferenceOperand], outputs: [ReferenceOperand],
    captures: [(ValueID, ReferenceOperand)] = [], bodies: [RegionID: RegionProgram] = [:],
    accumulatesInDouble: Bool = false
  ) {
    self.node = node
    self.core = core
    self.inputs = inputs
    self.outputs = outputs
    self.captures = captures
    self.bodies = bodies
    self.accumulatesInDouble = accumulatesInDouble
    // A boxed result outlives the step and may share an input's memory: give it memory of its own.
    copiesInputs = outputs.contains { if case .boxed = $0 { true } else { false } }
    super.init("reference")
  }

  private func value(_ operand: ReferenceOperand, _ pointer: UnsafeMutableRawPointer?, _ call: KernelCall) throws
    -> Value?
  {
    switch operand {
    case .absent: return nil
    case .constant(let value): return value
    case .boxed(let slot):
      guard let value = call.context.boxed[slot] else { throw CameoError.badInput("a value was not computed") }
      return value
    case .memory(let type, let shape):
      guard let pointer else { throw CameoError(.invariant, "an operand has no memory") }
      let bytes = type.byteCount(elements: try Tensor.elementCount(shape)) ?? 0
      let storage: TensorStorage
      if copiesInputs {
        storage = try TensorStorage(byteCount: bytes, zeroed: false)
        memcpy(storage.base, pointer, bytes)
      } else {
        storage = TensorStorage(borrowing: pointer, byteCount: bytes, owner: call.context)
      }
      return .tensor(try Tensor(dataType: type, shape: shape, storage: storage))
    }
  }

  override func run(_ call: KernelCall) throws {
    var values: [Value?] = []
    values.reserveCapacity(inputs.count)
    for (index, input) in inputs.enumerated() { values.append(try value(input, call.operands[index], call)) }
    var options = GraphEvaluator.Options()
    options.seed = core.options.seed
    options.accumulatesInDouble = accumulatesInDouble
    var runBody: ((RegionID, [Value?]) throws -> [Value])?
    if !bodies.isEmpty {
      var captured: [ValueID: Value] = [:]
      for (index, capture) in captures.enumerated() {
        captured[capture.0] = try value(capture.1, call.operands[inputs.count + index], call)
      }
      let cancellation = call.context.cancellation
      let tap = call.context.tap
      runBody = { [bodies] region, arguments in
        guard let body = bodies[region] else { throw CameoError(.invariant, "a body was not planned") }
        return try body.run(arguments, captured: captured, cancellation: cancellation, tap: tap)
      }
    }
    let results = try GraphEvaluator.evaluate(
      node, inputs: values, functions: core.functions, options: options, runBody: runBody)
    for (index, output) in outputs.enumerated() {
      switch output {
      case .absent, .constant: continue
      case .boxed(let slot):
        guard index < results.count, let result = results[index] else {
          throw CameoError.unsupported("output \(index) is not computed")
        }
        call.context.boxed[slot] = result
      case .memory(let type, let shape):
        guard index < results.count, let result = results[index]?.tensor else {
          throw CameoError.unsupported("output \(index) is not computed")
        }
        guard result.dataType == type, result.shape == shape else {
          throw CameoError.badInput("output \(index) is \(result), \(type)\(shape) was inferred")
        }
        guard let target = call.operands[call.inputCount + index] else {
          throw CameoError(.invariant, "output \(index) has no memory")
        }
        result.withUnsafeBytes { bytes in
          if let source = bytes.baseAddress, bytes.count > 0 { memmove(target, source, bytes.count) }
        }
      }
    }
  }
}
