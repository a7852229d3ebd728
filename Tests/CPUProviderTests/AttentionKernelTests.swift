import CPUProvider
import GraphIR
import InferenceRuntime
import Operators
import Tensors
import Testing

/// Flash attention against the portable evaluation, over a seeded product of everything that the operator may be given.
@Suite struct AttentionKernelTests {
  /// One drawn call. What is 0 or nil is left out.
  struct Draw: CustomTestStringConvertible {
    var seed: Int
    var type = DataType.float
    var isFlat = false
    var (batch, heads, keyHeads, queries, keys, size, valueSize, past) = (1, 2, 2, 5, 5, 16, 16, 0)
    var maskShape: [Int]?
    var maskType = DataType.float
    var lengths: [Int]?
    var present = (key: false, value: false)
    var attributes: [String: Attribute] = [:]
    private var state: UInt64 = 0

    var testDescription: String {
      "\(seed): \(type) flat \(isFlat) [\(batch), \(heads)/\(keyHeads), \(queries)/\(past)+\(keys), \(size)/\(valueSize)] "
        + "mask \(maskType)\(maskShape ?? []) lengths \(lengths ?? []) present \(present) \(attributes)"
    }

    mutating func next(_ limit: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % limit
    }
    mutating func pick<T>(_ values: [T]) -> T { values[next(values.count)] }

    init(seed: Int) {
      self.seed = seed
      state = UInt64(seed + 1) &* 0x9E37_79B9_7F4A_7C15
      _ = next(2)
      type = pick([.float, .float, .float, .float16, .bfloat16])
      isFlat = next(2) == 0
      batch = pick([1, 1, 2, 3])
      keyHeads = pick([1, 2, 3])
      heads = keyHeads * pick([1, 1, 2, 3])
      queries = pick([1, 1, 2, 5, 17, 33, 70])
      past = next(2) == 0 ? 0 : pick([1, 7, 64, 96, 130])
      keys = next(3) == 0 ? pick([1, 40, 97, 200]) : queries
      (size, valueSize) = (pick([1, 5, 16, 33, 64]), pick([3, 16, 24, 64]))
      if next(24) == 0 { (size, valueSize, batch) = (pick([272, 1030]), pick([272, 1030]), 1) }
      // Long enough to be split over its keys.
      if next(8) == 0 { (queries, keys, past, batch, size) = (pick([1, 3]), pick([1, 700]), 900, 1, 16) }
      if past > 0 ? next(5) == 0 : false { (past, keys) = (0, past + keys) }
      let total = past + keys
      if past == 0 && next(3) == 0 { lengths = (0..<batch).map { _ in next(total + 1) } }
      if next(2) == 0 { drawMask(total) }
      if next(2) == 0 { present = (true, true) }
      if next(8) == 0 { present.key.toggle() }
      if next(2) == 0 { attributes["is_causal"] = .int(1) }
      if next(4) == 0 { attributes["left_window_size"] = .int(Int64(next(40))) }
      if next(4) == 0 { attributes["right_window_size"] = .int(Int64(next(20))) }
      if next(3) == 0 { attributes["scale"] = .float(0.3) }
      if next(4) == 0 { attributes["softcap"] = .float(1.5) }
      if next(3) == 0 { attributes["softmax_precision"] = .int(pick([1, 10, 11, 16])) }
      if isFlat {
        attributes["q_num_heads"] = .int(Int64(heads))
        attributes["kv_num_heads"] = .int(Int64(keyHeads))
      }
    }

    private mutating func drawMask(_ total: Int) {
      let covered = next(4) == 0 ? 1 + next(total) : total
      let full = [pick([1, batch]), pick([1, heads]), pick([1, queries]), covered]
      maskShape = Array(full[next(4)...])
      maskType = next(2) == 0 ? .bool : type
    }

    private func tensor(_ shape: [Int], _ type: DataType, _ salt: UInt64, _ value: (UInt64) -> Double) throws -> Tensor
    {
      var state = UInt64(seed) &* 0x2545_F491_4F6C_DD1D &+ salt
      return try .of(
        (0..<shape.reduce(1, *)).map { _ in
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          return value(state >> 33)
        }, type, shape: shape)
    }

