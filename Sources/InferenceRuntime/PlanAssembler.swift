import GraphIR
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Chooses a kernel for every entry of a plan, lays out memory and emits the flat steps.
final class PlanAssembler {
  enum Implementation {
    case nothing
    case views([Views.View])
    /// Byte offset of each input in the result.
    case concat([Int])
    case kernel(PreparedKernel)
    case branch(BranchKernel, [ExecutionPlan])
    case loop(LoopKernel, ExecutionPlan)
    case transfer(Transfer)
  }

  /// An entry with how it is done, and by whom.
  struct Choice {
    let entry: PlanBuilder.Entry
    var implementation: Implementation
    var provider: String
    /// "cpu: reason" of each preferred provider that refused.
    var refusals: [String] = []
    /// Its operands are the device's.
    var isOnDevice = false
  }

  let builder: PlanBuilder
  let core: ProgramCore
  let outputs: [ValueID]
  /// Inputs of the plan that the device reads.
  var deviceInputs: Set<ValueID> = []
  private let entries: [PlanBuilder.Entry]
  var choices: [Choice] = []
  private var operands: [ValueID: Operand?] = [:]
  /// Values that are stored in the shorter type.
  private var rounded: Set<ValueID> = []
  private(set) var boxes: [ValueID: Int] = [:]

  init(_ builder: PlanBuilder, outputs: [ValueID]) {
    self.builder = builder
    self.outputs = outputs
    core = builder.core
    entries = builder.entries
  }

  /// Type, shape and constant of a memory value; nil for boxed ones.
  func operand(_ value: ValueID?) throws -> Operand? {
    guard let value else { return nil }
    if let known = operands[value] { return known }
    var made = try builder.operand(value)
    if rounded.contains(value), let whole = made { made = try Operand(type: core.roundedType, shape: whole.shape) }
    operands[value] = .some(made)
    return made
  }

  func box(_ value: ValueID) -> Int {
    if let slot = boxes[value] { return slot }
    boxes[value] = boxes.count
    return boxes.count - 1
  }

  func assemble() throws -> ExecutionPlan {
    try chooseAll()
    let staging = try placeTransfers()
    let host = try bestLayout(onDevice: false)
    let device = core.device == nil ? nil : try bestLayout(onDevice: true)
    return try emit(host, device, staging)
  }

  // MARK: Kernels

  /// A value is rounded only where everybody who touches it takes it so; a kernel that refuses after all takes its values out.
  private func chooseAll() throws {
    var exact: Set<ValueID> = []
    while true {
      // Candidates are told by the graph's types.
      (rounded, operands) = ([], [:])
      rounded = try roundedValues(but: exact)
      choices = []
      for entry in entries { choices.append(try choose(entry)) }
      let refused = choices.filter { touchesRounded($0.entry) && !takesRounded($0) }
      if refused.isEmpty { return }
      for choice in refused { exact.formUnion((choice.entry.inputs + choice.entry.outputs).compactMap(\.self)) }
    }
  }

  private func takesRounded(_ choice: Choice) -> Bool {
    if choice.provider == "reference" { return false }
    guard core.device != nil else { return true }
    if case .kernel = choice.implementation { return choice.isOnDevice }
    return true
  }

  private func roundedValues(but exact: Set<ValueID>) throws -> Set<ValueID> {
    if !core.rounds { return [] }
    var storage = RoundedStorage()
    for entry in entries {
      let inputs = try entry.inputs.map { try operand($0) }
      let outputs = try entry.outputs.map { try operand($0) }
      let node = core.graph[entry.id]
      let isMemory =
        entry.tap == nil
        && zip(entry.inputs, inputs).allSatisfy { ($0 == nil) == ($1 == nil) }
        && zip(entry.outputs, outputs).allSatisfy { ($0 == nil) == ($1 == nil) }
      var operands: RoundedOperands?
      if isMemory && !core.options.exactNodes.contains(entry.id) && (node.regions.isEmpty || FusedElementwise.is(node))
        && !(inputs + outputs).contains(where: { $0?.room != nil })
      {
        operands = roundedOperands(request(entry.id, node, inputs, outputs))
      }
      let read = zip(entry.inputs, inputs).compactMap { $1?.type == .float ? $0 : nil }
      let floats = zip(entry.outputs, outputs).compactMap { $1?.type == .float ? $0 : nil }
      storage.add(
        inputs: entry.inputs, outputs: entry.outputs, read: read, floats: floats, captures: entry.captures, operands)
    }
    let result = storage.values(keeping: outputs + exact)
    if !result.isEmpty { operands = [:] }
    return result
  }

  /// With a device nobody else's answer counts: what another provider runs is read and written as the graph says.
  private func roundedOperands(_ request: KernelRequest) -> RoundedOperands? {
    guard core.device != nil else { return core.providers.lazy.compactMap { $0.roundedOperands(request) }.first }
    if Views.views(request.node, inputs: request.inputs, outputs: request.outputs) != nil
      || PlanAssembler.concatParts(request.node, inputs: request.inputs, output: request.outputs.first ?? nil) != nil
    {
      return .moves
    }
    return core.providers.first { $0.device != nil }?.roundedOperands(request)
  }

  private func touchesRounded(_ entry: PlanBuilder.Entry) -> Bool {
    (entry.inputs + entry.outputs).contains { $0.map(rounded.contains) ?? false }
  }

  private func request(_ id: NodeID, _ node: Node, _ inputs: [Operand?], _ outputs: [Operand?]) -> KernelRequest {
    KernelRequest(
      node: node, inputs: inputs, outputs: outputs, threads: core.pool.threads,
      precision: core.options.exactNodes.contains(id) ? .fp32 : core.options.precision, packs: core.packs,
      graph: core.graph, pool: core.pool)
  }

