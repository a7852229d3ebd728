import CPUProvider
import GraphIR
import InferenceRuntime
import Tensors
import Testing

/// Flash attention with products in bfloat16: with factors that bfloat16 holds, only the rounded weights of the softmax differ from
/// float32's results.
@Suite struct AttentionBfloat16Tests {
  typealias Draw = AttentionKernelTests.Draw

  private static let isWidened = CPUProvider.bfloat16Kernel == "widened"

  /// Rows of queries up to which K and V are not rounded where they are float32 in memory.
  private static let few = CPUProvider.bfloat16Kernel == "amx-bf16" ? 4 : 8

  /// The kernel that a call gets. At most four rows read K and V in place.
  private static func kernel(_ draw: Draw) -> String {
    if isWidened || draw.type == .float16 { return "flash" }
    let rows = draw.heads / draw.keyHeads * draw.queries
    if draw.type == .float && rows <= few { return "flash" }
    return rows > 4 ? "flash (\(CPUProvider.bfloat16Kernel))" : "flash (avx512-bf16)"
  }

  /// Float32 operands but the mask, rounded to what bfloat16 holds.
  private static func exact(_ operands: [Tensor?]) throws -> [Tensor?] {
    try operands.enumerated().map { index, tensor in
      guard let tensor, index != 3, tensor.dataType == .float else { return tensor }
      let rounded = try Tensor.of(tensor.elements(as: Double.self), .bfloat16, shape: tensor.shape)
      return try .of(rounded.elements(as: Double.self), .float, shape: tensor.shape)
    }
  }

  @Test(arguments: 0..<16) func exactFactorsDifferByRoundedWeightsOnly(_ tens: Int) throws {
    for seed in tens * 10..<tens * 10 + 10 {
      let draw = Draw(seed: seed)
      let operands = try Self.exact(draw.operands())
      let name = Self.kernel(draw)
      let got = try AttentionKernelTests.run(
        operands, draw, CPUProvider(), threads: 1, precision: .bf16, kernel: name)
      for threads in [2, 5] {
        let again = try AttentionKernelTests.run(
          operands, draw, CPUProvider(), threads: threads, precision: .bf16, kernel: name)
        for (name, tensor) in got {
          #expect(again[name]?.isIdentical(to: tensor) == true, "\(threads) threads \(draw)")
        }
      }
      var plain = draw
      plain.attributes["softmax_precision"] = nil
      let wide = try operands.map { tensor -> Tensor? in
        guard let tensor, tensor.dataType == .float16 || tensor.dataType == .bfloat16 else { return tensor }
        return try .of(tensor.elements(as: Double.self), .float, shape: tensor.shape)
      }
      let want = try AttentionKernelTests.run(wide, plain, ReferenceProvider(), threads: 1, kernel: nil)
      // A narrow result is rounded once more. The largest |v| is at most 2.
      let ulp = draw.type == .float16 ? 0x1.02p-11 : draw.type == .bfloat16 ? 0x1.02p-8 : 0
      let weights = name == "flash" ? 0 : 2 * 0x1p-9
      for (name, tensor) in want {
        let have = try #require(got[name])
        #expect(have.dataType == draw.type && have.shape == tensor.shape, "\(draw)")
        let (a, b) = (try have.elements(as: Double.self), try tensor.elements(as: Double.self))
        let scale = max(1e-3, b.map(\.magnitude).max() ?? 0)
        let allowed = 1e-5 * scale + (name == "y" ? weights : 0)
        let miss = zip(a, b).first { x, y in !((x - y).magnitude <= ulp * y.magnitude + allowed) }
        #expect(miss == nil, "\(name) \(draw)")
      }
    }
  }

  /// Scores of 1 + 2^-9 and 1 differ before the rounding of Q only.
  @Test func roundsTheQueries() throws {
    guard !Self.isWidened else { return }
    let q = try Tensor.of([Float](repeating: 1 + 0x1p-9, count: 9), .float, shape: [1, 1, 9, 1])
    let k = try Tensor.of([Float(0), 16], .float, shape: [1, 1, 2, 1])
    let v = try Tensor.of([Float(0), 1], .float, shape: [1, 1, 2, 1])
    var draw = Draw(seed: 0)
    (draw.isFlat, draw.present, draw.attributes) = (false, (false, false), ["scale": .float(0.125)])
    func value(_ precision: Precision) throws -> Float {
      let y = try AttentionKernelTests.run(
        [q, k, v], draw, CPUProvider(), threads: 1, precision: precision, kernel: nil)["y"]
      return try #require(y).elements(as: Float.self)[0]
    }
    let one = try Tensor.of([Float](repeating: 1, count: 9), .float, shape: [1, 1, 9, 1])
    let rounded = try AttentionKernelTests.run(
      [one, k, v], draw, CPUProvider(), threads: 1, precision: .bf16, kernel: nil)["y"]
    #expect(try value(.bf16) == rounded?.elements(as: Float.self)[0])
    #expect(try value(.fp32) != value(.bf16))
  }

