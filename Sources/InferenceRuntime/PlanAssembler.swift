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
  }

  let builder: PlanBuilder
  let core: ProgramCore
  private let outputs: [ValueID]
  private let entries: [PlanBuilder.Entry]
  private var implementations: [Implementation] = []
  private var providers: [String] = []
  private var refusals: [[String]] = []
  private var operands: [ValueID: Operand?] = [:]
  /// Values that are stored as bfloat16.
  private var rounded: Set<ValueID> = []
  private var boxes: [ValueID: Int] = [:]
  private var boxedConstants: [(Int, Value)] = []

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
    if rounded.contains(value), let whole = made { made = try Operand(type: .bfloat16, shape: whole.shape) }
    operands[value] = .some(made)
    return made
  }

  private func box(_ value: ValueID) -> Int {
    if let slot = boxes[value] { return slot }
    boxes[value] = boxes.count
    return boxes.count - 1
  }

  func assemble() throws -> ExecutionPlan {
    rounded = try roundedValues()
    for entry in entries { try choose(entry) }
    if !rounded.isEmpty, zip(entries, providers).contains(where: { $1 == "reference" && touchesRounded($0) }) {
      // A kernel refused after all: the portable evaluation reads what the graph says.
      (rounded, operands, implementations, providers, refusals) = ([], [:], [], [], [])
      for entry in entries { try choose(entry) }
    }
    var best: PlanLayout?
    for joins in [true, false] {
      let layout = try makeLayout(joinsConcats: joins)
      if layout.peak < best?.peak ?? .max { best = layout }
    }
    guard let layout = best else { throw CameoError(.invariant, "no layout") }
    return try emit(layout)
  }

  // MARK: Kernels

  private func roundedValues() throws -> Set<ValueID> {
    if core.options.precision == .fp32 { return [] }
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
      if isMemory && node.regions.isEmpty && !(inputs + outputs).contains(where: { $0?.room != nil }) {
        let request = request(node, inputs, outputs)
        operands = core.providers.lazy.compactMap { $0.roundedOperands(request) }.first
      }
      let floats = zip(entry.outputs, outputs).compactMap { $1?.type == .float ? $0 : nil }
      storage.add(
        inputs: entry.inputs, outputs: entry.outputs, floats: floats, captures: entry.captures, operands)
    }
    let result = storage.values(keeping: outputs)
    if !result.isEmpty { operands = [:] }
    return result
  }

  private func touchesRounded(_ entry: PlanBuilder.Entry) -> Bool {
    (entry.inputs + entry.outputs).contains { $0.map(rounded.contains) ?? false }
  }

  private func request(_ node: Node, _ inputs: [Operand?], _ outputs: [Operand?]) -> KernelRequest {
    KernelRequest(
      node: node, inputs: inputs, outputs: outputs, threads: core.pool.threads, precision: core.options.precision,
      packs: core.packs, graph: core.graph, pool: core.pool)
  }

  private func choose(_ entry: PlanBuilder.Entry) throws {
    if let tap = entry.tap {
      implementations.append(.kernel(PreparedKernel(TapKernel(tap, try describe(entry.inputs[0])))))
      providers.append("plan")
      refusals.append([])
      return
    }
    let node = core.graph[entry.id]
    let inputs = try entry.inputs.map { try operand($0) }
    let outputs = try entry.outputs.map { try operand($0) }
    let isBoxed =
      zip(entry.inputs, inputs).contains { $0 != nil && $1 == nil }
      || zip(entry.outputs, outputs).contains { $0 != nil && $1 == nil }
    var implementation: Implementation?
    var provider = "plan"
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
        let request = request(node, inputs, outputs)
        for candidate in core.providers where !(candidate is ReferenceProvider) {
          do {
            var request = request
            request.packer = candidate.packing == nil ? "" : candidate.name
            if let tuning = core.options.tuning {
              request.answers = tuning.answers(request, candidate, pool: core.pool)
            } else if let answers = core.options.answers {
              request.answers = answers
            }
            let prepared = try candidate.prepare(request)
            if hasRoom && !prepared.heedsRoom { throw Refusal("\(prepared.kernel.name) needs contiguous operands") }
            implementation = .kernel(prepared)
            provider = candidate.name
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
    if let implementation {
      implementations.append(implementation)
    } else {
      provider = "reference"
      implementations.append(.kernel(PreparedKernel(try reference(entry, node))))
    }
    providers.append(provider)
    refusals.append(reasons)
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

  // MARK: Memory

  private func makeLayout(joinsConcats: Bool) throws -> PlanLayout {
    var layout = PlanLayout(end: entries.count)
    for (port, value) in builder.inputs.enumerated() {
      if let operand = try operand(value), operand.constant == nil {
        layout.add(value, size: operand.byteCount, kind: .input(port), at: -1)
      }
    }
    for (time, entry) in entries.enumerated() {
      for case .some(let output) in entry.outputs {
        guard let operand = try operand(output) else { continue }
        let kind = outputs.firstIndex(of: output).map { PlanLayout.Kind.output($0) } ?? .arena
        layout.add(output, size: operand.byteCount, kind: kind, at: time)
      }
    }
    for (time, entry) in entries.enumerated() {
      for case .some(let input) in entry.inputs { layout.read(input, at: time) }
      for captured in entry.captures { layout.read(captured, at: time) }
    }
    for (time, entry) in entries.enumerated() {
      guard case .views(let views) = implementations[time] else { continue }
      for view in views {
        guard let output = entry.outputs[view.output], let input = entry.inputs[view.input] else { continue }
        layout.view(output, of: input, offset: view.byteOffset)
      }
    }
    if joinsConcats {
      for (time, entry) in entries.enumerated() {
        guard case .concat(let parts) = implementations[time], let output = entry.outputs[0] else { continue }
        for (index, input) in entry.inputs.enumerated() {
          guard let input, entry.inputs.filter({ $0 == input }).count == 1 else { continue }
          layout.join(input, into: output, offset: parts[index])
        }
      }
    }
    for (time, entry) in entries.enumerated() {
      guard case .kernel(let prepared) = implementations[time], !prepared.inPlaceInputs.isEmpty,
        let output = entry.outputs[0]
      else { continue }
      for index in prepared.inPlaceInputs {
        guard index < entry.inputs.count, let input = entry.inputs[index] else { continue }
        let others = entry.inputs.enumerated().compactMap { position, value -> ValueID? in
          position == index || (prepared.inPlaceInputs.contains(position) && value == input) ? nil : value
        }
        if layout.takeOver(input, by: output, others: others, at: time) { break }
      }
    }
    for (time, implementation) in implementations.enumerated() {
      switch implementation {
      case .kernel(let prepared) where prepared.scratchBytes > 0: layout.scratch(prepared.scratchBytes, at: time)
      case .loop(let kernel, _): layout.scratch(kernel.scratchBytes, at: time)
      case .branch(_, let plans): layout.scratch(plans.map(\.memory.peakBytes).max() ?? 0, at: time)
      default: break
      }
    }
    layout.place()
    return layout
  }

  // MARK: Steps

  private func emit(_ layout: PlanLayout) throws -> ExecutionPlan {
    var steps: [ExecutionPlan.Step] = []
    var addresses: [ExecutionPlan.Address] = []
    var assignments: [ExecutionPlan.Assignment] = []
    var allAssignments: [ExecutionPlan.Assignment] = []
    var children: [ExecutionPlan.Child] = []
    var kept: [TensorStorage] = []
    var copied = 0

    func address(_ value: ValueID?, isRead: Bool = true) throws -> ExecutionPlan.Address {
      guard let value else { return .none }
      if let constant = FactTable.constant(builder.facts[value]), !layout.has(value) {
        guard let tensor = constant.tensor, tensor.dataType != .string else { return .none }
        let aligned = try core.aligned(value, tensor)
        kept.append(aligned.storage)
        return .constant(UnsafeMutableRawPointer(mutating: isRead ? aligned.baseAddress : aligned.address))
      }
      return layout.address(value)
    }
    func append(
      _ time: Int, _ kernel: Kernel, _ inputs: [ValueID?], _ outputs: [ValueID?], scratch: Bool,
      unread: [Int] = [], work: StepWork?
    ) throws {
      let start = addresses.count
      for (index, input) in inputs.enumerated() {
        addresses.append(try address(input, isRead: !unread.contains(index)))
      }
      for output in outputs { addresses.append(output.map { layout.address($0) } ?? .none) }
      if scratch { addresses.append(layout.scratchAddress(at: time)) } else { addresses.append(.none) }
      steps.append(
        ExecutionPlan.Step(
          kernel: kernel, operands: start, inputCount: inputs.count, outputCount: outputs.count, node: entries[time].id)
      )
      assignments.append(assignment(time, kernel: kernel.name, isElided: false, work: work))
    }

    for (time, entry) in entries.enumerated() {
      let stepCount = steps.count
      switch implementations[time] {
      case .nothing: break
      case .views(let views):
        for view in views {
          guard let output = entry.outputs[view.output], let input = entry.inputs[view.input] else { continue }
          if layout.isView(output) { continue }
          let bytes = try operand(output)?.byteCount ?? 0
          let offset = view.byteOffset
          copied += bytes
          try append(
            time, PlanAssembler.copy(offset: offset, bytes: bytes), [input], [output], scratch: false,
            work: StepWork(movedBytes: 2 * Double(bytes)))
        }
      case .concat(let offsets):
        guard let output = entry.outputs[0] else { break }
        var parts: [(input: Int, offset: Int, bytes: Int)] = []
        for (index, input) in entry.inputs.enumerated() where !(input.map { layout.isJoined($0, output) } ?? true) {
          parts.append((index, offsets[index], try operand(input)?.byteCount ?? 0))
        }
        copied += parts.reduce(0) { $0 + $1.bytes }
        if !parts.isEmpty {
          let bytes = parts.reduce(0.0) { $0 + Double($1.bytes) }
          try append(
            time, PlanAssembler.concat(parts), entry.inputs, [output], scratch: false,
            work: StepWork(movedBytes: 2 * bytes))
        }
      case .kernel(let prepared):
        copied += prepared.copiedBytes
        try append(
          time, prepared.kernel, entry.inputs + entry.captures.map { $0 }, entry.outputs,
          scratch: prepared.scratchBytes > 0, unread: prepared.unreadInputs,
          work: entry.tap != nil
            ? nil
            : StepWork(
              core.graph[entry.id], graph: core.graph, inputs: try entry.inputs.map { try operand($0) },
              outputs: try entry.outputs.map { try operand($0) }))
      case .loop(let kernel, let plan):
        copied += plan.copiedBytes
        let bound = kernel.bound(child: children.count, arena: plan.memory.peakBytes)
        try append(time, bound, entry.inputs + entry.captures.map { $0 }, entry.outputs, scratch: true, work: nil)
        children.append(ExecutionPlan.Child(plan: plan, scratchOperand: addresses.count - 1))
      case .branch(let kernel, let plans):
        copied += plans.map(\.copiedBytes).max() ?? 0
        let bound = kernel.bound(firstChild: children.count)
        try append(
          time, bound, [entry.inputs[0]] + entry.captures.map { $0 }, entry.outputs, scratch: true, work: nil)
        for plan in plans { children.append(ExecutionPlan.Child(plan: plan, scratchOperand: addresses.count - 1)) }
      }
      if steps.count == stepCount {
        allAssignments.append(assignment(time, kernel: "none", isElided: true))
      } else {
        allAssignments.append(contentsOf: assignments[stepCount...])
      }
    }

    func port(_ value: ValueID) throws -> ExecutionPlan.Port {
      let operand = try operand(value)
      return ExecutionPlan.Port(value: value, operand: operand, boxed: operand == nil ? box(value) : nil)
    }
    let inputPorts = try builder.inputs.map(port)
    let outputPorts = try outputs.map(port)
    return ExecutionPlan(
      steps: steps, addresses: addresses, inputs: inputPorts, outputs: outputPorts,
      boxedConstants: boxedConstants, boxedCount: boxes.count, children: children, kept: kept,
      assignments: assignments, allAssignments: allAssignments,
      copiedBytes: copied, memory: layout.report { [core] value in core.graph[value].name })
  }

  private func assignment(
    _ time: Int, kernel: String, isElided: Bool, work: StepWork? = nil
  ) -> ExecutionPlan.Assignment {
    let id = entries[time].id
    let node = core.graph[id]
    return ExecutionPlan.Assignment(
      node: id, label: core.graph.describe(id), operatorName: node.operatorName, origins: node.origins,
      provider: isElided ? "plan" : providers[time], kernel: kernel, refusals: refusals[time], isElided: isElided,
      work: work)
  }

  static func copy(offset: Int, bytes: Int) -> Kernel {
    RangeKernel("copy", count: bytes, grain: 1 << 18) { call, begin, end, _ in
      memmove(call.output() + begin, call.input(0) + offset + begin, end - begin)
    }
  }

  private static func concat(_ parts: [(input: Int, offset: Int, bytes: Int)]) -> Kernel {
    SerialKernel("concat") { call in
      for part in parts { memmove(call.output() + part.offset, call.input(part.input), part.bytes) }
    }
  }
}
