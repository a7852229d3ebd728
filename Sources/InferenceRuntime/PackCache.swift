import Synchronization
import Tensors

/// Packed forms of constants, shared by all plans of a session.
public final class PackCache: Sendable {
  private struct Key: Hashable {
    let storage: ObjectIdentifier
    let offset: Int
    let count: Int
    let form: String
  }

  private struct Entry: Sendable {
    /// Keeps the storage's identity taken.
    let source: TensorStorage
    let packed: TensorStorage
  }

  private let entries = Mutex<[Key: Entry]>([:])

  public init() {}

  func storage(for tensor: Tensor, _ form: String, _ make: () throws -> TensorStorage) throws -> TensorStorage {
    let key = Key(
      storage: ObjectIdentifier(tensor.storage), offset: tensor.byteOffset, count: tensor.count,
      form: form + "\(tensor.shape)")
    if let entry = entries.withLock({ $0[key] }) { return entry.packed }
    let packed = try make()
    // What was packed is seldom read again.
    tensor.storage.releasePages(offset: tensor.byteOffset, byteCount: tensor.byteCount)
    return entries.withLock { entries in
      if let entry = entries[key] { return entry.packed }
      entries[key] = Entry(source: tensor.storage, packed: packed)
      return packed
    }
  }

  /// Bytes that packed forms take.
  public var byteCount: Int { entries.withLock { $0.values.reduce(0) { $0 + $1.packed.byteCount } } }
}