    /// Operands by position.
    func operands() throws -> [Tensor?] {
      func heads(_ count: Int, _ length: Int, _ size: Int) -> [Int] {
        isFlat ? [batch, length, count * size] : [batch, count, length, size]
      }
      func number(_ bits: UInt64) -> Double { Double(bits % 4096) / 1024 - 2 }
      let mask = try maskShape.map { shape in
        try tensor(shape, maskType, 4) { bits in
          if maskType == .bool { return bits % 3 == 0 ? 0 : 1 }
          // Low enough for a weight of zero, near enough for float32 to add a score to.
          return bits % 5 == 0 ? (bits % 2 == 0 ? -.infinity : -120) : number(bits)
        }
      }
      return [
        try tensor(heads(self.heads, queries, size), type, 1, number),
        try tensor(heads(keyHeads, keys, size), type, 2, number),
        try tensor(heads(keyHeads, keys, valueSize), type, 3, number), mask,
        past > 0 ? try tensor([batch, keyHeads, past, size], type, 5, number) : nil,
        past > 0 ? try tensor([batch, keyHeads, past, valueSize], type, 6, number) : nil,
        try lengths.map { try Tensor.ints($0) },
      ]
    }
  }

  /// The outputs of one Attention node; `kernel` is what must run it.
  static func run(
    _ operands: [Tensor?], _ draw: Draw, _ provider: any ExecutionProvider, threads: Int,
    precision: Precision = .fp32, kernel: String?
  ) throws -> [String: Tensor] {
    var graph = Graph()
    var given: [String: Tensor] = [:]
    let ids: [ValueID?] = operands.enumerated().map { index, tensor in
      guard let tensor else { return nil }
      let id = graph.addValue(name: "x\(index)", type: .tensor(tensor.dataType, tensor.shape.map { Dim($0) }))
      graph.addInput(id)
      given["x\(index)"] = tensor
      return id
    }
    let names = ["y", draw.present.key ? "key" : nil, draw.present.value ? "value" : nil]
    let results = names.map { name in name.map { graph.addValue(name: $0) } }
    graph.addNode(
      OperatorName("Attention"), inputs: ids, outputs: results,
      attributes: draw.attributes.sorted { $0.key < $1.key }.map { NamedAttribute($0.key, $0.value) })
    graph.setOutputs(results.compactMap { $0 })
    var options = SessionOptions()
    options.threads = threads
    options.precision = precision
    let session = try Session(Model(graph: graph), providers: [provider], options: options)
    let outputs = try session.run(given)
    if let kernel {
      for plan in session.plans {
        #expect(plan.assignments.map(\.kernel) == [kernel], "\(plan.assignments.flatMap(\.refusals)) \(draw)")
      }
    }
    return outputs
  }

  @Test(arguments: 0..<16) func agreesWithPortableEvaluation(_ tens: Int) throws {
    for seed in tens * 10..<tens * 10 + 10 {
      let draw = Draw(seed: seed)
      let operands = try draw.operands()
      let got = try Self.run(operands, draw, CPUProvider(), threads: 1, kernel: "flash")
      for threads in [2, 3] {
        let again = try Self.run(operands, draw, CPUProvider(), threads: threads, kernel: "flash")
        for (name, tensor) in got {
          #expect(again[name]?.isIdentical(to: tensor) == true, "\(threads) threads \(draw)")
        }
      }
      // In float32 throughout, so that what narrow types lose is the one rounding of the result.
      var exact = draw
      exact.attributes["softmax_precision"] = nil
      let wide = try operands.map { tensor -> Tensor? in
        guard let tensor, tensor.dataType == .float16 || tensor.dataType == .bfloat16 else { return tensor }
        return try .of(tensor.elements(as: Double.self), .float, shape: tensor.shape)
      }
      let want = try Self.run(wide, exact, ReferenceProvider(), threads: 1, kernel: nil)
      let ulp = draw.type == .float16 ? 0x1.02p-11 : draw.type == .bfloat16 ? 0x1.02p-8 : 0
      for (name, tensor) in want {
        let have = try #require(got[name])
        #expect(have.dataType == draw.type && have.shape == tensor.shape, "\(draw)")
        let (a, b) = (try have.elements(as: Double.self), try tensor.elements(as: Double.self))
        let scale = max(1e-3, b.map(\.magnitude).max() ?? 0)
        let miss = zip(a, b).first { x, y in !((x - y).magnitude <= ulp * y.magnitude + 1e-5 * scale) }
        #expect(miss == nil, "\(name) \(draw)")
      }
    }
  }

