internal import CCUDA
import InferenceRuntime
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// cuBLASLt on one device: its handle, and which algorithm computes what.
final class ProductLibrary: @unchecked Sendable {
  let library: CublasLt
  let handle: cameo_cublaslt_handle
  private let context: Unmanaged<CUDAContext>
  private struct Question: Hashable {
    let problem: ProductProblem
    let tunes: Bool
  }

  private let chosen = Mutex<[Question: ProductAlgorithm?]>([:])
  private let memory: ProductMemory

  /// The most that a product takes of its step's scratch.
  static let workspaceBytes = 32 << 20

  /// The context keeps what is made here, and outlives it.
  init(_ library: CublasLt, _ context: CUDAContext, folder: String? = KernelCache.standard?.folder) throws {
    try context.enter()
    var made: cameo_cublaslt_handle?
    try library.check(library.table.pointee.create(&made), "Create")
    guard let made else { throw CameoError.system("cublasLtCreate gave no handle") }
    self.library = library
    handle = made
    self.context = .passUnretained(context)
    memory = ProductMemory(
      folder: folder,
      machine: "\(context.info.name), driver \(context.driver.version), cuBLASLt \(library.version)")
  }

  deinit { _ = library.table.pointee.destroy(handle) }

  /// `$CAMEO_CUDA_TUNING` is "products".
  static let isTuningAsked: Bool = getenv("CAMEO_CUDA_TUNING").map { strcmp($0, "products") == 0 } ?? false

  /// What is to compute the problem; nil where the library does not. With `tunes` its best candidates are timed, once for all processes.
  func algorithm(_ problem: ProductProblem, tunes: Bool) throws -> ProductAlgorithm? {
    let question = Question(problem: problem, tunes: tunes)
    if let known = chosen.withLock({ $0[question] }) { return known }
    let context = context.takeUnretainedValue()
    try context.enter()
    let description = try ProductDescription(problem, library, bias: 256)
    var result = memory.algorithm(for: problem).flatMap { valid($0, description) }
    if result == nil {
      let candidates = try candidates(problem, description, count: tunes ? 16 : 1)
      result = candidates.first
      if tunes, candidates.count > 1 {
        let timing = ProductTiming(self, context)
        if let best = try timing.fastest(candidates, problem) {
          result = best
          memory.keep(best, for: problem)
        }
      }
    }
    let found = result
    chosen.withLock { $0[question] = .some(found) }
    return found
  }

  private func candidates(
    _ problem: ProductProblem, _ description: ProductDescription, count: Int
  ) throws -> [ProductAlgorithm] {
    let table = library.table.pointee
    var made: cameo_cublaslt_preference?
    try library.check(table.preference_create(&made), "MatmulPreferenceCreate")
    guard let preference = made else { throw CameoError.system("cublasLtMatmulPreferenceCreate gave nothing") }
    defer { _ = table.preference_destroy(preference) }
    var bytes = Self.workspaceBytes
    try library.check(
      table.preference_set(preference, Int32(CAMEO_CUBLASLT_WORKSPACE_BYTES), &bytes, 8), "MatmulPreferenceSetAttribute"
    )
    // Its A is our B.
    let order = [problem.alignments[1], problem.alignments[0], problem.alignments[2], problem.alignments[2]]
    for (index, alignment) in order.enumerated() {
      var alignment = UInt32(alignment)
      try library.check(
        table.preference_set(preference, Int32(CAMEO_CUBLASLT_ALIGNMENT_A + index), &alignment, 4),
        "MatmulPreferenceSetAttribute")
    }
    var results = [cameo_cublaslt_result](repeating: cameo_cublaslt_result(), count: count)
    var found: Int32 = 0
    let status = table.heuristic(
      handle, description.product, description.b, description.a, description.c, description.c, preference, Int32(count),
      &results, &found)
    guard status == 0 else { return [] }
    return results.prefix(Int(max(0, found))).filter { $0.state == 0 }.map {
      ProductAlgorithm(algorithm: $0.algorithm, workspaceBytes: $0.workspace_bytes)
    }
  }

  /// The algorithm as this library sees it; nil where it does not fit.
  private func valid(_ algorithm: ProductAlgorithm, _ description: ProductDescription) -> ProductAlgorithm? {
    var (words, result) = (algorithm.algorithm, cameo_cublaslt_result())
    let status = library.table.pointee.check(
      handle, description.product, description.b, description.a, description.c, description.c, &words, &result)
    guard status == 0, result.workspace_bytes <= Self.workspaceBytes else { return nil }
    return ProductAlgorithm(algorithm: words, workspaceBytes: result.workspace_bytes)
  }
}

