import CPUProvider
import GraphIR
import Operators
import Tensors
import Testing

@testable import InferenceRuntime

/// Plans over two memories, on a device that works only when somebody waits for it.
@Suite struct DevicePlanTests {
  private static func session(
    _ text: String, mode: ExecutionMode = .standard, precision: Precision = .fp32,
    _ takes: @escaping @Sendable (Node) -> Bool
  ) throws -> Session {
    var options = SessionOptions()
    options.threads = 1
    options.mode = mode
    options.precision = precision
    return try Session(
      Model(graph: try ONNXText.parseGraph(text)), providers: [PaperProvider(takes), CPUProvider()], options: options)
  }

  /// Views, a concatenation, a product with weights, a chain in place, values that both sides read, an output that is read again.
  private static let mixed = """
    g (float[N, 8] x, float[N, 8] z) => (float[N, 16] y, float[N, 8] t, float[8, N] v) <float[8, 8] w = {\(weights)}> {
      a = Add (x, z)
      b = Relu (a)
      c = MatMul (b, w)
      d = Neg (c)
      e = Exp (d)
      t = Mul (e, a)
      y = Concat <axis = 1> (t, c)
      s = Sigmoid (e)
      u = Sub (s, b)
      v = Transpose <perm = [1, 0]> (u)
    }
    """
  private static let weights = (0..<64).map { "\(Double($0 % 7) / 8 - 0.4)" }.joined(separator: ", ")

  private static func inputs(_ rows: Int) throws -> [String: Tensor] {
    func ramp(_ seed: Int) -> [Float] { (0..<rows * 8).map { Float(($0 * seed) % 11) / 8 - 0.5 } }
    return ["x": try .of(ramp(3), .float, shape: [rows, 8]), "z": try .of(ramp(5), .float, shape: [rows, 8])]
  }

  private static func bits(_ results: [String: Tensor]) throws -> [String: [UInt32]] {
    try results.mapValues { try $0.elements(as: Float.self).map(\.bitPattern) }
  }

  /// Every way to share the nodes between device and host gives the bits that the host alone gives.
  @Test(arguments: [ExecutionMode.standard, .reduceOverhead])
  func everyPartitionGivesTheSame(_ mode: ExecutionMode) throws {
    let names = ["Add", "Relu", "MatMul", "Neg", "Exp", "Mul", "Concat", "Sigmoid", "Sub", "Transpose"]
    let expected = try Self.bits(Self.session(Self.mixed) { _ in false }.run(Self.inputs(3)))
    for mask in 0..<1 << names.count where mask % 3 == 0 || mask > 1000 {
      let taken = Set(names.indices.filter { mask >> $0 & 1 == 1 }.map { names[$0] })
      let session = try Self.session(Self.mixed, mode: mode) { taken.contains($0.type) }
      for _ in 0..<3 {
        let found = try Self.bits(session.run(Self.inputs(3)))
        #expect(found == expected, "on the device: \(taken.sorted())")
      }
    }
  }

  @Test func eachValueGoesOverOnce() throws {
    let session = try Self.session(Self.mixed) { ["MatMul", "Neg", "Mul"].contains($0.type) }
    _ = try session.run(Self.inputs(2))
    let plan = try #require(session.plans.first)
    // b and e and a up, c and d down; y is joined on the host.
    let kernels = plan.assignments.map(\.kernel)
    #expect(kernels.filter { $0 == "upload" }.count == 2 * 3)
    #expect(kernels.filter { $0 == "download" }.count == 2 * 3)
    #expect(plan.assignments.contains { $0.provider == "cpu" && $0.refusals == ["paper: it was told not to"] })
    #expect(plan.deviceMemory.peakBytes > 0)
  }

  @Test func aPlanOnTheDeviceAloneIsOneSegment() throws {
    let session = try Self.session(Self.mixed, mode: .reduceOverhead) { _ in true }
    let before = PaperQueue.counts
    for _ in 0..<4 { _ = try session.run(Self.inputs(2)) }
    let plan = try #require(session.plans.first)
    #expect(plan.segments.map(\.isOnDevice) == [true])
    #expect(plan.assignments.allSatisfy { $0.kernel != "upload" && $0.kernel != "download" })
    #expect(PaperQueue.counts.recorded > before.recorded && PaperQueue.counts.replayed >= before.replayed + 3)
  }

