import GraphIR
import Operators
import Synchronization
import Tensors
import Testing

@testable import InferenceRuntime

@Suite struct SessionTests {
  static func session(_ text: String, threads: Int = 1) throws -> Session {
    var options = SessionOptions()
    options.threads = threads
    return try Session(
      Model(graph: try ONNXText.parseGraph(text)), providers: [ReferenceProvider()], options: options)
  }

  static func floats(_ values: [Float], _ shape: [Int]? = nil) throws -> Tensor {
    try .of(values, .float, shape: shape)
  }

  @Test func shapesAreFoldedAndPlansAreKept() throws {
    let session = try Self.session(
      """
      g (float[N, 4] x) => (float[M, 2] y) <int64[1] two = {2}> {
        s = Shape <start = 0, end = 1> (x)
        d = Mul (s, two)
        t = Concat <axis = 0> (d, two)
        r = Reshape (x, t)
        y = Neg (r)
      }
      """)
    for rows in [1, 3, 1, 2] {
      let x = try Self.floats((0..<rows * 4).map(Float.init), [rows, 4])
      let y = try #require(try session.run(["x": x])["y"])
      #expect(y.shape == [rows * 2, 2])
      #expect(try y.elements(as: Float.self) == (0..<rows * 4).map { -Float($0) })
    }
    #expect(session.plans.count == 3)
    // Shape arithmetic costs no step.
    #expect(session.plans.allSatisfy { $0.assignments.map(\.operatorName.name) == ["Neg"] })
  }

  @Test func dataDependentShapesEndAStage() throws {
    let session = try Self.session(
      """
      g (float[N] x) => (float[K] y, int64[1] n) <int64[1] minus = {-1}, int64[1] zero = {0}> {
        nz = NonZero (x)
        flat = Reshape (nz, minus)
        picked = Gather <axis = 0> (x, flat)
        n = Shape (picked)
        y = Add (picked, picked)
      }
      """)
    for values: [Float] in [[0, 1, 2], [3, 0, 0], [0, 0, 0]] {
      let result = try session.run(["x": Self.floats(values)])
      let kept = values.filter { $0 != 0 }
      #expect(try result["y"]!.elements(as: Float.self) == kept.map { 2 * $0 })
      #expect(try result["n"]!.ints() == [kept.count])
    }
  }

  @Test func branches() throws {
    let session = try Self.session(
      """
      g (bool c, float[3] x) => (float[3] y, float[3] z) {
        u = Neg (x)
        y, w = If (c) <
          then_branch = a () => (float[3] p, float[3] q) { p = Add (u, x) q = Identity (u) },
          else_branch = b () => (float[3] p, float[3] q) { q = Mul (u, x) p = Mul (q, x) }>
        z = Add (w, y)
      }
      """)
    for flag in [true, false] {
      let c = try Tensor.of([flag ? Int64(1) : 0], .bool, shape: [])
      let result = try session.run(["c": c, "x": Self.floats([1, 2, 3])])
      #expect(try result["y"]!.elements(as: Float.self) == (flag ? [0, 0, 0] : [-1, -8, -27]))
      #expect(try result["z"]!.elements(as: Float.self) == (flag ? [-1, -2, -3] : [-2, -12, -36]))
    }
  }