  /// The portable evaluation of narrow types rounds after each step; the results differ by those roundings only.
  @Test(arguments: [DataType.float16, .bfloat16]) func narrowTypesStayNearTheStepwiseRounding(_ type: DataType) throws {
    for seed in 1000..<1400 {
      var draw = Draw(seed: seed)
      guard draw.type == type, draw.size < 100, draw.past + draw.keys < 300 else { continue }
      // A low bias swallows the scores of a narrow type.
      draw.maskType = .bool
      let operands = try draw.operands()
      let got = try Self.run(operands, draw, CPUProvider(), threads: 1, kernel: "flash")
      let want = try Self.run(operands, draw, ReferenceProvider(), threads: 1, kernel: nil)
      let (a, b) = (try #require(got["y"]), try #require(want["y"]))
      #expect(a.dataType == b.dataType)
      for (x, y) in zip(try a.elements(as: Double.self), try b.elements(as: Double.self)) {
        let isNear = (x - y).magnitude <= (type == .float16 ? 0.02 : 0.16)
        #expect(isNear, "\(x), \(y) expected; \(draw)")
        if !isNear { break }
      }
    }
  }

  @Test func aRowWithoutKeysIsZeroAndALowBiasIsNoMask() throws {
    var draw = Draw(seed: 3)
    (draw.type, draw.isFlat, draw.batch, draw.heads, draw.keyHeads, draw.attributes) = (.float, false, 1, 1, 1, [:])
    (draw.queries, draw.keys, draw.size, draw.valueSize, draw.past, draw.lengths) = (2, 3, 4, 2, 0, nil)
    (draw.maskShape, draw.present) = ([2, 3], (false, false))
    var operands = try draw.operands()
    let low = -Float.greatestFiniteMagnitude
    operands[2] = try .of([Float(1), 2, 3, 4, 5, 6], .float, shape: [1, 1, 3, 2])
    operands[3] = try .of([low, low, low] + [Float](repeating: -.infinity, count: 3), .float, shape: [2, 3])
    let y = try #require(try Self.run(operands, draw, CPUProvider(), threads: 1, kernel: "flash")["y"])
    let values = try y.elements(as: Float.self)
    #expect(abs(values[0] - 3) < 1e-5 && abs(values[1] - 4) < 1e-5 && values[2] == 0 && values[3] == 0, "\(values)")
  }

  @Test func lengthsOutOfRangeAreAnError() throws {
    var draw = Draw(seed: 5)
    (draw.past, draw.batch, draw.maskShape) = (0, 1, nil)
    draw.lengths = [draw.keys + 1]
    let operands = try draw.operands()
    #expect(throws: CameoError.self) {
      try Self.run(operands, draw, CPUProvider(), threads: 1, kernel: nil)
    }
  }

  private static func request(
    _ shapes: [[Int]?], outputs: [[Int]?], threads: Int, _ attributes: [String: Attribute] = [:]
  ) throws -> KernelRequest {
    var graph = Graph()
    let ids = shapes.map { shape in
      shape.map { graph.addValue(name: "", type: .tensor(.float, $0.map { Dim($0) })) }
    }
    let node = graph.addNode(
      OperatorName("Attention"), inputs: ids, outputs: outputs.map { _ in graph.addValue(name: "") },
      attributes: attributes.map { NamedAttribute($0.key, $0.value) })
    return KernelRequest(
      node: graph[node], inputs: try shapes.map { try $0.map { try Operand(type: .float, shape: $0) } },
      outputs: try outputs.map { try $0.map { try Operand(type: .float, shape: $0) } }, threads: threads)
  }

  /// A mebibyte a thread for any length and size of heads.
  @Test(arguments: [1, 16, 64, 80, 128, 256, 512, 1000, 1024, 1025, 4096])
  func scratchIsBounded(_ size: Int) throws {
    for (queries, keys) in [(1, 1), (1, 131_072), (4096, 4096), (131_072, 131_072), (7, 9000)] {
      for (heads, keyHeads) in [(1, 1), (9, 3), (32, 1)] {
        for threads in [1, 2, 8] {
          let request = try Self.request(
            [[1, heads, queries, size], [1, keyHeads, keys, size], [1, keyHeads, keys, size]],
            outputs: [[1, heads, queries, size]], threads: threads)
          let prepared = try CPUProvider().prepare(request)
          #expect(prepared.kernel.name == "flash")
          #expect(prepared.scratchBytes > 0 && prepared.scratchBytes <= threads << 20)
        }
      }
    }
  }

  @Test func askedForScoresAreRefusedWithASentence() throws {
    let shape = [1, 2, 5, 16]
    let request = try Self.request([shape, shape, shape], outputs: [shape, nil, nil, [1, 2, 5, 5]], threads: 1)
    let refusal = #expect(throws: Refusal.self) { try CPUProvider().prepare(request) }
    #expect(refusal?.reason == "qk_matmul_output is asked for, and flash attention never has all scores")
  }
}
