import GraphIR
import Operators
import Synchronization
import Tensors
import Testing

@testable import InferenceRuntime

/// Loops whose body is one plan.
@Suite struct LoopKernelTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let text: String
    var isPlanned = true
  }

  static let cases = [
    Case(
      testDescription: "a computed condition ends it",
      text: """
        g (float[3] x, int64 m, float limit) => (float[3] y) <bool yes = {1}> {
          y = Loop (m, yes, x) <body = b (int64 i, bool c, float[3] v) => (bool d, float[3] w) {
            w = Add (v, x)
            s = ReduceSum <keepdims = 0> (w)
            d = Less (s, limit)
          }>
        }
        """),
    Case(
      testDescription: "two values change places, one stays",
      text: """
        g (float[3] x, int64 m, float limit) => (float[3] p, float[3] q, float r) <bool yes = {1}> {
          n = Neg (x)
          p, q, r = Loop (m, yes, x, n, limit) <body = b (int64 i, bool c, float[3] u, float[3] v, float k)
            => (bool c2, float[3] v2, float[3] u2, float k2) {
            c2 = Identity (c)
            v2 = Mul (v, k)
            u2 = Identity (u)
            k2 = Identity (k)
          }>
        }
        """),
    Case(
      testDescription: "scans of a fixed number of runs, the counter, one result twice",
      text: """
        g (float[3] x, int64 m, float limit) => (float[3] y, float[4, 3] all, float[4, 3] again, int64[4] counts, bool[4] flags)
          <bool yes = {1}, int64 four = {4}> {
          y, all, again, counts, flags = Loop (four, yes, x) <body = b (int64 i, bool c, float[3] v)
            => (bool d, float[3] w, float[3] w1, float[3] w2, int64 j, bool d1) <bool true = {1}> {
            d = Identity (true)
            d1 = Identity (true)
            f = Cast <to = 1> (i)
            w = Add (v, f)
            w1 = Identity (w)
            w2 = Identity (w)
            j = Identity (i)
          }>
        }
        """),
    Case(
      testDescription: "a loop and a branch in a loop, values from outside",
      text: """
        g (float[3] x, int64 m, float limit) => (float[3] y) <bool yes = {1}, int64 two = {2}, float zero = {0.0}> {
          o = Exp (x)
          y = Loop (m, yes, x) <body = b (int64 i, bool c, float[3] v) => (bool d, float[3] w) {
            d = Identity (c)
            t = Loop (two, yes, v) <body = inner (int64 i2, bool c2, float[3] a) => (bool d2, float[3] e) {
              d2 = Identity (c2)
              e = Add (a, o)
            }>
            s = ReduceSum <keepdims = 0> (t)
            g = Greater (s, zero)
            w = If (g) <
              then_branch = yes_branch () => (float[3] p) { p = Neg (t) },
              else_branch = no_branch () => (float[3] q) { q = Mul (t, o) }>
          }>
        }
        """),
    Case(
      testDescription: "what grows is run by itself",
      text: """
        g (float[3] x, int64 m, float limit) => (float[n] y) <bool yes = {1}> {
          y = Loop (m, yes, x) <body = b (int64 i, bool c, float[k] v) => (bool d, float[k2] w) {
            d = Identity (c)
            w = Concat <axis = 0> (v, x)
          }>
        }
        """, isPlanned: false),
  ]

  @Test(arguments: cases) func agreesWithTheEvaluator(_ test: Case) throws {
    let graph = try ONNXText.parseGraph(test.text)
    let session = try Session(Model(graph: graph), providers: [ReferenceProvider()])
    for runs in [Int64(0), 1, 2, 5] {
      let given = [
        "x": try Tensor.of([1, -0.5, 0.25] as [Float], .float), "m": try Tensor.of([runs], .int64, shape: []),
        "limit": try Tensor.of([1.6] as [Float], .float, shape: []),
      ]
      let expected = try GraphEvaluator(graph, functions: []).run(
        graph.inputs.map { given[graph[$0].name].map { .tensor($0) } })
      for _ in 0..<2 {
        let results = try session.run(given)
        for (output, value) in zip(graph.outputs, expected) {
          let want = try #require(value.tensor)
          let have = try #require(results[graph[output].name])
          #expect(have.shape == want.shape)
          #expect(try have.elements(as: Double.self) == want.elements(as: Double.self), "\(runs) runs")
        }
      }
    }
    let loops = session.plans.flatMap(\.assignments).filter { $0.operatorName.name == "Loop" }
    #expect(!loops.isEmpty)
    #expect(loops.allSatisfy { ($0.kernel == "loop") == test.isPlanned })
  }

  /// Cancelling stops between two steps of the body.
  @Test func aLoopThatNeverEndsCanBeCancelled() throws {
    struct Third: ExecutionProvider {
      let name = "third"
      let cancellation: Cancellation
      func prepare(_ request: KernelRequest) throws -> PreparedKernel {
        guard request.node.is("Neg") else { throw Refusal("no Neg") }
        let calls = Counter()
        let cancellation = cancellation
        return PreparedKernel(
          SerialKernel("third") { call in
            call.output(0, Float.self).pointee = -call.input(0, Float.self).pointee
            if calls.value.add(1, ordering: .relaxed).newValue == 3 { cancellation.cancel() }
          })
      }
    }
    final class Counter: Sendable { let value = Atomic<Int>(0) }
    let graph = try ONNXText.parseGraph(
      """
      g (float x) => (float y) <bool yes = {1}> {
        y = Loop ("", yes, x) <body = b (int64 i, bool c, float v) => (bool d, float w) {
          d = Identity (c)
          w = Neg (v)
        }>
      }
      """)
    let cancellation = Cancellation()
    let session = try Session(
      Model(graph: graph), providers: [Third(cancellation: cancellation), ReferenceProvider()])
    let x = try Tensor.of([1] as [Float], .float, shape: [])
    let error = #expect(throws: CameoError.self) { try session.run(["x": x], cancellation: cancellation) }
    #expect(error?.kind == .cancelled)
    #expect(session.plans[0].assignments.contains { $0.kernel == "loop" })
  }
}
