import Synchronization
import Tensors

/// Memory for the packed forms of one session. Forms that are smaller than a huge page lie one behind the other in storages of many such
/// pages: a product that reads weights end to end walks through them a fifth faster than through pages of 4 KiB.
final class PackMemory: Sendable {
  private struct State: Sendable {
    /// What forms are cut from, and how much of it is taken.
    var slab: TensorStorage?
    var used = 0
    /// Bytes of all small forms.
    var total = 0
  }

  private static let hugePage = 2 << 20
  /// Bytes of small forms that lie in pages of the usual size.
  private static let least = 16 << 20

  private let state = Mutex(State())

  /// Not zeroed, at an address aligned to 64.
  func storage(byteCount: Int) throws -> TensorStorage {
    guard byteCount < Self.hugePage else { return try TensorStorage(filling: byteCount) }
    let size = (byteCount + TensorStorage.alignment - 1) / TensorStorage.alignment * TensorStorage.alignment
    let cut = try state.withLock { state -> (TensorStorage, Int)? in
      state.total += size
      // Models that caches hold keep to what they need.
      guard state.total > Self.least else { return nil }
      if let slab = state.slab, slab.byteCount - state.used >= size {
        defer { state.used += size }
        return (slab, state.used)
      }
      // A quarter of what there is: so much may be charged in vain. Pages that nothing is written to are not taken.
      let pages = min(16, max(4, state.total / 4 / Self.hugePage))
      let slab = try TensorStorage(filling: pages * Self.hugePage)
      (state.slab, state.used) = (slab, size)
      return (slab, 0)
    }
    guard let (slab, offset) = cut else { return try TensorStorage(filling: byteCount) }
    return TensorStorage(borrowing: slab.base + offset, byteCount: byteCount, owner: slab)
  }
}
