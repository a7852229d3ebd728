import GraphIR
import Operators
import Tensors

/// A region (main graph or body) that runs on values, stage by stage, with plans made on demand for the shapes it meets.
final class RegionProgram: @unchecked Sendable {
  let core: ProgramCore
  let region: RegionID
  private let base: FactTable
  let formals: [ValueID]
  /// Values from outside; `base` knows their types.
  let captures: [ValueID]
  let outputs: [ValueID]
  private let cache: PlanCache
  /// Formals whose contents decide which branch runs: a plan is made for each of their values.
  let decisive: Set<Int>

  init(_ core: ProgramCore, region: RegionID, facts: FactTable, captures: [ValueID]) {
    self.core = core
    self.region = region
    base = facts
    formals = core.graph[region].inputs
    self.captures = captures
    outputs = core.graph[region].outputs
    cache = PlanCache(limit: core.options.planCacheLimit)
    decisive = region == .main ? DecisiveInputs.find(core.graph) : []
  }

  /// Plans made so far.
  var plans: [StagePlan] { cache.plans }

  /// The first stage for these inputs. nil: the input's default value.
  func firstStage(_ values: [Value?], captured: [ValueID: Value] = [:]) throws -> StagePlan {
    var signature = Signature()
    var known: [Int: Tensor] = [:]
    for index in formals.indices {
      let value = index < values.count ? values[index] : nil
      signature.add(value)
      if decisive.contains(index), let tensor = value?.tensor, tensor.count <= DecisiveInputs.countLimit {
        known[index] = tensor
        signature.add(contents: tensor)
      }
    }
    for capture in captures where !PlanBuilder.isMemory(self.known(capture)) { signature.add(captured[capture]) }
    return try cache.plan(for: signature) {
      var types: [ValueType?] = []
      for index in formals.indices {
        let value = index < values.count ? values[index] : nil
        // A sequence's element types come from the declaration: those of one run prove nothing.
        types.append(
          value.flatMap { $0.tensor == nil ? core.graph[formals[index]].type ?? $0.staticType : $0.staticType })
      }
      return try plan(types, known: known)
    }
  }

  private func known(_ value: ValueID) -> ValueFacts {
    var table = base
    return table[value]
  }

  /// The first stage for inputs of these types; nil: the input's default value. `known`: contents of decisive inputs.
  /// `rooms`: rows that inputs and outputs have room for in the caller's memory.
  func firstStage(types: [ValueType?], known: [Int: Tensor] = [:], rooms: [ValueID: Int] = [:]) throws -> StagePlan {
    var signature = Signature()
    for (value, room) in rooms.sorted(by: { $0.key.index < $1.key.index }) {
      signature.add(room: room, of: Int(value.index))
    }
    for (index, type) in types.enumerated() {
      if let type, let element = type.dataType, let shape = type.concreteShape {
        signature.add(element, shape)
        if let tensor = known[index] { signature.add(contents: tensor) }
      } else {
        signature.add(nil)
      }
    }
    return try cache.plan(for: signature) { try plan(types, known: known, rooms: rooms) }
  }

  private func plan(_ types: [ValueType?], known: [Int: Tensor], rooms: [ValueID: Int] = [:]) throws -> StagePlan {
    var facts = base
    var inputs = captures
    for (index, formal) in formals.enumerated() {
      if let type = types[index] {
        if let tensor = known[index] {
          // The plan outlives the caller's memory.
          let copy = try Tensor.makeRaw(tensor.dataType, tensor.shape) { bytes in
            tensor.withUnsafeBytes { bytes.copyMemory(from: $0) }
          }
          facts.note(formal, ValueFacts(constant: .tensor(copy)))
        } else {
          facts.note(formal, ValueFacts(type: type))
          inputs.append(formal)
        }
      } else if let fallback = core.graph[formal].constant {
        facts.note(formal, ValueFacts(constant: fallback), isGlobal: true)
      } else {
        throw CameoError.badInput("input \(core.graph[formal].name) is missing")
      }
    }
    return try PlanBuilder(facts, deferred: core.graph.nodes(in: region), inputs: inputs, wanted: outputs, rooms: rooms)
      .build()
  }

  /// Runs on values; the region's outputs.
  func run(
    _ arguments: [Value?], captured: [ValueID: Value] = [:], cancellation: Cancellation? = nil,
    recorder: Recorder? = nil, tap: ValueTap? = nil
  ) throws -> [Value] {
    var stage = try firstStage(arguments, captured: captured)
    var environment = captured
    for (index, formal) in formals.enumerated() where index < arguments.count {
      if let value = arguments[index] { environment[formal] = value }
    }
    if let tap {
      for formal in formals where core.options.taps.contains(formal) {
        if let tensor = (environment[formal] ?? core.graph[formal].constant)?.tensor {
          try within("value \(core.graph[formal].name)") { try tap(formal, tensor) }
        }
      }
    }
    while true {
      let plan = stage.plan
      let context = try stage.contexts.take(plan, pool: core.pool)
      context.cancellation = cancellation
      context.recorder = recorder
      context.tap = tap
      for (port, input) in plan.inputs.enumerated() {
        guard let value = environment[input.value] else {
          throw CameoError.badInput(
            "value \(core.graph[input.value].name), which graph \(core.graph[region].name) reads, was not computed")
        }
        if let slot = input.boxed {
          context.boxed[slot] = value
        } else if let operand = input.operand {
          // A body may be handed something else than what it declares.
          guard let tensor = value.tensor, tensor.dataType == operand.type, tensor.shape == operand.shape else {
            throw CameoError.badInput(
              "value \(core.graph[input.value].name) is \(value.tensor.map { "\($0)" } ?? "no tensor"), "
                + "\(operand.type)\(operand.shape) was expected")
          }
          context.bind(input: port, to: UnsafeMutableRawPointer(mutating: tensor.baseAddress))
        }
      }
      var made: [Value?] = []
      for (port, output) in plan.outputs.enumerated() {
        guard let operand = output.operand else { made.append(nil); continue }
        let tensor = try within(core.place(of: output.value)) {
          try Tensor(
            dataType: operand.type, shape: operand.shape,
            storage: TensorStorage(byteCount: operand.byteCount, zeroed: false))
        }
        context.bind(output: port, to: tensor.storage.base)
        made.append(.tensor(tensor))
      }
      try withExtendedLifetime(environment) { try context.run() }
      for (port, output) in plan.outputs.enumerated() {
        if let slot = output.boxed { made[port] = context.boxed[slot] }
        guard let value = made[port] else {
          throw CameoError.badInput("value \(core.graph[output.value].name) was not computed")
        }
        environment[output.value] = value
      }
      stage.contexts.give(context)
      if stage.isFinal {
        return try stage.results.map { result in
          switch result {
          case .constant(let value): return value
          case .port(let port):
            guard let value = made[port] else { throw CameoError(.invariant, "output \(port) was not made") }
            return value
          case .environment(let id):
            guard let value = environment[id] else {
              throw CameoError.badInput("value \(core.graph[id].name) was not computed")
            }
            return value
          }
        }
      }
      stage = try stage.next(environment, wanted: outputs)
    }
  }
}
