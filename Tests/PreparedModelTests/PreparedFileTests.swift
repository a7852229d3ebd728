import Foundation
import TestSupport
import Testing

@testable import Cameo

/// A prepared model computes what the ordinary one does, packs nothing and runs no pass.
@Suite struct PreparedFileTests {
  static let samples: [(name: String, text: String)] = [
    ("product", Sample.product), ("convolution", Sample.convolution), ("transposed", Sample.transposed),
    ("recurrence", Sample.recurrence), ("integers", Sample.integers),
  ]

  @Test(arguments: samples.map(\.name)) func mappedWeightsGiveTheSameBits(_ name: String) throws {
    try withFolder { folder in
      let text = try #require(Self.samples.first { $0.name == name }).text
      let file = try PreparedFile(contentsOf: try Sample.prepare(text, in: folder))
      #expect(file.isReady && file.note == nil, "\(file.note ?? "")")
      let (mapped, packed) = (try Sample.session(file), try Sample.session(file, usingPacks: false))
      for seed: UInt64 in [1, 2] {
        let inputs = try Sample.inputs(file.model, seed: seed)
        #expect(Sample.sameBits(try mapped.run(values: inputs), try packed.run(values: inputs)))
      }
      #expect(mapped.packedBytes > 0)
      #expect(mapped.mappedPackedBytes == mapped.packedBytes)
      #expect(packed.mappedPackedBytes == 0 && packed.packedBytes == mapped.packedBytes)
      // And what the model computed before anybody prepared it.
      let source = try Sample.model(text)
      let inputs = try Sample.inputs(source)
      let expected = try Session(source, providers: [ReferenceProvider()]).run(values: inputs)
      for (output, value) in try mapped.run(values: inputs) {
        #expect(Closeness.between(try #require(expected[output]), value).maxRel < 1e-4)
      }
    }
  }

  @Test func noPassRunsAndEveryFusionIsThere() throws {
    try withFolder { folder in
      let optimized = try Sample.optimized(
        """
        g (float[N, 64] x) => (float[N, 64] y) <\(Sample.weight("w", [64, 64]))> {
          a = Exp (x)
          b = Abs (x)
          c = Add (a, b)
          d = Sqrt (c)
          h = MatMul (d, w)
          y = Mul (h, x)
        }
        """)
      #expect(optimized.graph.operatorCounts["ai.cameo.FusedElementwise"] ?? 0 > 0)
      let path = "\(folder)/m.onnx"
      try PreparedFile.write(optimized, to: path)
      let file = try PreparedFile(contentsOf: path)
      #expect(file.isReady, "\(file.note ?? "")")
      #expect(file.model.graph.operatorCounts == optimized.graph.operatorCounts)
      #expect(file.model.functions.isEmpty)
      try file.model.graph.verify()
      let session = try Session(path: path)
      #expect(Set(session.plans.flatMap { $0.assignments.map(\.provider) }).isSubset(of: ["cpu", "plan"]))
      let inputs = try Sample.inputs(optimized)
      let expected = try Session(optimized, providers: [CPUProvider()]).run(values: inputs)
      #expect(Sample.sameBits(try session.run(values: inputs), expected))
      #expect(session.plans.allSatisfy { $0.assignments.allSatisfy { $0.provider != "reference" } })
    }
  }

  @Test func otherShapesFindTheFormsThatTheyShare() throws {
    try withFolder { folder in
      let path = try Sample.prepare(Sample.product, in: folder) { $0.bindings = [["N": 5]] }
      let file = try PreparedFile(contentsOf: path)
      let (mapped, packed) = (try Sample.session(file), try Sample.session(file, usingPacks: false))
      for rows in [1, 2, 5, 33] {
        let x = Value.tensor(try .of((0..<rows * 64).map { Float($0 % 17) - 8 }, .float, shape: [rows, 64]))
        #expect(Sample.sameBits(try mapped.run(values: ["x": x]), try packed.run(values: ["x": x])))
      }
      #expect(mapped.mappedPackedBytes == mapped.packedBytes)
    }
  }

