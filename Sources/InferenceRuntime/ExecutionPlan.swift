import GraphIR
import Operators
import Tensors

/// A flat list of steps with every address settled but those of the arena's start, the inputs and the outputs.
public final class ExecutionPlan: @unchecked Sendable {
  struct Step {
    let kernel: Kernel
    /// The same, for the run loop: the plan keeps it alive, so a step counts no references.
    let code: Unmanaged<Kernel>
    /// First of the step's operands in the table.
    let operands: Int
    let inputCount: Int
    let outputCount: Int
    let node: NodeID
    /// The kernel only puts work into the run's queue.
    let isOnDevice: Bool

    init(kernel: Kernel, operands: Int, inputCount: Int, outputCount: Int, node: NodeID, isOnDevice: Bool = false) {
      self.isOnDevice = isOnDevice
      self.kernel = kernel
      code = Unmanaged.passUnretained(kernel)
      self.operands = operands
      self.inputCount = inputCount
      self.outputCount = outputCount
      self.node = node
    }
  }

  /// What an entry of the operand table points at.
  enum Address {
    case none
    case arena(Int)
    case constant(UnsafeMutableRawPointer)
    case input(Int, Int)
    case output(Int, Int)
    /// In the device's arena.
    case device(Int)
    /// The device's copy of an input, or the caller's memory on the device.
    case deviceInput(Int, Int)
    case deviceOutput(Int, Int)
    /// In host memory that the device copies from and to.
    case staging(Int)
  }

  /// Steps that the host does one after the other, or that go into the device's queue one after the other.
  struct Segment {
    let steps: Range<Int>
    let isOnDevice: Bool
  }

  struct Patch {
    let operand: Int
    let port: Int
    let offset: Int
  }

  /// An input or output of the plan.
  struct Port {
    let value: ValueID
    /// nil for boxed values.
    let operand: Operand?
    /// The slot of a boxed value.
    let boxed: Int?
  }

  /// A sub-plan that works in the scratch of a step.
  struct Child {
    let plan: ExecutionPlan
    let scratchOperand: Int
  }

  /// Which provider runs a node, under which kernel, and what the others said.
  public struct Assignment: Sendable {
    public let node: NodeID
    public let label: String
    public let operatorName: OperatorName
    public let origins: Origins
    public let provider: String
    public let kernel: String
    public let isOnDevice: Bool
    /// "cpu: reason" of each preferred provider that refused.
    public let refusals: [String]
    /// True where no step runs: the result is a view of an operand or was written in place by its producers.
    public let isElided: Bool
    /// nil where shapes do not tell.
    public let work: StepWork?
  }

  let steps: ContiguousArray<Step>
  let addresses: [Address]
  let inputs: [Port]
  let outputs: [Port]
  let boxedCount: Int
  let children: [Child]
  let inputPatches: ContiguousArray<Patch>
  let outputPatches: ContiguousArray<Patch>
  let deviceInputPatches: ContiguousArray<Patch>
  let deviceOutputPatches: ContiguousArray<Patch>
  /// nil where every step is the host's.
  let device: Device?
  let segments: ContiguousArray<Segment>
  let stagingBytes: Int
  /// What the device does between steps of the host is recorded once and then started as a whole.
  let recordsRuns: Bool
  /// Memory that addresses point into.
  private let kept: [TensorStorage]
  private let residents: [DeviceStorage]
  /// By step.
  public let assignments: [Assignment]
  /// All nodes, elided ones included, in plan order.
  public let allAssignments: [Assignment]
  public let memory: MemoryReport
  /// The same for the device's arena; empty where there is no device.
  public let deviceMemory: MemoryReport
  /// Bytes that a run moves as they are: copies, concatenations, splits, caches.
  public let copiedBytes: Int

  init(
    steps: [Step], addresses: [Address], inputs: [Port], outputs: [Port], boxedCount: Int, children: [Child],
    kept: [TensorStorage], residents: [DeviceStorage] = [],
    assignments: [Assignment], allAssignments: [Assignment], copiedBytes: Int = 0, memory: MemoryReport,
    device: Device? = nil, deviceMemory: MemoryReport = .empty, stagingBytes: Int = 0,
    recordsRuns: Bool = false
  ) {
    self.recordsRuns = recordsRuns
    self.copiedBytes = copiedBytes
    self.steps = ContiguousArray(steps)
    self.addresses = addresses
    self.inputs = inputs
    self.outputs = outputs
    self.boxedCount = boxedCount
    self.children = children
    self.kept = kept
    self.residents = residents
    self.assignments = assignments
    self.allAssignments = allAssignments
    self.memory = memory
    self.device = steps.contains { $0.isOnDevice } ? device : nil
    self.deviceMemory = deviceMemory
    self.stagingBytes = stagingBytes
    var segments: ContiguousArray<Segment> = []
    for (index, step) in steps.enumerated() {
      if let last = segments.last, last.isOnDevice == step.isOnDevice {
        segments[segments.count - 1] = Segment(steps: last.steps.lowerBound..<index + 1, isOnDevice: last.isOnDevice)
      } else {
        segments.append(Segment(steps: index..<index + 1, isOnDevice: step.isOnDevice))
      }
    }
    self.segments = segments
    func patches(_ port: (Address) -> (Int, Int)?) -> ContiguousArray<Patch> {
      var result: ContiguousArray<Patch> = []
      for (index, address) in addresses.enumerated() {
        if let (port, offset) = port(address) { result.append(Patch(operand: index, port: port, offset: offset)) }
      }
      return result
    }
    inputPatches = patches { if case .input(let port, let offset) = $0 { (port, offset) } else { nil } }
    outputPatches = patches { if case .output(let port, let offset) = $0 { (port, offset) } else { nil } }
    deviceInputPatches = patches { if case .deviceInput(let port, let offset) = $0 { (port, offset) } else { nil } }
    deviceOutputPatches = patches { if case .deviceOutput(let port, let offset) = $0 { (port, offset) } else { nil } }
  }

  /// True where a run allocates nothing: no step goes through the portable evaluation.
  public var isAllocationFree: Bool {
    boxedCount == 0 && steps.allSatisfy { !($0.kernel is ReferenceKernel) }
      && children.allSatisfy { $0.plan.isAllocationFree }
  }
}