  @Test func branchesOfDifferentShapes() throws {
    let session = try Self.session(
      """
      g (float x, float[3] v) => (float[K] y) <float limit = {0}> {
        c = Greater (x, limit)
        w = If (c) <
          then_branch = a () => (float[6] p) { p = Concat <axis = 0> (v, v) },
          else_branch = b () => (float[3] q) { q = Neg (v) }>
        y = Add (w, x)
      }
      """)
    let v = try Self.floats([1, 2, 3])
    #expect(
      try session.run(["x": .scalar(Float(1), .float), "v": v])["y"]!.elements(as: Float.self) == [2, 3, 4, 2, 3, 4])
    #expect(try session.run(["x": .scalar(Float(-1), .float), "v": v])["y"]!.elements(as: Float.self) == [-2, -3, -4])
  }

  @Test func anInputThatDecidesABranchIsPlannedFor() throws {
    let session = try Self.session(
      """
      g (int64 rate, float[3] v) => (float[K] y) <int64 one = {1}> {
        c = Equal (rate, one)
        w = If (c) <
          then_branch = a () => (float[6] p) { p = Concat <axis = 0> (v, v) },
          else_branch = b () => (float[3] q) { q = Neg (v) }>
        y = Neg (w)
      }
      """)
    let v = try Self.floats([1, 2, 3])
    #expect(try session.run(["rate": .scalar(Int64(1), .int64), "v": v])["y"]!.count == 6)
    #expect(try session.run(["rate": .scalar(Int64(2), .int64), "v": v])["y"]!.elements(as: Float.self) == [1, 2, 3])
    #expect(session.plans.count == 2)
    let rate = try Tensor.scalar(Int64(1), .int64)
    let binding = try Binding(session, inputs: ["rate": [], "v": [3]], values: ["rate": rate])
    try binding.bind(input: "rate", to: rate)
    try binding.bind(input: "v", to: v)
    let y = try binding.bindOutput("y")
    try binding.run()
    #expect(try y.elements(as: Float.self) == [-1, -2, -3, -1, -2, -3])
    rate.storage.base.storeBytes(of: 5, as: Int64.self)
    #expect(throws: CameoError.self) { try binding.run() }
  }

  @Test func loops() throws {
    let session = try Self.session(
      """
      g (int64 n, float[2] x) => (float[2] last, float[K, 2] all) <bool yes = {1}> {
        last, all = Loop (n, yes, x) <
          body = b (int64 i, bool keep, float[2] a) => (bool again, float[2] next, float[2] seen) {
            again = Identity (keep)
            next = Add (a, x)
            seen = Neg (next)
          }>
      }
      """)
    for count in [3, 1, 5] {
      let result = try session.run(["n": .scalar(Int64(count), .int64), "x": Self.floats([1, 2])])
      #expect(try result["last"]!.elements(as: Float.self) == [Float(count + 1), Float(2 * count + 2)])
      #expect(result["all"]!.shape == [count, 2])
    }
  }

  @Test func sequencesTravelBetweenSteps() throws {
    let session = try Self.session(
      """
      g (float[2] x, float[3] z) => (float[K] y) <int64 one = {1}> {
        n = Neg (z)
        s = SequenceConstruct (x, n)
        e = SequenceAt (s, one)
        y = Add (e, e)
      }
      """)
    let result = try session.run(["x": Self.floats([1, 2]), "z": Self.floats([3, 4, 5])])
    #expect(try result["y"]!.elements(as: Float.self) == [-6, -8, -10])
  }

  @Test func outputsThatAreInputsOrConstants() throws {
    let session = try Self.session(
      """
      g (float[2] x) => (float[2] x, float[2] k, float[2] y, float[2] v) <float[2] k = {7, 8}, int64[1] two = {2}> {
        y = Neg (x)
        v = Reshape (x, two)
      }
      """)
    let x = try Self.floats([1, 2])
    let result = try session.run(["x": x])
    #expect(try result["x"]!.elements(as: Float.self) == [1, 2])
    #expect(try result["k"]!.elements(as: Float.self) == [7, 8])
    #expect(try result["v"]!.elements(as: Float.self) == [1, 2])
    let binding = try Binding(session, inputs: ["x": [2]])
    try binding.bind(input: "x", to: x)
    let outputs = try ["x", "k", "y", "v"].map { try binding.bindOutput($0) }
    try binding.run()
    #expect(try outputs.map { try $0.elements(as: Float.self) } == [[1, 2], [7, 8], [-1, -2], [1, 2]])
  }

  @Test func anOutputInTheMemoryOfAnInput() throws {
    let session = try Self.session(
      """
      g (float[4] past, float[4] x) => (float[4] present, float[4] y) {
        present = Add (past, x)
        y = Mul (past, present)
      }
      """)
    let past = try Self.floats([1, 2, 3, 4])
    let binding = try Binding(session, inputs: ["past": [4], "x": [4]])
    try binding.bind(input: "past", to: past)
    try binding.bind(input: "x", to: Self.floats([1, 1, 1, 1]))
    try binding.bind(output: "present", to: UnsafeMutableRawBufferPointer(start: past.storage.base, count: 16))
    let y = try binding.bindOutput("y")
    try binding.run()
    #expect(try past.elements(as: Float.self) == [2, 3, 4, 5])
    #expect(try y.elements(as: Float.self) == [2, 6, 12, 20])
    try binding.run()
    #expect(try past.elements(as: Float.self) == [3, 4, 5, 6])
  }

  @Test(arguments: [
    (["x": [2, 3]], "input z is missing"), (["x": [2, 3], "z": [2], "q": [1]], "the model has no input q"),
    (["x": [2], "z": [2]], "rank 2 is declared"), (["x": [2, 4], "z": [2]], "float[N, 3] is declared"),
    (["x": [2, 3], "z": [5]], "dimension N is 2 in input x and 5 in input z"),
  ])
  func refusesInputsThatDoNotFit(_ shapes: [String: [Int]], _ message: String) throws {
    let session = try Self.session("g (float[N, 3] x, float[N] z) => (float[N, 3] y) { y = Neg (x) }")
    let inputs = try shapes.mapValues { try Tensor.makeRaw(.float, $0) { _ in } }
    let error = try #require(throws: CameoError.self) { try session.run(inputs) }
    #expect(error.kind == .badInput)
    #expect(error.description.contains(message), "\(error)")
  }

  @Test func refusesAnotherType() throws {
    let session = try Self.session("g (float[2] x) => (float[2] y) { y = Neg (x) }")
    let error = try #require(throws: CameoError.self) { try session.run(["x": Tensor.ints([1, 2])]) }
    #expect(error.description == "input x is of type int64, float is declared")
  }

  @Test func unknownOperatorsAreNamed() throws {
    let session = try Self.session("g (float[2] x) => (float[2] y) { y = some.domain.Magic (x) }")
    let error = try #require(throws: CameoError.self) { try session.run(["x": Self.floats([1, 2])]) }
    #expect(error.description.contains("some.domain.Magic"))
  }

  @Test func cancellation() throws {
    let session = try Self.session("g (float[2] x) => (float[2] y) { y = Neg (x) }")
    let cancellation = Cancellation()
    cancellation.cancel()
    let error = try #require(throws: CameoError.self) {
      try session.run(["x": Self.floats([1, 2])], cancellation: cancellation)
    }
    #expect(error.kind == .cancelled)
    cancellation.reset()
    _ = try session.run(["x": Self.floats([1, 2])], cancellation: cancellation)
  }

  @Test func manyThreadsRunOneSession() async throws {
    let session = try Self.session(
      """
      g (float[N] x) => (float[N] y) {
        a = Neg (x)
        b = Add (a, a)
        y = Mul (b, x)
      }
      """, threads: 2)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<8 {
        group.addTask {
          for round in 0..<50 {
            let value = Float(number * 50 + round)
            let x = try Tensor.of([Float](repeating: value, count: 64 + number), .float)
            let y = try session.run(["x": x])["y"]!
            #expect(try y.elements(as: Float.self).allSatisfy { $0 == -2 * value * value })
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func profilesSpeakOfOriginalNodes() throws {
    var graph = try ONNXText.parseGraph("g (float[2] x) => (float[2] y) { a = Neg (x) y = Abs (a) }")
    for (index, id) in graph.nodes.enumerated() { graph.modify(id) { $0.origins = Origins([UInt32(index)]) } }
    var model = Model(graph: graph)
    model.sourceNodes = [
      SourceNode(name: "first \"one\"", operatorName: OperatorName("Neg")),
      SourceNode(name: "second", operatorName: OperatorName("Abs")),
    ]
    let session = try Session(model, providers: [ReferenceProvider()])
    let profile = Profile(model)
    _ = try session.run(["x": Self.floats([1, 2])], profile: profile)
    #expect(Set(profile.byNode.map(\.name)) == ["first \"one\"", "second"])
    #expect(profile.traceJSON().contains("\"name\":\"first \\\"one\\\"\""))
  }

  @Test func aMissingCapturedValueIsAnError() throws {
    let graph = try ONNXText.parseGraph(
      """
      g (bool c, float[2] x) => (float[2] y) {
        h = Neg (x)
        y = If (c) <then_branch = a () => (float[2] u) { u = Abs (h) }, else_branch = b () => (float[2] v) { v = Exp (x) }>
      }
      """)
    let session = try Session(Model(graph: graph), providers: [ReferenceProvider()])
    let node = try #require(graph.producer(graph.outputs[0]))
    guard case .graph(let body)? = graph[node]["then_branch"] else { throw CameoError.badInput("no body") }
    let captured = graph.capturedValues(of: body)
    var facts = FactTable(session.core)
    for value in captured { facts.note(value, ValueFacts(type: .tensor(.float, [2]))) }
    let program = RegionProgram(session.core, region: body, facts: facts, captures: Array(captured))
    let h = try Self.floats([-1, 2])
    let given = Dictionary(uniqueKeysWithValues: captured.map { ($0, Value.tensor(h)) })
    #expect(try program.run([], captured: given)[0].tensor?.elements(as: Float.self) == [1, 2])
    let error = #expect(throws: CameoError.self) { try program.run([], captured: [:]) }
    #expect(error?.description == "value h, which graph a reads, was not computed")
  }
}

@Suite struct ThreadPoolTests {
  private final class Marks: Kernel, @unchecked Sendable {
    let counts: [Atomic64]
    final class Atomic64: Sendable {
      let value = Atomic<Int>(0)
    }
    init(_ count: Int) {
      counts = (0..<count).map { _ in Atomic64() }
      super.init("marks")
    }
    override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
      for index in begin..<end { counts[index].value.add(1, ordering: .relaxed) }
    }
  }

  @Test(arguments: [1, 2, 4, 7])
  func everyIndexOnce(_ threads: Int) throws {
    let pool = ThreadPool(threads: threads)
    let plan = ExecutionPlan(
      steps: [], addresses: [], inputs: [], outputs: [], boxedCount: 0, children: [], kept: [],
      assignments: [], allAssignments: [], memory: .empty)
    let context = try ExecutionContext(plan, pool: pool)
    let call = KernelCall(
      operands: UnsafePointer(context.operands), inputCount: 0, outputCount: 0, context: context, pool: pool)
    for count in [0, 1, 5, 100, 1000] {
      let marks = Marks(count)
      for _ in 0..<50 { marks.parallel(call, count: count, grain: 3) }
      #expect(marks.counts.allSatisfy { $0.value.load(ordering: .relaxed) == 50 })
    }
    withExtendedLifetime(context) {}
  }
}
