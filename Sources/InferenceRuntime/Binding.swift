import GraphIR
import Synchronization
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Inputs and outputs in the caller's memory, fixed once and run many times. A run of a model whose shapes do not depend on
/// data allocates nothing. Used by one thread at a time; make one for each.
///
/// An output may lie in an input's memory (`present` over `past`): where the plan would write it too early, the run goes
/// through memory of its own and copies at the end.
public final class Binding {
  let session: Session
  let stage: StagePlan
  let context: ExecutionContext
  /// Memory that is copied to the caller's at the end of a run: source, target, bytes.
  private var copies: ContiguousArray<(UnsafeRawPointer, UnsafeMutableRawPointer, Int)> = []
  private var owned: [TensorStorage] = []
  /// Memory on the device that runs read and write.
  var kept: [DeviceStorage] = []
  private var arguments: [Value?]
  public let cancellation = Cancellation()
  /// Shape and type of each output, by position.
  public let outputTypes: [(type: DataType, shape: [Int])]
  private var inputRanges: [(UnsafeRawPointer, Int, Int)] = []
  let portOfInput: [Int?]

  /// Contents of decisive inputs that the plan was made for, by input position.
  private let known: [Int: Tensor]
  let caches: [CacheInPlace]
  private var decisive: ContiguousArray<(UnsafeRawPointer, UnsafeRawPointer, Int)> = []

  /// Plans for inputs of these shapes. Throws `.unsupported` where output shapes depend on data.
  ///
  /// `values`: contents of small integer inputs that decide which branch runs (a sampling rate); they are fixed for this
  /// binding, and a run throws where the bound memory has others.
  /// `caches`: outputs that are written where inputs lie, each bound by `bind(cache:to:)`. Throws `.unsupported` where something
  /// else than an operator with a cache of its own reads or writes one.
  public init(
    _ session: Session, inputs shapes: [String: [Int]], values: [String: Tensor] = [:], caches: [CacheInPlace] = []
  ) throws {
    self.caches = caches
    self.session = session
    let types: [ValueType?] = try session.inputs.map { port in
      guard let shape = shapes[port.name] else {
        if port.isOptional { return nil }
        throw CameoError.badInput("input \(port.name) is missing")
      }
      guard let type = port.type?.dataType else { throw CameoError.badInput("input \(port.name) is no tensor") }
      return .tensor(type, shape.map { Dim($0) })
    }
    var known: [Int: Tensor] = [:]
    for index in session.program.decisive {
      if let tensor = values[session.inputs[index].name], tensor.count <= DecisiveInputs.countLimit {
        known[index] = try Tensor.makeRaw(tensor.dataType, tensor.shape) { bytes in
          tensor.withUnsafeBytes { bytes.copyMemory(from: $0) }
        }
      }
    }
    self.known = known
    let stage = try session.program.firstStage(
      types: types, known: known, rooms: try CacheInPlace.rooms(caches, session, shapes))
    guard stage.isFinal else { throw CameoError.unsupported("shapes in this model depend on data: use run") }
    self.stage = stage
    context = try ExecutionContext(stage.plan, pool: session.pool)
    context.cancellation = cancellation
    arguments = [Value?](repeating: nil, count: session.inputs.count)
    let formals = session.program.formals
    portOfInput = formals.map { formal in stage.plan.inputs.firstIndex { $0.value == formal } }
    var outputTypes: [(type: DataType, shape: [Int])] = []
    for (index, result) in stage.results.enumerated() {
      switch result {
      case .port(let port):
        guard let operand = stage.plan.outputs[port].operand else {
          throw CameoError.unsupported("output \(session.outputs[index].name) is no tensor of known shape: use run")
        }
        outputTypes.append((operand.type, operand.shape))
      case .constant(let value):
        guard let tensor = value.tensor, tensor.dataType != .string else {
          throw CameoError.unsupported("output \(session.outputs[index].name) is no tensor of known shape: use run")
        }
        outputTypes.append((tensor.dataType, tensor.shape))
      case .environment(let value):
        guard let input = formals.firstIndex(of: value), let type = types[input], let element = type.dataType,
          let shape = type.concreteShape
        else {
          throw CameoError.unsupported("output \(session.outputs[index].name) is no tensor of known shape: use run")
        }
        outputTypes.append((element, shape))
      }
    }
    self.outputTypes = outputTypes
    for cache in caches {
      guard let output = session.outputs.firstIndex(where: { $0.name == cache.present }),
        case .port = stage.results[output], outputTypes[output].shape.count >= 2
      else { throw CameoError.unsupported("output \(cache.present) is not computed: it cannot be a cache in place") }
      let rows = outputTypes[output].shape[outputTypes[output].shape.count - 2]
      guard rows <= cache.capacity else {
        throw CameoError.badInput("output \(cache.present) has \(rows) rows, there is room for \(cache.capacity)")
      }
    }
  }

  /// Reads the input `past` of a cache from `memory`, and writes its output there: [..., capacity, size], the rows that there are
  /// first. Both are contiguous but for the rows that are free.
  public func bind(cache past: String, to memory: UnsafeMutableRawBufferPointer) throws {
    guard let cache = caches.first(where: { $0.past == past }),
      let input = session.inputs.firstIndex(where: { $0.name == past }),
      let output = session.outputs.firstIndex(where: { $0.name == cache.present }),
      case .port(let target) = stage.results[output]
    else { throw CameoError.badInput("the binding was made without a cache \(past)") }
    let (type, shape) = outputTypes[output]
    let rows = shape.dropLast(2) + [cache.capacity, shape[shape.count - 1]]
    let bytes = type.byteCount(elements: try Tensor.elementCount(Array(rows))) ?? 0
    guard memory.count >= bytes, let base = memory.baseAddress else {
      throw CameoError.badInput("cache \(past) needs \(bytes) bytes, \(memory.count) are there")
    }
    if let port = portOfInput[input] {
      context.bind(input: port, to: base)
      inputRanges.removeAll { $0.2 == port }
      inputRanges.append((UnsafeRawPointer(base), bytes, port))
    }
    context.bind(output: target, to: base)
    firstTargets[target] = UnsafeRawPointer(base)
  }

