import Tensors

/// The bytes a model is parsed from, kept alive by the tensors that point into them.
enum ByteSource {
  case file(MappedFile)
  case storage(TensorStorage)

  var bytes: UnsafeRawBufferPointer {
    switch self {
    case .file(let file): file.bytes
    case .storage(let storage): UnsafeRawBufferPointer(start: storage.base, count: storage.byteCount)
    }
  }

  /// Part of it, without a copy.
  func slice(_ range: Range<Int>) throws -> TensorStorage {
    switch self {
    case .file(let file):
      return try TensorStorage(file: file, offset: range.lowerBound, byteCount: range.count)
    case .storage(let storage):
      guard range.lowerBound >= 0, range.upperBound <= storage.byteCount else {
        throw CameoError.badInput("bytes \(range) lie outside the model")
      }
      return TensorStorage(borrowing: storage.base + range.lowerBound, byteCount: range.count, owner: storage)
    }
  }
}