  @Test(arguments: ["product", "convolution"]) func eachPrecisionHasFormsOfItsOwn(_ name: String) throws {
    try withFolder { folder in
      let text = try #require(Self.samples.first { $0.name == name }).text
      let path = try Sample.prepare(text, in: folder) { $0.precision = .bf16 }
      let file = try PreparedFile(contentsOf: path)
      let inputs = try Sample.inputs(file.model)
      for precision in [Precision.bf16, .fp32] {
        let mapped = try Sample.session(file, precision: precision)
        let packed = try Sample.session(file, usingPacks: false, precision: precision)
        #expect(Sample.sameBits(try mapped.run(values: inputs), try packed.run(values: inputs)))
        #expect(mapped.packedBytes == packed.packedBytes && mapped.packedBytes > 0)
        if precision == .bf16 { #expect(mapped.mappedPackedBytes == mapped.packedBytes) }
        if name == "product", precision == .fp32 { #expect(mapped.mappedPackedBytes == 0) }
      }
    }
  }

  @Test func bothBranchesAndBodiesAreMapped() throws {
    try withFolder { folder in
      let file = try PreparedFile(contentsOf: try Sample.prepare(Sample.branches, in: folder))
      let (mapped, packed) = (try Sample.session(file), try Sample.session(file, usingPacks: false))
      for choice in [0, 1] {
        let inputs = try Sample.inputs(file.model).merging(
          ["c": .tensor(try .of([Int64(choice)], .bool, shape: []))], uniquingKeysWith: { $1 })
        #expect(Sample.sameBits(try mapped.run(values: inputs), try packed.run(values: inputs)))
      }
      #expect(mapped.packedBytes > 0 && mapped.mappedPackedBytes == mapped.packedBytes)
    }
    try withFolder { folder in
      let file = try PreparedFile(contentsOf: try Sample.prepare(Sample.loop, in: folder))
      let (mapped, packed) = (try Sample.session(file), try Sample.session(file, usingPacks: false))
      let inputs = try Sample.inputs(file.model).merging(
        ["n": .tensor(try .of([Int64(3)], .int64, shape: []))], uniquingKeysWith: { $1 })
      #expect(Sample.sameBits(try mapped.run(values: inputs), try packed.run(values: inputs)))
      #expect(mapped.packedBytes > 0 && mapped.mappedPackedBytes == mapped.packedBytes)
    }
  }

  @Test func oneModelGivesTheSameFilesEachTime() throws {
    try withFolder { folder in
      for name in ["a", "b"] {
        try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: false)
        try Sample.prepare(Sample.convolution, in: "\(folder)/\(name)") { $0.threads = name == "a" ? 1 : 2 }
      }
      for file in ["m.onnx", "m.onnx.packed"] {
        #expect(try Sample.read("\(folder)/a/\(file)") == Sample.read("\(folder)/b/\(file)"))
      }
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: "\(folder)/a").sorted() == ["m.onnx", "m.onnx.packed"])
    }
  }

  @Test func dataBesideTheModelIsFound() throws {
    try withFolder { folder in
      let path = try Sample.prepare(Sample.product, in: folder) { $0.export.externalData = .beside }
      #expect(FileManager.default.fileExists(atPath: path + ".data"))
      let file = try PreparedFile(contentsOf: path)
      #expect(file.isReady, "\(file.note ?? "")")
      let session = try Sample.session(file)
      let inputs = try Sample.inputs(file.model)
      #expect(
        Sample.sameBits(
          try session.run(values: inputs), try Sample.session(file, usingPacks: false).run(values: inputs)))
      #expect(session.packedBytes > 0 && session.mappedPackedBytes == session.packedBytes)
    }
  }

  @Test func theSourceMayBeTheDestination() throws {
    try withFolder { folder in
      let path = "\(folder)/m.onnx"
      try Sample.model(Sample.product).write(to: path)
      let inputs = try Sample.inputs(Sample.model(Sample.product))
      let expected = try Session(path: path).run(values: inputs)
      for _ in 0..<2 {
        var options = OptimizationOptions()
        (options.level, options.target) = (3, .cameo)
        let model = try Optimizer(options: options).optimize(Model(contentsOf: path)).model
        #expect(!model.metadata.contains { $0.key == PreparedFile.metadataKey })
        try PreparedFile.write(model, to: path)
      }
      let session = try Session(path: path)
      #expect(Sample.sameBits(try session.run(values: inputs), expected))
      #expect(session.mappedPackedBytes == session.packedBytes)
    }
  }

  @Test func anErrorLeavesBothFilesAsTheyWere() throws {
    try withFolder { folder in
      let path = "\(folder)/m.onnx"
      try Sample.write([1, 2, 3], path)
      try FileManager.default.createDirectory(atPath: path + ".packed", withIntermediateDirectories: false)
      #expect(throws: CameoError.self) { try Sample.prepare(Sample.product, in: folder) }
      #expect(try Sample.read(path) == [1, 2, 3])
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["m.onnx", "m.onnx.packed"])
      #expect(throws: CameoError.self) { try PreparedFile.write(Sample.optimized(Sample.product), to: "/dev/null") }
    }
  }

  /// What a provider calls its forms is its own affair.
  private struct Doubling: ExecutionProvider {
    let name = "doubling"
    var packing: String? = "by two"

    func prepare(_ request: KernelRequest) throws -> PreparedKernel {
      guard request.node.type.hasSuffix("MatMul"), let weights = request.input(1)?.constant else {
        throw Refusal("another")
      }
      let form = try request.packed(weights, "anything: \u{e9} at all", byteCount: weights.byteCount) { target in
        let (from, to) = (weights.baseAddress, target.assumingMemoryBound(to: Float.self))
        for index in 0..<weights.count { to[index] = 2 * from.loadUnaligned(fromByteOffset: 4 * index, as: Float.self) }
      }
      let own = try request.packed(weights, "made each time") {
        let made = try TensorStorage(byteCount: 4)
        made.base.storeBytes(of: 3, as: Float.self)
        return made
      }
      let count = request.outputs[0]?.count ?? 0
      return PreparedKernel(
        SerialKernel("doubling") { call in
          let out = call.output().assumingMemoryBound(to: Float.self)
          let (first, scale) = (form.base.load(as: Float.self), own.base.load(as: Float.self))
          for index in 0..<count { out[index] = first * scale }
        })
    }
  }

  @Test func aFormThatNothingListsIsKeptToo() throws {
    try withFolder { folder in
      let path = try Sample.prepare(Sample.product, in: folder) { $0.providers = [Doubling()] }
      let file = try PreparedFile(contentsOf: path, providers: [Doubling()])
      #expect(file.isReady, "\(file.note ?? "")")
      let session = try Sample.session(file, providers: [Doubling()])
      let inputs = try Sample.inputs(file.model)
      #expect(
        Sample.sameBits(
          try session.run(values: inputs),
          try Sample.session(file, usingPacks: false, providers: [Doubling()]).run(values: inputs)))
      #expect(session.mappedPackedBytes == (64 * 48 + 48 * 40) * 4)
      // A form whose size only its making tells is made.
      #expect(session.packedBytes == session.mappedPackedBytes + 2 * 4)
      // Made for another provider: nothing of it is used, nothing is wrong with it.
      #expect(try PreparedFile(contentsOf: path).isReady)
      let other = try Sample.session(try PreparedFile(contentsOf: path))
      _ = try other.run(values: inputs)
      #expect(other.mappedPackedBytes == 0 && other.packedBytes > 0)
      let changed = try PreparedFile(contentsOf: path, providers: [Doubling(packing: "by three")])
      #expect(!changed.isReady && changed.note?.contains("by three") == true)
    }
  }

  #if os(Linux)
    /// Resident bytes of the mappings of a file.
    private static func resident(_ path: String) throws -> Int {
      var (total, isOurs) = (0, false)
      // Its size reads 0: it is read to its end.
      let smaps = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps")).readDataToEndOfFile()
      for line in String(decoding: smaps, as: UTF8.self).split(separator: "\n") {
        if line.contains("-"), line.split(separator: " ").count >= 5, !line.hasPrefix("VmFlags") {
          isOurs = line.hasSuffix(path)
        } else if isOurs, line.hasPrefix("Rss:") {
          total += (Int(line.split(separator: " ")[1]) ?? 0) << 10
        }
      }
      return total
    }

    @Test func theSourcesPagesAreNotTouched() throws {
      try withFolder { folder in
        var graph = try ONNXText.parseGraph("g (float[4, 1024] x) => (float[4, 1024] y) { y = Identity (x) }")
        let x = graph.inputs[0]
        let w = graph.addConstant(
          try .make(.float, [1024, 1024], as: Float.self) { $0.update(repeating: 0.01, count: 1 << 20) })
        let y = graph.addValue(name: "z")
        graph.addNode(OperatorName("MatMul"), inputs: [x, w], outputs: [y])
        graph.setOutputs([y])
        let path = "\(folder)/m.onnx"
        try PreparedFile.write(Model(graph: graph), to: path)
        let file = try PreparedFile(contentsOf: path)
        let session = try Sample.session(file)
        let result = try session.run(values: Sample.inputs(file.model))
        #expect(result.count == 1)
        let (source, forms) = (try Self.resident(path), try Self.resident(path + ".packed"))
        #expect(session.mappedPackedBytes == 4 << 20)
        #expect(source <= 256 << 10 && forms >= 4 << 20, "\(source) and \(forms) bytes")
        // Packed in memory, the source's pages go as well.
        let packed = try Sample.session(file, usingPacks: false)
        _ = try packed.run(values: Sample.inputs(file.model))
        let rest = try Self.resident(path)
        #expect(packed.mappedPackedBytes == 0 && packed.packedBytes == 4 << 20)
        #expect(rest <= 256 << 10, "\(rest) bytes")
      }
    }
  #endif
}
