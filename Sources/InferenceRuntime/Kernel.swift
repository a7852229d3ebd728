/// The operands of one step in one run. Pointers are valid during the call only; those of a device's kernel are addresses in the device's
/// memory, valid for all that the call puts into its queue.
public struct KernelCall {
  /// Inputs, then outputs, then the step's scratch; nil where an optional one is left out.
  public let operands: UnsafePointer<UnsafeMutableRawPointer?>
  public let inputCount: Int
  public let outputCount: Int
  /// nil where no run makes the call.
  private unowned(unsafe) let run: ExecutionContext?
  unowned(unsafe) public let pool: ThreadPool

  @inline(__always) init(
    operands: UnsafePointer<UnsafeMutableRawPointer?>, inputCount: Int, outputCount: Int, context: ExecutionContext,
    pool: ThreadPool
  ) {
    self.operands = operands
    self.inputCount = inputCount
    self.outputCount = outputCount
    run = context
    self.pool = pool
  }

  /// Work without operands, outside any run.
  init(_ pool: ThreadPool) {
    operands = UnsafePointer(Self.none)
    (inputCount, outputCount, run) = (0, 0, nil)
    self.pool = pool
  }

  nonisolated(unsafe) private static let none: UnsafeMutablePointer<UnsafeMutableRawPointer?> = {
    let pointer = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: 1)
    pointer.initialize(to: nil)
    return pointer
  }()

  @inline(__always) var context: ExecutionContext { run.unsafelyUnwrapped }

  /// The same call of a kernel inside another one, which gives it operands of its own, its scratch behind them: as many, unless told otherwise.
  @inline(__always) public func with(
    operands: UnsafePointer<UnsafeMutableRawPointer?>, inputs: Int? = nil, outputs: Int? = nil
  ) -> KernelCall {
    KernelCall(
      operands: operands, inputCount: inputs ?? inputCount, outputCount: outputs ?? outputCount, context: context,
      pool: pool)
  }

  /// The queue that a device's kernels put their work into. Only for kernels of a provider with a device.
  @inline(__always) public var queue: DeviceQueue { context.queue.unsafelyUnwrapped }

  @inline(__always) public func input(_ index: Int) -> UnsafeRawPointer {
    UnsafeRawPointer(operands[index].unsafelyUnwrapped)
  }
  @inline(__always) public func input<T>(_ index: Int, _: T.Type) -> UnsafePointer<T> {
    UnsafeRawPointer(operands[index].unsafelyUnwrapped).assumingMemoryBound(to: T.self)
  }
  /// nil where the input is left out.
  @inline(__always) public func optional<T>(_ index: Int, _: T.Type) -> UnsafePointer<T>? {
    guard index < inputCount, let pointer = operands[index] else { return nil }
    return UnsafeRawPointer(pointer).assumingMemoryBound(to: T.self)
  }
  @inline(__always) public func output(_ index: Int = 0) -> UnsafeMutableRawPointer {
    operands[inputCount + index].unsafelyUnwrapped
  }
  @inline(__always) public func output<T>(_ index: Int, _: T.Type) -> UnsafeMutablePointer<T> {
    operands[inputCount + index].unsafelyUnwrapped.assumingMemoryBound(to: T.self)
  }
  @inline(__always) public func optionalOutput<T>(_ index: Int, _: T.Type) -> UnsafeMutablePointer<T>? {
    guard index < outputCount else { return nil }
    return operands[inputCount + index]?.assumingMemoryBound(to: T.self)
  }
  /// The step's scratch, 64-byte aligned; shared by all threads of the step.
  @inline(__always) public var scratch: UnsafeMutableRawPointer {
    operands[inputCount + outputCount].unsafelyUnwrapped
  }
}

/// A prepared computation: all that does not change between runs is settled. Many runs may use one kernel at once, so a run
/// changes no stored property.
open class Kernel: ParallelWork, @unchecked Sendable {
  /// What profiles call it: "gemm", "depthwise".
  public let name: String

  public init(_ name: String) { self.name = name }

  /// Runs one step. Allocates nothing, unless it is a reference kernel.
  open func run(_ call: KernelCall) throws {}

  /// A part of a parallel range that `parallel` started.
  open func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {}

  /// Splits 0 ..< count into parts of about `grain` or more over the pool's threads and waits for all. A part of `grain` is
  /// worth a thread: some 10 microseconds; less than one and a half of it runs on the calling thread at once.
  @inline(__always) public final func parallel(_ call: KernelCall, phase: Int = 0, count: Int, grain: Int) {
    call.pool.run(self, call, phase: phase, count: count, grain: grain)
  }
}

/// A kernel given as functions over index ranges, one after the other with a barrier in between.
public final class RangeKernel: Kernel, @unchecked Sendable {
  public typealias Body = (_ call: KernelCall, _ begin: Int, _ end: Int, _ thread: Int) -> Void

  public struct Phase {
    let count: Int
    let grain: Int
    let body: Body

    /// `grain`: the fewest indices worth a thread.
    public init(count: Int, grain: Int, _ body: @escaping Body) {
      self.count = count
      self.grain = max(1, grain)
      self.body = body
    }
  }

  /// The first phase stands by itself: most kernels have no other.
  private let first: Phase
  private let others: ContiguousArray<Phase>

  public init(_ name: String, count: Int, grain: Int, _ body: @escaping Body) {
    first = Phase(count: count, grain: grain, body)
    others = []
    super.init(name)
  }

  public init(_ name: String, phases: [Phase]) {
    first = phases.first ?? Phase(count: 0, grain: 1) { _, _, _, _ in }
    others = ContiguousArray(phases.dropFirst())
    super.init(name)
  }

  public override func run(_ call: KernelCall) {
    if call.pool.isSerial(count: first.count, grain: first.grain) {
      if first.count > 0 { first.body(call, 0, first.count, 0) }
    } else {
      parallel(call, phase: 0, count: first.count, grain: first.grain)
    }
    for index in others.indices {
      parallel(call, phase: index + 1, count: others[index].count, grain: others[index].grain)
    }
  }

  public override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    if phase == 0 { first.body(call, begin, end, thread) } else { others[phase - 1].body(call, begin, end, thread) }
  }
}

/// A kernel given as one function on the calling thread, which may throw.
public final class SerialKernel: Kernel, @unchecked Sendable {
  private let body: (KernelCall) throws -> Void

  public init(_ name: String, _ body: @escaping (KernelCall) throws -> Void) {
    self.body = body
    super.init(name)
  }

  public override func run(_ call: KernelCall) throws { try body(call) }
}
