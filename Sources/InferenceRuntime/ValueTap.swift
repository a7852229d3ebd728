public import GraphIR
public import Tensors

/// Sees values of a run as they are made, each before its memory is used for something else: any number of them can be looked at
/// without keeping one alive.
///
/// Called on the run's thread, in the order of the steps, with the tensor in the run's own memory: it is valid during the call. Which
/// values are shown `SessionOptions.taps` says when the session is made; they keep their float32 numbers at every precision. A value of a
/// body is shown in every iteration; a constant without producer, and what lies inside the body of a fused node, is not shown. What a tap
/// throws leaves the run with the step's place.
public typealias ValueTap = (_ value: ValueID, _ tensor: Tensor) throws -> Void

/// The step behind the one that makes a tapped value.
final class TapKernel: Kernel, @unchecked Sendable {
  private let value: ValueID
  private let operand: ReferenceOperand

  init(_ value: ValueID, _ operand: ReferenceOperand) {
    self.value = value
    self.operand = operand
    super.init("tap")
  }

  override func run(_ call: KernelCall) throws {
    guard let tap = call.context.tap else { return }
    switch operand {
    case .absent: return
    case .constant(let constant): if let tensor = constant.tensor { try tap(value, tensor) }
    case .boxed(let slot): if let tensor = call.context.boxed[slot]?.tensor { try tap(value, tensor) }
    case .memory(let type, let shape):
      let bytes = type.byteCount(elements: try Tensor.elementCount(shape)) ?? 0
      // A tensor without elements may have no memory.
      let storage =
        try call.operands[0].map { TensorStorage(borrowing: $0, byteCount: bytes, owner: call.context) }
        ?? TensorStorage(byteCount: bytes)
      try tap(value, try Tensor(dataType: type, shape: shape, storage: storage))
    }
  }
}
