import Tensors

/// Where tensors lie in the data file beside a model. Tensors that share their bytes share their place.
struct ExternalPlan {
  /// Smaller tensors stay in the model.
  static let threshold = 1024

  /// The data file's name, relative to the model.
  let location: String
  /// In file order: padding of zeros up to `offset`, then the bytes.
  private(set) var entries: [(tensor: Tensor, offset: Int)] = []
  private(set) var byteCount = 0
  private var places: [Place: Int] = [:]

  private struct Place: Hashable {
    var address: UnsafeRawPointer
    var byteCount: Int
  }

  init(location: String) { self.location = location }

  /// The tensor's offset, or nil where it stays inline. Above 1 MiB offsets are multiples of 4096, below of 64.
  mutating func place(_ tensor: Tensor) -> Int? {
    let size = tensor.byteCount
    guard tensor.dataType != .string, size >= Self.threshold else { return nil }
    let key = Place(address: tensor.baseAddress, byteCount: size)
    if let known = places[key] { return known }
    let alignment = size > 1 << 20 ? 4096 : 64
    let offset = (byteCount + alignment - 1) / alignment * alignment
    entries.append((tensor, offset))
    byteCount = offset + size
    places[key] = offset
    return offset
  }
}
