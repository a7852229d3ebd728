internal import CCUDA
public import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The libraries of CUDA that are there, or why not. Once loaded they stay.
public struct CUDALibraries: Sendable {
  /// Those that this process uses, loaded at the first use. The folders that `$CAMEO_CUDA_LIBRARIES` lists (separated by ":", such as
  /// nvidia/cu13/lib of an environment with the package nvidia-cuda-nvrtc) come before the system's.
  public static let shared = CUDALibraries(folders: getenv("CAMEO_CUDA_LIBRARIES").map { String(cString: $0) } ?? "")

  public let driver: Result<CUDADriver, CameoError>
  public let compiler: Result<NVRTC, CameoError>
  private let productLibrary: LazyLibrary<CublasLt>

  /// cuBLASLt, loaded when it is first asked for. Kernels of Cameo's own stand in where it is not there.
  public var products: Result<CublasLt, CameoError> { productLibrary.value }
  /// Kernels of NVIDIA's; nothing needs them.
  public let dnn: Result<CUDNN, CameoError>

  /// Loads the first of the libraries named, each from the folders first. Both lists are separated by ":".
  public init(
    folders: String = "", driver: String = "libcuda.so.1", compiler: String = "libnvrtc.so.13:libnvrtc.so.12",
    products: String = "libcublasLt.so.13:libcublasLt.so.12",
    dnn: String = "libcudnn.so.9:libcudnn_graph.so.9"
  ) {
    self.driver = Self.attempt {
      try CUDADriver(Self.load { cameo_cuda_open_driver(driver, folders, $0, $1) })
    }
    self.compiler = Self.attempt {
      try NVRTC(Self.load { cameo_cuda_open_nvrtc(compiler, folders, $0, $1) })
    }
    let found = (try? self.compiler.get()).map { [folders, LibraryFolders.of($0.path)] } ?? [folders]
    productLibrary = LazyLibrary {
      Self.attempt {
        let places = LibraryFolders.beside(found, packages: ["cublas"])
        return try CublasLt(Self.load { cameo_cuda_open_cublaslt(products, places, $0, $1) })
      }
    }
    self.dnn = Self.attempt {
      CUDNN(try Self.load { cameo_cuda_open_cudnn(dnn, folders, $0, $1) })
    }
  }

  private static func attempt<T>(_ body: () throws -> T) -> Result<T, CameoError> {
    do { return .success(try body()) } catch {
      return .failure(error as? CameoError ?? .system("\(error)"))
    }
  }

  private static func load<T>(
    _ open: (UnsafeMutablePointer<CChar>, Int) -> UnsafePointer<T>?
  ) throws -> UnsafePointer<T> {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
      buffer.initialize(repeating: 0)
      guard let reason = buffer.baseAddress else { throw CameoError.system("no memory is left") }
      if let table = open(reason, buffer.count) { return table }
      throw CameoError.system(String(cString: reason))
    }
  }
}

/// A version of CUDA ("13.0"), or the compute capability of a device ("9.0").
public struct CUDAVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
  public let major: Int
  public let minor: Int

  public init(_ major: Int, _ minor: Int) {
    self.major = major
    self.minor = minor
  }

  public static func < (a: CUDAVersion, b: CUDAVersion) -> Bool { (a.major, a.minor) < (b.major, b.minor) }
  public var description: String { "\(major).\(minor)" }
}

/// The driver, started. Its functions may be called from any thread.
public struct CUDADriver: @unchecked Sendable {
  let table: UnsafePointer<cameo_cuda_driver>
  /// The newest CUDA that it runs.
  public let version: CUDAVersion
  public let path: String

  /// Throws `.system` where the driver does not start, as without a device.
  init(_ table: UnsafePointer<cameo_cuda_driver>) throws {
    self.table = table
    path = String(cString: table.pointee.path)
    try Self.check(table.pointee.initialize(0), "cuInit", table)
    var number: Int32 = 0
    try Self.check(table.pointee.driver_get_version(&number), "cuDriverGetVersion", table)
    version = CUDAVersion(Int(number) / 1000, Int(number) % 1000 / 10)
  }

  /// Throws `.system` with the function, the error's name and what the driver says of it, where `code` is an error.
  func check(_ code: Int32, _ function: String) throws { try Self.check(code, function, table) }

  private static func check(_ code: Int32, _ function: String, _ table: UnsafePointer<cameo_cuda_driver>) throws {
    guard code != Int32(CAMEO_CUDA_SUCCESS) else { return }
    func text(_ get: (Int32, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Int32) -> String? {
      var pointer: UnsafePointer<CChar>?
      return get(code, &pointer) == 0 ? pointer.map { String(cString: $0) } : nil
    }
    let words = [text(table.pointee.get_error_name) ?? "error \(code)", text(table.pointee.get_error_string)]
    throw CameoError.system(([function] + words.compactMap(\.self)).joined(separator: ": "))
  }
}
