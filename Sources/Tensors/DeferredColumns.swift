/// The bytes of a matrix [k, n] whose columns are the rows of matrices [n_i, k]. They are written when somebody first asks for them: what reads
/// the rows instead, as a packed form does, costs neither the memory nor the time.
public final class DeferredColumns: Sendable {
  /// Writes the matrix of these rows.
  public typealias Writer = @Sendable (_ out: UnsafeMutableRawPointer, _ rows: [Tensor]) -> Void

  public let rows: [Tensor]
  private let writer: Writer
  private let isWritten = Mutex(false)

  init(_ rows: [Tensor], _ writer: @escaping Writer) {
    self.rows = rows
    self.writer = writer
  }

  /// True until somebody has asked for the bytes.
  var isDeferred: Bool { isWritten.withLock { !$0 } }

  /// Writes the matrix elsewhere, for a reader that does not want it kept.
  func copy(to memory: UnsafeMutableRawPointer) { writer(memory, rows) }

  func write(to memory: UnsafeMutableRawPointer) {
    isWritten.withLock { isWritten in
      if isWritten { return }
      writer(memory, rows)
      isWritten = true
    }
  }
}

extension Tensor {
  /// A matrix [k, n] whose columns are the rows of matrices [n_i, k] of one type of whole bytes; its memory is charged to the budget,
  /// and written by `writer` when its bytes are first read.
  public static func columns(of rows: [Tensor], _ writer: @escaping DeferredColumns.Writer) throws -> Tensor {
    guard let first = rows.first, first.rank == 2, first.dataType != .string, first.dataType.bitWidth % 8 == 0,
      rows.allSatisfy({ $0.dataType == first.dataType && $0.rank == 2 && $0.shape[1] == first.shape[1] })
    else { throw CameoError.badInput("\(rows) are not the columns of one matrix") }
    let shape = [first.shape[1], rows.reduce(0) { $0 + $1.shape[0] }]
    let bytes = try elementCount(shape) * (first.dataType.bitWidth / 8)
    let storage = try TensorStorage(columns: DeferredColumns(rows, writer), byteCount: bytes)
    return try Tensor(dataType: first.dataType, shape: shape, storage: storage)
  }

  /// The matrices whose rows are its columns, where it is such a matrix.
  public var deferredRows: [Tensor]? {
    guard let rows = storage.columns?.rows, byteOffset == 0, rank == 2, byteCount == storage.byteCount,
      shape[0] == rows.first?.shape[1]
    else { return nil }
    return rows
  }

  /// Runs `body` with the elements for one reading that leaves nothing in resident memory: deferred columns that nobody asked for yet are
  /// written into memory that goes afterwards, and the pages of a mapped file are let go. `body` does not keep the tensor.
  public func readOnce<R>(_ body: (Tensor) throws -> R) throws -> R {
    guard deferredRows != nil, let columns = storage.columns, columns.isDeferred else {
      defer { releasePages() }
      return try body(self)
    }
    let copy = try TensorStorage(byteCount: byteCount, zeroed: false)
    columns.copy(to: copy.base)
    columns.rows.forEach { $0.releasePages() }
    return try body(try Tensor(dataType: dataType, shape: shape, storage: copy))
  }

  /// Lets its pages go from resident memory where they are those of a mapped file, which gives them back when they are touched.
  public func releasePages() { storage.releasePages(offset: byteOffset, byteCount: byteCount) }

  /// Where its bytes are, or will be when they are asked for: tells tensors apart and must not be read from.
  public var address: UnsafeRawPointer { UnsafeRawPointer(storage.address + byteOffset) }
}
