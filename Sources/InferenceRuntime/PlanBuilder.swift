import GraphIR
import Operators
import Tensors

/// A plan for as many nodes as shapes are known for, and what is left for after it.
final class StagePlan: @unchecked Sendable {
  /// Where one of the wanted outputs comes from when no stage is left.
  enum Result {
    case port(Int)
    case constant(Value)
    /// An input of this stage, or of one before.
    case environment(ValueID)
  }

  let plan: ExecutionPlan
  let contexts = ContextPool()
  /// Facts at the end, for planning what is left.
  let facts: FactTable
  /// Nodes that wait for shapes that only the run tells.
  let deferred: [NodeID]
  /// Values that `deferred` reads and no constant gives.
  let carried: [ValueID]
  let results: [Result]
  private let continuations: PlanCache

  init(
    plan: ExecutionPlan, facts: FactTable, deferred: [NodeID], carried: [ValueID], results: [Result], cacheLimit: Int
  ) {
    self.plan = plan
    self.facts = facts
    self.deferred = deferred
    self.carried = carried
    self.results = results
    continuations = PlanCache(limit: cacheLimit)
  }

  var isFinal: Bool { deferred.isEmpty }
  var laterStages: [StagePlan] { continuations.plans }

  /// The stage after this one, for the values that this one found out.
  func next(_ values: [ValueID: Value], wanted: [ValueID]) throws -> StagePlan {
    var signature = Signature()
    for port in plan.outputs where port.boxed != nil { signature.add(values[port.value]) }
    return try continuations.plan(for: signature) {
      var facts = self.facts
      for port in plan.outputs where port.boxed != nil {
        guard let value = values[port.value] else { continue }
        switch value {
        case .tensor(let tensor) where tensor.dataType != .string:
          facts.note(port.value, ValueFacts(type: .tensor(tensor.dataType, tensor.shape.map { Dim($0) })))
        default:
          var known = facts
          let inferred = known[port.value].type
          facts.note(
            port.value, ValueFacts(type: value.tensor == nil ? inferred ?? value.staticType : value.staticType))
        }
      }
      return try PlanBuilder(facts, deferred: deferred, inputs: carried, wanted: wanted).build()
    }
  }
}

/// Turns nodes with concrete facts into an execution plan.
final class PlanBuilder {
  /// A node that has to run, with inlined branches looked through.
  struct Entry {
    let id: NodeID
    let inputs: [ValueID?]
    var outputs: [ValueID?]
    /// What bodies read from outside, constants excluded.
    var captures: [ValueID] = []
    var isDynamic = false
    /// Shows its one input, under this name, to the run's tap: the node has made it, nothing is computed.
    var tap: ValueID?
  }

  let core: ProgramCore
  var facts: FactTable
  private let nodes: [NodeID]
  let inputs: [ValueID]
  private let wanted: [ValueID]
  var entries: [Entry] = []
  private var deferred: [NodeID] = []
  private var pending: Set<ValueID> = []
  /// Rows that values of the caller have room for.
  private var rooms: [ValueID: Int]

  init(
    _ facts: FactTable, deferred nodes: [NodeID], inputs: [ValueID], wanted: [ValueID], rooms: [ValueID: Int] = [:]
  ) {
    self.rooms = rooms
    core = facts.core
    self.facts = facts
    self.nodes = nodes
    self.inputs = inputs
    self.wanted = wanted
  }

  /// True where the value lives in memory of known size.
  func isMemory(_ value: ValueID) -> Bool { PlanBuilder.isMemory(facts[value]) }

  static func isMemory(_ fact: ValueFacts) -> Bool {
    guard case .tensor(let type?, _) = fact.type, type != .string, let shape = fact.type?.concreteShape else {
      return false
    }
    return shape.allSatisfy { $0 >= 0 }
  }

  func operand(_ value: ValueID) throws -> Operand? {
    let fact = facts[value]
    guard PlanBuilder.isMemory(fact), let type = fact.dataType, let shape = fact.type?.concreteShape else { return nil }
    var constant = FactTable.constant(fact)?.tensor
    if let tensor = constant { constant = try core.aligned(value, tensor) }
    return try within(core.place(of: value)) {
      try Operand(type: type, shape: shape, constant: constant, room: rooms[value])
    }
  }

  func build() throws -> StagePlan {
    try sortNodes()
    for (value, room) in rooms where facts.resolve(value) != value { rooms[facts.resolve(value)] = room }
    let needs = dropUnread()
    // What later stages or the caller read of what this one computes.
    let produced = Set(entries.flatMap { $0.outputs.compactMap { $0 } })
    let carried = needs.filter { FactTable.constant(facts[$0]) == nil }
    var outputs = carried.filter { produced.contains($0) && !facts[$0].isConstant }
    var results: [StagePlan.Result] = []
    if deferred.isEmpty {
      outputs = []
      for want in wanted {
        let value = facts.resolve(want)
        if produced.contains(value), FactTable.constant(facts[value]) == nil {
          if let known = outputs.firstIndex(of: value) {
            results.append(.port(known))
          } else {
            outputs.append(value)
            results.append(.port(outputs.count - 1))
          }
        } else if let constant = FactTable.constant(facts[value]) {
          results.append(.constant(constant))
        } else {
          results.append(.environment(value))
        }
      }
    }
    let plan = try PlanAssembler(self, outputs: outputs).assemble()
    return StagePlan(
      plan: plan, facts: facts, deferred: deferred, carried: carried, results: results,
      cacheLimit: core.options.planCacheLimit)
  }

