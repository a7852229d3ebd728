import Foundation
import GraphIR
import PassKit
import Passes
import Tensors
import TestSupport
import Testing

enum Cases {
  static func of(_ pass: String) -> [RewriteCase] { RewriteCase.of(pass) }

  /// Those of the pipelines, and what only a command of its own runs.
  static let passes: [any Pass] = Pipelines.all + [FuseQuantizedProducts.qlinear]

  static let all = passes.flatMap { of($0.name) }

  static func options(_ item: RewriteCase) -> OptimizationOptions { item.options }
}

@Suite struct CaseTests {
  @Test(arguments: Cases.all)
  func rewrite(_ item: RewriteCase) throws {
    let pass = try #require(Cases.passes.first { $0.name == item.pass })
    for problem in try item.problems(of: pass) { Issue.record("\(item): \(problem)") }
  }

  /// Passes that change nothing: they say why others did not.
  static let explaining: Set<String> = ["ExplainQuantization"]

  @Test(arguments: Cases.passes.map(\.name))
  func everyPassHasCases(_ name: String) {
    let cases = Cases.of(name)
    #expect(
      cases.contains { if case .becomes = $0.expectation { true } else { false } } != Self.explaining.contains(name),
      "\(name) has no case that is rewritten, or changes nothing and has one")
    #expect(
      cases.contains { if case .unchanged = $0.expectation { true } else { false } }, "\(name) has no case that stays")
  }

  /// No result depends on a name, and the whole pipeline keeps outputs.
  @Test(arguments: Cases.all)
  func namesDoNotMatter(_ item: RewriteCase) throws {
    let model = try ONNXText.parseModel(item.before)
    var renamed = model
    renamed.graph.renameEverything(seed: 7)
    let manager = PassManager(stages: Pipelines.stages, options: Cases.options(item))
    let a = try manager.run(model)
    let b = try manager.run(renamed)
    #expect(a.report.failures.isEmpty, "\(a.report.failures)")
    #expect(ONNXText.canonicalText(a.model.graph, types: false) == ONNXText.canonicalText(b.model.graph, types: false))
  }
}
