import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What a pool runs in parallel: a part of an index range. Implementations neither throw nor allocate.
public protocol ParallelWork: AnyObject {
  /// Does [begin, end). `thread` is in 0 ..< pool.threads; no two parts that run at once have the same one.
  func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int)
}

/// A fixed set of threads that share index ranges. The caller works too. Between jobs they spin for about 50 microseconds,
/// then block. Dispatch allocates nothing.
///
/// Each thread has a share of the range, the same for the same range: what it wrote in one step is in its cache in the next. Who is
/// done takes from the others' shares.
///
/// One job at a time: where two callers meet, the second runs its range alone, as thread 0.
public final class ThreadPool: @unchecked Sendable {
  public let threads: Int

  /// On cache lines of its own, as the pairs that a processor fetches.
  private struct Share: ~Copyable {
    let next = Atomic<Int>(0)
    let end = Atomic<Int>(0)
    private let padding: (Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int) =
      (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  }

  private struct Job {
    var kernel: Unmanaged<Kernel>?
    var call: KernelCall?
    var phase = 0
    var count = 0
    var chunk = 1
  }

  private let job: UnsafeMutablePointer<Job>
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>
  /// What is next in each thread's share of the range, and where the share ends.
  private let shares: UnsafeMutablePointer<Share>
  private let isOpen = Atomic<Bool>(false)
  private let inside = Atomic<Int>(0)
  private let generation = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let isBusy = Atomic<Bool>(false)
  private let isStopping = Atomic<Bool>(false)
  private var handles: [pthread_t] = []

  /// `threads` 0: one for each of `affinity`, else one a core of the affinity mask. `affinity`: processors, by the system's
  /// numbers, to which the pool's own threads are bound, thread i to number i of them; the caller's thread, number 0, stays as it is
  /// (`bindCurrentThread`).
  public init(threads: Int = 0, affinity: [Int] = []) {
    self.threads = max(1, threads > 0 ? threads : affinity.isEmpty ? ThreadPool.availableCores : affinity.count)
    job = .allocate(capacity: 1)
    job.initialize(to: Job())
    shares = .allocate(capacity: self.threads)
    for index in 0..<self.threads { (shares + index).initialize(to: Share()) }
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    wake = .allocate(capacity: 1)
    wake.initialize(to: pthread_cond_t())
    pthread_cond_init(wake, nil)
    for index in 1..<max(1, self.threads) where index < self.threads {
      // The pool outlives its threads: deinit joins them, so an unretained reference serves.
      final class Start {
        let pool: Unmanaged<ThreadPool>
        let index: Int
        let processor: Int?
        init(_ pool: ThreadPool, _ index: Int, _ processor: Int?) {
          self.pool = Unmanaged.passUnretained(pool)
          self.index = index
          self.processor = processor
        }
      }
      let start = Unmanaged.passRetained(Start(self, index, affinity.isEmpty ? nil : affinity[index % affinity.count]))
        .toOpaque()
      var handle = pthread_t()
      let status = pthread_create(
        &handle, nil,
        { raw in
          guard let raw else { return nil }
          let start = Unmanaged<Start>.fromOpaque(raw).takeRetainedValue()
          if let processor = start.processor { ThreadPool.bindCurrentThread(to: [processor]) }
          start.pool._withUnsafeGuaranteedRef { $0.work(start.index) }
          return nil
        }, start)
      if status == 0 { handles.append(handle) } else { Unmanaged<AnyObject>.fromOpaque(start).release() }
    }
  }

  deinit {
    isStopping.store(true, ordering: .sequentiallyConsistent)
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)
    for handle in handles { pthread_join(handle, nil) }
    pthread_cond_destroy(wake)
    pthread_mutex_destroy(mutex)
    wake.deallocate()
    mutex.deallocate()
    job.deinitialize(count: 1)
    job.deallocate()
    shares.deinitialize(count: threads)
    shares.deallocate()
  }

  /// Physical cores that this process may use: the affinity mask, hyperthread siblings counted once.
  public static var availableCores: Int {
    var cores: Set<String> = []
    for cpu in allowedProcessors("/proc/self/status") {
      cores.insert(text("/sys/devices/system/cpu/cpu\(cpu)/topology/thread_siblings_list", limit: 128) ?? "\(cpu)")
    }
    return max(1, cores.count)
  }

  /// The affinity mask of a process or thread, from its status file; empty where there is none.
  static func allowedProcessors(_ status: String) -> [Int] {
    guard let text = text(status, limit: 1 << 14),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed_list:") })
    else { return [] }
    var list: [Int] = []
    for part in line.dropFirst("Cpus_allowed_list:".count).split(whereSeparator: { ", \t".contains($0) }) {
      let bounds = part.split(separator: "-").compactMap { Int($0) }
      guard let first = bounds.first, let last = bounds.last, first <= last, last < 1 << 16 else { continue }
      list += Array(first...last)
    }
    return list
  }

  /// Lets the calling thread, and threads that it makes, run on these processors only. False where the system refuses, or has no
  /// such call.
  @discardableResult public static func bindCurrentThread(to processors: [Int]) -> Bool {
    #if canImport(Glibc)
      var set = cpu_set_t()
      let isInside = withUnsafeMutableBytes(of: &set) { bytes in
        for processor in processors {
          guard processor >= 0, processor / 8 < bytes.count else { return false }
          // Words of the machine's order: on little-endian machines bit n is bit n % 8 of byte n / 8.
          bytes[processor / 8] |= 1 << UInt8(processor % 8)
        }
        return !processors.isEmpty
      }
      // The headers hide it from those that do not define _GNU_SOURCE.
      typealias Bind = @convention(c) (pthread_t, Int, UnsafePointer<cpu_set_t>) -> Int32
      guard isInside, let symbol = dlsym(nil, "pthread_setaffinity_np") else { return false }
      return unsafeBitCast(symbol, to: Bind.self)(pthread_self(), MemoryLayout<cpu_set_t>.size, &set) == 0
    #else
      return false
    #endif
  }

