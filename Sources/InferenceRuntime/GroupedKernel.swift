import Operators
import Tensors

/// Kernels of one node, run one behind another, each with some of the node's operands as its own. They share the step's scratch.
public final class GroupedKernel: Kernel, @unchecked Sendable {
  /// A kernel, and the places of its inputs and outputs among the node's.
  public struct Member {
    let kernel: Kernel
    let inputs: ContiguousArray<Int?>
    let outputs: ContiguousArray<Int>

    public init(_ kernel: Kernel, inputs: [Int?], outputs: [Int]) {
      (self.kernel, self.inputs, self.outputs) = (kernel, ContiguousArray(inputs), ContiguousArray(outputs))
    }
  }

  private let members: ContiguousArray<Member>

  public init(_ name: String, _ members: [Member]) {
    self.members = ContiguousArray(members)
    super.init(name)
  }

  public override func run(_ call: KernelCall) throws {
    for member in members {
      let (inputs, outputs) = (member.inputs.count, member.outputs.count)
      try withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: inputs + outputs + 1) { table in
        for place in 0..<inputs {
          table.initializeElement(at: place, to: member.inputs[place].flatMap { call.operands[$0] })
        }
        for place in 0..<outputs {
          table.initializeElement(at: inputs + place, to: call.operands[call.inputCount + member.outputs[place]])
        }
        table.initializeElement(at: inputs + outputs, to: call.operands[call.inputCount + call.outputCount])
        guard let base = table.baseAddress else { return }
        try member.kernel.run(call.with(operands: UnsafePointer(base), inputs: inputs, outputs: outputs))
      }
    }
  }
}

extension KernelRequest {
  /// The products of ai.cameo.BlockMatMuls as requests of ai.cameo.BlockMatMul, each with the places of its inputs.
  public func blockMatMuls() throws -> [(request: KernelRequest, inputs: [Int?])] {
    let members = try BlockMatMulMembers(node)
    return (0..<members.count).map { member in
      let places = members.inputs(member)
      let request = replacing(
        inputs: places.map { $0.flatMap { input($0) } }, outputs: [output(member)], keepsPacks: true)
      return (request, places)
    }
  }

  /// One kernel of the kernels for the products of ai.cameo.BlockMatMuls.
  public func grouped(_ prepared: [PreparedKernel], _ members: [[Int?]], _ kernel: Kernel? = nil) -> PreparedKernel {
    let grouped =
      kernel
      ?? GroupedKernel(
        "\(prepared.count) of \(prepared[0].kernel.name)",
        zip(prepared, members).enumerated().map { GroupedKernel.Member($1.0.kernel, inputs: $1.1, outputs: [$0]) })
    return PreparedKernel(
      grouped, scratchBytes: prepared.map(\.scratchBytes).max() ?? 0,
      copiedBytes: prepared.reduce(0) { $0 + $1.copiedBytes },
      unreadInputs: zip(prepared, members).flatMap { kernel, places in kernel.unreadInputs.compactMap { places[$0] } })
  }
}