  @Test func aRowWithoutKeysIsZeroAndALowBiasIsNoMask() throws {
    var draw = Draw(seed: 3)
    (draw.isFlat, draw.present, draw.attributes) = (false, (false, false), [:])
    let low = -Float.greatestFiniteMagnitude
    let q = try Tensor.of([Float](repeating: 1, count: 36), .float, shape: [1, 1, 9, 4])
    let k = try Tensor.of((0..<12).map { Float($0) / 8 }, .float, shape: [1, 1, 3, 4])
    let v = try Tensor.of([Float(1), 2, 3, 4, 5, 6], .float, shape: [1, 1, 3, 2])
    let mask = try Tensor.of(
      [low, low, low] + [Float](repeating: -.infinity, count: 24), .float, shape: [9, 3])
    let y = try AttentionKernelTests.run(
      [q, k, v, mask], draw, CPUProvider(), threads: 1, precision: .bf16, kernel: nil)["y"]
    let values = try #require(y).elements(as: Float.self)
    #expect(abs(values[0] - 3) < 1e-5 && abs(values[1] - 4) < 1e-5, "\(values)")
    #expect(values[2...].allSatisfy { $0 == 0 }, "\(values)")
  }

  // MARK: Operands stored in bfloat16

  /// The CPU's provider, which lets these operands of Attention lie in bfloat16 and notes the types it is asked for.
  private final class Storing: ExecutionProvider, Sendable {
    let base = CPUProvider()
    let inputs: Set<Int>
    let outputs: Set<Int>
    let seen = Mutex<[DataType]>([])
    let kernels = Mutex<[String]>([])

    init(inputs: Set<Int>, outputs: Set<Int>) { (self.inputs, self.outputs) = (inputs, outputs) }

    var name: String { base.name }
    var precisions: Set<Precision> { base.precisions }

    func roundedOperands(_ request: KernelRequest) -> RoundedOperands? {
      guard request.node.operatorName.name == "Attention" else { return base.roundedOperands(request) }
      return RoundedOperands(inputs: inputs, outputs: outputs)
    }

    func prepare(_ request: KernelRequest) throws -> PreparedKernel {
      let prepared = try base.prepare(request)
      if request.node.operatorName.name == "Attention" {
        seen.withLock { $0 = (request.inputs + request.outputs).compactMap { $0?.type } }
        kernels.withLock { $0.append(prepared.kernel.name) }
      }
      return prepared
    }
  }

  /// Three products, attention, a product: each mix of operands in bfloat16 stays near float32.
  @Test(arguments: 0..<16, [2, 70]) func operandsMayLieInBfloat16(_ mix: Int, _ length: Int) throws {
    let (size, heads) = (64, 2)
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float, [1, Dim(length), Dim(size)]))
    graph.addInput(x)
    func values(_ count: Int, _ seed: Int) -> [Float] {
      (0..<count).map { Float((($0 + seed) &* 2_654_435_761) >> 7 & 255) / 128 - 1 }
    }
    func product(_ input: ValueID, _ name: String) throws -> ValueID {
      let weights = graph.addConstant(
        try .of(values(size * size, name.count).map { $0 / 8 }, .float, shape: [size, size]), name: "w \(name)")
      let out = graph.addValue(name: name)
      graph.addNode(OperatorName("MatMul"), inputs: [input, weights], outputs: [out])
      return out
    }
    let operands = [try product(x, "q"), try product(x, "ke"), try product(x, "val")]
    let mixed = graph.addValue(name: "mixed")
    graph.addNode(
      OperatorName("Attention"), inputs: operands, outputs: [mixed],
      attributes: [
        NamedAttribute("q_num_heads", .int(Int64(heads))), NamedAttribute("kv_num_heads", .int(Int64(heads))),
      ])
    graph.setOutputs([try product(mixed, "y")])
    let input = try Tensor.of(values(length * size, 3), .float, shape: [1, length, size])
    let provider = Storing(
      inputs: Set((0..<3).filter { mix >> $0 & 1 == 1 }), outputs: mix >> 3 & 1 == 1 ? [0] : [])
    func run(_ provider: any ExecutionProvider, _ precision: Precision, _ threads: Int) throws -> Tensor {
      var options = SessionOptions()
      options.threads = threads
      options.precision = precision
      let session = try Session(Model(graph: graph), providers: [provider], options: options)
      return try #require(session.run(["x": input])["y"])
    }
    let want = try run(CPUProvider(), .fp32, 1).elements(as: Float.self)
    let got = try run(provider, .bf16, 1)
    let types: [DataType] = (0..<4).map { mix >> $0 & 1 == 1 ? .bfloat16 : .float }
    #expect(provider.seen.withLock { $0 } == types)
    let isRounded = !Self.isWidened && (length > 4 || mix & 6 == 6)
    let form = length > 4 ? CPUProvider.bfloat16Kernel : "avx512-bf16"
    #expect(provider.kernels.withLock { $0.last } == (isRounded ? "flash (\(form))" : "flash"))
    let scale = want.map(\.magnitude).max() ?? 0
    let error = zip(want, try got.elements(as: Float.self)).map { ($0 - $1).magnitude }.max() ?? .infinity
    #expect(error > 0 && error < 0.03 * scale, "\(error) of \(scale)")
    #expect(try run(provider, .bf16, 3).isIdentical(to: got))
  }
}