  @Test func boundMemoryOfTheHostIsReadAndWritten() throws {
    for mode in ExecutionMode.allCases {
      let session = try Self.session(Self.mixed, mode: mode) { $0.type != "Exp" }
      let inputs = try Self.inputs(4)
      let binding = try Binding(session, inputs: ["x": [4, 8], "z": [4, 8]])
      for (name, tensor) in inputs { try binding.bind(input: name, to: tensor) }
      let outputs = try session.outputs.map { try binding.bindOutput($0.name) }
      let expected = try Self.bits(Self.session(Self.mixed) { _ in false }.run(inputs))
      for _ in 0..<3 {
        try binding.run()
        for (port, tensor) in zip(session.outputs, outputs) {
          #expect(try tensor.elements(as: Float.self).map(\.bitPattern) == expected[port.name])
        }
      }
    }
  }

  @Test func memoryOnTheDeviceIsReadAndWrittenWhereItLies() throws {
    let session = try Self.session(Self.mixed, mode: .reduceOverhead) { _ in true }
    let inputs = try Self.inputs(4)
    let binding = try Binding(session, inputs: ["x": [4, 8], "z": [4, 8]])
    for (name, tensor) in inputs { try binding.bindOnDevice(input: name, to: tensor) }
    let outputs = try session.outputs.map { try binding.bindOutputOnDevice($0.name) }
    let expected = try Self.bits(Self.session(Self.mixed) { _ in false }.run(inputs))
    for _ in 0..<3 {
      try binding.run()
      for (port, storage) in zip(session.outputs, outputs) {
        let words = UnsafeRawBufferPointer(start: storage.address, count: storage.byteCount)
        #expect(Array(words.bindMemory(to: UInt32.self)) == expected[port.name])
      }
    }
  }

  /// A body is run step by step by the host; what it does may be the device's.
  @Test func loopsAndBranchesUseTheDevice() throws {
    let text = """
      g (float[4] x, bool c, int64 n) => (float[4] y, float[4] z) {
        on = Relu (x)
        z = If (c) <
          then_branch = t () => (float[4] a) { a = Neg (on) },
          else_branch = e () => (float[4] b) { d = Exp (on) b = Add (d, x) }
        >
        keep = Identity (c)
        y = Loop (n, c, on) <
          body = b (int64 i, bool k, float[4] v) => (bool k2, float[4] v2) { k2 = Identity (k) h = Add (v, x) v2 = Mul (h, h) }
        >
      }
      """
    func run(_ takes: @escaping @Sendable (Node) -> Bool, _ flag: Bool) throws -> [String: [UInt32]] {
      let session = try Self.session(text, takes)
      let inputs: [String: Tensor] = [
        "x": try .of([0.5, -1, 0.25, 2] as [Float], .float), "c": try .of([flag ? 1 : 0] as [Int64], .bool, shape: []),
        "n": try .of([3] as [Int64], .int64, shape: []),
      ]
      _ = try session.run(inputs)
      return try Self.bits(session.run(inputs))
    }
    for flag in [true, false] {
      let expected = try run({ _ in false }, flag)
      #expect(try run({ _ in true }, flag) == expected)
      #expect(try run({ $0.type == "Add" }, flag) == expected)
    }
  }

  @Test func stepsAreTimedByTheDevice() throws {
    let session = try Self.session(Self.mixed) { _ in true }
    let profile = Profile(Model(graph: try ONNXText.parseGraph(Self.mixed)))
    _ = try session.run(Self.inputs(2), profile: profile)
    // This device has no clock: nothing is noted that was not measured.
    #expect(profile.runs.allSatisfy { $0.allSatisfy { $0.provider != "paper" } })
  }

