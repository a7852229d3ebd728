import GraphIR
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

extension PlanAssembler {
  func emit(_ host: PlanLayout, _ device: PlanLayout?, _ staging: Staging) throws -> ExecutionPlan {
    var emitter = PlanEmitter(self, host: host, device: device, staging: staging)
    for (time, choice) in choices.enumerated() { try emitter.emit(choice, at: time) }
    return try emitter.plan()
  }
}

/// Writes the flat steps of a plan.
private struct PlanEmitter {
  private let assembler: PlanAssembler
  private let core: ProgramCore
  private let host: PlanLayout
  private let device: PlanLayout?
  private let staging: Staging
  private var steps: [ExecutionPlan.Step] = []
  private var addresses: [ExecutionPlan.Address] = []
  private var assignments: [ExecutionPlan.Assignment] = []
  private var allAssignments: [ExecutionPlan.Assignment] = []
  private var children: [ExecutionPlan.Child] = []
  private var kept: [TensorStorage] = []
  private var residents: [DeviceStorage] = []
  private var copied = 0

  init(_ assembler: PlanAssembler, host: PlanLayout, device: PlanLayout?, staging: Staging) {
    self.assembler = assembler
    core = assembler.core
    self.host = host
    self.device = device
    self.staging = staging
  }

  private func layout(_ choice: PlanAssembler.Choice) -> PlanLayout { choice.isOnDevice ? device ?? host : host }

  // MARK: Addresses

  private mutating func address(
    _ value: ValueID?, _ layout: PlanLayout, onDevice: Bool, isRead: Bool = true
  ) throws -> ExecutionPlan.Address {
    guard let value else { return .none }
    if let constant = FactTable.constant(assembler.builder.facts[value]), !layout.has(value) {
      guard let tensor = constant.tensor, tensor.dataType != .string else { return .none }
      if onDevice {
        guard isRead, let table = core.residents else { return .none }
        let storage = try within(core.place(of: value)) { try table.plain(tensor) }
        residents.append(storage)
        return .constant(storage.address)
      }
      let aligned = try core.aligned(value, tensor)
      kept.append(aligned.storage)
      return .constant(UnsafeMutableRawPointer(mutating: isRead ? aligned.baseAddress : aligned.address))
    }
    return place(layout.address(value), onDevice)
  }

  /// The same place, in the device's memory.
  private func place(_ address: ExecutionPlan.Address, _ onDevice: Bool) -> ExecutionPlan.Address {
    guard onDevice else { return address }
    switch address {
    case .arena(let offset): return .device(offset)
    case .input(let port, let offset): return .deviceInput(port, offset)
    case .output(let port, let offset): return .deviceOutput(port, offset)
    default: return address
    }
  }

  // MARK: Steps

  private mutating func append(
    _ choice: PlanAssembler.Choice, _ time: Int, _ kernel: Kernel, _ inputs: [ValueID?], _ outputs: [ValueID?],
    scratch: Bool, unread: [Int] = [], work: StepWork?
  ) throws {
    let layout = layout(choice)
    let start = addresses.count
    for (index, input) in inputs.enumerated() {
      addresses.append(
        try address(input, layout, onDevice: choice.isOnDevice, isRead: !unread.contains(index)))
    }
    for output in outputs {
      addresses.append(output.map { place(layout.address($0), choice.isOnDevice) } ?? .none)
    }
    addresses.append(scratch ? place(layout.scratchAddress(at: time), choice.isOnDevice) : .none)
    note(choice, kernel, operands: start, inputs.count, outputs.count, work: work)
  }

  private mutating func note(
    _ choice: PlanAssembler.Choice, _ kernel: Kernel, operands: Int, _ inputs: Int, _ outputs: Int, work: StepWork?
  ) {
    steps.append(
      ExecutionPlan.Step(
        kernel: kernel, operands: operands, inputCount: inputs, outputCount: outputs, node: choice.entry.id,
        isOnDevice: choice.isOnDevice))
    assignments.append(assignment(choice, kernel: kernel.name, isElided: false, work: work))
  }

  mutating func emit(_ choice: PlanAssembler.Choice, at time: Int) throws {
    let entry = choice.entry
    let stepCount = steps.count
    switch choice.implementation {
    case .nothing: break
    case .views(let views): try emit(views, choice, time)
    case .concat(let offsets): try emit(offsets, choice, time)
    case .transfer(let transfer): try emit(transfer, choice)
    case .kernel(let prepared):
      copied += prepared.copiedBytes
      try append(
        choice, time, prepared.kernel, entry.inputs + entry.captures.map { $0 }, entry.outputs,
        scratch: prepared.scratchBytes > 0, unread: prepared.unreadInputs,
        work: entry.tap != nil
          ? nil
          : StepWork(
            core.graph[entry.id], graph: core.graph, inputs: try entry.inputs.map { try assembler.operand($0) },
            outputs: try entry.outputs.map { try assembler.operand($0) }))
    case .loop(let kernel, let plan):
      copied += plan.copiedBytes
      let bound = kernel.bound(child: children.count, arena: plan.memory.peakBytes)
      try append(
        choice, time, bound, entry.inputs + entry.captures.map { $0 }, entry.outputs, scratch: true, work: nil)
      children.append(ExecutionPlan.Child(plan: plan, scratchOperand: addresses.count - 1))
    case .branch(let kernel, let plans):
      copied += plans.map(\.copiedBytes).max() ?? 0
      let bound = kernel.bound(firstChild: children.count)
      try append(
        choice, time, bound, [entry.inputs[0]] + entry.captures.map { $0 }, entry.outputs, scratch: true, work: nil)
      for plan in plans { children.append(ExecutionPlan.Child(plan: plan, scratchOperand: addresses.count - 1)) }
    }
    if steps.count == stepCount {
      allAssignments.append(assignment(choice, kernel: "none", isElided: true))
    } else {
      allAssignments.append(contentsOf: assignments[stepCount...])
    }
  }

