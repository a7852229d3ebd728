import Dispatch

/// Independent rows over all threads. What a row's work computes depends on nothing but the row: results are the same
/// on any machine.
enum ParallelRows {
  /// Calls `body` with ranges that together cover 0 ..< count, `grain` rows each but for the last. `body` must write
  /// only what belongs to its range.
  static func run(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
    guard count > 0 else { return }
    let pieces = (count + grain - 1) / grain
    if pieces == 1 { return body(0..<count) }
    // Safe: concurrentPerform returns when all pieces are done, and each writes its own rows.
    nonisolated(unsafe) let work = body
    DispatchQueue.concurrentPerform(iterations: pieces) { piece in
      work(piece * grain..<min(count, (piece + 1) * grain))
    }
  }
}