  /// Processor time that the pool's own threads have used, in nanoseconds.
  public var workerNanoseconds: UInt64 {
    var sum: UInt64 = 0
    for handle in handles {
      var clock = clockid_t()
      var time = timespec()
      guard pthread_getcpuclockid(handle, &clock) == 0, clock_gettime(clock, &time) == 0 else { continue }
      sum += UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
    return sum
  }

  private static func text(_ path: String, limit: Int) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: limit)
    let count = read(descriptor, &buffer, limit)
    return count > 0 ? String(decoding: buffer[0..<count], as: UTF8.self) : nil
  }

  /// True where a range has no two parts that are worth a thread.
  @inline(__always) func isSerial(count: Int, grain: Int) -> Bool { threads == 1 || count * 2 < grain * 3 || count < 2 }

  /// Runs `kernel.part` over 0 ..< count in parts of at least `grain` indices, but for the last.
  @inline(__always)
  func run(_ kernel: Kernel, _ call: KernelCall, phase: Int = 0, count: Int, grain: Int) {
    if isSerial(count: count, grain: grain) {
      if count > 0 { kernel.part(call, phase: phase, begin: 0, end: count, thread: 0) }
      return
    }
    dispatch(kernel, call, phase, count, grain)
  }

  /// Runs `body` over parts of 0 ..< count, each at least `grain` indices but for the last, outside any run.
  func share(count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    final class Work: Kernel, @unchecked Sendable {
      let body: (Range<Int>) -> Void
      init(_ body: @escaping (Range<Int>) -> Void) {
        self.body = body
        super.init("work")
      }
      override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) { body(begin..<end) }
    }
    withoutActuallyEscaping(body) { run(Work($0), KernelCall(self), count: count, grain: max(1, grain)) }
  }

  private func dispatch(_ kernel: Kernel, _ call: KernelCall, _ phase: Int, _ count: Int, _ grain: Int) {
    let (won, _) = isBusy.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing)
    guard won else {
      kernel.part(call, phase: phase, begin: 0, end: count, thread: 0)
      return
    }
    let even = (count + threads * 4 - 1) / (threads * 4)
    job.pointee.kernel = Unmanaged.passUnretained(kernel)
    job.pointee.call = call
    job.pointee.phase = phase
    job.pointee.count = count
    job.pointee.chunk = max(grain, even)
    share(count, job.pointee.chunk)
    isOpen.store(true, ordering: .sequentiallyConsistent)
    generation.add(1, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      pthread_mutex_lock(mutex)
      pthread_cond_broadcast(wake)
      pthread_mutex_unlock(mutex)
    }
    take(0)
    // Late workers find the job closed; those inside are waited for.
    isOpen.store(false, ordering: .sequentiallyConsistent)
    var spins = 0
    while inside.load(ordering: .sequentiallyConsistent) != 0 {
      spins += 1
      if spins > 4096 { sched_yield() }
    }
    isBusy.store(false, ordering: .releasing)
  }

  /// Cuts the range's chunks into shares.
  private func share(_ count: Int, _ chunk: Int) {
    let chunks = (count + chunk - 1) / chunk
    for thread in 0..<threads {
      shares[thread].next.store(chunks * thread / threads * chunk, ordering: .relaxed)
      shares[thread].end.store(min(count, chunks * (thread + 1) / threads * chunk), ordering: .relaxed)
    }
  }

  private func take(_ thread: Int) {
    guard let kernel = job.pointee.kernel, let call = job.pointee.call else { return }
    let chunk = job.pointee.chunk
    let phase = job.pointee.phase
    kernel._withUnsafeGuaranteedRef { kernel in
      for step in 0..<threads {
        let owner = thread + step < threads ? thread + step : thread + step - threads
        let end = shares[owner].end.load(ordering: .relaxed)
        while shares[owner].next.load(ordering: .relaxed) < end {
          let begin = shares[owner].next.add(chunk, ordering: .relaxed).oldValue
          if begin >= end { break }
          kernel.part(call, phase: phase, begin: begin, end: min(end, begin + chunk), thread: thread)
        }
      }
    }
  }

  private func work(_ index: Int) {
    var seen = 0
    while !isStopping.load(ordering: .relaxed) {
      let current = generation.load(ordering: .acquiring)
      if current == seen {
        wait(for: seen)
        continue
      }
      seen = current
      inside.add(1, ordering: .sequentiallyConsistent)
      if isOpen.load(ordering: .sequentiallyConsistent) { take(index) }
      inside.subtract(1, ordering: .sequentiallyConsistent)
    }
  }

  private func wait(for seen: Int) {
    let limit = ThreadPool.nanoseconds() + 50_000
    while true {
      for _ in 0..<64 where generation.load(ordering: .relaxed) != seen { return }
      if isStopping.load(ordering: .relaxed) { return }
      if ThreadPool.nanoseconds() > limit { break }
    }
    pthread_mutex_lock(mutex)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while generation.load(ordering: .sequentiallyConsistent) == seen
      && !isStopping.load(ordering: .sequentiallyConsistent)
    {
      pthread_cond_wait(wake, mutex)
    }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
  }

  /// Monotonic clock.
  @inline(__always) public static func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
