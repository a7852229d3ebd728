import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// What a run of one plan has on a device: arena, copies of inputs and outputs, staging memory, queue. Used by one run at a time.
///
/// Inputs and outputs that the caller has in host memory go through staging memory, which the device copies by itself; those that it has on
/// the device are read and written where they lie.
final class DeviceRun {
  let queue: DeviceQueue
  private let plan: ExecutionPlan
  private let arena: DeviceStorage
  private let ports: DeviceStorage
  private let staging: DeviceStorage
  private var inputs: ContiguousArray<Port>
  private var outputs: ContiguousArray<Port>
  /// By segment; nil: not recorded yet.
  private var recordings: [DeviceRecording?]
  private var runs = 0

  private struct Port {
    let port: Int
    let byteCount: Int
    /// In `ports`, and behind the plan's own staging memory.
    let place: Int
    let waiting: Int
    var host: UnsafeMutableRawPointer?
    /// Set where the caller's own memory on the device is used.
    var isBound = false
  }

  init(_ plan: ExecutionPlan, _ device: Device) throws {
    self.plan = plan
    var (place, waiting) = (0, plan.stagingBytes)
    func list(_ patches: ContiguousArray<ExecutionPlan.Patch>, _ all: [ExecutionPlan.Port]) -> ContiguousArray<Port> {
      var result: ContiguousArray<Port> = []
      for port in all.indices where patches.contains(where: { $0.port == port }) {
        let bytes = all[port].operand?.byteCount ?? 0
        result.append(Port(port: port, byteCount: bytes, place: place, waiting: waiting))
        let size = (bytes + 255) / 256 * 256
        place += size
        waiting += size
      }
      return result
    }
    inputs = list(plan.deviceInputPatches, plan.inputs)
    outputs = list(plan.deviceOutputPatches, plan.outputs)
    arena = try device.memory(byteCount: max(256, plan.deviceMemory.peakBytes))
    ports = try device.memory(byteCount: max(256, place))
    staging = try device.staging(byteCount: max(256, waiting))
    queue = try device.makeQueue()
    recordings = Array(repeating: nil, count: plan.segments.count)
  }

  func place(of address: ExecutionPlan.Address) -> UnsafeMutableRawPointer? {
    switch address {
    case .device(let offset): arena.address + offset
    case .staging(let offset): staging.address + offset
    case .deviceInput(let port, let offset): inputs.first { $0.port == port }.map { ports.address + $0.place + offset }
    case .deviceOutput(let port, let offset):
      outputs.first { $0.port == port }.map { ports.address + $0.place + offset }
    default: nil
    }
  }

  // MARK: Bindings

  typealias Operands = UnsafeMutablePointer<UnsafeMutableRawPointer?>

  func bind(hostInput port: Int, to pointer: UnsafeMutableRawPointer, _ operands: Operands) {
    guard let index = inputs.firstIndex(where: { $0.port == port }) else { return }
    inputs[index].host = pointer
    if inputs[index].isBound {
      inputs[index].isBound = false
      point(plan.deviceInputPatches, port, ports.address + inputs[index].place, operands)
    }
  }

  func bind(hostOutput port: Int, to pointer: UnsafeMutableRawPointer, _ operands: Operands) {
    guard let index = outputs.firstIndex(where: { $0.port == port }) else { return }
    outputs[index].host = pointer
    if outputs[index].isBound {
      outputs[index].isBound = false
      point(plan.deviceOutputPatches, port, ports.address + outputs[index].place, operands)
    }
  }

  func bind(deviceInput port: Int, to pointer: UnsafeMutableRawPointer, _ operands: Operands) {
    guard let index = inputs.firstIndex(where: { $0.port == port }) else { return }
    inputs[index].isBound = true
    point(plan.deviceInputPatches, port, pointer, operands)
  }

  func bind(deviceOutput port: Int, to pointer: UnsafeMutableRawPointer, _ operands: Operands) {
    guard let index = outputs.firstIndex(where: { $0.port == port }) else { return }
    outputs[index].isBound = true
    point(plan.deviceOutputPatches, port, pointer, operands)
  }

