import GraphIR
import Operators
import Tensors
import Testing

import struct Synchronization.Atomic

@testable import InferenceRuntime

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct ThreadSharingTests {
  /// Neg by a kernel that a test watches.
  struct Watched: ExecutionProvider {
    let name = "watched"
    let make: @Sendable (Int) -> Kernel
    func prepare(_ request: KernelRequest) throws -> PreparedKernel {
      guard request.node.is("Neg"), let input = request.input(0) else { throw Refusal("no Neg") }
      return PreparedKernel(make(input.count))
    }
  }

  /// Negates in parts, and notes which of the pool's threads came.
  final class Parts: Kernel, @unchecked Sendable {
    let count: Int
    let grain: Int
    let threads = Mutex<Set<Int>>([])
    let calls = Atomic<Int>(0)

    init(count: Int, grain: Int) {
      (self.count, self.grain) = (count, grain)
      super.init("parts")
    }

    override func run(_ call: KernelCall) { parallel(call, count: count, grain: grain) }

    override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
      calls.add(1, ordering: .relaxed)
      _ = threads.withLock { $0.insert(thread) }
      let (x, y) = (call.input(0, Float.self), call.output(0, Float.self))
      for i in begin..<end { y[i] = -x[i] }
    }
  }

  private func negation(_ count: Int, _ threads: Int, _ kernel: @escaping @Sendable (Int) -> Kernel) throws -> Session {
    var options = SessionOptions()
    options.threads = threads
    let graph = try ONNXText.parseGraph("g (float[\(count)] x) => (float[\(count)] y) { y = Neg (x) }")
    return try Session(Model(graph: graph), providers: [Watched(make: kernel)], options: options)
  }

  /// Work of less than one and a half grains wakes nobody.
  @Test(arguments: [(149, false), (150, true), (400, true)])
  func smallWorkStaysOnTheCallersThread(_ count: Int, _ isShared: Bool) throws {
    let kernel = Parts(count: count, grain: 100)
    let session = try negation(count, 2) { _ in kernel }
    let x = try Tensor.of((0..<count).map(Float.init), .float)
    for _ in 0..<20 {
      #expect(try session.run(["x": x])["y"]?.elements(as: Float.self) == (0..<count).map { -Float($0) })
    }
    #expect((kernel.calls.load(ordering: .relaxed) > 20) == isShared)
    if !isShared { #expect(kernel.threads.withLock { $0 } == [0]) }
  }

  /// Between 50 small inferences a second the pool's threads sleep. A sanitizer's own work would count as theirs, and the kernel's does: it is
  /// small beside the limit without an optimizer, too. While others hold the caller's processor they wait for it awake, so the best of some
  /// turns counts: threads that do not sleep take a core in each.
  @Test(.enabled(if: getenv("CAMEO_PATIENCE") == nil, "no share of a core is measured under a sanitizer"))
  func idleThreadsTakeNoTime() throws {
    let kernel = Parts(count: 1 << 12, grain: 1 << 7)
    let session = try negation(1 << 12, 3) { _ in kernel }
    let x = try Tensor.makeRaw(.float, [1 << 12]) { _ in }
    _ = try session.run(["x": x])
    var least = Double.infinity
    for _ in 0..<8 where least >= 0.05 {
      let before = session.pool.workerNanoseconds
      let start = ThreadPool.nanoseconds()
      for _ in 0..<25 {
        _ = try session.run(["x": x])
        usleep(20_000)
      }
      least = min(least, Double(session.pool.workerNanoseconds - before) / Double(ThreadPool.nanoseconds() - start))
    }
    #expect(least < 0.05, "\(least) of a core")
  }

  /// Eight callers of one session are inside its kernel at the same time: nothing that one run holds keeps another out.
  @Test func runsOfOneSessionHoldNoLock() throws {
    final class Meeting: Kernel, @unchecked Sendable {
      let inside = Atomic<Int>(0)
      let met = Atomic<Bool>(false)
      override func run(_ call: KernelCall) throws {
        if inside.add(1, ordering: .sequentiallyConsistent).newValue == 8 { met.store(true, ordering: .releasing) }
        let limit = ThreadPool.nanoseconds() + 20_000_000_000
        while !met.load(ordering: .acquiring) {
          if ThreadPool.nanoseconds() > limit { throw CameoError.badInput("the others did not come") }
          sched_yield()
        }
        parallel(call, count: 4096, grain: 16)
      }
      override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
        let (x, y) = (call.input(0, Float.self), call.output(0, Float.self))
        for i in begin..<end { y[i] = -x[i] }
      }
    }
    let kernel = Meeting("meeting")
    let session = try negation(4096, 2) { _ in kernel }
    try session.prepare(inputs: ["x": [4096]])
    final class Caller {
      let session: Session
      let number: Int
      var result: Result<Bool, any Error>?
      init(_ session: Session, _ number: Int) { (self.session, self.number) = (session, number) }
      func run() {
        result = Result {
          var isRight = true
          for turn in 0..<20 {
            let values = (0..<4096).map { Float($0 * 7 + number * 1000 + turn) }
            let y = try session.run(["x": try Tensor.of(values, .float)])["y"]?.elements(as: Float.self)
            isRight = isRight && y == values.map { -$0 }
          }
          return isRight
        }
      }
    }
    let callers = (0..<8).map { Caller(session, $0) }
    var handles: [pthread_t] = []
    for caller in callers {
      var handle = pthread_t()
      let status = pthread_create(
        &handle, nil,
        { raw in
          if let raw { Unmanaged<Caller>.fromOpaque(raw).takeUnretainedValue().run() }
          return nil
        }, Unmanaged.passUnretained(caller).toOpaque())
      try #require(status == 0)
      handles.append(handle)
    }
    for handle in handles { pthread_join(handle, nil) }
    for caller in callers { #expect(try caller.result?.get() == true) }
  }

  @Test func threadsAreBoundToProcessors() throws {
    final class Where: Kernel, @unchecked Sendable {
      let seen = Mutex<[Int: Set<[Int]>]>([:])
      override func run(_ call: KernelCall) { parallel(call, count: 64, grain: 1) }
      override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
        _ = seen.withLock { $0[thread, default: []].insert(ThreadPool.allowedProcessors("/proc/thread-self/status")) }
        let limit = ThreadPool.nanoseconds() + 200_000
        while ThreadPool.nanoseconds() < limit {}
      }
    }
    let allowed = ThreadPool.allowedProcessors("/proc/self/status")
    let processor = try #require(allowed.last)
    var options = SessionOptions()
    options.threads = 3
    options.affinity = [processor]
    let kernel = Where("where")
    let graph = try ONNXText.parseGraph("g (float[4] x) => (float[4] y) { y = Neg (x) }")
    let session = try Session(Model(graph: graph), providers: [Watched { _ in kernel }], options: options)
    for _ in 0..<20 { _ = try session.run(["x": try Tensor.of([1, 2, 3, 4] as [Float], .float)]) }
    let seen = kernel.seen.withLock { $0 }
    for (thread, processors) in seen where thread > 0 { #expect(processors == [[processor]]) }
    #expect(!ThreadPool.bindCurrentThread(to: []))
    #expect(!ThreadPool.bindCurrentThread(to: [1 << 20]))
    #expect(!ThreadPool.bindCurrentThread(to: [-1]))
    #expect(ThreadPool(affinity: [processor, processor]).threads == 2)
  }
}
