import Foundation
import GraphIR
import Tensors
import TestSupport
import Testing

@testable import CUDAProvider

/// Without a device: that element-wise programs and the kernels that move elements compile.
@Suite(.enabled(if: Toolkit.isThere, "NVRTC is not there: Tools/setup models installs it"))
struct ElementwiseCompileTests {
  static let architectures = ["sm_80", "sm_90a"]

  private func compile(_ program: KernelProgram, _ names: [String]) throws {
    let compiler = KernelCompiler(try #require(Toolkit.nvrtc), driver: nil, cache: nil)
    let kernel = try compiler.compile(program)
    for name in names { #expect(Data(kernel.image).range(of: Data((name + "\0").utf8)) != nil, "\(name)") }
    #expect(!kernel.log.contains("error"), "\(kernel.log)")
  }

  private func compile(
    _ program: ElementwiseProgram, over shape: [Int], _ shapes: [[Int]], vectors: Int = 1, _ architecture: String
  ) throws {
    let source = ElementwiseSource(
      program: program, layout: try ElementwiseLayout(program, over: shape, shapes))
    try compile(
      try program.program(source.kernel(vectors: vectors), "elementwise.cu", architecture: architecture),
      ["elementwise"])
  }

  /// Every operator that takes the type, each with a result of its own: one program.
  @Test(
    arguments: [DataType.float, .float16, .double, .int8, .int32, .int64, .uint8, .uint32, .uint64, .bool],
    architectures)
  func operatorsCompile(_ type: DataType, _ architecture: String) throws {
    var program = ElementwiseProgram()
    let values = [try program.input(type), try program.input(type)]
    let condition = try program.input(.bool)
    var known: Set<String> = []
    let attributes: [String: [NamedAttribute]] = [
      "BitShift": [NamedAttribute("direction", .string("LEFT"))],
      "Gelu": [NamedAttribute("approximate", .string("tanh"))],
      "Mod": [NamedAttribute("fmod", .int(type.isFloatingPoint ? 1 : 0))],
    ]
    for name in ElementwiseOperators.names.sorted() where !["QuantizeLinear", "DequantizeLinear"].contains(name) {
      let node = ElementwiseProgramTests.node(name, attributes[name] ?? [])
      let isUnary =
        ElementwiseOperators.functions[name].map { !$0.contains("%1") } ?? ElementwiseOperators.numbers[name].map {
          !$0.contains("%1")
        } ?? ["BitwiseNot", "Not", "IsNaN", "IsInf", "Cast", "CastLike", "Gelu", "Identity"].contains(name)
      let operands = name == "Where" ? [condition] + values : isUnary ? [values[0]] : values
      for target in name == "Cast" ? [DataType.float, .bfloat16, .int64, .uint8, .bool] : [type] {
        guard let value = try? ElementwiseOperators.emit(node, operands, to: target, in: &program) else { continue }
        try program.store(value, as: name == "Cast" ? target : value.type)
        known.insert(name)
      }
    }
    let least = type == .bool ? 8 : type.isFloatingPoint ? 50 : 25
    #expect(known.count >= least, "\(known.sorted())")
    try compile(program, over: [1000], [[1000], [1000], [1000]], architecture)
  }

  @Test(arguments: architectures) func layoutsCompile(_ architecture: String) throws {
    let types: [DataType] = [.float16, .float, .bfloat16]
    let program = try ElementwiseProgramTests.sum(types, constant: 2, to: .float16)
    for (shape, shapes) in [
      ([4, 8, 64], [[4, 8, 64], [64], []]), ([2, 24, 7, 7], [[2, 24, 7, 7], [24, 1, 1], [1]]),
      ([5, 6, 7], [[5, 1, 7], [6, 1], [5, 6, 7]]), ([9, 197], [[9, 197], [197], [9, 1]]),
    ] { try compile(program, over: shape, shapes, vectors: 2, architecture) }
  }

  @Test(arguments: architectures) func quantizationCompiles(_ architecture: String) throws {
    var program = ElementwiseProgram()
    let (x, scale, zero) = (try program.input(.float), try program.input(.float), try program.input(.int8))
    for precision in [nil, DataType.float16, .bfloat16, .double] {
      let code = try ElementwiseOperators.quantize([x, scale, zero], precision: precision, to: .int8, in: &program)
      try program.store(code, as: .int8)
      let node = ElementwiseProgramTests.node("DequantizeLinear")
      try program.store(
        try ElementwiseOperators.emit(node, [code, scale, zero], to: .float, in: &program), as: .float16)
    }
    try compile(program, over: [4, 10, 6], [[4, 10, 6], [10, 1], [10, 1]], architecture)
  }

  @Test(arguments: ElementwiseReduction.known.keys.sorted()) func reductionsCompile(_ name: String) throws {
    let program = try ElementwiseProgramTests.sum([.float16, .float], to: .float16)
    for threads in [1, 8, 32, 256] {
      let layout = try ElementwiseLayout(program, over: [40, 48], [[40, 48], [48]], inner: 48)
      let reduction = try #require(ElementwiseReduction.known[name])
      let text = reduction.kernels(ElementwiseSource(program: program, layout: layout), threads: threads)
      try compile(
        try program.program(text, "elementwise.cu", architecture: threads == 8 ? "sm_90a" : "sm_80"),
        ["reduce_rows", "finish_rows"])
    }
  }

  struct Form: Sendable, CustomTestStringConvertible {
    let file: String
    let macros: [String: Int]
    let names: [String]
    init(_ file: String, _ macros: [String: Int], _ names: [String]) {
      (self.file, self.macros, self.names) = (file, macros, names)
    }
    var testDescription: String { "\(file) \(macros.sorted { $0.key < $1.key })" }
  }

  static let forms: [Form] = {
    var forms: [Form] = []
    for width in [1, 2, 4, 8, 16] {
      forms.append(Form("strided_copy.cu", ["WIDTH": width, "RANK": 3, "UNITS": 4], ["strided_copy"]))
      forms.append(Form("copy_parts.cu", ["WIDTH": width, "PARTS": 4, "UNITS": 4], ["copy_parts"]))
      for vector in Set([1, 16 / width]) {
        let macros = ["WIDTH": width, "RANK": 1, "FROM_VECTOR": vector, "TO_VECTOR": vector]
        forms.append(Form("transpose.cu", macros, ["transpose"]))
      }
      let gathers = ["gather", "gather_elements", "gather_nd"]
      forms.append(Form("gather.cu", ["WIDTH": width, "RANK": 2, "DEPTH": 1, "UNITS": 1], gathers))
      forms.append(Form("reverse_sequence.cu", ["WIDTH": width], ["reverse_sequence"]))
    }
    for mode in 0..<4 {
      forms.append(Form("pad.cu", ["WIDTH": 2, "RANK": 2, "MODE": mode, "UNITS": 4, "VECTOR": 4], ["pad"]))
    }
    for (element, reduction) in [(0, 0), (1, 1), (16, 2), (10, 3), (7, 4), (3, 1), (13, 2)] {
      let macros = ["WIDTH": 2, "RANK": 2, "DEPTH": 2, "ELEMENT": element, "REDUCTION": reduction]
      forms.append(Form("scatter.cu", macros, ["scatter_elements", "scatter_nd"]))
    }
    for element in 0..<3 {
      forms.append(Form("dynamic_quantize.cu", ["ELEMENT": element], ["dynamic_range", "dynamic_quantize"]))
    }
    return forms
  }()

  @Test(arguments: forms, architectures) func movementCompiles(_ form: Form, _ architecture: String) throws {
    let headers = ["elements.cuh", "division.cuh"] + (form.file == "dynamic_quantize.cu" ? ["elementwise.cuh"] : [])
    let more = form.file == "dynamic_quantize.cu" ? [] : ["units.cuh"]
    let files = headers + (form.file == "scatter.cu" ? ["elementwise.cuh"] : []) + more + [form.file]
    try compile(
      KernelProgram(try files.map { try KernelSource.embedded($0) }, macros: form.macros, architecture: architecture),
      form.names)
  }
}
