import CPUProvider
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// A device that is none: its memory is other memory of this process, its work is done when somebody waits for it, and not before. What a
/// plan forgets to copy, or reads too early, is garbage.
final class PaperDevice: Device, @unchecked Sendable {
  /// Bytes that may be asked for at once.
  let mostBytes = Mutex(Int.max)
  /// Whether the device is gone.
  let isLost = Mutex(false)

  init() { super.init(.device(7), alignment: 256) }

  override func memory(byteCount: Int) throws -> DeviceStorage {
    let most = mostBytes.withLock { $0 }
    guard byteCount <= most else { throw CameoError.limit("\(most) bytes free, \(byteCount) are needed") }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(1, byteCount), alignment: 256)
    memory.initializeMemory(as: UInt8.self, repeating: 0xFF, count: byteCount)
    return DeviceStorage(address: memory, byteCount: byteCount) { memory.deallocate() }
  }

  override func staging(byteCount: Int) throws -> DeviceStorage { try memory(byteCount: byteCount) }
  override func makeQueue() throws -> DeviceQueue { PaperQueue(self) }

  override func upload(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws {
    target.copyMemory(from: source, byteCount: byteCount)
  }
}

final class PaperQueue: DeviceQueue, @unchecked Sendable {
  private var work: [() throws -> Void] = []
  private let device: PaperDevice
  init(_ device: PaperDevice) { self.device = device }
  private final class Recording: DeviceRecording {
    let work: [() throws -> Void]
    init(_ work: [() throws -> Void]) { self.work = work }
  }
  /// How often something was recorded, and replayed.
  private(set) static nonisolated(unsafe) var counts = (recorded: 0, replayed: 0)

  func put(_ step: @escaping () throws -> Void) { work.append(step) }

  override func upload(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws {
    put { target.copyMemory(from: source, byteCount: byteCount) }
  }
  override func download(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws {
    put { target.copyMemory(from: source, byteCount: byteCount) }
  }
  override func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws {
    put { target.copyMemory(from: source, byteCount: byteCount) }
  }

  override func finish() throws {
    let steps = work
    work = []
    if device.isLost.withLock({ $0 }) { throw CameoError.system("the device is lost") }
    for step in steps { try step() }
  }

  override func record(_ body: () throws -> Void) throws -> DeviceRecording? {
    let before = work
    work = []
    defer { work = before }
    try body()
    Self.counts.recorded += 1
    return Recording(work)
  }

  override func replay(_ recording: DeviceRecording) throws {
    guard let recording = recording as? Recording else { throw CameoError(.invariant, "a foreign recording") }
    Self.counts.replayed += 1
    work += recording.work
  }
}

/// Runs the CPU's kernels on the paper device, those of the nodes that `takes` chooses.
struct PaperProvider: ExecutionProvider {
  let name = "paper"
  let paper = PaperDevice()
  let takes: @Sendable (Node) -> Bool
  private let processor = CPUProvider()

  /// An operator whose operands are said to be taken in any form, and that is refused all the same.
  var refusedLate = ""

  init(_ takes: @escaping @Sendable (Node) -> Bool = { _ in true }) { self.takes = takes }

  var device: Device? { paper }
  var precisions: Set<Precision> { [.fp32, .bf16] }

  private final class Later: Kernel, @unchecked Sendable {
    private let kernel: Kernel
    init(_ kernel: Kernel) {
      self.kernel = kernel
      super.init(kernel.name)
    }
    override func run(_ call: KernelCall) throws {
      guard let queue = call.queue as? PaperQueue else { throw CameoError(.invariant, "a foreign queue") }
      let kernel = kernel
      queue.put { try kernel.run(call) }
    }
  }

  func prepare(_ request: KernelRequest) throws -> PreparedKernel {
    guard takes(request.node), request.node.type != refusedLate else { throw Refusal("it was told not to") }
    let made = try processor.prepare(request)
    return PreparedKernel(
      Later(made.kernel), scratchBytes: made.scratchBytes, inPlaceInputs: made.inPlaceInputs,
      copiedBytes: made.copiedBytes)
  }

  func roundedOperands(_ request: KernelRequest) -> RoundedOperands? {
    if request.node.type == refusedLate { return RoundedOperands(inputs: [0], outputs: [0]) }
    return takes(request.node) ? processor.roundedOperands(request) : nil
  }
}
