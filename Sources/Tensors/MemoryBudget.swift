import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// The one limit on the memory that tensors take: a running total over the process.
///
/// Counted, from allocation to release, are the bytes of every `TensorStorage` that owns its memory (tensors, plans' arenas,
/// results, folded constants) and of every string tensor, each with a fixed sum for its bookkeeping, so that millions of tiny
/// tensors count, too. Scratch of the portable evaluation is held against what is left. Not counted are mapped files (weights,
/// external data), memory that a caller lends, the graph itself, and stacks. One atomic addition an allocation.
public final class MemoryBudget: Sendable {
  public static let shared = MemoryBudget()

  private let limitBytes: Atomic<Int>
  private let liveBytes = Atomic<Int>(0)

  /// What the bookkeeping of one storage counts for: the object, the allocator's header, alignment.
  static let overhead = 128

  /// `limit` in bytes; nil takes 80% of physical memory.
  init(limit: Int? = nil) {
    let pages = sysconf(Int32(_SC_PHYS_PAGES))
    let page = sysconf(Int32(_SC_PAGESIZE))
    let total = pages > 0 && page > 0 ? pages * page : 8 << 30
    limitBytes = Atomic(limit ?? total / 5 * 4)
  }

  /// Bytes that all live tensors together may take; 80% of physical memory unless set. A lower limit than what is already in
  /// use frees nothing: the next allocation fails.
  public var limit: Int {
    get { limitBytes.load(ordering: .relaxed) }
    set { limitBytes.store(max(0, newValue), ordering: .relaxed) }
  }

  /// Bytes in use now.
  public var used: Int { liveBytes.load(ordering: .relaxed) }

  /// Throws `.limit` where `bytes` more do not fit. Takes nothing: for memory that is not a tensor's.
  public func check(_ bytes: Int, for purpose: @autoclosure () -> String = "a tensor") throws {
    let used = self.used
    if bytes > limit - used { throw refusal(bytes, used, purpose()) }
  }

  /// Takes `bytes` (0 or more) until `release` gives them back. Throws `.limit` where they do not fit.
  public func charge(_ bytes: Int, for purpose: @autoclosure () -> String = "a tensor") throws {
    let limit = self.limit
    // Far too much is refused before the total could overflow.
    guard bytes <= limit else { throw refusal(bytes, used, purpose()) }
    let total = liveBytes.wrappingAdd(bytes, ordering: .relaxed).newValue
    if total > limit {
      let now = liveBytes.wrappingSubtract(bytes, ordering: .relaxed).newValue
      throw refusal(bytes, now, purpose())
    }
  }

  /// Hands memory that was freed back to the system, for the moment between a phase that took much and the next one. It stops nothing that
  /// other threads do, and costs some milliseconds a gigabyte.
  public static func trim() { _ = heapTrim?(0) }

  /// glibc's malloc_trim, which its Swift module does not name; nil elsewhere.
  private static let heapTrim = dlsym(nil, "malloc_trim").map {
    unsafeBitCast($0, to: (@convention(c) (Int) -> Int32).self)
  }

  /// Gives back what `charge` took.
  public func release(_ bytes: Int) { liveBytes.wrappingSubtract(bytes, ordering: .relaxed) }

  private func refusal(_ bytes: Int, _ used: Int, _ purpose: String) -> CameoError {
    let inUse = used > 0 ? ", of which \(used) are in use" : ""
    return .limit("\(purpose) needs \(bytes) bytes; the memory budget is \(limit)\(inUse)")
  }
}
