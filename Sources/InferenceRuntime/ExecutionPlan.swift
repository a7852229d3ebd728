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

    init(kernel: Kernel, operands: Int, inputCount: Int, outputCount: Int, node: NodeID) {
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
  let boxedConstants: [(Int, Value)]
  let boxedCount: Int
  let children: [Child]
  let inputPatches: ContiguousArray<Patch>
  let outputPatches: ContiguousArray<Patch>
  /// Memory that addresses point into.
  private let kept: [TensorStorage]
  /// By step.
  public let assignments: [Assignment]
  /// All nodes, elided ones included, in plan order.
  public let allAssignments: [Assignment]
  public let memory: MemoryReport
  /// Bytes that a run moves as they are: copies, concatenations, splits, caches.
  public let copiedBytes: Int

  init(
    steps: [Step], addresses: [Address], inputs: [Port], outputs: [Port], boxedConstants: [(Int, Value)],
    boxedCount: Int, children: [Child], kept: [TensorStorage], assignments: [Assignment], allAssignments: [Assignment],
    copiedBytes: Int = 0, memory: MemoryReport
  ) {
    self.copiedBytes = copiedBytes
    self.steps = ContiguousArray(steps)
    self.addresses = addresses
    self.inputs = inputs
    self.outputs = outputs
    self.boxedConstants = boxedConstants
    self.boxedCount = boxedCount
    self.children = children
    self.kept = kept
    self.assignments = assignments
    self.allAssignments = allAssignments
    self.memory = memory
    var inputPatches: ContiguousArray<Patch> = []
    var outputPatches: ContiguousArray<Patch> = []
    for (index, address) in addresses.enumerated() {
      switch address {
      case .input(let port, let offset): inputPatches.append(Patch(operand: index, port: port, offset: offset))
      case .output(let port, let offset): outputPatches.append(Patch(operand: index, port: port, offset: offset))
      default: break
      }
    }
    self.inputPatches = inputPatches
    self.outputPatches = outputPatches
  }

  /// True where a run allocates nothing: no step goes through the portable evaluation.
  public var isAllocationFree: Bool {
    boxedCount == 0 && steps.allSatisfy { !($0.kernel is ReferenceKernel) }
      && children.allSatisfy { $0.plan.isAllocationFree }
  }
}
