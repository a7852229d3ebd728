import Cameo
import TestSupport
import Testing

/// Every function of the C interface, rightly and wrongly used, by Fixtures/checks.c; it names the line that does not hold.
@Suite struct CInterfaceTests {
  @Test func everyFunctionOfAPassDoesAsTheHeaderSays() async throws {
    _ = try Libraries.checks.get()
    await #expect(processExitsWith: .success) {
      try loadPlugin(path: try Libraries.checks.get())
      let model = try ONNXText.parseModel(
        """
        g (float[n, 4] x, bool i) => (float[m, k] y) <float[4] c = {1, 2, 3, 4}, int64[2] k = {4, -1}> {
          p = Add (x, c)
          q = LeakyRelu <alpha = 0.5> (p)
          r = Reshape (q, k)
          w = If (i) <then_branch = t () => (float[4, l] a) { a = Neg (r) }, else_branch = e () => (float[4, l] b) { b = Abs (r) }>
          y = Concat <axis = 0> (r, w)
        }
        """)
      var options = OptimizationOptions()
      options.level = 0
      options.enabled = ["Checks"]
      let (result, report) = try Optimizer(options: options, verification: nil).optimize(model)
      #expect(report.failures == [])
      #expect(report.fusions.map(\.rule) == ["Checked"])
      #expect(report.nearMisses.map(\.reason) == ["the checks refuse it"])
      let added = try #require(result.graph.nodes.first { result.graph[$0].is("Add") })
      let attributes = result.graph[added].attributes.map(\.name)
      #expect(attributes.isEmpty)
      let relu = try #require(result.graph.nodes.first { result.graph[$0].is("LeakyRelu") })
      #expect(try AttributeReader(result.graph[relu]).float("alpha") == 0.25)
    }
  }

  @Test func operatorsHaveTextsOptionalInputsAndSeveralOutputs() async throws {
    _ = try Libraries.checks.get()
    await #expect(processExitsWith: .success) {
      try loadPlugin(path: try Libraries.checks.get())
      let model = try ONNXText.parseModel(
        "<opset_import: [\"\" : 20, \"test.checks\" : 1]> g (float[n] x, string[2] t) => (float[n] y, string[k] words) "
          + "{ y, words = test.checks.Probe <bias = 2.0> (x, , t) }")
      let x = Value.tensor(try .of([1, 2, 3] as [Float], .float))
      let texts = Value.tensor(try Tensor(strings: ["naïve", ""], shape: [2]))
      let outputs = try GraphEvaluator(model.graph).run([x, texts])
      #expect(try outputs[0].tensor?.elements(as: Float.self) == [3, 4, 5])
      #expect(outputs[1].tensor?.strings == ["", "naïve"])
    }
  }
}
