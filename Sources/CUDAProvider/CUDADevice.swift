internal import CCUDA
import Tensors

/// A device, as the driver describes it.
public struct CUDADevice: Sendable, Hashable {
  /// Its number among the devices that the driver shows to this process.
  public let ordinal: Int
  public let name: String
  public let capability: CUDAVersion
  public let multiprocessors: Int
  /// In bytes.
  public let memory: Int
  /// Of shared memory, in bytes, that a block may have.
  public let blockMemory: Int
  /// Of the second level, in bytes.
  public let cache: Int
  let handle: Int32

  /// NVRTC's word for it: a kernel compiled for "sm_90" runs on devices of capability 9.0.
  public var architecture: String { "sm_\(capability.major)\(capability.minor)" }

  /// All devices, by number. Throws `.system` where the driver reports an error.
  public static func all(_ driver: CUDADriver) throws -> [CUDADevice] {
    var count: Int32 = 0
    try driver.check(driver.table.pointee.device_get_count(&count), "cuDeviceGetCount")
    return try (0..<max(0, count)).map { ordinal in
      try within("CUDA device \(ordinal)") { try CUDADevice(Int(ordinal), driver) }
    }
  }

  private init(_ ordinal: Int, _ driver: CUDADriver) throws {
    let table = driver.table.pointee
    var device: Int32 = 0
    try driver.check(table.device_get(&device, Int32(ordinal)), "cuDeviceGet")
    func attribute(_ which: Int) throws -> Int {
      var value: Int32 = 0
      try driver.check(table.device_get_attribute(&value, Int32(which), device), "cuDeviceGetAttribute")
      return Int(value)
    }
    // The last byte stays zero, however long the name is.
    var text = [CChar](repeating: 0, count: 257)
    try driver.check(table.device_get_name(&text, Int32(text.count - 1), device), "cuDeviceGetName")
    var bytes = 0
    try driver.check(table.device_total_memory(&bytes, device), "cuDeviceTotalMem")
    self.ordinal = ordinal
    handle = device
    name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    capability = CUDAVersion(
      try attribute(CAMEO_CUDA_CAPABILITY_MAJOR), try attribute(CAMEO_CUDA_CAPABILITY_MINOR))
    multiprocessors = try attribute(CAMEO_CUDA_MULTIPROCESSOR_COUNT)
    memory = bytes
    blockMemory = try attribute(CAMEO_CUDA_SHARED_MEMORY_PER_BLOCK)
    cache = try attribute(CAMEO_CUDA_L2_CACHE_SIZE)
  }

  /// Bytes that no process has taken. Opens the device's primary context for the time of the call, which takes a good part of a
  /// second where nobody holds it. Throws `.system`, as where the device is reserved for another process.
  public func availableMemory(_ driver: CUDADriver) throws -> Int {
    try within("CUDA device \(ordinal)") {
      let table = driver.table.pointee
      var context: cameo_cuda_context?
      try driver.check(table.primary_context_retain(&context, handle), "cuDevicePrimaryCtxRetain")
      defer { _ = table.primary_context_release(handle) }
      guard let context else { throw CameoError.system("cuDevicePrimaryCtxRetain gave no context") }
      try driver.check(table.context_push(context), "cuCtxPushCurrent")
      defer {
        var popped: cameo_cuda_context?
        _ = table.context_pop(&popped)
      }
      var (available, total) = (0, 0)
      try driver.check(table.memory_info(&available, &total), "cuMemGetInfo")
      return available
    }
  }
}