  /// Bytes that a run moves as they are: within the plan, and from memory of its own to the caller's.
  public var copiedBytes: Int { stage.plan.copiedBytes + copies.reduce(0) { $0 + $1.2 } }

  /// Reads input `name` from `memory` in every run.
  public func bind(input name: String, to memory: UnsafeRawBufferPointer) throws {
    guard let index = session.inputs.firstIndex(where: { $0.name == name }) else {
      throw CameoError.badInput("the model has no input \(name)")
    }
    if let expected = known[index], let base = memory.baseAddress {
      guard memory.count >= expected.byteCount else {
        throw CameoError.badInput("input \(name) needs \(expected.byteCount) bytes, \(memory.count) are there")
      }
      decisive.append((expected.baseAddress, base, expected.byteCount))
      return
    }
    guard let port = portOfInput[index], let operand = stage.plan.inputs[port].operand, let base = memory.baseAddress
    else { return }
    guard memory.count >= operand.byteCount else {
      throw CameoError.badInput("input \(name) needs \(operand.byteCount) bytes, \(memory.count) are there")
    }
    context.bind(input: port, to: UnsafeMutableRawPointer(mutating: base))
    inputRanges.removeAll { $0.2 == port }
    inputRanges.append((base, operand.byteCount, port))
  }

  /// Reads input `name` from the tensor, which is kept.
  public func bind(input name: String, to tensor: Tensor) throws {
    try bind(input: name, to: UnsafeRawBufferPointer(start: tensor.baseAddress, count: tensor.byteCount))
    if let index = session.inputs.firstIndex(where: { $0.name == name }) { arguments[index] = .tensor(tensor) }
  }

  /// Writes output `name` to `memory` in every run. Bind inputs first.
  public func bind(output name: String, to memory: UnsafeMutableRawBufferPointer) throws {
    guard let index = session.outputs.firstIndex(where: { $0.name == name }) else {
      throw CameoError.badInput("the model has no output \(name)")
    }
    let (type, shape) = outputTypes[index]
    let bytes = type.byteCount(elements: try Tensor.elementCount(shape)) ?? 0
    guard memory.count >= bytes, let target = memory.baseAddress else {
      throw CameoError.badInput("output \(name) needs \(bytes) bytes, \(memory.count) are there")
    }
    switch stage.results[index] {
    case .port(let port):
      let isFirst = !stage.results[..<index].contains { if case .port(port) = $0 { true } else { false } }
      let overlaps = inputRanges.contains { base, count, _ in
        UnsafeRawPointer(target) < base + count && base < UnsafeRawPointer(target) + bytes
      }
      if isFirst && !overlaps {
        context.bind(output: port, to: target)
        firstTargets[port] = UnsafeRawPointer(target)
      } else if isFirst {
        let storage = try TensorStorage(byteCount: bytes, zeroed: false)
        owned.append(storage)
        context.bind(output: port, to: storage.base)
        firstTargets[port] = UnsafeRawPointer(storage.base)
        copies.append((UnsafeRawPointer(storage.base), target, bytes))
      } else if let source = firstTargets[port] {
        copies.append((source, target, bytes))
      } else {
        throw CameoError.badInput("bind outputs in order: \(name) repeats an earlier one")
      }
    case .constant(let value):
      if let tensor = value.tensor { memcpy(target, tensor.baseAddress, bytes) }
    case .environment(let value):
      if let port = stage.plan.inputs.firstIndex(where: { $0.value == value }),
        let range = inputRanges.first(where: { $0.2 == port })
      {
        copies.append((range.0, target, bytes))
      }
    }
  }

  private var firstTargets: [Int: UnsafeRawPointer] = [:]

  /// Makes memory for output `name`; the tensor that every run writes.
  public func bindOutput(_ name: String) throws -> Tensor {
    guard let index = session.outputs.firstIndex(where: { $0.name == name }) else {
      throw CameoError.badInput("the model has no output \(name)")
    }
    let (type, shape) = outputTypes[index]
    let tensor = try Tensor.makeRaw(type, shape) { _ in }
    try bind(
      output: name, to: UnsafeMutableRawBufferPointer(start: tensor.storage.base, count: tensor.storage.byteCount))
    owned.append(tensor.storage)
    return tensor
  }

  /// Runs. Every input and output has been bound.
  public func run() throws {
    for index in decisive.indices where memcmp(decisive[index].0, decisive[index].1, decisive[index].2) != 0 {
      throw CameoError.badInput("an input that decides which branch runs has changed since the binding was made")
    }
    try context.run()
    for index in copies.indices { memmove(copies[index].1, copies[index].0, copies[index].2) }
    context.reset()
  }

  /// Runs and records every step.
  public func run(profile: Profile) throws {
    let recorder = Recorder(profile)
    context.recorder = recorder
    defer { context.recorder = nil }
    try run()
    recorder.finish()
  }

  public var plan: ExecutionPlan { stage.plan }
}
