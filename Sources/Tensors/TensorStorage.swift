#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file mapped read-only. The mapping lives as long as any tensor that points into it.
///
/// A file that another process truncates later raises SIGBUS when touched: sizes are checked here, once.
public final class MappedFile: @unchecked Sendable {
  public let path: String
  public let base: UnsafeRawPointer
  public let byteCount: Int

  /// Maps the regular file at `path`.
  public init(path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw CameoError.system("cannot open \(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw CameoError.system("cannot read the size of \(path)") }
    guard status.st_mode & S_IFMT == S_IFREG else { throw CameoError.system("\(path) is not a regular file") }
    self.path = path
    byteCount = Int(status.st_size)
    if byteCount == 0 {
      base = UnsafeRawPointer(UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1))
      return
    }
    guard let address = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
      throw CameoError.system("cannot map \(path): \(String(cString: strerror(errno)))")
    }
    base = UnsafeRawPointer(address)
  }

  deinit {
    if byteCount == 0 {
      base.deallocate()
    } else {
      munmap(UnsafeMutableRawPointer(mutating: base), byteCount)
    }
  }

  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

  /// Runs `body`, which reads only these byte ranges: all are fetched at once where they lie on disk, and nothing around them.
  /// Ranges lie inside the file.
  public func readingOnly<R>(_ ranges: some Sequence<Range<Int>>, _ body: () throws -> R) rethrows -> R {
    guard byteCount > 0 else { return try body() }
    let start = UnsafeMutableRawPointer(mutating: base)
    madvise(start, byteCount, MADV_RANDOM)
    defer { madvise(start, byteCount, MADV_NORMAL) }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    for range in ranges where !range.isEmpty {
      let first = range.lowerBound / page * page
      madvise(start + first, range.upperBound - first, MADV_WILLNEED)
    }
    return try body()
  }

  /// Lets all pages go from resident memory: the file gives them back when they are touched.
  public func releasePages() {
    if byteCount > 0 { madvise(UnsafeMutableRawPointer(mutating: base), byteCount, MADV_DONTNEED) }
  }
}

/// The bytes behind one or many tensors: owned memory, or part of a mapped file. Immutable once published in a `Tensor`.
///
/// `@unchecked Sendable`: only `TensorBuffer` writes, before the storage is shared.
public final class TensorStorage: @unchecked Sendable {
  private enum Owner {
    case allocated
    /// No memory of its own; counted for memory that lies elsewhere.
    case counted(Int)
    case kept(AnyObject)
  }

  /// Where the bytes are or will be: tells storages apart and must not be read from.
  public let address: UnsafeMutableRawPointer
  public let byteCount: Int
  private let owner: Owner
  /// What the bytes are written from when they are first asked for; nil where they are there.
  let columns: DeferredColumns?

  /// The bytes.
  public var base: UnsafeMutableRawPointer {
    columns?.write(to: address)
    return address
  }

  /// Cache-line alignment, so that kernels' rows start well.
  public static let alignment = 64

  /// Fresh memory, zeroed when asked, charged to the process's memory budget while it lives. Throws `.limit` past that.
  public convenience init(byteCount: Int, zeroed: Bool = true) throws {
    try self.init(byteCount, zeroed: zeroed, columns: nil)
  }

  /// The same, not zeroed, for bytes that are all written and then read over and over: in huge pages as far as whole ones fit, where
  /// the system has them.
  public convenience init(filling byteCount: Int) throws {
    try self.init(
      byteCount, zeroed: false, columns: nil, alignment: byteCount >= Self.hugePage ? Self.hugePage : Self.alignment)
    #if canImport(Glibc)
      if byteCount >= Self.hugePage {
        madvise(address, byteCount / Self.hugePage * Self.hugePage, Int32(MADV_HUGEPAGE))
      }
    #endif
  }

  private static let hugePage = 2 << 20

  /// Memory of its own that is written, and only then takes pages, when it is first asked for.
  convenience init(columns: DeferredColumns, byteCount: Int) throws {
    try self.init(byteCount, zeroed: false, columns: columns)
  }

  private init(_ byteCount: Int, zeroed: Bool, columns: DeferredColumns?, alignment: Int = alignment) throws {
    guard byteCount >= 0 else { throw CameoError.limit("a negative number of bytes was asked for") }
    let charged = try Self.charge(byteCount)
    var pointer: UnsafeMutableRawPointer?
    let rounded = max(byteCount, 1)
    guard posix_memalign(&pointer, alignment, rounded) == 0, let memory = pointer else {
      MemoryBudget.shared.release(charged)
      throw CameoError.limit("cannot allocate \(byteCount) bytes")
    }
    if zeroed { memset(memory, 0, rounded) }
    address = memory
    self.byteCount = byteCount
    self.columns = columns
    owner = .allocated
  }

  /// Nothing to read: it charges the budget with `bytes` that its owner has elsewhere (the text of strings) while it lives.
  init(counting bytes: Int) throws {
    owner = .counted(try Self.charge(bytes))
    address = Self.noBytes
    byteCount = 0
    columns = nil
  }

  /// Never read or written: the address of storages without bytes.
  nonisolated(unsafe) private static let noBytes = UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: alignment)

  /// Charges `bytes` with the bookkeeping; what was charged.
  private static func charge(_ bytes: Int) throws -> Int {
    let (sum, overflow) = bytes.addingReportingOverflow(MemoryBudget.overhead)
    if overflow { throw CameoError.limit("\(bytes) bytes were asked for") }
    try MemoryBudget.shared.charge(sum)
    return sum
  }

  /// A range of a mapped file; nothing is copied.
  public init(file: MappedFile, offset: Int, byteCount: Int) throws {
    guard offset >= 0, byteCount >= 0, offset <= file.byteCount, byteCount <= file.byteCount - offset else {
      throw CameoError.badInput(
        "bytes \(offset)..+\(byteCount) lie outside \(file.path), which has \(file.byteCount)")
    }
    address = UnsafeMutableRawPointer(mutating: file.base + offset)
    self.byteCount = byteCount
    columns = nil
    owner = .kept(file)
  }

  /// Memory of somebody else, kept alive by `owner`. The caller promises that nobody writes while tensors use it.
  public init(borrowing base: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject) {
    address = base
    self.byteCount = byteCount
    columns = nil
    self.owner = .kept(owner)
  }

  /// The mapped file behind it, if that is what it is.
  public var mappedFile: MappedFile? {
    if case .kept(let object) = owner { return object as? MappedFile }
    return nil
  }

  /// Lets the whole pages in a range of a mapped file go from resident memory: the file gives them back when they are touched.
  /// Memory that is no mapped file is left alone.
  public func releasePages(offset: Int, byteCount: Int) {
    guard mappedFile != nil, offset >= 0, byteCount >= 0, offset + byteCount <= self.byteCount else { return }
    let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
    let start = (UInt(bitPattern: address) + UInt(offset) + page - 1) / page * page
    let end = (UInt(bitPattern: address) + UInt(offset + byteCount)) / page * page
    if end > start, let address = UnsafeMutableRawPointer(bitPattern: start) {
      madvise(address, Int(end - start), MADV_DONTNEED)
    }
  }

  deinit {
    switch owner {
    case .allocated:
      free(address)
      MemoryBudget.shared.release(byteCount + MemoryBudget.overhead)
    case .counted(let bytes): MemoryBudget.shared.release(bytes)
    case .kept: break
    }
  }
}
