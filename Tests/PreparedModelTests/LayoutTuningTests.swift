import Cameo
import Testing

/// The choice between the layouts of a whole model.
@Suite struct LayoutTuningTests {
  private func prepare(_ text: String, _ tuning: Tuning?) throws -> LayoutTuning.Result {
    let source = try Sample.model(text)
    var options = SessionOptions()
    options.threads = 1
    options.tuning = tuning
    var optimizing = OptimizationOptions()
    optimizing.level = 3
    optimizing.target = .cameo
    let layout = LayoutTuning(providers: [CPUProvider()], options: options)
    return try layout.session(inputs: try Sample.inputs(source)) { passes in
      var settings = optimizing
      settings.disabled.formUnion(passes)
      return try Optimizer(options: settings, verification: nil).optimize(source)
    }
  }

  private func isChannelsLast(_ result: LayoutTuning.Result) -> Bool {
    let graph = result.model.graph
    return graph.nodes.contains { graph[$0].operatorName.name == "ChannelsLastConv" }
  }

  /// The entries about whole models.
  private func entries(_ tuning: Tuning) -> [Substring] {
    tuning.text.split(separator: "\n").filter { $0.hasPrefix("model layout ") }
  }

  @Test func theWinnerIsRememberedAndTaken() throws {
    let tuning = Tuning(effort: .quick)
    let found = try prepare(Sample.convolution, tuning)
    let entry = try #require(entries(tuning).first)
    #expect(entries(tuning).count == 1 && tuning.measurementCount > 0)
    #expect(isChannelsLast(found) == entry.hasSuffix("\t"))
    let key = entry.split(separator: "\t", omittingEmptySubsequences: false)[0]
    for (answer, isLast) in [("", true), ("form=1", false), ("form=2", true)] {
      let known = Tuning(effort: .cached, text: "\(key)\t\(answer)\n")
      #expect(isChannelsLast(try prepare(Sample.convolution, known)) == isLast, "\(answer)")
      #expect(known.measurementCount == 0)
    }
  }

  @Test func bothLayoutsComputeTheSame() throws {
    let tuning = Tuning(effort: .quick)
    _ = try prepare(Sample.convolution, tuning)
    let key = try #require(entries(tuning).first).split(separator: "\t", omittingEmptySubsequences: false)[0]
    let inputs = try Sample.inputs(try Sample.model(Sample.convolution))
    let last = try prepare(Sample.convolution, nil).session.run(values: inputs)
    let first = try prepare(Sample.convolution, Tuning(effort: .cached, text: "\(key)\tform=1\n")).session.run(
      values: inputs)
    let a = try #require(last["y"]?.tensor).elements(as: Float.self)
    let b = try #require(first["y"]?.tensor).elements(as: Float.self)
    #expect(a.count == b.count && zip(a, b).allSatisfy { ($0 - $1).magnitude < 1e-4 })
  }

  /// What is found out for a model serves one with other names and weights, not one with another attribute or shape.
  @Test func aModelIsKnownByItsNodesAndShapes() throws {
    func key(_ text: String) throws -> String {
      let tuning = Tuning(effort: .quick)
      _ = try prepare(text, tuning)
      return String(try #require(entries(tuning).first).split(separator: "\t", omittingEmptySubsequences: false)[0])
    }
    let known = try key(Sample.convolution)
    let renamed = Sample.convolution.replacing("h", with: "other").replacing(
      Sample.weight("v", [16, 16, 3, 3], seed: 2), with: Sample.weight("v", [16, 16, 3, 3], seed: 9))
    #expect(try key(renamed) == known)
    #expect(try key(Sample.convolution.replacing("14, 14", with: "15, 14")) != known)
    #expect(try key(Sample.convolution.replacing("Relu", with: "Tanh")) != known)
    #expect(try key(Sample.convolution.replacing("pads = [2, 2, 2, 2]", with: "pads = [3, 1, 2, 2]")) != known)
  }

  /// Without a tuning, or without a convolution, there is no question.
  @Test func othersAreMadeOnce() throws {
    var made = 0
    let source = try Sample.model(Sample.product)
    var options = SessionOptions()
    options.tuning = Tuning(effort: .cached)
    _ = try LayoutTuning(providers: [CPUProvider()], options: options).session(inputs: [:]) { _ in
      made += 1
      return (source, OptimizationReport())
    }
    #expect(made == 1)
  }
}
