import Tensors

/// Packed forms of constants, shared by all plans of a session. Those that a file holds are mapped, others are made when first asked for.
public final class PackCache: Sendable {
  private struct Key: Hashable {
    let address: UInt
    let form: PackForm
  }

  /// A form as it stands in memory.
  struct Entry: Sendable {
    /// Keeps its address taken.
    let source: Tensor
    let form: PackForm
    let packed: TensorStorage
  }

  private struct State: Sendable {
    var places: [Key: Int] = [:]
    /// In the order of their making.
    var entries: [Entry] = []
    /// By the address of a copy, which is kept so that nothing else comes to lie there.
    var originals: [UInt: (copy: Tensor, tensor: Tensor)] = [:]
  }

  private let state = Mutex(State())
  let memory = PackMemory()
  private let file: PackFile?
  private let zeroes: Bool

  /// `file`: forms that are there already. `zeroes`: memory is zero before a form is written to it, so that what a form leaves
  /// out is the same in every process.
  public init(file: PackFile? = nil, zeroes: Bool = false) {
    self.file = file
    self.zeroes = zeroes
  }

  /// `copy` stands for `tensor`, whose place in a file it does not have.
  func note(_ copy: Tensor, of tensor: Tensor) {
    state.withLock { $0.originals[UInt(bitPattern: copy.address)] = (copy, tensor) }
  }

  /// `byteCount` nil: `make` allocates, and no file may hold the form, as nobody can tell whether what it holds is long enough.
  func storage(
    for tensor: Tensor, _ form: PackForm, byteCount: Int?, _ make: (Bool) throws -> TensorStorage
  ) throws -> TensorStorage {
    let address = UInt(bitPattern: tensor.address)
    let source = state.withLock { $0.originals[address]?.tensor } ?? tensor
    let key = Key(address: UInt(bitPattern: source.address), form: form)
    if let known = state.withLock({ state in state.places[key].map { state.entries[$0].packed } }) { return known }
    let packed: TensorStorage
    if let byteCount, let mapped = try file?.storage(for: source, form, byteCount: byteCount) {
      packed = mapped
    } else {
      packed = try make(zeroes)
      // What was packed is seldom read again.
      for part in source.deferredRows ?? [source] {
        part.storage.releasePages(offset: part.byteOffset, byteCount: part.byteCount)
      }
    }
    return state.withLock { state in
      if let place = state.places[key] { return state.entries[place].packed }
      state.places[key] = state.entries.count
      state.entries.append(Entry(source: source, form: form, packed: packed))
      return packed
    }
  }

  var entries: [Entry] { state.withLock { $0.entries } }

  /// Bytes that packed forms take, mapped ones included.
  public var byteCount: Int { entries.reduce(0) { $0 + $1.packed.byteCount } }
  /// Those of them that are a file's.
  public var mappedByteCount: Int { entries.reduce(0) { $0 + ($1.packed.mappedFile == nil ? 0 : $1.packed.byteCount) } }
}

/// What a packed form is called: by its provider's own words for it, and what it is made of.
struct PackForm: Hashable, Sendable {
  /// The provider's name; "" where it packs nothing that may outlive the process.
  let provider: String
  let form: String
  let type: DataType
  let shape: [Int]

  /// The same as text.
  var text: String { "\(form) \(type)\(shape)" }
}
