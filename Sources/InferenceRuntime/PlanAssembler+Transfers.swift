import GraphIR
import Tensors

extension PlanAssembler.Choice {
  var isTransfer: Bool { if case .transfer = implementation { true } else { false } }

  /// Whether its operands, or results, are in the device's memory (or in the host's): a transfer has one of each, and staging memory is
  /// neither.
  func reads(_ onDevice: Bool) -> Bool {
    guard case .transfer(let transfer) = implementation else { return isOnDevice == onDevice }
    switch transfer {
    case .stage: return !onDevice
    case .download: return onDevice
    case .upload, .fetch: return false
    }
  }

  func writes(_ onDevice: Bool) -> Bool {
    guard case .transfer(let transfer) = implementation else { return isOnDevice == onDevice }
    switch transfer {
    case .fetch: return !onDevice
    case .upload: return onDevice
    case .stage, .download: return false
    }
  }
}

/// Where plans keep values on their way between host and device.
struct Staging {
  var offsets: [ValueID: Int] = [:]
  var byteCount = 0

  mutating func add(_ value: ValueID, byteCount bytes: Int) {
    if offsets[value] != nil { return }
    offsets[value] = byteCount
    byteCount += (bytes + 255) / 256 * 256
  }
}

extension PlanAssembler {
  /// Decides where views and concatenations lie, then puts transfers between what the host and what the device computes: a value goes over
  /// once, as early as it can, and waits where it is read first.
  func placeTransfers() throws -> Staging {
    var staging = Staging()
    guard core.device != nil else { return staging }
    let made = settleViews()
    let reads = try crossings(made)
    deviceInputs = Set(reads.up.filter { made[$0] == nil })
    let fetched = Set(reads.down)
    let staged = Set(reads.up).subtracting(deviceInputs)
    for value in reads.up + reads.down where !deviceInputs.contains(value) {
      staging.add(value, byteCount: try operand(value)?.byteCount ?? 0)
    }
    var placed: [Choice] = []
    var arrived: Set<ValueID> = []
    func add(_ transfer: Transfer, _ value: ValueID, _ like: PlanBuilder.Entry) {
      let entry = PlanBuilder.Entry(id: like.id, inputs: [value], outputs: [value])
      placed.append(
        Choice(
          entry: entry, implementation: .transfer(transfer), provider: "plan", isOnDevice: transfer.isOnDevice))
    }
    for choice in choices {
      let operands = choice.entry.inputs.compactMap(\.self) + choice.entry.captures
      for value in operands where arrived.insert(value).inserted {
        if choice.isOnDevice && staged.contains(value) {
          add(.upload, value, choice.entry)
        } else if !choice.isOnDevice && fetched.contains(value) {
          add(.fetch, value, choice.entry)
        } else {
          arrived.remove(value)
        }
      }
      placed.append(choice)
      for case .some(let value) in choice.entry.outputs {
        if staged.contains(value) { add(.stage, value, choice.entry) }
        if fetched.contains(value) { add(.download, value, choice.entry) }
      }
    }
    choices = placed
    return staging
  }

  /// Views and concatenations go where their operands are; what is made of the plan's inputs alone goes where it is read. Where each value is
  /// made: true for the device; inputs of the plan are left out.
  private func settleViews() -> [ValueID: Bool] {
    var wanted: Set<ValueID> = []
    for choice in choices.reversed() {
      let isWanted = choice.entry.outputs.contains { $0.map(wanted.contains) ?? false }
      if choice.isOnDevice || (choice.followsOperands && isWanted) {
        for case .some(let input) in choice.entry.inputs { wanted.insert(input) }
      }
    }
    var made: [ValueID: Bool] = [:]
    for index in choices.indices {
      let entry = choices[index].entry
      if choices[index].followsOperands {
        let places = entry.inputs.compactMap { $0.flatMap { made[$0] } }
        let isWanted = entry.outputs.contains { $0.map(wanted.contains) ?? false }
        choices[index].isOnDevice = places.contains(true) || (isWanted && places.isEmpty)
      }
      for case .some(let output) in entry.outputs { made[output] = choices[index].isOnDevice }
    }
    return made
  }

  /// Values that are read in the other memory than the one they are made in; `up`: by the device.
  private func crossings(_ made: [ValueID: Bool]) throws -> (up: [ValueID], down: [ValueID]) {
    var (up, down): ([ValueID], [ValueID]) = ([], [])
    var seen: Set<ValueID> = []
    for choice in choices {
      for value in choice.entry.inputs.compactMap(\.self) + choice.entry.captures {
        guard try operand(value) != nil, FactTable.constant(builder.facts[value]) == nil else { continue }
        if choice.isOnDevice == (made[value] ?? false) || seen.contains(value) { continue }
        seen.insert(value)
        if choice.isOnDevice { up.append(value) } else { down.append(value) }
      }
    }
    return (up, down)
  }
}

extension PlanAssembler.Choice {
  /// True where any memory will do.
  fileprivate var followsOperands: Bool {
    switch implementation {
    case .views, .concat: true
    default: false
    }
  }
}
