internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// A float32 kernel for operands of float16 or bfloat16: they are widened into scratch, and results are rounded from there. What the operator
/// gives is rounded once, as in the portable evaluation.
///
/// Scratch: the operands' addresses as the float32 kernel sees them, the widened operands, then that kernel's own.
final class WidenedKernel: Kernel, @unchecked Sendable {
  /// An operand that is computed, `offset` bytes into scratch.
  private struct Slot {
    let operand: Int
    let isBfloat16: Bool
    let count: Int
    let offset: Int
  }

  /// What a part of a result is rounded in, and of an input widened: some 10 microseconds.
  private static let grain = 1 << 15
  /// Computed in the operand's own type, whose rounding shows in the result.
  private static let exact: Set<String> = ["QuantizeLinear", "DynamicQuantizeLinear"]
  private let inner: Kernel
  private let inputs: ContiguousArray<Slot>
  private let outputs: ContiguousArray<Slot>
  /// Those that the float32 kernel reads in a run.
  private let constants: ContiguousArray<(operand: Int, tensor: Tensor)>
  private let operandCount: Int
  private let innerOffset: Int

  /// nil where no operand is a narrow float of the model's own, or there is no float32 kernel either.
  static func prepare(_ request: KernelRequest, _ make: CPUProvider.Maker) throws -> PreparedKernel? {
    let operands = request.inputs + request.outputs
    guard operands.contains(where: { $0.map { isNarrow($0.type) } ?? false }), !exact.contains(request.node.type),
      operands.allSatisfy({ $0?.room == nil })
    else { return nil }
    let wide = request.replacing(
      inputs: try request.inputs.map { try $0.map { try widened($0, request) } },
      outputs: try request.outputs.map { try $0.map { try widened($0, request) } })
    // What a plan stores in bfloat16 by itself it stores otherwise where this is refused.
    if request.usesBfloat16, Bfloat16Operands.stored(wide) != nil { return nil }
    guard let prepared = try? make(wide) else { return nil }
    let kernel = WidenedKernel(request, wide, prepared)
    return PreparedKernel(
      kernel, scratchBytes: kernel.innerOffset + prepared.scratchBytes, copiedBytes: prepared.copiedBytes,
      unreadInputs: request.inputs.indices.filter {
        prepared.unreadInputs.contains($0)
          || request.inputs[$0].map { isNarrow($0.type) && $0.constant != nil } ?? false
      })
  }

  private static func isNarrow(_ type: DataType) -> Bool { type == .float16 || type == .bfloat16 }

  /// A constant is widened once a session, however many plans ask.
  private static func widened(_ operand: Operand, _ request: KernelRequest) throws -> Operand {
    guard isNarrow(operand.type) else { return operand }
    guard let tensor = operand.constant else { return try Operand(type: .float, shape: operand.shape) }
    let storage = try request.packed(tensor, "float32") {
      let made = try TensorStorage(byteCount: max(1, tensor.count) * 4)
      withExtendedLifetime(tensor) {
        widen(made.base, tensor.baseAddress, tensor.count, isBfloat16: tensor.dataType == .bfloat16)
      }
      return made
    }
    return try Operand(
      type: .float, shape: operand.shape, constant: try Tensor(dataType: .float, shape: tensor.shape, storage: storage))
  }

  private init(_ request: KernelRequest, _ wide: KernelRequest, _ prepared: PreparedKernel) {
    inner = prepared.kernel
    operandCount = request.inputs.count + request.outputs.count
    var offset = aligned((operandCount + 1) * 8)
    func slots(_ operands: [Operand?], from first: Int) -> ContiguousArray<Slot> {
      var slots: ContiguousArray<Slot> = []
      for (index, operand) in operands.enumerated() {
        guard let operand, WidenedKernel.isNarrow(operand.type), operand.constant == nil else { continue }
        slots.append(
          Slot(
            operand: first + index, isBfloat16: operand.type == .bfloat16, count: operand.count, offset: offset))
        offset += aligned(operand.count * 4)
      }
      return slots
    }
    inputs = slots(request.inputs, from: 0)
    outputs = slots(request.outputs, from: request.inputs.count)
    innerOffset = offset
    constants = ContiguousArray(
      wide.inputs.indices.compactMap { index in
        guard let given = request.inputs[index], WidenedKernel.isNarrow(given.type),
          !prepared.unreadInputs.contains(index), let tensor = wide.inputs[index]?.constant
        else { return nil }
        return (index, tensor)
      })
    super.init("\(prepared.kernel.name), widened")
  }

  override func run(_ call: KernelCall) throws {
    let scratch = call.scratch
    let table = scratch.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    for index in 0..<operandCount { table[index] = call.operands[index] }
    table[operandCount] = scratch + innerOffset
    for constant in constants {
      table[constant.operand] = UnsafeMutableRawPointer(mutating: constant.tensor.baseAddress)
    }
    for slot in outputs where table[slot.operand] != nil { table[slot.operand] = scratch + slot.offset }
    for (place, slot) in inputs.enumerated() {
      table[slot.operand] = scratch + slot.offset
      parallel(call, phase: place, count: slot.count, grain: Self.grain)
    }
    try inner.run(call.with(operands: table))
    for (place, slot) in outputs.enumerated() where call.operands[slot.operand] != nil {
      parallel(call, phase: inputs.count + place, count: slot.count, grain: Self.grain)
    }
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    let isInput = phase < inputs.count
    let slot = isInput ? inputs[phase] : outputs[phase - inputs.count]
    guard let given = call.operands[slot.operand] else { return }
    let wide = call.scratch + slot.offset
    if isInput {
      Self.widen(wide + 4 * begin, given + 2 * begin, end - begin, isBfloat16: slot.isBfloat16)
    } else {
      let (out, from) = (given.assumingMemoryBound(to: UInt16.self), wide.assumingMemoryBound(to: Float.self))
      (slot.isBfloat16 ? ck_f32_to_bf16 : ck_f32_to_f16)(out + begin, from + begin, end - begin)
    }
  }

  private static func widen(
    _ out: UnsafeMutableRawPointer, _ from: UnsafeRawPointer, _ count: Int, isBfloat16: Bool
  ) {
    let (to, given) = (out.assumingMemoryBound(to: Float.self), from.assumingMemoryBound(to: UInt16.self))
    if isBfloat16 { ck_bf16_to_f32(to, given, count) } else { ck_f16_to_f32(to, given, count) }
  }
}
