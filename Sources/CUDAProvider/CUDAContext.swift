internal import CCUDA
public import InferenceRuntime
import Tensors

/// A device opened for work: its primary context, compiled kernels, memory.
public final class CUDAContext: Device, @unchecked Sendable {
  public let driver: CUDADriver
  public let info: CUDADevice
  private let handle: cameo_cuda_context
  private let compiler: KernelCompiler
  private let functions = Mutex<[FunctionKey: CUDAFunction]>([:])

  /// cuBLASLt on this device; nil where it is not there.
  var products: ProductLibrary? { productLibrary.value }
  private let productLibrary = LateProducts()
  /// Whether the fastest algorithm of each product is looked for by timing.
  let tunesProducts: Bool

  private struct FunctionKey: Hashable {
    let program: KernelProgram
    let name: String
  }

  /// Throws `.system` where the device cannot be opened.
  init(
    _ info: CUDADevice, _ driver: CUDADriver, compiler: NVRTC, cache: KernelCache? = .standard,
    products: Result<CublasLt, CameoError>? = nil, tunesProducts: Bool = ProductLibrary.isTuningAsked
  ) throws {
    self.tunesProducts = tunesProducts
    self.info = info
    self.driver = driver
    self.compiler = KernelCompiler(compiler, driver: driver.version, cache: cache)
    var context: cameo_cuda_context?
    try driver.check(
      driver.table.pointee.primary_context_retain(&context, info.handle), "cuDevicePrimaryCtxRetain")
    guard let context else { throw CameoError.system("cuDevicePrimaryCtxRetain gave no context") }
    handle = context
    super.init(.device(info.ordinal), alignment: 256)
    productLibrary.make = { [unowned self] in
      guard case .success(let library)? = products else { return nil }
      return try? ProductLibrary(library, self)
    }
  }

  deinit {
    productLibrary.drop()
    _ = driver.table.pointee.primary_context_release(info.handle)
  }

  /// What kernels that need nothing of one architecture alone are compiled for: "sm_90".
  public var architecture: String { info.architecture }

  /// Makes the calling thread one that may ask the device for something.
  func enter() throws { try driver.check(driver.table.pointee.context_set_current(handle), "cuCtxSetCurrent") }

  // MARK: Memory

  public override func memory(byteCount: Int) throws -> DeviceStorage {
    try enter()
    let table = driver.table.pointee
    var address: UInt64 = 0
    let code = table.memory_allocate(&address, max(1, byteCount))
    if code == CAMEO_CUDA_ERROR_OUT_OF_MEMORY {
      var (available, total) = (0, 0)
      _ = table.memory_info(&available, &total)
      throw CameoError.limit(
        "CUDA device \(info.ordinal) has \(available) of \(total) bytes free, \(byteCount) are needed")
    }
    try driver.check(code, "cuMemAlloc")
    guard let pointer = UnsafeMutableRawPointer(bitPattern: UInt(address)) else {
      throw CameoError.system("cuMemAlloc gave no address")
    }
    return DeviceStorage(address: pointer, byteCount: byteCount) { [self] in
      try? enter()
      _ = driver.table.pointee.memory_free(address)
    }
  }

  public override func staging(byteCount: Int) throws -> DeviceStorage {
    try enter()
    var address: UnsafeMutableRawPointer?
    let code = driver.table.pointee.host_allocate(&address, max(1, byteCount), UInt32(CAMEO_CUDA_HOST_PORTABLE))
    try driver.check(code, "cuMemHostAlloc")
    guard let pointer = address else { throw CameoError.system("cuMemHostAlloc gave no address") }
    return DeviceStorage(address: pointer, byteCount: byteCount) { [self] in
      try? enter()
      _ = driver.table.pointee.host_free(pointer)
    }
  }

  public override func upload(
    _ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int
  ) throws {
    try enter()
    // From pageable memory the driver returns when it has read the source; the null stream orders nothing else here.
    try driver.check(
      driver.table.pointee.upload(UInt64(UInt(bitPattern: target)), source, byteCount, nil), "cuMemcpyHtoDAsync")
    try driver.check(driver.table.pointee.stream_synchronize(nil), "cuStreamSynchronize")
  }

  public override func makeQueue() throws -> DeviceQueue {
    try enter()
    return try CUDAQueue(self)
  }

  // MARK: Kernels

  /// The kernel `name` of a program, compiled and loaded once. `sharedBytes`: of dynamic shared memory, where it needs more than the 48 KiB
  /// that every kernel may have.
  public func function(_ program: KernelProgram, _ name: String, sharedBytes: Int = 0) throws -> CUDAFunction {
    let key = FunctionKey(program: program, name: name)
    if let known = functions.withLock({ $0[key] }) {
      try known.allow(sharedBytes: sharedBytes)
      return known
    }
    let image = try compiler.compile(program).image
    try enter()
    let made = try within("kernel \(name)") { try CUDAFunction(image, name, driver) }
    try made.allow(sharedBytes: sharedBytes)
    return functions.withLock { table in
      if let known = table[key] { return known }
      table[key] = made
      return made
    }
  }
}
