import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// The one limit that every fold, evaluation and arena is charged against before memory is taken.
public final class MemoryBudget: Sendable {
  public static let shared = MemoryBudget()

  private let limitBytes: Atomic<Int>

  private init() {
    let pages = sysconf(Int32(_SC_PHYS_PAGES))
    let page = sysconf(Int32(_SC_PAGESIZE))
    let total = pages > 0 && page > 0 ? pages * page : 8 << 30
    limitBytes = Atomic(total / 5 * 4)
  }

  /// Bytes that one allocation may take; 80% of physical memory unless set.
  public var limit: Int {
    get { limitBytes.load(ordering: .relaxed) }
    set { limitBytes.store(max(0, newValue), ordering: .relaxed) }
  }

  /// Throws `.limit` where `bytes` is more than the budget holds.
  public func check(_ bytes: Int, for purpose: @autoclosure () -> String = "a tensor") throws {
    let limit = self.limit
    if bytes > limit {
      throw CameoError.limit("\(purpose()) needs \(bytes) bytes, more than the memory budget of \(limit)")
    }
  }
}