  /// Recordings hold addresses, so those made before are worth nothing.
  private func point(
    _ patches: ContiguousArray<ExecutionPlan.Patch>, _ port: Int, _ pointer: UnsafeMutableRawPointer,
    _ operands: Operands
  ) {
    for index in 0..<patches.count where patches[index].port == port {
      let target = pointer + patches[index].offset
      if operands[patches[index].operand] == target { continue }
      operands[patches[index].operand] = target
      for segment in recordings.indices { recordings[segment] = nil }
    }
  }

  // MARK: Runs

  func run(_ context: ExecutionContext) throws {
    try queue.enter()
    let result = Result { try put(context) }
    // Whatever was put into the queue uses this run's memory.
    let end = Result { try queue.finish() }
    try result.get()
    try end.get()
    for index in outputs.indices where !outputs[index].isBound {
      let output = outputs[index]
      if let host = output.host { memcpy(host, staging.address + output.waiting, output.byteCount) }
    }
    runs += 1
  }

  private func put(_ context: ExecutionContext) throws {
    for index in inputs.indices where !inputs[index].isBound {
      let input = inputs[index]
      guard let host = input.host, input.byteCount > 0 else { continue }
      memcpy(staging.address + input.waiting, host, input.byteCount)
      try queue.upload(
        staging.address + input.waiting, to: ports.address + input.place, byteCount: input.byteCount)
    }
    let timeline = try context.recorder.map { _ in try DeviceTimeline(queue) }
    var waits = false
    for index in plan.segments.indices {
      let segment = plan.segments[index]
      if segment.isOnDevice {
        if let timeline {
          try timeline.run(context, segment.steps)
        } else {
          try put(context, index, segment.steps)
        }
        waits = true
      } else {
        if waits { try queue.finish() }
        waits = false
        if context.recorder != nil { try context.runRecorded(segment.steps) } else { try context.run(segment.steps) }
      }
    }
    for index in outputs.indices where !outputs[index].isBound && outputs[index].byteCount > 0 {
      let output = outputs[index]
      try queue.download(
        ports.address + output.place, to: staging.address + output.waiting, byteCount: output.byteCount)
    }
    if let timeline {
      try queue.finish()
      timeline.note(context)
    }
  }

  /// The first run loads what libraries load late, which cannot be recorded; the second is recorded.
  private func put(_ context: ExecutionContext, _ index: Int, _ steps: Range<Int>) throws {
    guard plan.recordsRuns && runs > 0 else { return try context.run(steps) }
    if let recording = recordings[index] { return try queue.replay(recording) }
    guard let made = try queue.record({ try context.run(steps) }) else { return try context.run(steps) }
    recordings[index] = made
    try queue.replay(made)
  }
}

/// When the device worked on each step of a run.
private final class DeviceTimeline {
  private let queue: DeviceQueue
  private let start: UInt64
  private var marks: [(step: Int, begin: DeviceMark, end: DeviceMark)] = []

  init(_ queue: DeviceQueue) throws {
    self.queue = queue
    start = ThreadPool.nanoseconds()
  }

  func run(_ context: ExecutionContext, _ steps: Range<Int>) throws {
    guard var begin = try queue.mark() else { return try context.run(steps) }
    for step in steps {
      try context.run(step..<step + 1)
      guard let end = try queue.mark() else { return }
      marks.append((step, begin, end))
      begin = end
    }
  }

  /// The device has done everything. Times count from the first mark, which stands at the start of the run.
  func note(_ context: ExecutionContext) {
    guard let first = marks.first?.begin else { return }
    for mark in marks {
      let begin = queue.milliseconds(from: first, to: mark.begin)
      let end = begin + queue.milliseconds(from: mark.begin, to: mark.end)
      context.recorder?.note(
        context.plan.assignments[mark.step], start: start + UInt64(max(0, begin) * 1e6),
        end: start + UInt64(max(0, end) * 1e6))
    }
  }
}
