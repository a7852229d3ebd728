import Dispatch

/// Splits independent work over all threads. The pieces depend on the sizes alone, so results do not depend on the machine.
enum NNParallel {
  /// Calls `body` with ranges that together cover 0 ..< count, at least `grain` items each, on several threads.
  /// `body` must write only what belongs to its range.
  static func ranges(_ count: Int, grain: Int, _ work: (Range<Int>) -> Void) {
    guard count > 0 else { return }
    let grain = max(1, grain, (count + 255) / 256)
    let pieces = (count + grain - 1) / grain
    if pieces == 1 { return work(0..<count) }
    // Safe: concurrentPerform returns only when all pieces are done, and each writes its own part.
    nonisolated(unsafe) let body = work
    DispatchQueue.concurrentPerform(iterations: pieces) { piece in
      body(piece * grain..<min(count, (piece + 1) * grain))
    }
  }

  /// As above, where a piece may fail: the first error in order is thrown after all have ended.
  static func throwingRanges(_ count: Int, grain: Int, _ work: (Range<Int>) throws -> Void) throws {
    guard count > 0 else { return }
    let grain = max(1, grain, (count + 255) / 256)
    let pieces = (count + grain - 1) / grain
    if pieces == 1 { return try work(0..<count) }
    var errors = [(any Error)?](repeating: nil, count: pieces)
    errors.withUnsafeMutableBufferPointer { slots in
      nonisolated(unsafe) let slots = slots
      nonisolated(unsafe) let body = work
      DispatchQueue.concurrentPerform(iterations: pieces) { piece in
        do { try body(piece * grain..<min(count, (piece + 1) * grain)) } catch { slots[piece] = error }
      }
    }
    for case .some(let error) in errors { throw error }
  }
}