  private mutating func emit(_ views: [Views.View], _ choice: PlanAssembler.Choice, _ time: Int) throws {
    for view in views {
      guard let output = choice.entry.outputs[view.output], let input = choice.entry.inputs[view.input],
        !layout(choice).isView(output)
      else { continue }
      let bytes = try assembler.operand(output)?.byteCount ?? 0
      let offset = view.byteOffset
      copied += bytes
      let kernel =
        choice.isOnDevice
        ? DeviceCopy("copy", [DeviceCopy.Part(input: 0, from: offset, to: 0, bytes: bytes)])
        : PlanEmitter.copy(offset: offset, bytes: bytes)
      try append(
        choice, time, kernel, [input], [output], scratch: false, work: StepWork(movedBytes: 2 * Double(bytes)))
    }
  }

  private mutating func emit(_ offsets: [Int], _ choice: PlanAssembler.Choice, _ time: Int) throws {
    let entry = choice.entry
    guard let output = entry.outputs[0] else { return }
    var parts: [DeviceCopy.Part] = []
    for (index, input) in entry.inputs.enumerated() {
      guard let input, !layout(choice).isJoined(input, output) else { continue }
      let bytes = try assembler.operand(input)?.byteCount ?? 0
      parts.append(DeviceCopy.Part(input: index, from: 0, to: offsets[index], bytes: bytes))
    }
    if parts.isEmpty { return }
    let bytes = parts.reduce(0) { $0 + $1.bytes }
    copied += bytes
    let kernel = choice.isOnDevice ? DeviceCopy("concat", parts) : PlanEmitter.concat(parts)
    try append(
      choice, time, kernel, entry.inputs, [output], scratch: false, work: StepWork(movedBytes: 2 * Double(bytes)))
  }

  private mutating func emit(_ transfer: Transfer, _ choice: PlanAssembler.Choice) throws {
    guard let value = choice.entry.inputs[0], let offset = staging.offsets[value] else { return }
    let bytes = try assembler.operand(value)?.byteCount ?? 0
    copied += bytes
    let start = addresses.count
    let waiting = ExecutionPlan.Address.staging(offset)
    switch transfer {
    case .stage: addresses += [host.address(value), waiting]
    case .fetch: addresses += [waiting, host.address(value)]
    case .upload: addresses += [waiting, place(device?.address(value) ?? .none, true)]
    case .download: addresses += [place(device?.address(value) ?? .none, true), waiting]
    }
    addresses.append(.none)
    note(choice, transfer.kernel(byteCount: bytes), operands: start, 1, 1, work: StepWork(movedBytes: Double(bytes)))
  }

  // MARK: The whole

  func plan() throws -> ExecutionPlan {
    func port(_ value: ValueID) throws -> ExecutionPlan.Port {
      let operand = try assembler.operand(value)
      return ExecutionPlan.Port(value: value, operand: operand, boxed: operand == nil ? assembler.box(value) : nil)
    }
    let inputPorts = try assembler.builder.inputs.map(port)
    let outputPorts = try assembler.outputs.map(port)
    let name: (ValueID) -> String = { [core] value in core.graph[value].name }
    return ExecutionPlan(
      steps: steps, addresses: addresses, inputs: inputPorts, outputs: outputPorts,
      boxedCount: assembler.boxes.count, children: children, kept: kept, residents: residents,
      assignments: assignments, allAssignments: allAssignments, copiedBytes: copied, memory: host.report(name: name),
      device: core.device, deviceMemory: device?.report(name: name) ?? .empty, stagingBytes: staging.byteCount,
      recordsRuns: core.options.mode.recordsRuns)
  }

  private func assignment(
    _ choice: PlanAssembler.Choice, kernel: String, isElided: Bool, work: StepWork? = nil
  ) -> ExecutionPlan.Assignment {
    let id = choice.entry.id
    let node = core.graph[id]
    return ExecutionPlan.Assignment(
      node: id, label: core.graph.describe(id), operatorName: node.operatorName, origins: node.origins,
      provider: isElided ? "plan" : choice.provider, kernel: kernel, isOnDevice: choice.isOnDevice,
      refusals: choice.refusals, isElided: isElided,
      work: work)
  }

  private static func copy(offset: Int, bytes: Int) -> Kernel {
    RangeKernel("copy", count: bytes, grain: 1 << 18) { call, begin, end, _ in
      memmove(call.output() + begin, call.input(0) + offset + begin, end - begin)
    }
  }

  private static func concat(_ parts: [DeviceCopy.Part]) -> Kernel {
    SerialKernel("concat") { call in
      for part in parts { memmove(call.output() + part.to, call.input(part.input), part.bytes) }
    }
  }
}
