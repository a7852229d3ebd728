import GraphIR
import Tensors

/// The types and shapes that a plan depends on.
struct Signature: Hashable, Sendable {
  private var words: [Int] = []

  mutating func add(_ value: Value?) {
    switch value {
    case nil: words.append(-1)
    case .tensor(let tensor): add(tensor.dataType, tensor.shape)
    case .sparse: words.append(-2)
    case .sequence: words.append(-3)
    case .optional(let inner):
      words.append(-4)
      add(inner)
    case .map: words.append(-5)
    }
  }

  mutating func add(room: Int, of value: Int) { words += [-7, value, room] }

  mutating func add(contents tensor: Tensor) {
    words.append(-6)
    tensor.withUnsafeBytes { bytes in for byte in bytes { words.append(Int(byte)) } }
  }

  mutating func add(_ type: DataType, _ shape: [Int]) {
    words.append(Int(type.rawValue))
    words.append(shape.count)
    words.append(contentsOf: shape)
  }
}

/// Plans by signature; past the limit the one unused longest goes.
final class PlanCache: Sendable {
  private struct Entry: Sendable {
    let plan: StagePlan
    var lastUse: Int
  }

  private struct State: Sendable {
    var entries: [Signature: Entry] = [:]
    var clock = 0
  }

  private let state = Mutex(State())
  private let limit: Int

  init(limit: Int) { self.limit = max(1, limit) }

  func plan(for signature: Signature, _ make: () throws -> StagePlan) throws -> StagePlan {
    let known = state.withLock { state -> StagePlan? in
      state.clock += 1
      state.entries[signature]?.lastUse = state.clock
      return state.entries[signature]?.plan
    }
    if let known { return known }
    let made = try make()
    return state.withLock { state in
      if let other = state.entries[signature]?.plan { return other }
      if state.entries.count >= limit, let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
        state.entries[oldest.key] = nil
      }
      state.entries[signature] = Entry(plan: made, lastUse: state.clock)
      return made
    }
  }

  var plans: [StagePlan] { state.withLock { $0.entries.values.sorted { $0.lastUse < $1.lastUse }.map(\.plan) } }
}