  @Test func valuesOfProductsAreShortOnTheDevice() throws {
    let session = try Self.session(Self.mixed, precision: .bf16) { _ in true }
    let found = try session.run(Self.inputs(3))
    let expected = try Self.session(Self.mixed) { _ in false }.run(Self.inputs(3))
    for (name, tensor) in expected {
      let values = try zip(tensor.elements(as: Float.self), #require(found[name]).elements(as: Float.self))
      #expect(values.allSatisfy { abs($0 - $1) <= 0.02 * max(1, abs($0)) })
    }
  }

  /// What a refusal takes out of the short values is float32 for everybody.
  @Test func aRefusalAfterAllMakesItsValuesWhole() throws {
    let weights = (0..<4096).map { "\(Double($0 % 7) - 3)" }.joined(separator: ", ")
    let text = """
      g (float[2, 64] x) => (float[2, 64] y) <float[64, 64] w = {\(weights)}> {
        a = MatMul (x, w)
        b = Abs (a)
        y = MatMul (b, w)
      }
      """
    let input = try Tensor.of((0..<128).map { Float($0 % 3) }, .float, shape: [2, 64])
    func run(_ late: String, _ precision: Precision) throws -> [Float] {
      var provider = PaperProvider()
      provider.refusedLate = late
      var options = SessionOptions()
      options.threads = 1
      options.precision = precision
      let session = try Session(
        Model(graph: try ONNXText.parseGraph(text)), providers: [provider, CPUProvider()], options: options)
      return try #require(session.run(["x": input])["y"]).elements(as: Float.self)
    }
    let expected = try run("", .fp32)
    let most = expected.map(abs).max() ?? 0
    #expect(zip(expected, try run("Abs", .bf16)).allSatisfy { abs($0 - $1) <= most / 64 })
  }

  // MARK: What goes wrong

  private static func onPaper(_ mode: ExecutionMode = .standard) throws -> (session: Session, device: PaperDevice) {
    let provider = PaperProvider()
    var options = SessionOptions()
    options.threads = 1
    options.mode = mode
    let model = Model(graph: try ONNXText.parseGraph(mixed))
    return (try Session(model, providers: [provider, CPUProvider()], options: options), provider.paper)
  }

  @Test func tooLittleMemoryIsAnErrorThatLeavesTheSessionUsable() throws {
    let (session, device) = try Self.onPaper()
    let small = try Self.inputs(2)
    let expected = try Self.bits(session.run(small))
    device.mostBytes.withLock { $0 = 4096 }
    let error = #expect(throws: CameoError.self) { try session.run(try Self.inputs(1000)) }
    #expect(error?.kind == .limit)
    #expect(error.map { "\($0)".contains("4096 bytes free") } == true)
    #expect(try Self.bits(session.run(small)) == expected)
    device.mostBytes.withLock { $0 = Int.max }
    #expect(try session.run(try Self.inputs(1000))["t"]?.shape == [1000, 8])
  }

  @Test(arguments: [ExecutionMode.standard, .reduceOverhead])
  func aLostDeviceIsAnErrorOfTheRunThatMeetsIt(_ mode: ExecutionMode) throws {
    let (session, device) = try Self.onPaper(mode)
    let inputs = try Self.inputs(3)
    var expected: [[String: [UInt32]]] = []
    for _ in 0..<3 { expected.append(try Self.bits(session.run(inputs))) }
    device.isLost.withLock { $0 = true }
    let error = #expect(throws: CameoError.self) { try session.run(inputs) }
    #expect(error.map { "\($0)".contains("the device is lost") } == true)
    device.isLost.withLock { $0 = false }
    #expect(try Self.bits(session.run(inputs)) == expected[0])
    #expect(expected.allSatisfy { $0 == expected[0] })
  }

  @Test(arguments: [ExecutionMode.standard, .reduceOverhead])
  func severalThreadsShareASession(_ mode: ExecutionMode) async throws {
    let (session, _) = try Self.onPaper(mode)
    let inputs = try (1...4).map { try Self.inputs($0) }
    let expected = try inputs.map { try Self.bits(session.run($0)) }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for index in 0..<8 {
        group.addTask {
          for _ in 0..<5 {
            guard try Self.bits(session.run(inputs[index % 4])) == expected[index % 4] else { return false }
          }
          return true
        }
      }
      for try await isSame in group { #expect(isSame) }
    }
  }
}
