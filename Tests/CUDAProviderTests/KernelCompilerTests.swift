import Foundation
import Tensors
import TestSupport
import Testing

@testable import CUDAProvider

/// Without a device: that the kernels compile, in the forms that Sources/CCUDA/Kernels/README.md names.
@Suite(.enabled(if: Toolkit.isThere, "NVRTC is not there: Tools/setup models installs it"))
struct KernelCompilerTests {
  struct Form: Sendable, CustomTestStringConvertible {
    let kernels: AttentionKernels
    let architecture: String
    let macros: [String: Int]

    init(_ kernels: AttentionKernels, _ architecture: String, _ macros: [String: Int]) {
      self.kernels = kernels
      self.architecture = architecture
      self.macros = macros
    }

    var testDescription: String {
      let words = macros.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      return "\(kernels.rawValue) \(architecture) \(words.joined(separator: " "))"
    }
  }

  private static let (half, bfloat, single) = (0, 1, 2)

  private static func hopper(_ consumers: Int, _ keys: Int, _ queryStages: Int, _ macros: [String: Int]) -> Form {
    let tile = ["CONSUMERS": consumers, "KEYS": keys, "Q_STAGES": queryStages, "STAGES": 2]
    return Form(.sm90, "sm_90a", macros.merging(tile) { $1 })
  }

  private static func portable(_ rowTiles: Int, _ keys: Int, _ macros: [String: Int]) -> Form {
    let tile = ["ROW_TILES": rowTiles, "KEYS": keys, "WARPS": 4]
    return Form(.portable, "sm_80", macros.merging(tile) { $1 })
  }

  private static func decode(_ tile: (Int, Int, Int, Int), _ macros: [String: Int]) -> Form {
    let words = ["ROW_WARPS": tile.0, "WARPS": tile.1, "KEYS": tile.2, "STAGES": tile.3, "COPY_BYTES": 16]
    return Form(.decode, "sm_80", macros.merging(words) { $1 })
  }

  static let forms = [
    hopper(2, 128, 2, ["HEAD": 128, "ELEMENT": bfloat]),
    hopper(3, 128, 2, ["HEAD": 64, "ELEMENT": bfloat, "LIMIT_RIGHT": 1, "DYNAMIC": 1]),
    hopper(2, 128, 2, ["HEAD": 96, "ELEMENT": half, "BIAS": 1, "BIAS_PAIRS": 1]),
    hopper(2, 96, 1, ["HEAD": 192, "HEAD_V": 128, "ELEMENT": bfloat, "LENGTHS": 2]),
    hopper(2, 80, 1, ["HEAD": 256, "ELEMENT": half, "LIMIT_RIGHT": 1, "LIMIT_LEFT": 1, "SOFTCAP": 1]),
    hopper(3, 80, 2, ["HEAD": 32, "ELEMENT": half, "BIAS": 3, "SIGNED_SCALE": 1]),
    portable(2, 128, ["HEAD": 64, "ELEMENT": bfloat, "LIMIT_RIGHT": 1, "COPY_BYTES": 16]),
    portable(1, 32, ["HEAD": 128, "ELEMENT": single, "BIAS": 2, "COPY_BYTES": 16]),
    portable(1, 64, ["HEAD": 256, "ELEMENT": half, "SOFTCAP": 1, "LENGTHS": 1, "COPY_BYTES": 8]),
    portable(2, 128, ["HEAD": 32, "ELEMENT": half, "COPY_BYTES": 2]),
    decode((1, 8, 16, 3), ["HEAD": 64, "ELEMENT": bfloat, "LENGTHS": 1]),
    decode((4, 8, 64, 2), ["HEAD": 128, "ELEMENT": half, "LIMIT_RIGHT": 1, "BIAS": 3]),
    decode((1, 8, 8, 2), ["HEAD": 96, "ELEMENT": single]),
  ]

  private func compiler(_ cache: KernelCache?) throws -> KernelCompiler {
    KernelCompiler(try #require(Toolkit.nvrtc), driver: nil, cache: cache)
  }

  @Test(arguments: forms) func attentionCompiles(_ form: Form) throws {
    let program = try form.kernels.program(macros: form.macros, architecture: form.architecture)
    let kernel = try compiler(nil).compile(program)
    #expect(kernel.image.starts(with: [0x7f] + Array("ELF".utf8)))
    var names = [form.kernels.rawValue]
    if form.kernels == .decode { names.append("attention_combine") }
    for name in names { #expect(Data(kernel.image).range(of: Data((name + "\0").utf8)) != nil, "\(name)") }
    // ptxas' words for products that wait for each other.
    for remark in ["C7510", "C7512", "C7514", "C7520"] { #expect(!kernel.log.contains(remark), "\(kernel.log)") }
  }

  private static let scaling = """
    extern "C" __global__ void scale(float *x) {
        x[threadIdx.x] *= FACTOR;
    }
    """

  private func scaling(_ factor: Int = 2, _ architecture: String = "sm_80") -> KernelProgram {
    KernelProgram(
      [KernelSource(name: "scale.cu", text: Self.scaling)], macros: ["FACTOR": factor, "OTHER": 1],
      architecture: architecture)
  }

  @Test func whatWasCompiledIsKept() throws {
    try withFolder { folder in
      let cache = KernelCache(folder: folder + "/a/b")
      let compiler = try compiler(cache)
      let first = try compiler.compile(scaling())
      let second = try compiler.compile(scaling())
      #expect(!first.isFromCache && second.isFromCache)
      #expect(first.image == second.image)
      #expect(try !compiler.compile(scaling(3)).isFromCache)
      #expect(try !compiler.compile(scaling(2, "sm_90")).isFromCache)
      let other = KernelCompiler(try #require(Toolkit.nvrtc), driver: CUDAVersion(13, 0), cache: cache)
      #expect(try !other.compile(scaling()).isFromCache)
      let files = try FileManager.default.contentsOfDirectory(atPath: cache.folder)
      #expect(files.count == 4 && files.allSatisfy { $0.hasSuffix(".cubin") }, "\(files)")
    }
  }

  @Test func aCacheThatCannotBeWrittenIsNoError() throws {
    let compiler = try compiler(KernelCache(folder: "/dev/null/cameo"))
    #expect(try !compiler.compile(scaling()).isFromCache)
  }

  @Test func aBrokenSourceGivesTheLogsLine() throws {
    let good = KernelSource(name: "first.cuh", text: "#define TWICE(x) ((x) + (x))\n")
    let broken = KernelSource(name: "broken.cu", text: "\n\n__global__ void f(int *x) { *x = nowhere; }\n")
    let program = KernelProgram([good, broken], macros: [:], architecture: "sm_80")
    let error = try #require(throws: CameoError.self) { try compiler(nil).compile(program) }
    #expect(error.kind == .badInput)
    let text = "\(error)"
    #expect(text.hasPrefix("kernel broken.cu: NVRTC "), "\(text)")
    #expect(text.contains("broken.cu(3)") && text.contains("\"nowhere\" is undefined"), "\(text)")
  }

  @Test func anArchitectureThatNVRTCDoesNotKnowIsUnsupported() throws {
    let error = try #require(throws: CameoError.self) { try compiler(nil).compile(scaling(2, "sm_1")) }
    #expect(error.kind == .unsupported)
    #expect("\(error)".contains("sm_1"), "\(error)")
  }
}
