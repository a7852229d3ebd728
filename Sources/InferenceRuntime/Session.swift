import GraphIR
import Operators
import Synchronization
import Tensors

/// How a session runs.
public struct SessionOptions: Sendable {
  /// Threads, the caller's included; 0: one a core of the affinity mask.
  public var threads = 0
  /// Processors that the session's own threads are bound to, see `ThreadPool`; empty: the system decides.
  public var affinity: [Int] = []
  /// What products of float32 may be computed in. No level of optimization lowers it, only this does.
  public var precision = Precision.fp32
  /// Nodes of the model, by their ids in its graph, that read, compute and write float32 whatever `precision` says.
  public var exactNodes: Set<NodeID> = []
  /// What a device may do at prepare to make runs faster.
  public var mode = ExecutionMode.standard
  /// Chooses between kernels' forms by measuring; nil: the heuristics alone.
  public var tuning: Tuning?
  /// The same answers for every node, while one is measured.
  var answers: TuningAnswers?
  /// Seeds random operators without a seed of their own.
  public var seed: UInt64 = 0
  /// Plans kept per stage, one for each combination of input shapes.
  public var planCacheLimit = 16
  /// A pool to share with other sessions; nil: the session makes its own.
  public var pool: ThreadPool?
  /// Packed weights that are mapped instead of made; see `PackFile`.
  public var packs: PackFile?
  /// Values that runs show to a `ValueTap`: see `Session.run(values:cancellation:tap:)`. None: plans hold no step for it.
  public var taps: Set<ValueID> = []
  /// The packed weights are to be written to a file: nothing in them may be left to chance.
  package var keepsPacks = false

  public init() {}
}

/// An input or output of a model, as declared.
public struct PortInfo: Sendable {
  public let name: String
  public let type: ValueType?
  /// An input with a default value may be left out.
  public let isOptional: Bool
}

/// A model prepared to run. Plans are made for each combination of input shapes when first met, and kept. Any number of
/// threads may run one session at once.
public final class Session: Sendable {
  public let inputs: [PortInfo]
  public let outputs: [PortInfo]
  let core: ProgramCore
  let program: RegionProgram
  private let inputIndex: [String: Int]
  public var pool: ThreadPool { core.pool }
  public var threads: Int { core.pool.threads }

  /// Prepares `model`. `providers` in order of preference; the portable evaluation runs what none of them takes.
  /// Throws `.unsupported` where no provider has the precision that `options` ask for.
  public init(_ model: Model, providers: [any ExecutionProvider], options: SessionOptions = SessionOptions()) throws {
    let precision = options.precision
    if precision != .fp32 && precision != .auto && !providers.contains(where: { $0.precisions.contains(precision) }) {
      let names = providers.isEmpty ? "reference" : providers.map(\.name).joined(separator: ", ")
      throw CameoError.unsupported("precision \(precision.rawValue): no provider here (\(names)) computes in it")
    }
    let pool = options.pool ?? ThreadPool(threads: options.threads, affinity: options.affinity)
    core = ProgramCore(model, providers: providers, options: options, pool: pool)
    program = RegionProgram(core, region: .main, facts: FactTable(core), captures: [])
    let graph = model.graph
    inputs = graph.inputs.map {
      PortInfo(name: graph[$0].name, type: graph[$0].type, isOptional: graph[$0].constant != nil)
    }
    outputs = graph.outputs.map { PortInfo(name: graph[$0].name, type: graph[$0].type, isOptional: false) }
    inputIndex = Dictionary(inputs.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { a, _ in a })
  }

  /// Plans for these shapes now, so that the first run does not. Names as in `run`.
  public func prepare(inputs named: [String: [Int]]) throws {
    var types: [ValueType?] = []
    for port in inputs {
      guard let shape = named[port.name] else {
        if port.isOptional { types.append(nil); continue }
        throw CameoError.badInput("input \(port.name) is missing")
      }
      guard let type = port.type?.dataType else { throw CameoError.badInput("input \(port.name) is no tensor") }
      types.append(.tensor(type, shape.map { Dim($0) }))
    }
    _ = try program.firstStage(types: types)
  }

  /// Runs the model on tensors by input name; its tensor outputs by name.
  ///
  /// Throws `.badInput` for a missing or unknown name, a wrong element type, rank or fixed dimension, and for two inputs that
  /// give one named dimension different values; `.cancelled` where `cancellation` was raised.
  public func run(
    _ tensors: [String: Tensor], cancellation: Cancellation? = nil, profile: Profile? = nil
  ) throws -> [String: Tensor] {
    let values = try run(values: tensors.mapValues { .tensor($0) }, cancellation: cancellation, profile: profile)
    var result: [String: Tensor] = [:]
    for (name, value) in values {
      guard let tensor = value.tensor else {
        throw CameoError.unsupported("output \(name) is no tensor: run(values:) gives it")
      }
      result[name] = tensor
    }
    return result
  }

