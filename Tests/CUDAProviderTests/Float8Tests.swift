import GraphIR
import InferenceRuntime
import Tensors
import TestSupport
import Testing

@testable import CUDAProvider

/// 8-bit floats on the device, without one: what is compiled for Ampere, which converts by arithmetic, and for Hopper, which has instructions.
@Suite(.enabled(if: Toolkit.isThere, "NVRTC is not there: Tools/setup models installs it"))
struct Float8Tests {
  private static func form(
    _ functions: String..., files: String..., macros: [String: Int], only: String? = nil
  ) -> ProductProgramTests.Form {
    ProductProgramTests.Form(
      functions: functions, files: ["elements.cuh", "product.cuh"] + files, macros: macros,
      architectures: only.map { [$0] } ?? ["sm_80", "sm_90a"])
  }

  static let forms = [
    form("product_cast", files: "product_finish.cu", macros: ["SUM": 11, "RESULT": 2]),
    form("product_cast", files: "product_finish.cu", macros: ["SUM": 12, "RESULT": 2]),
    form("product_turn", files: "product_turn.cu", macros: ["SUM": 11, "RESULT": 11]),
    form("product_turn", files: "product_turn.cu", macros: ["SUM": 12, "RESULT": 12]),
    form("product_turn", files: "product_turn.cu", macros: ["SUM": 11, "RESULT": 2]),
    form(
      "product_finish", files: "product_finish.cu",
      macros: ["SUM": 1, "RESULT": 3, "ADDEND": 1, "RESIDUAL": 3, "ACTIVATION": 5, "LEFT_SCALE": 1, "RIGHT_SCALE": 1]),
    form(
      "product_finish", files: "product_finish.cu", macros: ["SUM": 1, "RESULT": 1, "RIGHT_SCALE": 2]),
    form(
      "skinny", files: "skinny.cu",
      macros: ["ELEMENT": 2, "RESULT": 2, "GROUPS": 1, "WARPS": 8, "ADDEND": 1, "RIGHT_SCALE": 1]),
    form(
      "product_mma", "product_join", files: "product_tiles.cuh", "product_mma.cu",
      macros: [
        "ELEMENT": 2, "A_TURNED": 0, "B_TURNED": 1, "ROWS": 64, "COLUMNS": 64, "WARPS_M": 2, "WARPS_N": 2, "DEPTH": 32,
        "STAGES": 4, "COPY_A": 16, "COPY_B": 16, "SPLITS": 4, "RESULT": 1, "LEFT_SCALE": 1, "ACTIVATION": 1,
      ]),
    form(
      "product_wgmma", files: "product_tiles.cuh", "bulk_copy.cuh", "wgmma.cuh", "wgmma_tile.cuh", "product_wgmma.cu",
      macros: ["ELEMENT": 0, "RESULT": 2, "STAGES": 3, "ADDEND": 1, "RIGHT_SCALE": 1], only: "sm_90a"),
  ]

  /// wgmma of 8-bit floats, both kinds on both sides.
  static let hopper = (0..<4).map { kinds in
    form(
      "product_wgmma", files: "product_tiles.cuh", "bulk_copy.cuh", "wgmma.cuh", "wgmma_tile.cuh", "product_wgmma.cu",
      macros: [
        "ELEMENT": 5, "A_E5M2": kinds & 1, "B_E5M2": kinds >> 1, "RESULT": kinds % 3 + 1, "STAGES": 3, "ADDEND": 1,
        "ACTIVATION": 5, "RIGHT_SCALE": kinds % 2,
      ], only: "sm_90a")
  }

  @Test(arguments: forms + hopper) func productsCompile(_ form: ProductProgramTests.Form) throws {
    try ProductProgramTests().compiles(form)
  }

  /// QuantizeLinear, DequantizeLinear and Cast, rounded to nearest even, saturated or not.
  @Test(arguments: [DataType.float8e4m3fn, .float8e5m2], ["sm_80", "sm_90a"])
  func conversionsCompile(_ type: DataType, _ architecture: String) throws {
    var program = ElementwiseProgram()
    let (x, scale, zero) = (try program.input(.float), try program.input(.float), try program.input(type))
    #expect(zero.type == .float)
    for precision in [nil, DataType.float16, .bfloat16] {
      for saturates in [true, false] {
        let code = try ElementwiseOperators.quantize(
          [x, scale, zero], precision: precision, to: type, saturates: saturates, in: &program)
        try program.store(code, as: type)
        let node = ElementwiseProgramTests.node("DequantizeLinear")
        try program.store(
          try ElementwiseOperators.emit(node, [code, scale, zero], to: .float, in: &program), as: .float16)
      }
    }
    let cast = ElementwiseProgramTests.node("Cast", [NamedAttribute("saturate", .int(0))])
    try program.store(try ElementwiseOperators.emit(cast, [x], to: type, in: &program), as: type)
    try program.store(try ElementwiseOperators.emit(cast, [zero], to: .float16, in: &program), as: .float16)
    let layout = try ElementwiseLayout(program, over: [4, 10, 6], [[4, 10, 6], [10, 1], [10, 1]])
    let text = ElementwiseSource(program: program, layout: layout).kernel(vectors: 1)
    #expect(text.contains(type == .float8e4m3fn ? "e_quantize_e4m3(x0, x1, false)" : "e_quantize_e5m2(x0, x1, false)"))
    let compiler = KernelCompiler(try #require(Toolkit.nvrtc), driver: nil, cache: nil)
    let kernel = try compiler.compile(try program.program(text, "elementwise.cu", architecture: architecture))
    #expect(!kernel.log.contains("error"), "\(kernel.log)")
  }

  @Test func otherKindsAreRefused() throws {
    var program = ElementwiseProgram()
    #expect(throws: Refusal.self) { try program.input(.float8e4m3fnuz) }
    let (x, scale) = (try program.input(.int32), try program.input(.float))
    #expect(throws: Refusal.self) {
      try ElementwiseOperators.quantize([x, scale], precision: nil, to: .float8e4m3fn, in: &program)
    }
  }

  @Test func capabilitiesAreTold() {
    for (version, knows) in [((8, 0), false), ((8, 6), false), ((8, 9), true), ((9, 0), true), ((12, 0), true)] {
      #expect(Float8ProductKernels.knowsFloat8(CUDAVersion(version.0, version.1)) == knows)
    }
  }
}
