import GraphIR
import Tensors

extension PlanAssembler {
  /// The layout of one memory that needs less: with concatenations written in place by their producers, or without.
  func bestLayout(onDevice: Bool) throws -> PlanLayout {
    var best: PlanLayout?
    for joins in [true, false] {
      let layout = try makeLayout(onDevice, joinsConcats: joins)
      if layout.peak < best?.peak ?? .max { best = layout }
    }
    guard let layout = best else { throw CameoError(.invariant, "no layout") }
    return layout
  }

  private func makeLayout(_ onDevice: Bool, joinsConcats: Bool) throws -> PlanLayout {
    var layout = PlanLayout(end: choices.count, alignment: onDevice ? core.device?.alignment ?? 64 : 64)
    try addValues(to: &layout, onDevice)
    for (time, choice) in choices.enumerated() {
      for case .some(let input) in choice.entry.inputs where choice.reads(onDevice) { layout.read(input, at: time) }
      for captured in choice.entry.captures where choice.reads(onDevice) { layout.read(captured, at: time) }
    }
    for choice in choices where choice.isOnDevice == onDevice {
      guard case .views(let views) = choice.implementation else { continue }
      for view in views {
        guard let output = choice.entry.outputs[view.output], let input = choice.entry.inputs[view.input],
          isAligned(view.byteOffset, onDevice)
        else { continue }
        layout.view(output, of: input, offset: view.byteOffset)
      }
    }
    if joinsConcats { join(&layout, onDevice) }
    takeOver(&layout, onDevice)
    for (time, choice) in choices.enumerated() where choice.isOnDevice == onDevice {
      switch choice.implementation {
      case .kernel(let prepared) where prepared.scratchBytes > 0: layout.scratch(prepared.scratchBytes, at: time)
      case .loop(let kernel, _): layout.scratch(kernel.scratchBytes, at: time)
      case .branch(_, let plans): layout.scratch(plans.map(\.memory.peakBytes).max() ?? 0, at: time)
      default: break
      }
    }
    layout.place()
    return layout
  }

  /// Kernels of a device count on operands at multiples of 16.
  private func isAligned(_ offset: Int, _ onDevice: Bool) -> Bool { !onDevice || offset % 16 == 0 }

  private func addValues(to layout: inout PlanLayout, _ onDevice: Bool) throws {
    for (port, value) in builder.inputs.enumerated() {
      if let operand = try operand(value), operand.constant == nil, !onDevice || deviceInputs.contains(value) {
        layout.add(value, size: operand.byteCount, kind: .input(port), at: -1)
      }
    }
    for (time, choice) in choices.enumerated() where choice.writes(onDevice) {
      for case .some(let output) in choice.entry.outputs {
        guard let operand = try operand(output) else { continue }
        let port = choice.isTransfer ? nil : outputs.firstIndex(of: output)
        layout.add(output, size: operand.byteCount, kind: port.map { .output($0) } ?? .arena, at: time)
      }
    }
  }

  private func join(_ layout: inout PlanLayout, _ onDevice: Bool) {
    for choice in choices where choice.isOnDevice == onDevice {
      guard case .concat(let parts) = choice.implementation, let output = choice.entry.outputs[0] else { continue }
      for (index, input) in choice.entry.inputs.enumerated() where isAligned(parts[index], onDevice) {
        guard let input, choice.entry.inputs.filter({ $0 == input }).count == 1 else { continue }
        layout.join(input, into: output, offset: parts[index])
      }
    }
  }

  private func takeOver(_ layout: inout PlanLayout, _ onDevice: Bool) {
    for (time, choice) in choices.enumerated() where choice.isOnDevice == onDevice {
      guard case .kernel(let prepared) = choice.implementation, !prepared.inPlaceInputs.isEmpty,
        let output = choice.entry.outputs[0]
      else { continue }
      let inputs = choice.entry.inputs
      for index in prepared.inPlaceInputs {
        guard index < inputs.count, let input = inputs[index] else { continue }
        let others = inputs.enumerated().compactMap { position, value -> ValueID? in
          position == index || (prepared.inPlaceInputs.contains(position) && value == input) ? nil : value
        }
        if layout.takeOver(input, by: output, others: others, at: time) { break }
      }
    }
  }
}
