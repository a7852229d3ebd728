import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// The lock of every module: the standard library's, imported under one name from here.
///
/// `Synchronization.Mutex` locks in code of the standard library that ThreadSanitizer was not compiled into, so that it takes each
/// two accesses under such a lock for a race. `Tools/sanitize thread` therefore defines `THREAD_SANITIZER`, and a lock of the C library,
/// which it does know, stands in.
#if THREAD_SANITIZER
  public struct Mutex<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)

    public init(_ initial: consuming sending Value) {
      lock.initialize(to: pthread_mutex_t())
      pthread_mutex_init(lock, nil)
      value.initialize(to: initial)
    }

    deinit {
      value.deinitialize(count: 1)
      value.deallocate()
      pthread_mutex_destroy(lock)
      lock.deallocate()
    }

    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
      _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
      pthread_mutex_lock(lock)
      defer { pthread_mutex_unlock(lock) }
      return try body(&value.pointee)
    }
  }
#else
  public typealias Mutex = Synchronization.Mutex
#endif
