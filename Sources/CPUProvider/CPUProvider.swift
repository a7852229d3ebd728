internal import CBLAS
internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Kernels for this machine's processor: SIMD tiers chosen at start, OpenBLAS for matrix products where it is found.
public struct CPUProvider: ExecutionProvider {
  public let name = "cpu"

  public var precisions: Set<Precision> { [.fp32, .bf16] }

  public var machine: String {
    "\(CPUProvider.model), \(String(cString: ck_isa_name())), \(CPUProvider.bfloat16Kernel)"
  }

  /// The processor's name as the system gives it, or its instruction sets.
  private static let model: String = {
    let features = String(cString: ck_isa_feature_names())
    guard let file = fopen("/proc/cpuinfo", "re") else { return features }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 512)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      let pieces = String(decoding: text, as: UTF8.self).split(separator: ":", maxSplits: 1)
      guard pieces.count == 2, pieces[0].hasPrefix("model name") else { continue }
      return String(pieces[1].filter { $0.isASCII && !$0.isNewline && $0 != "\t" }.drop { $0 == " " })
    }
    return features
  }()

  /// OpenBLAS is loaded here where its products serve; elsewhere when something asks for it: it takes milliseconds.
  public init() { _ = GemmPlan.usesBlas }

  public func probe() -> [ProviderFinding] {
    var findings = [
      ProviderFinding(
        "instruction set", isFound: true,
        "tier \(String(cString: ck_isa_name())) of: \(String(cString: ck_isa_feature_names()))"),
      ProviderFinding("bf16 products", isFound: true, CPUProvider.bfloat16Kernel),
      ProviderFinding("cores", isFound: true, "\(ThreadPool.availableCores)"),
    ]
    findings.append(
      Blas.isLoaded
        ? ProviderFinding(
          "BLAS", isFound: true,
          "\(String(cString: cameo_blas_path())), core \(String(cString: cameo_blas_core())), \(String(cString: cameo_blas_config()))"
        )
        : ProviderFinding("BLAS", isFound: false, String(cString: cameo_blas_error())))
    return findings
  }

  /// Processor, tier, panels and build. Strict: a form that would serve elsewhere, too, is made anew there.
  public var packing: String? {
    let panels = "panels \(ck_gemm_mr())x\(ck_gemm_nr())"
    return "\(CPUProvider.architecture) \(String(cString: ck_isa_name())), \(panels), "
      + "processor \(String(cString: ck_isa_feature_names())), kernels \(KernelSources.digest)"
  }

  private static var architecture: String {
    #if arch(x86_64)
      "x86_64"
    #elseif arch(arm64)
      "arm64"
    #else
      "other"
    #endif
  }

  /// What computes products in bfloat16 here: "amx-bf16", "avx512-bf16", or "widened" (to float32, by any processor).
  public static var bfloat16Kernel: String { String(cString: ck_bf16_name()) }

  /// What computes sums of 8-bit products here: "amx-int8", "avx512-vnni", "avx-vnni", or "16-bit pairs" (any processor).
  public static var int8Kernel: String { String(cString: ck_int8_name()) }

  /// Operators with kernels, "domain.name" or "name", sorted.
  public static var operators: [String] { makers.keys.map(\.description).sorted() }

  public func prepare(_ request: KernelRequest) throws -> PreparedKernel {
    guard let make = CPUProvider.makers[request.node.operatorName] else { throw Refusal("no kernel for this operator") }
    for output in request.outputs { if let output, output.count == 0 { throw Refusal("an empty result") } }
    do {
      return try make(request)
    } catch let refusal as Refusal {
      guard let widened = try WidenedKernel.prepare(request, make) else { throw refusal }
      return widened
    }
  }

  public func roundedOperands(_ request: KernelRequest) -> RoundedOperands? { Bfloat16Operands.stored(request) }

  typealias Maker = @Sendable (KernelRequest) throws -> PreparedKernel

  private static let makers: [OperatorName: Maker] = {
    var table: [OperatorName: Maker] = [:]
    let families: [[String: Maker]] = [
      UnaryKernels.makers, BinaryKernels.makers, LogicKernels.makers, CastKernels.makers, MatMulKernels.makers,
      ConvKernels.makers, ConvTransposeKernels.makers, NormKernels.makers, SoftmaxKernels.makers, ReduceKernels.makers,
      PoolKernels.makers, MoveKernels.makers, GatherKernels.makers, PadKernels.makers, ResizeKernels.makers,
      RecurrentKernels.makers, AttentionKernels.makers, RotaryKernels.makers, IntegerProductKernels.makers,
      IntegerConvKernels.makers, BlockProductKernels.makers, GatherBlockKernels.makers, SequenceKernels.makers,
      FusedElementwiseKernels.makers, CompoundKernels.makers, QuantizationKernels.makers, ChannelsLastKernels.makers,
      ChannelsLastConvTransposeKernels.makers,
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
