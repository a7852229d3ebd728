import Foundation
import TestSupport
import Testing

@testable import CUDAProvider

/// Without a device: that the product kernels compile for Ampere and Hopper, in forms that cover their macros.
@Suite(.enabled(if: Toolkit.isThere, "NVRTC is not there: Tools/setup models installs it"))
struct ProductProgramTests {
  struct Form: Sendable, CustomTestStringConvertible {
    let functions: [String]
    let files: [String]
    let macros: [String: Int]
    var architectures = ["sm_80", "sm_90a"]
    var testDescription: String {
      "\(functions[0]) \(macros.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })"
    }
  }

  private static func form(
    _ functions: String..., files: String..., macros: [String: Int], only: String? = nil
  ) -> Form {
    Form(
      functions: functions, files: ["elements.cuh", "product.cuh"] + files, macros: macros,
      architectures: only.map { [$0] } ?? ["sm_80", "sm_90a"])
  }

  private static func mma(_ element: Int, _ turns: Int, _ copies: (Int, Int), _ splits: Int, _ others: [String: Int])
    -> Form
  {
    form(
      "product_mma", "product_join", files: "product_tiles.cuh", "product_mma.cu",
      macros: others.merging([
        "ELEMENT": element, "A_TURNED": turns & 1, "B_TURNED": turns >> 1, "ROWS": 64, "COLUMNS": 64, "WARPS_M": 2,
        "WARPS_N": 2, "DEPTH": 32, "STAGES": 4, "COPY_A": copies.0, "COPY_B": copies.1, "SPLITS": splits,
      ]) { $1 })
  }

  private static func integer(_ signs: Int, _ result: Int, _ z: Int, _ folds: Int, _ copy: Int) -> Form {
    form(
      "integer_mma", files: "product_tiles.cuh", "integer_finish.cuh", "integer_mma.cu",
      macros: [
        "A_SIGNED": signs & 1, "B_SIGNED": signs >> 1, "RESULT": result, "Z": z, "FOLDS": folds, "ACTIVATION": 5,
        "ROWS": 16, "COLUMNS": 64, "WARPS_M": 1, "WARPS_N": 4, "DEPTH": 128, "STAGES": 4, "COPY_A": copy, "COPY_B": 16,
      ])
  }

  private static func wgmma(_ signs: Int, _ result: Int, _ z: Int, _ folds: Int) -> Form {
    form(
      "integer_wgmma", files: "product_tiles.cuh", "bulk_copy.cuh", "wgmma.cuh", "wgmma_tile.cuh", "integer_finish.cuh",
      "integer_wgmma.cu",
      macros: [
        "A_SIGNED": signs & 1, "B_SIGNED": signs >> 1, "RESULT": result, "Z": z, "FOLDS": folds, "ACTIVATION": 5,
        "ELEMENT": 4, "STAGES": 3,
      ], only: "sm_90a")
  }

  private static func block(_ x: Int, _ bits: Int, book: Int = 0, zeros: Int = 0, scale: Int = 1) -> Form {
    form(
      "block_skinny", files: "block_skinny.cu",
      macros: [
        "X": x, "BITS": bits, "BOOK": book, "MIDDLE": 8, "ZEROS": zeros, "SCALE": scale, "GROUPS": 2, "WARPS": 8,
        "RESULT": x, "ADDEND": 1,
      ])
  }

