internal import CKernels
public import InferenceRuntime
import Synchronization
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension Ceilings {
  /// Measures this processor with `threads` threads at once, bound to `affinity` where there is any, in about a second: a loop
  /// of multiply-adds in registers in the tier in use, and reads of memory of growing size. Takes up to 512 MiB meanwhile,
  /// less where the memory budget leaves less; throws `.limit` where not even 64 KiB a thread are left.
  public static func measure(threads: Int, affinity: [Int] = []) throws -> Ceilings {
    let threads = max(1, threads)
    let (memory, largest) = try room(threads: threads)
    // The reads know its address only.
    defer { withExtendedLifetime(memory) {} }
    let base = memory.base
    let crew = Crew(threads: threads, affinity: affinity)
    var result = Ceilings(operationsPerSecond: 0, reads: [])
    var sink: Float = 0
    let rounds = 200_000
    let operations = Double(threads * rounds) * ck_ceiling_multiply_add(1, &sink)
    for _ in 0..<40 {
      let seconds = crew.run { _ in
        var sink: Float = 0
        _ = ck_ceiling_multiply_add(rounds, &sink)
      }
      result.operationsPerSecond = max(result.operationsPerSecond, operations / seconds)
    }
    // First touched by the thread that reads it.
    crew.run { memset(base + $0 * largest, 1, largest) }
    var size = 64 << 10
    while true {
      let bytes = min(size, largest)
      let passes = max(1, (16 << 20) / bytes)
      var rate = 0.0
      for _ in 0..<12 {
        let seconds = crew.run { thread in
          let start = (base + thread * largest).assumingMemoryBound(to: Float.self)
          for _ in 0..<passes { _ = ck_ceiling_read(start, bytes / 4) }
        }
        rate = max(rate, Double(bytes * passes * threads) / seconds)
      }
      result.reads.append(Read(bytes: bytes * threads, bytesPerSecond: rate))
      if bytes == largest { return result }
      size *= 4
    }
  }

  /// Memory for the reads, and how much of it each thread has.
  private static func room(threads: Int) throws -> (TensorStorage, Int) {
    var each = max(64 << 10, min(128 << 20, (512 << 20) / threads) & ~4095)
    while true {
      do {
        return (try TensorStorage(byteCount: each * threads, zeroed: false), each)
      } catch let error as CameoError where error.kind == .limit && each > 64 << 10 {
        each = max(64 << 10, each / 4 & ~4095)
      }
    }
  }
}

/// Threads of their own that start together: the pool gives a part to whichever thread is free.
private struct Crew {
  let threads: Int
  let affinity: [Int]

  /// One thread's part of a job. `span` belongs to the thread until it is joined.
  private final class Member: @unchecked Sendable {
    let gate: Gate
    let processor: Int?
    let body: () -> Void
    private(set) var span: (start: UInt64, end: UInt64) = (0, 0)

    init(_ gate: Gate, _ processor: Int?, _ body: @escaping () -> Void) {
      self.gate = gate
      self.processor = processor
      self.body = body
    }

    func work() {
      if let processor { ThreadPool.bindCurrentThread(to: [processor]) }
      gate.waiting.add(1, ordering: .sequentiallyConsistent)
      while !gate.isOpen.load(ordering: .acquiring) { sched_yield() }
      let start = ThreadPool.nanoseconds()
      body()
      span = (start, ThreadPool.nanoseconds())
    }
  }

  private final class Gate: Sendable {
    let waiting = Atomic<Int>(0)
    let isOpen = Atomic<Bool>(false)
  }

  /// Seconds from the start of the first to the end of the last; `body` is given the thread's number.
  @discardableResult func run(_ body: @escaping (Int) -> Void) -> Double {
    let gate = Gate()
    var running: [(handle: pthread_t, member: Member)] = []
    for thread in 0..<threads {
      let member = Member(gate, affinity.isEmpty ? nil : affinity[thread % affinity.count]) { body(thread) }
      var handle = pthread_t()
      let raw = Unmanaged.passRetained(member).toOpaque()
      let status = pthread_create(
        &handle, nil,
        { raw in
          if let raw { Unmanaged<Member>.fromOpaque(raw).takeRetainedValue().work() }
          return nil
        }, raw)
      if status == 0 { running.append((handle, member)) } else { Unmanaged<Member>.fromOpaque(raw).release() }
    }
    while gate.waiting.load(ordering: .sequentiallyConsistent) < running.count { sched_yield() }
    gate.isOpen.store(true, ordering: .releasing)
    for (handle, _) in running { pthread_join(handle, nil) }
    let first = running.map(\.member.span.start).min() ?? 0
    let last = running.map(\.member.span.end).max() ?? 0
    // A thread that was not to be had makes the figure smaller, not wrong by more than its share.
    return running.isEmpty ? .infinity : Double(last - first) * 1e-9 * Double(threads) / Double(running.count)
  }
}
