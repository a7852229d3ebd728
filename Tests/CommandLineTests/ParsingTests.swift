import ArgumentParser
import Tensors
import Testing

@testable import CommandLineTool

@Suite struct ParsingTests {
  @Test func tensorSpecs() throws {
    let random = try #require(TensorSpec(argument: "image=random:1x3x224x224"))
    #expect(random.name == "image")
    #expect(random.shape == [1, 3, 224, 224])
    #expect(TensorSpec(argument: "x=random")?.shape == nil)
    #expect(TensorSpec(argument: "x=zeros:2x3")?.shape == [2, 3])
    #expect(TensorSpec(argument: "x=ones:scalar")?.shape == [])
    #expect(
      TensorSpec(argument: "x=random:batchx8")?.shape == [.symbol("batch")]
        || TensorSpec(argument: "x=random:batch,8")?.shape == [.symbol("batch"), 8])
    if case .int(let low, let high, let shape) = TensorSpec(argument: "ids=int:0:30522:1x128")?.source {
      #expect(low == 0 && high == 30522 && shape == [1, 128])
    } else {
      Issue.record("int:LOW:HIGH:SHAPE is not understood")
    }
    if case .value(let text) = TensorSpec(argument: "sr=value:16000")?.source {
      #expect(text == "16000")
    } else {
      Issue.record("value:X")
    }
    if case .file(let path) = TensorSpec(argument: "x=dir/a=b.npy")?.source {
      #expect(path == "dir/a=b.npy")
    } else {
      Issue.record("FILE")
    }
    for wrong in ["", "x", "=random", "x=", "x=int:5:2:3", "x=int:a:b", "x=random:-1x2", "x=zeros:2x3:4"] {
      #expect(TensorSpec(argument: wrong) == nil, "\(wrong)")
    }
  }

  @Test func dimensions() {
    #expect(DimBinding(argument: "batch=4")?.value == 4)
    #expect(DimBinding(argument: "a=b=2")?.symbol == "a=b")
    for wrong in ["batch", "=3", "batch=", "batch=-1", "batch=x"] { #expect(DimBinding(argument: wrong) == nil) }
    #expect(InputShape(argument: "image=1x3x8x8")?.shape == [1, 3, 8, 8])
    #expect(InputShape(argument: "image=N,3")?.shape == [.symbol("N"), 3])
    #expect(InputShape(argument: "image=1x-3") == nil)
  }

  @Test func assertions() throws {
    let assertion = try #require(CountAssertion(argument: "Attention>=6"))
    #expect(assertion.holds(in: ["Attention": 6]))
    #expect(!assertion.holds(in: ["Attention": 5]))
    #expect(!assertion.holds(in: [:]))
    #expect(try #require(CountAssertion(argument: "Softmax=0")).holds(in: [:]))
    #expect(try #require(CountAssertion(argument: "com.microsoft.Gelu == 2")).holds(in: ["com.microsoft.Gelu": 2]))
    #expect(CountAssertion(argument: "Attention") == nil)
    #expect(CountAssertion(argument: ">=3") == nil)
  }

  @Test func sizes() {
    #expect(MemoryLimit(argument: "512MiB")?.bytes == 512 << 20)
    #expect(MemoryLimit(argument: "4G")?.bytes == 4 << 30)
    #expect(MemoryLimit(argument: "1000")?.bytes == 1000)
    #expect(MemoryLimit(argument: "lots") == nil)
    #expect(MemoryLimit(argument: "0") == nil)
  }

  private func parse(_ arguments: String...) throws -> OptimizeCommand {
    try #require(try CameoCommand.parseAsRoot(arguments) as? OptimizeCommand)
  }

  @Test func optimize() throws {
    let plain = try parse("optimize", "m.onnx", "-o", "out.onnx")
    #expect(plain.verify)
    #expect(plain.level == nil)
    #expect(plain.explain == nil)
    let full = try parse(
      "optimize", "m.onnx", "-o", "out.onnx", "-O3", "--no-verify", "--report", "a.html", "--report", "a.json", "--dim",
      "batch=1",
      "--disable", "FuseGelu", "--explain", "FuseAttention", "--assert-count", "Attention>=1", "--input", "x=1x8")
    #expect(full.optimum == 3)
    #expect(!full.verify)
    #expect(full.report == ["a.html", "a.json"])
    #expect(full.explain == "FuseAttention")
    #expect(try parse("optimize", "m.onnx", "-o", "out.onnx", "--explain").explain == "")
    #expect(throws: (any Error).self) { try parse("optimize", "m.onnx", "-o", "o.onnx", "--level", "4") }
    #expect(throws: (any Error).self) { try parse("optimize", "m.onnx", "-o", "o.onnx", "--level", "1", "-O2") }
    #expect(throws: (any Error).self) { try parse("optimize", "m.onnx", "-o", "o.onnx", "--report", "a.txt") }
  }

  @Test func seededTensorsAreTheSameEverywhere() throws {
    let a = try TensorFactory.make(.random(nil), .float, [64], seed: 7, stream: 0)
    let b = try TensorFactory.make(.random(nil), .float, [64], seed: 7, stream: 0)
    let c = try TensorFactory.make(.random(nil), .float, [64], seed: 8, stream: 0)
    #expect(a.isIdentical(to: b))
    #expect(!a.isIdentical(to: c))
    let ids = try TensorFactory.make(.int(low: 5, high: 9, nil), .int64, [1000], seed: 0, stream: 1).elements(
      as: Int64.self)
    #expect(Set(ids) == [5, 6, 7, 8])
    #expect(try TensorFactory.make(.value("16000"), .int64, [], seed: 0, stream: 0).scalar(as: Int64.self) == 16000)
    #expect(throws: CameoError.self) { try TensorFactory.make(.value("x"), .float, [], seed: 0, stream: 0) }
  }
}