  /// The same for values of any kind (sequences, maps, optionals).
  public func run(
    values: [String: Value], cancellation: Cancellation? = nil, profile: Profile? = nil
  ) throws -> [String: Value] {
    let arguments = try validate(values)
    let recorder = profile.map { Recorder($0) }
    let results = try program.run(arguments, cancellation: cancellation, recorder: recorder)
    recorder?.finish()
    return named(results)
  }

  /// The same, and `tap` is shown the values that `SessionOptions.taps` names as they are made. What it throws ends the run.
  public func run(
    values: [String: Value], cancellation: Cancellation? = nil, tap: @escaping ValueTap
  ) throws -> [String: Value] {
    named(try program.run(validate(values), cancellation: cancellation, tap: tap))
  }

  private func named(_ results: [Value]) -> [String: Value] {
    var named: [String: Value] = [:]
    for (index, output) in outputs.enumerated() { named[output.name] = results[index] }
    return named
  }

  /// Inputs by position, checked against the declared types.
  func validate(_ values: [String: Value]) throws -> [Value?] {
    for name in values.keys.sorted() where inputIndex[name] == nil {
      throw CameoError.badInput("the model has no input \(name); it has \(inputs.map(\.name).joined(separator: ", "))")
    }
    var bindings: [String: (Int, String)] = [:]
    return try inputs.map { port in
      guard let value = values[port.name] else {
        if port.isOptional { return nil }
        throw CameoError.badInput("input \(port.name) is missing")
      }
      if let declared = port.type { try Session.check(value, declared, port.name, &bindings) }
      return value
    }
  }

  private static func check(
    _ value: Value, _ declared: ValueType, _ name: String, _ bindings: inout [String: (Int, String)]
  ) throws {
    guard case .tensor(let type, let shape) = declared else {
      if case .tensor = value, case .optional = declared { return }
      if case .tensor = value { throw CameoError.badInput("input \(name) is a tensor, \(declared) is declared") }
      return
    }
    guard let tensor = value.tensor else {
      throw CameoError.badInput("input \(name) is no tensor, \(declared) is declared")
    }
    if let type, tensor.dataType != type {
      throw CameoError.badInput("input \(name) is of type \(tensor.dataType), \(type) is declared")
    }
    guard let shape else { return }
    guard tensor.rank == shape.count else {
      throw CameoError.badInput(
        "input \(name) has the shape \(tensor.shape), rank \(shape.count) is declared: \(declared)")
    }
    for (axis, dim) in shape.enumerated() {
      if let expected = dim.value {
        if expected >= 0 && tensor.shape[axis] != expected {
          throw CameoError.badInput("input \(name) has the shape \(tensor.shape), \(declared) is declared")
        }
      } else if let symbol = dim.symbolName, !symbol.isEmpty, symbol != "?" {
        if let known = bindings[symbol] {
          if known.0 != tensor.shape[axis] {
            throw CameoError.badInput(
              "dimension \(symbol) is \(known.0) in input \(known.1) and \(tensor.shape[axis]) in input \(name)")
          }
        } else {
          bindings[symbol] = (tensor.shape[axis], name)
        }
      }
    }
  }

  // MARK: Reports

  /// What the plans made so far use and how they run, first stages first.
  public var plans: [ExecutionPlan] {
    var result: [ExecutionPlan] = []
    var work = Array(program.plans.reversed())
    while let stage = work.popLast() {
      result.append(stage.plan)
      work.append(contentsOf: stage.laterStages.reversed())
    }
    return result
  }

  /// The plan for inputs of these shapes (its first stage, where shapes depend on data).
  public func plan(inputs named: [String: [Int]]) throws -> ExecutionPlan {
    try prepare(inputs: named)
    let types: [ValueType?] = inputs.map { port in
      named[port.name].flatMap { shape in port.type?.dataType.map { .tensor($0, shape.map { Dim($0) }) } }
    }
    return try program.firstStage(types: types).plan
  }

  /// The device that plans use; nil where everything is the host's.
  public var device: Device? { core.device }

  /// Bytes of constants in the device's memory, all forms.
  public var residentBytes: Int { core.residents?.byteCount ?? 0 }

  /// The largest arena on the device of the plans made so far.
  public var deviceArenaBytes: Int { plans.map(\.deviceMemory.peakBytes).max() ?? 0 }

  /// Bytes of weights kept in packed form beside the model's own.
  public var packedBytes: Int { core.packs.byteCount }

  /// Those of them that are mapped from a file.
  public var mappedPackedBytes: Int { core.packs.mappedByteCount }
}
