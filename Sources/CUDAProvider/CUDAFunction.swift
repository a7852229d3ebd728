internal import CCUDA
import Tensors

/// A kernel, loaded.
public final class CUDAFunction: @unchecked Sendable {
  let handle: cameo_cuda_function
  public let name: String
  private let module: cameo_cuda_module
  private let driver: CUDADriver
  private let shared = Mutex(48 << 10)

  /// The calling thread has entered the device's context.
  init(_ image: [UInt8], _ name: String, _ driver: CUDADriver) throws {
    var module: cameo_cuda_module?
    try image.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { throw CameoError(.invariant, "an empty kernel") }
      try driver.check(driver.table.pointee.module_load(&module, base), "cuModuleLoadData")
    }
    guard let module else { throw CameoError.system("cuModuleLoadData gave no module") }
    var function: cameo_cuda_function?
    try driver.check(driver.table.pointee.module_function(&function, module, name), "cuModuleGetFunction")
    guard let function else { throw CameoError.system("cuModuleGetFunction gave no function") }
    handle = function
    self.module = module
    self.name = name
    self.driver = driver
  }

  /// Lets launches ask for so much dynamic shared memory. Throws where the device has less for a block.
  func allow(sharedBytes: Int) throws {
    try shared.withLock { allowed in
      guard sharedBytes > allowed else { return }
      let code = driver.table.pointee.function_set_attribute(
        handle, Int32(CAMEO_CUDA_FUNCTION_DYNAMIC_SHARED_MEMORY), Int32(sharedBytes))
      try driver.check(code, "cuFuncSetAttribute")
      allowed = sharedBytes
    }
  }

  /// Blocks of so many threads that a multiprocessor holds at once.
  public func occupancy(threads: Int, sharedBytes: Int = 0) throws -> Int {
    var blocks: Int32 = 0
    let code = driver.table.pointee.occupancy(&blocks, handle, Int32(threads), sharedBytes)
    try driver.check(code, "cuOccupancyMaxActiveBlocksPerMultiprocessor")
    return Int(blocks)
  }
}