/// An algorithm of cuBLASLt, and the workspace that it wants.
struct ProductAlgorithm {
  var algorithm: cameo_cublaslt_algorithm
  var workspaceBytes: Int
}

/// What cuBLASLt computes of one step: products of one problem, each from places of its own.
final class LibraryProduct: Kernel, @unchecked Sendable {
  /// Bytes behind the operands' places.
  struct Item {
    var a = 0
    var b = 0
    var c = 0
  }

  private let library: ProductLibrary
  private let description: ProductDescription
  private let algorithm: ProductAlgorithm
  private let a: Launch.Argument
  private let b: Launch.Argument
  private let c: Launch.Argument
  /// What is added, laid out as C; nil: nothing.
  private let addend: Launch.Argument?
  private let items: ContiguousArray<Item>
  private let workspace: Int
  /// alpha, beta, as the library's scale type has them.
  private let scales: (UInt64, UInt64)
  private let kept: DeviceStorage?

  struct Operands {
    var a: Launch.Argument
    var b: Launch.Argument
    var c: Launch.Argument
    var addend: Launch.Argument?
    /// One element a column, of the result's type.
    var bias: DeviceStorage?
  }

  init(
    _ problem: ProductProblem, _ algorithm: ProductAlgorithm, _ library: ProductLibrary, _ operands: Operands,
    items: [Item], alpha: Double, beta: Double, workspace: Int
  ) throws {
    self.library = library
    self.algorithm = algorithm
    self.workspace = workspace
    self.items = ContiguousArray(items)
    (a, b, c, addend, kept) = (operands.a, operands.b, operands.c, operands.addend, operands.bias)
    description = try ProductDescription(problem, library.library, bias: operands.bias?.address.word ?? 0)
    func bits(_ value: Double) -> UInt64 {
      switch problem.arithmetic {
      case .double: value.bitPattern
      case .int32: UInt64(UInt32(bitPattern: Int32(value)))
      default: UInt64(Float(value).bitPattern)
      }
    }
    scales = (bits(alpha), bits(beta))
    super.init("gemm (cuBLASLt)")
  }

  override func run(_ call: KernelCall) throws {
    let queue = unsafeDowncast(call.queue, to: CUDAQueue.self)
    guard let a = a.address(call), let b = b.address(call), let c = c.address(call) else {
      throw CameoError(.invariant, "a product without operands")
    }
    let addend = addend?.address(call) ?? c
    let scratch = algorithm.workspaceBytes > 0 ? Launch.Argument.scratch(offset: workspace).address(call) : nil
    for item in items {
      try put(a + item.a, b + item.b, addend + item.c, c + item.c, scratch, queue.stream)
    }
  }

  func put(
    _ a: UnsafeMutableRawPointer, _ b: UnsafeMutableRawPointer, _ addend: UnsafeMutableRawPointer,
    _ c: UnsafeMutableRawPointer, _ scratch: UnsafeMutableRawPointer?, _ stream: cameo_cuda_stream
  ) throws {
    var (alpha, beta) = scales
    var words = algorithm.algorithm
    let status = library.library.table.pointee.multiply(
      library.handle, description.product, &alpha, b, description.b, a, description.a, &beta, addend, description.c, c,
      description.c, &words, scratch, algorithm.workspaceBytes, stream)
    try library.library.check(status, "Matmul")
  }
}

extension Launch.Argument {
  /// Where an operand lies; nil for numbers, and for what is left out.
  func address(_ call: KernelCall) -> UnsafeMutableRawPointer? {
    switch self {
    case .input(let index, let offset): index < call.inputCount ? call.operands[index].map { $0 + offset } : nil
    case .output(let index, let offset):
      index < call.outputCount ? call.operands[call.inputCount + index].map { $0 + offset } : nil
    case .scratch(let offset): call.operands[call.inputCount + call.outputCount].map { $0 + offset }
    case .resident(let storage, let offset): storage.address + offset
    case .counters, .tensorMap, .int32, .int64, .float, .bytes: nil
    }
  }

  /// The same place, `bytes` further.
  func advanced(_ bytes: Int) -> Launch.Argument {
    switch self {
    case .input(let index, let offset): .input(index, offset: offset + bytes)
    case .output(let index, let offset): .output(index, offset: offset + bytes)
    case .scratch(let offset): .scratch(offset: offset + bytes)
    case .resident(let storage, let offset): .resident(storage, offset: offset + bytes)
    case .counters, .tensorMap, .int32, .int64, .float, .bytes: self
    }
  }
}
