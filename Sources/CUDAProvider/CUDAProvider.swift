import GraphIR
public import InferenceRuntime
import Operators
import Tensors

/// Kernels for one NVIDIA GPU. Everything of CUDA is loaded at run time; where something is missing, making the provider throws one line
/// that names it.
public struct CUDAProvider: ExecutionProvider {
  public let name = "cuda"
  public let context: CUDAContext

  /// The device of that number. Throws `.unsupported` where driver, device or NVRTC is not there.
  public init(device ordinal: Int = 0, libraries: CUDALibraries = .shared) throws {
    guard case .success(let driver) = libraries.driver, case .success(let compiler) = libraries.compiler else {
      throw CameoError.unsupported("provider cuda: \(CUDAProbe(libraries).obstacle ?? "something is missing")")
    }
    let devices = try CUDADevice.all(driver)
    guard devices.indices.contains(ordinal) else {
      throw CameoError.unsupported(
        "provider cuda: there is no CUDA device \(ordinal); the driver shows \(devices.count)")
    }
    context = try CUDAContext(devices[ordinal], driver, compiler: compiler, products: libraries.products)
  }

  private static let first = Result { try CUDAProvider() }

  /// The first device's, opened once for the process.
  public static func shared() throws -> CUDAProvider { try first.get() }

  public var device: Device? { context }
  public var precisions: Set<Precision> { [.fp32, .tf32, .fp16, .bf16] }
  public var machine: String { "\(context.info.name), driver \(context.driver.version)" }
  public var passes: Set<String> {
    var passes: Set = ["FuseResidual", "PackAttention"]
    if Float8ProductKernels.knowsFloat8(context.info.capability) { passes.insert("UseFloat8Products") }
    return passes
  }
  public func probe() -> [ProviderFinding] { CUDAProbe().findings }

  /// Operators with kernels, "domain.name" or "name", sorted.
  public static var operators: [String] { makers.keys.map(\.description).sorted() }

  public func prepare(_ request: KernelRequest) throws -> PreparedKernel {
    guard let make = CUDAProvider.makers[request.node.operatorName] else {
      throw Refusal("no kernel for this operator")
    }
    for output in request.outputs { if let output, output.count == 0 { throw Refusal("an empty result") } }
    return try make(CUDARequest(request, context))
  }

  /// Every kernel reads and writes floats of any size, but those that move elements: these have all of one type.
  public func roundedOperands(_ request: KernelRequest) -> RoundedOperands? {
    let name = request.node.operatorName
    guard CUDAProvider.makers[name] != nil, !CUDAProvider.floatOnly.contains(name) else { return nil }
    if name.domain.isEmpty && CUDAProvider.movers.contains(name.name) { return .moves }
    func floats(_ operands: [Operand?]) -> Set<Int> {
      Set(operands.indices.filter { operands[$0]?.type == .float })
    }
    let inputs = floats(request.inputs).subtracting(name == CUDAProvider.scaled ? Float8ProductKernels.scales : [])
    return RoundedOperands(inputs: inputs, outputs: floats(request.outputs))
  }

  /// Operators that move elements as they are.
  private static let movers: Set<String> = [
    "CenterCropPad", "Compress", "Concat", "DepthToSpace", "Expand", "Gather", "GatherElements", "GatherND", "Identity",
    "Pad",
    "ReverseSequence", "Scatter", "ScatterElements", "ScatterND", "Slice", "SpaceToDepth", "Split", "TensorScatter",
    "Tile",
    "Transpose", "Trilu",
  ]

  private static let scaled = OperatorName("Float8MatMul", domain: "ai.cameo")

  /// Operators whose kernels want float32 where the graph says so.
  private static let floatOnly: Set<OperatorName> = [
    OperatorName("GridSample"), OperatorName("RoiAlign"),
    OperatorName("IntegerMatMul", domain: "ai.cameo"), OperatorName("MatMulIntegerToFloat", domain: "com.microsoft"),
    OperatorName("QLinearMatMul"), OperatorName("QGemm", domain: "com.microsoft"),
    OperatorName("IntegerConv", domain: "ai.cameo"),
    // Angles grow with positions: rounded they turn by something else.
    OperatorName("Sin"), OperatorName("Cos"),
  ]

  typealias Maker = @Sendable (CUDARequest) throws -> PreparedKernel

  private static let makers: [OperatorName: Maker] = {
    var table: [OperatorName: Maker] = [:]
    let families: [[String: Maker]] = [
      SoftmaxKernels.makers,
      NormKernels.makers,
      ChannelKernels.makers,
      ReduceKernels.makers,
      OrderKernels.makers,
      PoolKernels.makers,
      ResizeKernels.makers,
      SampleKernels.makers,
      SequenceKernels.makers,
      RecurrentKernels.makers,
      ProductKernels.makers,
      BlockProductKernels.makers,
      BlockGatherKernels.makers,
      IntegerProductKernels.makers,
      Float8ProductKernels.makers,
      ElementwiseKernels.makers,
      MoveKernels.makers,
      GatherKernels.makers,
      ScatterKernels.makers,
      PadKernels.makers,
      PositionKernels.makers,
      AttentionMakers.makers,
      ConvKernels.makers,
      IntegerConvKernels.makers,
    ]
    for family in families {
      for (name, maker) in family {
        // "ai.cameo.FusedConv": domain and name part at the last dot.
        if let dot = name.lastIndex(of: ".") {
          table[OperatorName(String(name[name.index(after: dot)...]), domain: String(name[..<dot]))] = maker
        } else {
          table[OperatorName(name)] = maker
        }
      }
    }
    return table
  }()
}

/// A node that a kernel is wanted for, and the device that it is for.
@dynamicMemberLookup
struct CUDARequest {
  let request: KernelRequest
  let context: CUDAContext

  init(_ request: KernelRequest, _ context: CUDAContext) {
    self.request = request
    self.context = context
  }

  subscript<T>(dynamicMember path: KeyPath<KernelRequest, T>) -> T { request[keyPath: path] }

  func input(_ index: Int) -> Operand? { request.input(index) }
  func output(_ index: Int = 0) -> Operand? { request.output(index) }

  /// The input at `index`. Throws a refusal where it is left out.
  func operand(_ index: Int) throws -> Operand {
    try request.operand(index)
  }

  /// The output at `index`. Throws a refusal where it is left out.
  func result(_ index: Int = 0) throws -> Operand {
    try request.result(index)
  }

  /// A kernel of the named files of Sources/CCUDA/Kernels, one text behind the other.
  func function(
    _ name: String, in files: [String], macros: [String: Int] = [:], architecture: String? = nil, sharedBytes: Int = 0
  ) throws -> CUDAFunction {
    let program = KernelProgram(
      try files.map { try KernelSource.embedded($0) }, macros: macros,
      architecture: architecture ?? context.architecture)
    return try context.function(program, name, sharedBytes: sharedBytes)
  }

  /// A form of a constant in device memory, made once a session: `fill` writes its bytes in host memory. `form` says everything that they
  /// depend on beside the tensor.
  func resident(
    _ tensor: Tensor, _ form: String, byteCount: Int, _ fill: (UnsafeMutableRawPointer) throws -> Void
  ) throws -> DeviceStorage {
    func make() throws -> DeviceStorage {
      let bytes = try TensorStorage(byteCount: byteCount, zeroed: false)
      try fill(bytes.base)
      let storage = try context.memory(byteCount: byteCount)
      try context.upload(bytes.base, to: storage.address, byteCount: byteCount)
      return storage
    }
    guard let residents = request.residents else { return try make() }
    return try residents.storage(tensor, form, make)
  }
}
