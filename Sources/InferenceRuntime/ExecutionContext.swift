import Tensors

import struct Synchronization.Atomic

#if canImport(Glibc)
  import Glibc
#endif

/// A flag that stops runs between two steps.
public final class Cancellation: Sendable {
  private let flag = Atomic<Bool>(false)
  public init() {}
  /// Makes the runs that hold it throw `.cancelled` before their next step.
  public func cancel() { flag.store(true, ordering: .relaxed) }
  public func reset() { flag.store(false, ordering: .relaxed) }
  @inline(__always) public var isCancelled: Bool { flag.load(ordering: .relaxed) }
}

/// The memory of one run of one plan: arena, operand addresses, boxed values. Used by one run at a time.
final class ExecutionContext {
  let plan: ExecutionPlan
  let pool: ThreadPool
  private let arena: TensorStorage?
  private let base: UnsafeMutableRawPointer
  let operands: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  var boxed: [Value?]
  /// By port of the plan: where outputs were bound last.
  private(set) var outputs: [UnsafeMutableRawPointer]
  let children: [ExecutionContext]
  /// Memory and queue on the device; nil where no step is one of a device.
  let device: DeviceRun?
  var queue: DeviceQueue? { device?.queue }
  var cancellation: Cancellation?
  var recorder: Recorder?
  var tap: ValueTap?

  /// `memory`: the arena of a sub-plan, inside its parent's. Throws `.limit` past the memory budget.
  init(_ plan: ExecutionPlan, pool: ThreadPool, memory: UnsafeMutableRawPointer? = nil) throws {
    self.plan = plan
    self.pool = pool
    if let memory {
      arena = nil
      base = memory
    } else {
      let storage = try within("the plan's arena") {
        try TensorStorage(byteCount: max(64, plan.memory.peakBytes), zeroed: false)
      }
      arena = storage
      base = storage.base
    }
    operands = .allocate(capacity: max(1, plan.addresses.count))
    device = try plan.device.map { device in
      try within("the plan's memory on the device") { try DeviceRun(plan, device) }
    }
    for (index, address) in plan.addresses.enumerated() {
      switch address {
      case .arena(let offset): operands[index] = base + offset
      case .constant(let pointer): operands[index] = pointer
      case .none, .input, .output: operands[index] = nil
      case .device, .deviceInput, .deviceOutput, .staging: operands[index] = device?.place(of: address)
      }
    }
    outputs = [UnsafeMutableRawPointer](repeating: base, count: plan.outputs.count)
    boxed = [Value?](repeating: nil, count: plan.boxedCount)
    let table = operands
    children = try plan.children.map { child in
      try ExecutionContext(child.plan, pool: pool, memory: table[child.scratchOperand])
    }
  }

  deinit { operands.deallocate() }

  /// Points every operand that reads input `port` at `pointer`.
  func bind(input port: Int, to pointer: UnsafeMutableRawPointer) {
    if let device { device.bind(hostInput: port, to: pointer, operands) }
    for index in 0..<plan.inputPatches.count where plan.inputPatches[index].port == port {
      operands[plan.inputPatches[index].operand] = pointer + plan.inputPatches[index].offset
    }
  }

  /// Points every operand that reads an input at the memory that `table` has for its port.
  func bindInputs(_ table: UnsafePointer<UnsafeMutableRawPointer?>) {
    for index in 0..<plan.inputPatches.count {
      let patch = plan.inputPatches[index]
      operands[patch.operand] = table[patch.port].unsafelyUnwrapped + patch.offset
    }
    guard let device else { return }
    for port in plan.inputs.indices {
      if let pointer = table[port] { device.bind(hostInput: port, to: pointer, operands) }
    }
  }

  func bind(output port: Int, to pointer: UnsafeMutableRawPointer) {
    outputs[port] = pointer
    if let device { device.bind(hostOutput: port, to: pointer, operands) }
    for index in 0..<plan.outputPatches.count where plan.outputPatches[index].port == port {
      operands[plan.outputPatches[index].operand] = pointer + plan.outputPatches[index].offset
    }
  }

  /// Reads input `port` from the device's memory.
  func bind(deviceInput port: Int, to pointer: UnsafeMutableRawPointer) {
    device?.bind(deviceInput: port, to: pointer, operands)
  }

  /// Writes output `port` to the device's memory, and nowhere else.
  func bind(deviceOutput port: Int, to pointer: UnsafeMutableRawPointer) {
    device?.bind(deviceOutput: port, to: pointer, operands)
  }

  /// Walks the steps. Allocates nothing itself.
  func run() throws {
    if let device { return try device.run(self) }
    if recorder != nil { return try runRecorded(plan.steps.indices) }
    try run(plan.steps.indices)
  }

  func run(_ range: Range<Int>) throws {
    let cancellation = cancellation
    let (table, pool) = (UnsafePointer(operands), pool)
    try plan.steps.withUnsafeBufferPointer { steps in
      guard let first = steps.baseAddress else { return }
      for index in range {
        if let cancellation, cancellation.isCancelled { throw stopped() }
        let step = first + index
        let call = KernelCall(
          operands: table + step.pointee.operands, inputCount: step.pointee.inputCount,
          outputCount: step.pointee.outputCount, context: self, pool: pool)
        do {
          try step.pointee.code._withUnsafeGuaranteedRef { try $0.run(call) }
        } catch {
          throw located(error, index)
        }
      }
    }
  }

  func runRecorded(_ range: Range<Int>) throws {
    for index in range {
      if let cancellation, cancellation.isCancelled { throw stopped() }
      let step = plan.steps[index]
      let call = KernelCall(
        operands: UnsafePointer(operands + step.operands), inputCount: step.inputCount,
        outputCount: step.outputCount, context: self, pool: pool)
      let start = ThreadPool.nanoseconds()
      do { try step.kernel.run(call) } catch { throw located(error, index) }
      recorder?.note(plan.assignments[index], start: start, end: ThreadPool.nanoseconds())
    }
  }

  func stopped() -> CameoError { CameoError(.cancelled, "the run was cancelled") }

  func located(_ error: any Error, _ index: Int) -> any Error {
    if let error = error as? CameoError { return error.within(plan.assignments[index].label) }
    return error
  }

  /// Drops what boxed values hold, so that their memory is free between runs.
  func reset() {
    guard plan.boxedCount > 0 else { return }
    for index in boxed.indices { boxed[index] = nil }
  }
}

/// Idle contexts of one plan.
final class ContextPool: Sendable {
  private struct Box: @unchecked Sendable { let context: ExecutionContext }
  private let idle = Mutex<[Box]>([])

  func take(_ plan: ExecutionPlan, pool: ThreadPool) throws -> ExecutionContext {
    if let box = idle.withLock({ $0.popLast() }) { return box.context }
    return try ExecutionContext(plan, pool: pool)
  }

  func give(_ context: ExecutionContext) {
    context.cancellation = nil
    context.recorder = nil
    context.tap = nil
    context.reset()
    let box = Box(context: context)
    idle.withLock { if $0.count < 64 { $0.append(box) } }
  }
}
