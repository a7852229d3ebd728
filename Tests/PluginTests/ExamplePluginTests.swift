import Cameo
import PassKit
import TestSupport
import Testing

/// The examples as a library's user loads them. Each test runs in a process of its own: what a plugin registers stays.
@Suite struct ExamplePluginTests {
  /// Throws a sentence for each case that is not rewritten as stated.
  private static func hold(_ plugin: Plugin, _ cases: [(before: String, expected: RewriteCheck.Expectation)]) throws {
    let check = RewriteCheck(passes: plugin.passes.map(\.pass))
    for item in cases {
      let problems = try check.problems(before: item.before, item.expected)
      if !problems.isEmpty { throw Failure(text: "\(item.before): \(problems)") }
    }
  }

  @Test func theTutorialsPassDoesWhatItSays() async throws {
    _ = try Libraries.tutorial.get()
    await #expect(processExitsWith: .success) {
      let plugin = try loadPlugin(path: try Libraries.tutorial.get())
      func graph(_ body: String, _ type: String = "float") -> String {
        "g (\(type)[2] x, \(type)[2] z) => (\(type)[2] y) { \(body) }"
      }
      let product = "p = Neg (x) q = Neg (z) y = Mul (p, q)"
      try ExamplePluginTests.hold(
        plugin,
        [
          (graph(product), .becomes(graph("y = Mul (x, z)"))),
          (graph(product, "int32"), .unchanged("the product is one of integers, which wrap")),
        ])
    }
  }

  @Test func theSwiftPassRewritesBothSpellingsAndSaysWhyNot() async throws {
    _ = try Libraries.fuseClip.get()
    await #expect(processExitsWith: .success) {
      let plugin = try loadPlugin(path: try Libraries.fuseClip.get())
      let bounds = "<float lo = {-1}, float hi = {2}, float[3] row = {1, 2, 3}, float[1,1,1] deep = {4}>"
      func graph(_ body: String, _ type: String = "float") -> String {
        "g (\(type)[2, 3] x) => (\(type)[2, 3] y) \(bounds) { \(body) }"
      }
      let clip = RewriteCheck.Expectation.becomes(graph("y = Clip (x, lo, hi)"))
      try ExamplePluginTests.hold(
        plugin,
        [
          (graph("m = Max (x, lo) y = Min (m, hi)"), clip), (graph("m = Max (lo, x) y = Min (hi, m)"), clip),
          (graph("m = Min (x, hi) y = Max (m, lo)"), clip),
          (graph("m = Max (x, hi) y = Min (m, lo)"), .becomes(graph("y = Clip (x, hi, lo)"))),
          (graph("m = Min (x, lo) y = Max (m, hi)"), .unchanged("the bounds cross: 2.0 and -1.0")),
          (graph("m = Min (x, row) y = Max (m, lo)"), .unchanged("a bound is not one number")),
          (
            "g (float[2] x) => (float[1,1,2] y) \(bounds) { m = Max (x, lo) y = Min (m, deep) }",
            .unchanged("a bound has more dimensions than what it bounds")
          ),
          (
            "g (int32[2] x) => (int32[2] y) <int32 lo = {-1}, int32 hi = {2}> { m = Max (x, lo) y = Min (m, hi) }",
            .unchanged("it bounds integers")
          ),
        ])
    }
  }

  @Test func theCPassRewritesInBodiesTooAndSaysWhyNot() async throws {
    _ = try Libraries.reluFromMax.get()
    await #expect(processExitsWith: .success) {
      let plugin = try loadPlugin(path: try Libraries.reluFromMax.get())
      let zeros = "<float zero = {0}, float[2] zeros = {0, 0}, float one = {1}, float[1,1,1] deep = {0}>"
      func graph(_ body: String) -> String { "g (float[n, 2] x) => (float[n, 2] y) \(zeros) { \(body) }" }
      let relu = RewriteCheck.Expectation.becomes(graph("y = Relu (x)"))
      func branches(_ op: String) -> String {
        "g (bool i, float[2] x) => (float[2] y) \(zeros) { y = If (i) <then_branch = t () => (float[2] a) { a = \(op) }, "
          + "else_branch = e () => (float[2] b) { b = Neg (x) }> }"
      }
      try ExamplePluginTests.hold(
        plugin,
        [
          (graph("y = Max (x, zero)"), relu), (graph("y = Max (zeros, x)"), relu),
          (graph("m = Max (x, zero) y = Max (m, zero)"), .becomes(graph("m = Relu (x) y = Relu (m)"))),
          (graph("y = Max (x, one)"), .unchanged(nil)), (graph("y = Max (x)"), .unchanged(nil)),
          (
            "g (float[2] x) => (float[1,1,2] y) \(zeros) { y = Max (x, deep) }", .unchanged("the zeros widen the shape")
          ),
          (
            "g (int32[2] x) => (int32[2] y) <int32 zero = {0}> { y = Max (x, zero) }",
            .unchanged("it is of no floating-point type")
          ),
          (branches("Max (x, zero)"), .becomes(branches("Relu (x)"))),
        ])
    }
  }

  @Test func theSwiftOperatorIsInferredEvaluatedAndRun() async throws {
    _ = try Libraries.softThreshold.get()
    await #expect(processExitsWith: .success) {
      let path = try Libraries.softThreshold.get()
      let plugin = try loadPlugin(path: path)
      let again = try loadPlugin(path: path)
      #expect(again.operators == plugin.operators && Plugin.loaded.count == 1)
      let name = OperatorName("SoftThreshold", domain: "example.shrink")
      #expect(plugin.operators == [name] && plugin.passes.isEmpty)
      #expect(SchemaRegistry.newest(domain: "example.shrink", name: "SoftThreshold")?.attributes.count == 1)

      let model = try Model(contentsOf: Libraries.examples + "/soft_threshold.onnx")
      let inference = ShapeInference(model.graph)
      try inference.run()
      let shrunk = try #require(model.graph.nodes.first { model.graph[$0].operatorName == name })
      let output = try #require(model.graph[shrunk].output(0))
      #expect(inference[output].type?.description == "float[rows, 4]")

      let x = try Tensor.of([0, 0.5, -0.5, 3, -3, 0.25, -1.125, 1.0] as [Float], .float, shape: [2, 4])
      let expected: [Float] = [0, 0.25, -0.25, 1, -1, 0, -0.875, 0.75]
      let direct = try GraphEvaluator(model.graph).run([.tensor(x)])
      #expect(try direct[0].tensor?.elements(as: Float.self) == expected)
      for level in [0, 2, 3] {
        let session = try Session(path: Libraries.examples + "/soft_threshold.onnx", level: level)
        let found = try session.run(values: ["x": .tensor(x)])["y"]?.tensor
        #expect(try found?.elements(as: Float.self) == expected)
      }

      let wrong = try ONNXText.parseModel(
        "<opset_import: [\"\" : 20, \"example.shrink\" : 1]> g (int32[2] x) => (int32[2] y) { y = example.shrink.SoftThreshold (x) }"
      )
      #expect(throws: CameoError.self) { try ShapeInference(wrong.graph).run() }
      // The default of the signature, and a constant that is folded through the operator.
      let constant = try ONNXText.parseModel(
        "<opset_import: [\"\" : 20, \"example.shrink\" : 1]> g (float[2] x) => (float[2] y) <float[2] c = {1, 0.25}> "
          + "{ s = example.shrink.SoftThreshold (c) y = Add (x, s) }")
      let folded = try constant.optimized(level: 1).model.graph
      #expect(folded.nodeCount == 1)
      let sum = try GraphEvaluator(folded).run([.tensor(try .of([0, 0] as [Float], .float))])
      #expect(try sum[0].tensor?.elements(as: Float.self) == [0.5, 0])
    }
  }

  @Test func theCOperatorIsInferredAndEvaluatedAndItsErrorsNameTheNode() async throws {
    _ = try Libraries.hypot.get()
    await #expect(processExitsWith: .success) {
      try loadPlugin(path: try Libraries.hypot.get())
      let model = try Model(contentsOf: Libraries.examples + "/hypot.onnx")
      let session = try Session(model, providers: [CPUProvider()])
      let a = try Tensor.of([3, 0.25, 5] as [Float], .float)
      let b = try Tensor.of([4, 0, 12] as [Float], .float)
      let found = try session.run(values: ["a": .tensor(a), "b": .tensor(b)])["y"]?.tensor
      #expect(try found?.elements(as: Float.self) == [4.5, 0, 12.5])

      func error(_ inputs: String) throws -> String {
        let text =
          "<opset_import: [\"\" : 20, \"example.c\" : 1]> g (\(inputs)) => (float[k] y) { y = example.c.Hypot (a, b) }"
        do { try ShapeInference(try ONNXText.parseModel(text).graph).run() } catch { return "\(error)" }
        return ""
      }
      #expect(
        try error("float[2] a, float[2, 2] b")
          == "node with output y (example.c.Hypot): the inputs have different ranks")
      #expect(
        try error("float[2] a, double[2] b")
          == "node with output y (example.c.Hypot): input 1 (B) is double, but must be float")
      #expect(try error("float[n] a, float[2] b").isEmpty)
      let short = try Tensor.of([1] as [Float], .float)
      #expect(throws: CameoError.self) { try GraphEvaluator(model.graph).run([.tensor(a), .tensor(short)]) }
    }
  }

  @Test func optimizersMadeAfterLoadingRunThePluginsPasses() async throws {
    _ = (try Libraries.fuseClip.get(), try Libraries.reluFromMax.get())
    await #expect(processExitsWith: .success) {
      let model = try ONNXText.parseModel(
        "g (float[2] x) => (float[2] y) <float lo = {-1}, float hi = {2}, float z = {0}> "
          + "{ m = Max (x, lo) n = Min (m, hi) y = Max (n, z) }")
      // Without the built-in passes that would do the same.
      var options = OptimizationOptions()
      options.disabled = ["MergeClips", "FuseRelu"]
      let before = Optimizer(options: options)
      try loadPlugin(path: try Libraries.fuseClip.get())
      try loadPlugin(path: try Libraries.reluFromMax.get())
      #expect(try before.optimize(model).report.nodesAfter == 3)
      let report = try Optimizer(options: options).optimize(model).report
      #expect(report.operatorsAfter == ["Clip": 1, "Relu": 1])
      #expect(report.verification?.passed == true)
      // ReluFromMax asked for its place before the fusions.
      let names = Pipelines.all(with: Plugin.loaded.flatMap(\.passes)).map(\.name)
      let places = ["ReluFromMax", "FuseGelu", "FuseClip", "FuseEpilogue"].map { names.firstIndex(of: $0) ?? -1 }
      #expect(places == places.sorted() && places[0] > 0)
    }
  }
}
