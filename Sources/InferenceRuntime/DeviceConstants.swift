import Tensors

/// Constants of one session in a device's memory, each form once.
public final class DeviceConstants: Sendable {
  public let device: Device

  private struct Key: Hashable {
    let address: UnsafeRawPointer
    let type: DataType
    let shape: [Int]
    let form: String
  }

  /// The tensor is kept, so that its address stays its own.
  private struct Entry: @unchecked Sendable {
    let tensor: Tensor
    let storage: DeviceStorage
  }

  private struct Table: @unchecked Sendable {
    var entries: [Key: Entry] = [:]
    var bytes = 0
  }

  private let table = Mutex(Table())

  public init(_ device: Device) { self.device = device }

  /// Bytes of device memory that they take.
  public var byteCount: Int { table.withLock { $0.bytes } }

  /// The tensor as it is.
  public func plain(_ tensor: Tensor) throws -> DeviceStorage {
    try storage(tensor, "plain") {
      let storage = try device.memory(byteCount: max(1, tensor.byteCount))
      try tensor.withUnsafeBytes { bytes in
        if let base = bytes.baseAddress, bytes.count > 0 {
          try device.upload(base, to: storage.address, byteCount: bytes.count)
        }
      }
      return storage
    }
  }

  /// A form of the tensor that `make` gives where there is none yet. `form` says everything that it depends on beside the tensor.
  public func storage(_ tensor: Tensor, _ form: String, _ make: () throws -> DeviceStorage) throws -> DeviceStorage {
    let key = Key(address: UnsafeRawPointer(tensor.address), type: tensor.dataType, shape: tensor.shape, form: form)
    if let known = table.withLock({ $0.entries[key]?.storage }) { return known }
    let made = try make()
    return table.withLock { table in
      if let known = table.entries[key] { return known.storage }
      table.entries[key] = Entry(tensor: tensor, storage: made)
      table.bytes += made.byteCount
      return made
    }
  }
}
