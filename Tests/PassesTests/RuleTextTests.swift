import Cameo
import GraphIR
import ONNXFormat
import PassKit
import Passes
import Tensors
import TestSupport
import Testing

/// Built-in passes that are written in the rule language, read again as a user's rule file in the place of the built-in one.
@Suite struct RuleTextTests {
  static let passes = Pipelines.all.compactMap { $0 as? RulePass }

  @Test func mostOfTheCatalogueIsRules() { #expect(Self.passes.count >= 25) }

  static func reloaded(_ pass: RulePass) throws -> any Pass {
    let passes = try RuleFile.parse(pass.text, file: pass.name + ".rules")
    #expect(passes.count == 1)
    return try #require(passes.first)
  }

  @Test(arguments: passes.map(\.name))
  func textSaysTheSameOfItself(_ name: String) throws {
    let pass = try #require(Self.passes.first { $0.name == name })
    let again = try Self.reloaded(pass)
    #expect(again.name == pass.name && again.level == pass.level && again.summary == pass.summary)
    let spellings = try pass.rules().rules.flatMap { $0.spellings ?? [$0] }
    #expect(spellings.count == (again as? RewritePass)?.rules.count)
  }

  static func optimize(_ model: Model, _ options: OptimizationOptions, with pass: any Pass) throws -> (String, [String])
  {
    var options = options
    options.disabled.insert(pass.name)
    var optimizer = Optimizer(options: options, verification: nil)
    optimizer.extraPasses = [pass]
    let (result, report) = try optimizer.optimize(model)
    #expect(report.failures.isEmpty, "\(report.failures)")
    return (
      ONNXText.canonicalText(result.graph), report.passes.filter { $0.applied > 0 }.map { "\($0.name) \($0.applied)" }
    )
  }

  @Test(arguments: passes.map(\.name))
  func reloadedTextGivesTheSameGraphs(_ name: String) throws {
    let pass = try #require(Self.passes.first { $0.name == name })
    let again = try Self.reloaded(pass)
    for item in Cases.of(name) {
      let model = try ONNXText.parseModel(item.before)
      let options = Cases.options(item)
      let a = try Optimizer(options: options, verification: nil).optimize(model)
      let b = try Self.optimize(model, options, with: again)
      #expect(ONNXText.canonicalText(a.model.graph) == b.0, "\(item)")
      #expect(a.report.passes.filter { $0.applied > 0 }.map { "\($0.name) \($0.applied)" } == b.1, "\(item)")
    }
  }

  /// All of them at once: where any fires in a model of the zoo, the reloaded one does the same.
  @Test(arguments: OptimizerTests.zoo)
  func reloadedTextsGiveTheSameGraphsInZoo(_ entry: OptimizerTests.ZooModel) throws {
    let model = try ONNXImporter.load(path: entry.path)
    let a = try Optimizer(verification: nil).optimize(model)
    var options = OptimizationOptions()
    options.disabled = Set(Self.passes.map(\.name))
    var optimizer = Optimizer(options: options, verification: nil)
    optimizer.extraPasses = try Self.passes.map { try Self.reloaded($0) }
    let b = try optimizer.optimize(model)
    #expect(ONNXText.canonicalText(a.model.graph, types: false) == ONNXText.canonicalText(b.model.graph, types: false))
    #expect(a.report.passes.map { "\($0.name) \($0.applied)" } == b.report.passes.map { "\($0.name) \($0.applied)" })
  }

  @Test func aDisabledPassDoesNotRunWithoutItsReplacement() throws {
    let model = try ONNXText.parseModel(
      "g (float[2] x) => (float[2] y) { s = Softplus (x) t = Tanh (s) y = Mul (x, t) }")
    var options = OptimizationOptions()
    options.disabled = ["FuseMish"]
    let result = try Optimizer(options: options, verification: nil).optimize(model)
    #expect(result.model.graph.operatorCounts["Mish"] == nil)
  }
}
