import Tensors

/// Compiles kernels, each once: what was compiled before, in this process or another, comes from the cache.
public struct KernelCompiler: Sendable {
  /// A program made ready to load.
  public struct Kernel: Sendable {
    /// CUBIN.
    public let image: [UInt8]
    /// NVRTC's remarks; empty where it had none or was not asked.
    public let log: String
    public let isFromCache: Bool
  }

  private let compiler: NVRTC
  private let driverVersion: CUDAVersion?
  private let cache: KernelCache?

  /// `driver` is nil where nothing will run here. Without a cache everything is compiled.
  public init(_ compiler: NVRTC, driver: CUDAVersion?, cache: KernelCache? = .standard) {
    self.compiler = compiler
    driverVersion = driver
    self.cache = cache
  }

  /// Throws `.badInput` with NVRTC's log where the source is wrong, `.unsupported` where NVRTC does not know the architecture. A cache that
  /// cannot be written is no error: the next process compiles again.
  public func compile(_ program: KernelProgram) throws -> Kernel {
    let (text, options) = (try program.text(), program.options)
    let key =
      (["NVRTC \(compiler.version)", "driver \(driverVersion?.description ?? "none")"] + options + ["", text])
      .joined(separator: "\n")
    if let image = cache?.image(for: key) { return Kernel(image: image, log: "", isFromCache: true) }
    let (image, log) = try within("kernel \(program.name)") {
      try compiler.compile(text, name: program.name, options: options)
    }
    try? cache?.keep(image, for: key)
    return Kernel(image: image, log: log, isFromCache: false)
  }
}
