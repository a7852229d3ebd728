import Foundation
import TestSupport
import Testing

@testable import CUDAProvider

/// Without a device: that the convolutions' kernels compile, in the forms that their makers ask for, and spill nothing.
@Suite(.enabled(if: Toolkit.isThere, "NVRTC is not there: Tools/setup models installs it"))
struct ConvProgramTests {
  struct Form: Sendable, CustomTestStringConvertible {
    let function: String
    let files: [String]
    let architecture: String
    let macros: [String: Int]

    var testDescription: String {
      let words = macros.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      return "\(function) \(architecture) \(words.joined(separator: " "))"
    }
  }

  private static func product(_ tile: ConvTile, _ architecture: String, _ macros: [String: Int]) -> Form {
    let all = [
      "BM": tile.m, "BN": tile.n, "WARPS_M": tile.warpsM, "WARPS_N": tile.warpsN, "STAGES": tile.stages,
      "SPLITS": tile.splits, "WGMMA": tile.isWarpgroup ? 1 : 0, "ELEMENT": 0, "OUT": 0, "ADDED": 0, "ACTIVATION": 1,
    ]
    let files =
      ["conv_copy.cuh"] + (tile.isWarpgroup ? ["wgmma.cuh"] : []) + ["conv_sums.cuh", "conv_store.cuh", "conv_mma.cu"]
    return Form(
      function: "conv_mma", files: files, architecture: architecture, macros: all.merging(macros) { $1 })
  }

  private static func form(_ function: String, _ files: [String], _ macros: [String: Int]) -> Form {
    Form(function: function, files: files, architecture: "sm_80", macros: macros)
  }

  static let forms = [
    product(ConvTile(64, 64, 4, 1, 4, splits: 4, isWarpgroup: true), "sm_90a", [:]),
    product(ConvTile(128, 128, 8, 1, 3, isWarpgroup: true), "sm_90a", ["ELEMENT": 1, "OUT": 2, "ADDED": 1]),
    product(ConvTile(128, 64, 8, 1, 4, isWarpgroup: true), "sm_90a", ["ACTIVATION": 5, "VOLUME": 1]),
    product(ConvTile(64, 32, 4, 1, 5, isWarpgroup: true), "sm_90a", ["ACTIVATION": 9]),
    product(ConvTile(64, 64, 2, 2, 4, splits: 8), "sm_90", ["ELEMENT": 2, "EXACT": 1, "OUT": 2, "ADDED": 2]),
    product(ConvTile(128, 128, 2, 4, 3), "sm_80", ["ELEMENT": 2, "OUT": 2, "ADDED": 2, "ACTIVATION": 8]),
    product(ConvTile(64, 32, 2, 2, 4), "sm_80", ["ELEMENT": 1, "VOLUME": 1, "ACTIVATION": 11]),
    form("conv_image", ["conv_prepare.cu"], ["IN": 2, "ELEMENT": 0]),
    form("conv_image", ["conv_prepare.cu"], ["IN": 3, "ELEMENT": 3]),
    form("conv_filters", ["conv_prepare.cu"], ["IN": 0, "ELEMENT": 2]),
    form("conv_direct", ["conv_direct.cu"], ["IN": 2, "FILTER": 0, "OUT": 1, "ADDED": 2, "ACTIVATION": 4]),
    form(
      "conv_depthwise", ["conv_depthwise.cu"],
      ["ELEMENT": 0, "OUT": 0, "ADDED": 0, "ACTIVATION": 1, "KERNEL_W": 7, "STRIDE_W": 2, "WIDTH": 2]),
    form(
      "conv_integer", ["conv_copy.cuh", "conv_integer_finish.cuh", "conv_integer.cu"],
      ["BM": 128, "BN": 128, "WARPS_M": 2, "WARPS_N": 4, "STAGES": 3, "ELEMENT": 3, "ACTIVATION": 1]),
    form("conv_integer_direct", ["conv_integer_finish.cuh", "conv_integer_direct.cu"], ["ACTIVATION": 0]),
  ]

  @Test(arguments: forms) func compiles(_ form: Form) throws {
    let compiler = KernelCompiler(try #require(Toolkit.nvrtc), driver: nil, cache: nil)
    let program = KernelProgram(
      try (ConvTask.files + form.files).map { try KernelSource.embedded($0) }, macros: form.macros,
      architecture: form.architecture)
    let kernel = try compiler.compile(program)
    #expect(Data(kernel.image).range(of: Data((form.function + "\0").utf8)) != nil)
    // ptxas' words for products that wait for each other.
    for remark in ["C7510", "C7512", "C7514", "C7520"] { #expect(!kernel.log.contains(remark), "\(kernel.log)") }
  }
}