  static let forms = [
    mma(2, 0, (16, 16), 1, ["RESULT": 2, "ADDEND": 1, "ACTIVATION": 5]), mma(2, 3, (2, 4), 1, ["RESULT": 1]),
    mma(3, 1, (8, 16), 4, ["RESULT": 3, "ADDEND": 3, "ACTIVATION": 9]), mma(1, 2, (16, 4), 1, ["ACTIVATION": 8]),
    mma(1, 1, (16, 8), 2, ["RESULT": 2, "ACTIVATION": 3]),
    form(
      "product_simple", files: "product_simple.cu",
      macros: ["A": 1, "B": 2, "SUM": 1, "RESULT": 3, "A_TURNED": 0, "B_TURNED": 1, "WIDE": 1, "ADDEND": 1]),
    form(
      "product_simple", files: "product_simple.cu",
      macros: ["A": 8, "B": 8, "SUM": 8, "RESULT": 8, "A_TURNED": 1, "B_TURNED": 0]),
    form(
      "product_simple", files: "product_simple.cu",
      macros: ["A": 4, "B": 4, "SUM": 4, "RESULT": 4, "A_TURNED": 0, "B_TURNED": 0, "ADDEND": 4]),
    form(
      "product_finish", "product_cast", files: "product_finish.cu",
      macros: ["SUM": 2, "RESULT": 2, "ADDEND": 1, "ACTIVATION": 5]),
    form("product_turn", files: "product_turn.cu", macros: ["SUM": 1, "RESULT": 3]),
    form("skinny", files: "skinny.cu", macros: ["ELEMENT": 1, "GROUPS": 4, "WARPS": 8, "ACTIVATION": 1]),
    form("skinny", files: "skinny.cu", macros: ["ELEMENT": 2, "RESULT": 2, "GROUPS": 2, "WARPS": 16, "ADDEND": 1]),
    form("skinny", files: "skinny.cu", macros: ["ELEMENT": 3, "RESULT": 1, "GROUPS": 1, "WARPS": 4]),
    block(1, 4), block(2, 4, zeros: 1, scale: 2), block(3, 8), block(2, 4, book: 1), block(1, 8, zeros: 1),
    form(
      "block_unpack", files: "block_unpack.cu",
      macros: ["BITS": 4, "BOOK": 1, "MIDDLE": 0, "ZEROS": 0, "SCALE": 1, "RESULT": 2]),
    form(
      "block_unpack", files: "block_unpack.cu",
      macros: ["BITS": 8, "BOOK": 0, "MIDDLE": 0, "ZEROS": 1, "SCALE": 2, "RESULT": 1]),
    form(
      "block_gather", files: "block_gather.cu",
      macros: ["BITS": 2, "SIGNED": 0, "WIDE": 1, "ZEROS": 1, "MIDDLE": 2, "SCALE": 2, "RESULT": 2]),
    integer(0, 10, 10, 1, 16), integer(1, 9, 9, 0, 1), integer(2, 1, 1, 0, 4), integer(3, 5, 0, 1, 2),
    form("integer_turn", "integer_sums", files: "integer_forms.cu", macros: ["IS_SIGNED": 1, "TURNED": 1]),
    form(
      "product_wgmma", files: "product_tiles.cuh", "bulk_copy.cuh", "wgmma.cuh", "wgmma_tile.cuh", "product_wgmma.cu",
      macros: ["ELEMENT": 1, "RESULT": 3, "STAGES": 3, "ADDEND": 1, "ACTIVATION": 5], only: "sm_90a"),
    wgmma(0, 10, 10, 1), wgmma(1, 9, 9, 0), wgmma(2, 1, 1, 0), wgmma(3, 5, 0, 1),
  ]

  @Test(arguments: forms) func compiles(_ form: Form) throws {
    let compiler = KernelCompiler(try #require(Toolkit.nvrtc), driver: nil, cache: nil)
    for architecture in form.architectures {
      let program = KernelProgram(
        try form.files.map { try KernelSource.embedded($0) }, macros: form.macros, architecture: architecture)
      let kernel = try compiler.compile(program)
      for name in form.functions {
        #expect(Data(kernel.image).range(of: Data((name + "\0").utf8)) != nil, "\(name) for \(architecture)")
      }
      // ptxas' words for products that wait for each other.
      for remark in ["C7510", "C7512", "C7514", "C7520"] { #expect(!kernel.log.contains(remark), "\(kernel.log)") }
    }
  }
}
