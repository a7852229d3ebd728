import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// An If whose branches are plans of known shapes: they work in the step's scratch and write the If's results themselves.
final class BranchKernel: Kernel, @unchecked Sendable {
  enum Source {
    /// Port of the branch's plan, bytes.
    case port(Int, Int, isUsed: Bool)
    case constant(Tensor, Int, isUsed: Bool)
    case capture(Int, Int, isUsed: Bool)
  }

  struct Side {
    let plan: ExecutionPlan
    let sources: [Source]
  }

  private let sides: [Side]
  private let firstChild: Int

  init(_ sides: [Side], firstChild: Int = 0) {
    self.sides = sides
    self.firstChild = firstChild
    super.init("branch")
  }

  func bound(firstChild: Int) -> BranchKernel { BranchKernel(sides, firstChild: firstChild) }

  override func run(_ call: KernelCall) throws {
    let side = call.input(0, UInt8.self).pointee != 0 ? 0 : 1
    let child = call.context.children[firstChild + side]
    child.cancellation = call.context.cancellation
    child.recorder = call.context.recorder
    child.tap = call.context.tap
    child.bindInputs(call.operands + 1)
    // The first result that wants a port gets it; others are copied afterwards.
    let sources = sides[side].sources
    for reverse in 0..<sources.count {
      let index = sources.count - 1 - reverse
      guard case .port(let port, _, _) = sources[index], let target = call.operands[call.inputCount + index] else {
        continue
      }
      child.bind(output: port, to: target)
    }
    try child.run()
    for index in 0..<sources.count {
      guard let target = call.operands[call.inputCount + index] else { continue }
      switch sources[index] {
      case .port(let port, let bytes, _):
        for earlier in 0..<index {
          if case .port(port, _, _) = sources[earlier], let source = call.operands[call.inputCount + earlier] {
            memcpy(target, source, bytes)
            break
          }
        }
      case .constant(let tensor, let bytes, _): memcpy(target, tensor.baseAddress, bytes)
      case .capture(let capture, let bytes, _):
        if let source = call.operands[1 + capture] { memcpy(target, source, bytes) }
      }
    }
    child.reset()
  }
}
