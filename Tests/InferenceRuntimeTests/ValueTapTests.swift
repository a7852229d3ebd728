import GraphIR
import Operators
import Tensors
import Testing

@testable import InferenceRuntime

@Suite struct ValueTapTests {
  /// What a run shows of each value, in the order in which it does.
  private static func shown(
    _ text: String, _ names: [String], _ inputs: [[String: Tensor]]
  ) throws -> (log: [(String, [Float])], outputs: [[String: Value]], session: Session) {
    let graph = try ONNXText.parseGraph(text)
    var options = SessionOptions()
    options.threads = 1
    options.taps = Set(graph.allValues.filter { names.contains(graph[$0].name) })
    #expect(options.taps.count == names.count)
    let session = try Session(Model(graph: graph), providers: [ReferenceProvider()], options: options)
    var log: [(String, [Float])] = []
    let outputs = try inputs.map { tensors in
      try session.run(values: tensors.mapValues { .tensor($0) }) { value, tensor in
        log.append((graph[value].name, try tensor.elements(as: Float.self)))
      }
    }
    return (log, outputs, session)
  }

  private static func floats(_ values: [Float]) throws -> Tensor { try .of(values, .float) }

  /// c is a view, e may take over what b has, nothing but the tap reads d.
  @Test func valuesAreSeenBeforeTheirMemoryIsUsedAgain() throws {
    let text = """
      g (float[2] x) => (float[1, 2] y) <int64[2] shape = {1, 2}> {
        a = Neg (x)
        b = Exp (a)
        c = Reshape (b, shape)
        d = Abs (a)
        e = Neg (c)
        y = Neg (e)
      }
      """
    let names = ["x", "a", "b", "c", "d", "y"]
    let (log, outputs, session) = try Self.shown(
      text, names, [["x": Self.floats([0, 0])], ["x": Self.floats([-1, 1])]])
    #expect(log.map(\.0) == names.dropLast() + ["y"] + names)
    #expect(log[0..<6].map(\.1) == [[0, 0], [0, 0], [1, 1], [1, 1], [0, 0], [1, 1]])
    let exponential = try outputs[1]["y"]!.tensor!.elements(as: Float.self)
    #expect(log[6..<12].map(\.1) == [[-1, 1], [1, -1], exponential, exponential, [1, 1], exponential])
    // a, b with its view, and d lie in memory at once, as they do without taps; each in a line of 64 bytes.
    #expect(try session.plan(inputs: ["x": [2]]).memory.peakBytes == 192)
  }

  @Test func aSessionWithoutTapsHasNoStepForThem() throws {
    let graph = try ONNXText.parseGraph("g (float[2] x) => (float[2] y) { a = Neg (x) y = Exp (a) }")
    let plan = try Session(Model(graph: graph), providers: [ReferenceProvider()]).plan(inputs: ["x": [2]])
    #expect(plan.assignments.map(\.operatorName.name) == ["Neg", "Exp"])
  }

  @Test func constantsOfAPlanAndLaterStagesAreSeen() throws {
    let text = """
      g (float[N] x) => (float[K] y) <int64[1] minus = {-1}, float two = {2}> {
        n = Shape (x)
        m = Cast <to = 1> (n)
        nz = NonZero (x)
        flat = Reshape (nz, minus)
        picked = Gather <axis = 0> (x, flat)
        doubled = Mul (picked, two)
        y = Add (doubled, m)
      }
      """
    let (log, _, _) = try Self.shown(text, ["m", "picked", "doubled"], [["x": Self.floats([0, 5, 0, 7])]])
    #expect(log.map(\.0) == ["m", "picked", "doubled"])
    #expect(log.map(\.1) == [[4], [5, 7], [10, 14]])
  }

  @Test func bodiesShowTheirValuesInEveryIteration() throws {
    let text = """
      g (float[1] x, bool c) => (float[1] y, float[1] z) <int64 three = {3}> {
        y = Loop (three, , x) <
          body = b (int64 i, bool ci, float[1] s) => (bool co, float[1] t) { co = Identity (ci) t = Add (s, s) }>
        z = If (c) <
          then_branch = p () => (float[1] u) { u = Neg (y) },
          else_branch = q () => (float[1] v) { v = Exp (y) }>
      }
      """
    let no = try Tensor.of([Int64(0)], .bool, shape: [])
    let yes = try Tensor.of([Int64(1)], .bool, shape: [])
    let x = try Self.floats([1])
    let (log, _, _) = try Self.shown(text, ["s", "t", "u"], [["x": x, "c": no], ["x": x, "c": yes]])
    let loop: [(String, [Float])] = [("s", [1]), ("t", [2]), ("s", [2]), ("t", [4]), ("s", [4]), ("t", [8])]
    let expected = loop + loop + [("u", [-8])]
    #expect(log.map(\.0) == expected.map(\.0) && log.map(\.1) == expected.map(\.1))
    // Without the body's inputs the loop is a plan in its step's scratch.
    let (again, _, session) = try Self.shown(text, ["t", "z"], [["x": x, "c": yes]])
    #expect(again.map(\.0) == ["t", "t", "t", "z"] && again.map(\.1) == [[2], [4], [8], [-8]])
    #expect(session.plans.contains { $0.assignments.contains { $0.kernel == "loop" } })
  }

  @Test func whatATapThrowsEndsTheRunAndNamesTheStep() throws {
    let graph = try ONNXText.parseGraph("g (float[2] x) => (float[2] y) { a = Neg (x) y = Exp (a) }")
    var options = SessionOptions()
    options.taps = Set(graph.allValues.filter { graph[$0].name == "a" })
    let session = try Session(Model(graph: graph), providers: [ReferenceProvider()], options: options)
    let error = #expect(throws: CameoError.self) {
      try session.run(values: ["x": .tensor(Self.floats([1, 2]))]) { _, _ in throw CameoError.badInput("too much") }
    }
    #expect(error.map { "\($0)" } == "node with output a (Neg): too much")
  }
}