  private func choose(_ entry: PlanBuilder.Entry) throws -> Choice {
    if let tap = entry.tap {
      return Choice(
        entry: entry, implementation: .kernel(PreparedKernel(TapKernel(tap, try describe(entry.inputs[0])))),
        provider: "plan")
    }
    let node = core.graph[entry.id]
    let inputs = try entry.inputs.map { try operand($0) }
    let outputs = try entry.outputs.map { try operand($0) }
    let isBoxed =
      zip(entry.inputs, inputs).contains { $0 != nil && $1 == nil }
      || zip(entry.outputs, outputs).contains { $0 != nil && $1 == nil }
    var implementation: Implementation?
    var provider = "plan"
    var isOnDevice = false
    var reasons: [String] = []
    let hasRoom = (inputs + outputs).contains { $0?.room != nil }
    if hasRoom && (isBoxed || !node.regions.isEmpty) { throw noRoom(entry, "it runs step by step") }
    if !isBoxed && (node.regions.isEmpty || FusedElementwise.is(node)) {
      if outputs.allSatisfy({ $0?.count ?? 0 == 0 }) {
        implementation = .nothing
      } else if !hasRoom, let views = Views.views(node, inputs: inputs, outputs: outputs) {
        implementation = .views(views)
      } else if !hasRoom, let parts = PlanAssembler.concatParts(node, inputs: inputs, output: outputs.first ?? nil) {
        implementation = .concat(parts)
      } else {
        let request = request(entry.id, node, inputs, outputs)
        for candidate in core.providers where !(candidate is ReferenceProvider) {
          do {
            var request = request
            request.packer = candidate.packing == nil ? "" : candidate.name
            if candidate.device != nil { request.residents = core.residents }
            if candidate.device != nil {
              request.mode = core.options.mode
            } else if let tuning = core.options.tuning {
              request.answers = tuning.answers(request, candidate, pool: core.pool)
            } else if let answers = core.options.answers {
              request.answers = answers
            }
            let prepared = try candidate.prepare(request)
            if hasRoom && !prepared.heedsRoom { throw Refusal("\(prepared.kernel.name) needs contiguous operands") }
            implementation = .kernel(prepared)
            provider = candidate.name
            isOnDevice = candidate.device != nil
            break
          } catch let refusal as Refusal {
            reasons.append("\(candidate.name): \(refusal.reason)")
          } catch let error as CameoError {
            reasons.append("\(candidate.name): \(error)")
          }
        }
      }
    } else if node.is("If"), !isBoxed, entry.captures.allSatisfy({ builder.isMemory($0) }) {
      if let branch = try branch(entry, node) {
        implementation = .branch(branch.0, branch.1)
      } else {
        reasons.append("plan: the branches' results differ in shape")
      }
    } else if node.is("Loop"), !isBoxed, entry.captures.allSatisfy({ builder.isMemory($0) }) {
      if let (kernel, plan) = try loop(entry, node) {
        implementation = .loop(kernel, plan)
      } else {
        reasons.append("plan: the body's shapes are not the same in every iteration")
      }
    } else if isBoxed {
      reasons.append("plan: a value whose size only the run tells")
    }
    if hasRoom && implementation == nil { throw noRoom(entry, reasons.joined(separator: "; ")) }
    if implementation == nil { provider = "reference" }
    return Choice(
      entry: entry, implementation: try implementation ?? .kernel(PreparedKernel(try reference(entry, node))),
      provider: provider, refusals: reasons, isOnDevice: isOnDevice)
  }

  private func noRoom(_ entry: PlanBuilder.Entry, _ why: String) -> CameoError {
    .unsupported("a cache in place that \(core.graph.describe(entry.id)) reads or writes: \(why)")
  }

  /// Offsets of a Concat's parts where each is contiguous in the result.
  static func concatParts(_ node: Node, inputs: [Operand?], output: Operand?) -> [Int]? {
    guard node.is("Concat"), let output, output.type.bitWidth >= 8,
      let axis = Views.axis(node, "axis", 0, rank: output.rank), output.shape[..<axis].allSatisfy({ $0 == 1 })
    else { return nil }
    var offsets: [Int] = []
    var total = 0
    for input in inputs {
      guard let input else { return nil }
      offsets.append(total)
      total += input.byteCount
    }
    return total == output.byteCount ? offsets : nil
  }

  /// Where a reference step finds what it reads.
  private func describe(_ value: ValueID?) throws -> ReferenceOperand {
    guard let value else { return .absent }
    if let constant = FactTable.constant(builder.facts[value]) { return .constant(constant) }
    if let operand = try operand(value) { return .memory(operand.type, operand.shape) }
    return .boxed(box(value))
  }

  private func reference(_ entry: PlanBuilder.Entry, _ node: Node) throws -> ReferenceKernel {
    var bodies: [RegionID: RegionProgram] = [:]
    for region in node.regions {
      bodies[region] = RegionProgram(core, region: region, facts: builder.facts, captures: entry.captures)
    }
    let isExact = core.providers.contains { ($0 as? ReferenceProvider)?.accumulatesInDouble == true }
    return ReferenceKernel(
      node, core: core, inputs: try entry.inputs.map(describe),
      outputs: try entry.outputs.map { value in
        guard let value else { return .absent }
        if let operand = try operand(value) { return .memory(operand.type, operand.shape) }
        return .boxed(box(value))
      }, captures: try entry.captures.map { ($0, try describe($0)) }, bodies: bodies, accumulatesInDouble: isExact)
  }
}
