import GraphIR
import Tensors

/// Which memory each value of a plan has. Values share memory as views, as parts of a concatenation, and by taking over the
/// memory of an operand that nothing reads later.
struct PlanLayout {
  enum Kind {
    case arena
    case input(Int)
    case output(Int)
  }

  private struct Slot {
    let value: ValueID?
    let size: Int
    let kind: Kind
    var first: Int
    var last: Int
    /// The slot whose memory this one's is part of, itself for roots, and the place there.
    var parent: Int
    var delta = 0
    var isView = false
    var isScratch = false
  }

  private var slots: [Slot] = []
  private var index: [ValueID: Int] = [:]
  /// By root.
  private var members: [[Int]] = []
  private var scratches: [Int: Int] = [:]
  private var joined: [ValueID: ValueID] = [:]
  private var blockOffsets: [Int: Int] = [:]
  private let end: Int
  private var blocks: [MemoryPlanner.Block] = []
  private var blockRoots: [Int] = []
  private(set) var peak = 0

  /// What every place is a multiple of: 64, or a multiple of it.
  private let alignment: Int

  init(end: Int, alignment: Int = MemoryPlanner.alignment) {
    self.end = end
    self.alignment = alignment
  }

  mutating func add(_ value: ValueID, size: Int, kind: Kind, at time: Int) {
    index[value] = slots.count
    slots.append(Slot(value: value, size: size, kind: kind, first: time, last: time, parent: slots.count))
    members.append([slots.count - 1])
    if case .output = kind { slots[slots.count - 1].last = end }
  }

  mutating func scratch(_ size: Int, at time: Int) {
    if size <= 0 { return }
    scratches[time] = slots.count
    slots.append(
      Slot(value: nil, size: size, kind: .arena, first: time, last: time, parent: slots.count, isScratch: true))
    members.append([slots.count - 1])
  }

  mutating func read(_ value: ValueID, at time: Int) {
    guard let slot = index[value] else { return }
    slots[slot].last = max(slots[slot].last, time)
  }

  func has(_ value: ValueID) -> Bool { index[value] != nil }

  private func find(_ slot: Int) -> (root: Int, offset: Int) {
    var slot = slot
    var offset = 0
    while slots[slot].parent != slot {
      offset += slots[slot].delta
      slot = slots[slot].parent
    }
    return (slot, offset)
  }

  /// Makes root `a` part of `b` (any slot) at `offset`.
  private mutating func attach(_ a: Int, to b: Int, offset: Int) {
    let (root, base) = find(b)
    slots[a].parent = root
    slots[a].delta = base + offset
    members[root].append(contentsOf: members[a])
    members[a] = []
  }

  private func isArenaRoot(_ slot: Int) -> Bool {
    if case .arena = slots[slot].kind { return slots[slot].parent == slot }
    return false
  }

  /// `output` is `input`'s memory from `offset` on, where that can be: one of them has no fixed place yet.
  mutating func view(_ output: ValueID, of input: ValueID, offset: Int) {
    guard let o = index[output], let i = index[input], slots[o].parent == o else { return }
    if isArenaRoot(o) {
      attach(o, to: i, offset: offset)
      slots[o].isView = true
    } else if case .output = slots[o].kind {
      let (root, base) = find(i)
      guard isArenaRoot(root), base + offset == 0, slots[root].size == slots[o].size else { return }
      attach(root, to: o, offset: 0)
      slots[o].isView = true
    }
  }

  /// Lets `input` be computed where it stands in the concatenation `output`.
  mutating func join(_ input: ValueID, into output: ValueID, offset: Int) {
    guard let o = index[output], let i = index[input] else { return }
    let (root, base) = find(i)
    let (target, _) = find(o)
    guard root != target, isArenaRoot(root), base == 0, slots[root].size == slots[i].size, slots[i].size > 0 else {
      return
    }
    // What lives in the concatenation's memory already must not be one of its own parts' readers: a fresh part is.
    attach(root, to: o, offset: offset)
    joined[input] = output
  }

  func isJoined(_ input: ValueID, _ output: ValueID) -> Bool { joined[input] == output }
  func isView(_ output: ValueID) -> Bool { index[output].map { slots[$0].isView } ?? false }

  /// `output` is written over `input`, which nothing reads after `time`. False where that cannot be.
  mutating func takeOver(_ input: ValueID, by output: ValueID, others: [ValueID], at time: Int) -> Bool {
    guard let o = index[output], let i = index[input] else { return false }
    let (root, base) = find(i)
    guard isArenaRoot(root), base == 0, slots[root].size == slots[i].size, slots[i].size == slots[o].size else {
      return false
    }
    let (target, _) = find(o)
    guard target != root else { return false }
    for member in members[root] where slots[member].last > time { return false }
    for other in others {
      if let slot = index[other], find(slot).root == root { return false }
      // An operand that lives in the very memory that the output will have.
      if let slot = index[other], find(slot).root == target { return false }
    }
    // The place that it would take must be free for all of the input's life.
    let place = find(o)
    let first = members[root].map { slots[$0].first }.min() ?? 0
    for member in members[target] where member != o && slots[member].size > 0 {
      let offset = find(member).offset
      let overlaps = offset < place.offset + slots[o].size && place.offset < offset + slots[member].size
      if overlaps && slots[member].first < time && slots[member].last >= first { return false }
    }
    attach(root, to: o, offset: 0)
    return true
  }

  mutating func place() {
    for slot in slots.indices where isArenaRoot(slot) {
      var first = Int.max
      var last = 0
      for member in members[slot] {
        first = min(first, slots[member].first)
        last = max(last, slots[member].last)
      }
      let size =
        alignment == MemoryPlanner.alignment
        ? slots[slot].size : MemoryPlanner.aligned(slots[slot].size, to: alignment)
      blocks.append(MemoryPlanner.Block(size: size, first: max(0, first), last: max(last, max(0, first))))
      blockRoots.append(slot)
    }
    let placed = MemoryPlanner.place(blocks)
    peak = placed.peak
    for (position, root) in blockRoots.enumerated() { blockOffsets[root] = placed.offsets[position] }
  }

  func address(_ value: ValueID) -> ExecutionPlan.Address {
    guard let slot = index[value] else { return .none }
    return address(slot: slot)
  }

  private func address(slot: Int) -> ExecutionPlan.Address {
    let (root, offset) = find(slot)
    switch slots[root].kind {
    case .arena: return .arena((blockOffsets[root] ?? 0) + offset)
    case .input(let port): return .input(port, offset)
    case .output(let port): return .output(port, offset)
    }
  }

  func scratchAddress(at time: Int) -> ExecutionPlan.Address { scratches[time].map { address(slot: $0) } ?? .none }

  func report(name: (ValueID) -> String) -> MemoryReport {
    var sum = 0
    var scratch = 0
    for slot in slots {
      if case .arena = slot.kind {
        sum += slot.size
        if slot.isScratch { scratch = max(scratch, slot.size) }
      }
    }
    let listed = blocks.indices.map { position in
      let slot = slots[blockRoots[position]]
      return MemoryReport.Block(
        label: slot.value.map(name) ?? "scratch", offset: blockOffsets[blockRoots[position]] ?? 0, size: slot.size,
        first: blocks[position].first, last: blocks[position].last, isScratch: slot.isScratch)
    }
    return MemoryReport(
      peakBytes: peak, sumBytes: sum, lowerBound: MemoryPlanner.lowerBound(blocks), scratchBytes: scratch,
      blocks: listed)
  }
}