  /// Walks the nodes: constants fold, branches with a known condition open up, the rest runs now or waits.
  private func sortNodes() throws {
    let graph = core.graph
    var work = Array(nodes.reversed())
    while let id = work.popLast() {
      let node = graph[id]
      let regions = node.regions
      var reads = node.inputs.compactMap { $0.map { facts.resolve($0) } }
      if node.is("If"), let input = node.input(0), !pending.contains(facts.resolve(input)),
        let condition = FactTable.constant(facts[facts.resolve(input)])?.tensor
      {
        let taken = try condition.scalar(as: Int64.self) != 0
        if case .graph(let body) = node[taken ? "then_branch" : "else_branch"] {
          for (index, output) in node.outputs.enumerated() {
            guard let output, index < graph[body].outputs.count else { continue }
            let result = graph[body].outputs[index]
            facts.alias(output, to: result)
            let isMadeInside = graph.producer(result).map { graph.isRegion(graph[$0].region, within: body) } ?? false
            facts.noteTaps(of: output, standingAt: isMadeInside ? result : nil)
            if !isMadeInside { showTapped(output, madeBy: id) }
          }
          work.append(contentsOf: graph.nodes(in: body).reversed())
          continue
        }
      }
      var captures: [ValueID] = []
      for region in regions {
        for captured in graph.capturedValues(of: region) {
          let value = facts.resolve(captured)
          if FactTable.constant(facts[value]) == nil && !captures.contains(value) { captures.append(value) }
        }
      }
      reads += captures
      if reads.contains(where: { pending.contains($0) }) {
        deferred.append(id)
        for case .some(let output) in node.outputs { pending.insert(output) }
        continue
      }
      if try facts.infer(id) {
        for case .some(let output) in node.outputs { showTapped(output, madeBy: id) }
        continue
      }
      var entry = Entry(
        id: id, inputs: node.inputs.map { $0.map { facts.resolve($0) } }, outputs: node.outputs, captures: captures)
      for case .some(let output) in node.outputs where !isMemory(output) {
        entry.isDynamic = true
        // A sequence is no unknown shape, but only what reads it knows what comes out of it.
        if case .tensor = facts[output].type ?? .tensor(nil, nil) { pending.insert(output) }
      }
      entries.append(entry)
      for case .some(let output) in node.outputs { showTapped(output, madeBy: id) }
    }
  }

  /// Adds what shows `value` to the run's tap, where it or an output of an inlined branch that it stands for is tapped.
  private func showTapped(_ value: ValueID, madeBy id: NodeID) {
    if core.options.taps.isEmpty { return }
    for name in facts.taps(at: value) {
      var entry = Entry(id: id, inputs: [facts.resolve(value)], outputs: [])
      entry.tap = name
      entries.append(entry)
    }
  }

  /// Operators whose results past the first are optional.
  private static let mayLeaveOut: Set<String> = [
    "Dropout", "MaxPool", "BatchNormalization", "LayerNormalization", "LSTM", "GRU", "RNN",
  ]

  /// Those of them whose first result is optional as well.
  private static let recurrent: Set<String> = ["LSTM", "GRU", "RNN"]

  /// Keeps the entries that something reads; the values that are read from outside this stage's steps, or after them.
  private func dropUnread() -> [ValueID] {
    let graph = core.graph
    var needed: Set<ValueID> = []
    var order: [ValueID] = []
    func need(_ value: ValueID) { if needed.insert(value).inserted { order.append(value) } }
    for id in deferred {
      for case .some(let input) in graph[id].inputs { need(facts.resolve(input)) }
      for region in graph[id].regions {
        for captured in graph.capturedValues(of: region) { need(facts.resolve(captured)) }
      }
    }
    let inside = Set(deferred.flatMap { graph[$0].outputs.compactMap { $0 } })
    for value in wanted { need(facts.resolve(value)) }
    let after = order.filter { !inside.contains($0) }
    var kept: [Entry] = []
    for var entry in entries.reversed() {
      guard entry.tap != nil || entry.outputs.contains(where: { $0.map { needed.contains($0) } ?? false }) else {
        continue
      }
      if PlanBuilder.mayLeaveOut.contains(graph[entry.id].operatorName.name) {
        // An optional result that nobody reads takes no memory.
        let isRecurrent = PlanBuilder.recurrent.contains(graph[entry.id].operatorName.name)
        for index in entry.outputs.indices.dropFirst(isRecurrent ? 0 : 1) {
          if let output = entry.outputs[index], !needed.contains(output) { entry.outputs[index] = nil }
        }
      }
      kept.append(entry)
      for case .some(let input) in entry.inputs { needed.insert(input) }
      for captured in entry.captures { needed.insert(captured) }
    }
    entries = kept.reversed()
    return after
  }
}

extension ValueFacts {
  var isConstant: Bool { FactTable.constant(self) != nil }
}
