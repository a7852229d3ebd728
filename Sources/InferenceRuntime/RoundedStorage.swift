import GraphIR
import Tensors

/// Which values of a plan lie in memory as bfloat16 while the graph says float32: those that a product writes and that only products
/// read, which round them anyway. Half the bytes between them move.
struct RoundedStorage {
  private struct Step {
    let inputs: [ValueID?]
    let outputs: [ValueID?]
    /// Inputs that are float32 in the graph, constants and the caller's included.
    let read: [ValueID]
    let operands: RoundedOperands?
  }

  private var steps: [Step] = []
  private var candidates: Set<ValueID> = []
  private var fixed: Set<ValueID> = []

  /// A node in the plan's order. `read`, `floats`: those of its inputs and outputs that are float32 in memory.
  mutating func add(
    inputs: [ValueID?], outputs: [ValueID?], read: [ValueID], floats: [ValueID], captures: [ValueID],
    _ operands: RoundedOperands?
  ) {
    steps.append(Step(inputs: inputs, outputs: outputs, read: read, operands: operands))
    candidates.formUnion(floats)
    fixed.formUnion(captures)
  }

  /// `kept`: what the caller sees. Every round drops a value at least.
  func values(keeping kept: [ValueID]) -> Set<ValueID> {
    var result = candidates.subtracting(fixed).subtracting(kept)
    var changed = true
    while changed && !result.isEmpty {
      changed = false
      for step in steps {
        for value in dropped(step, result) where result.remove(value) != nil { changed = true }
      }
    }
    return result
  }

  /// Operands of a step that may not stay.
  private func dropped(_ step: Step, _ rounded: Set<ValueID>) -> [ValueID] {
    let all = (step.inputs + step.outputs).compactMap { $0 }.filter { candidates.contains($0) }
    guard let operands = step.operands else { return all }
    if operands.movesElements {
      let isWhole =
        all.allSatisfy { rounded.contains($0) } && step.read.allSatisfy { rounded.contains($0) }
        && step.outputs.allSatisfy { $0.map(rounded.contains) ?? true }
        && step.inputs.contains { $0.map(rounded.contains) ?? false }
      return isWhole ? [] : all
    }
    func refused(_ values: [ValueID?], _ taken: Set<Int>) -> [ValueID] {
      values.enumerated().compactMap { index, value in taken.contains(index) ? nil : value }
    }
    return refused(step.inputs, operands.inputs) + refused(step.outputs, operands.outputs)
  }
}
