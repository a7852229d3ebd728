import GraphIR
import Operators
import PassKit
import Tensors
import TestSupport
import Testing

/// A pass made of a closure.
private struct ClosurePass: Pass {
  let name: String
  let summary = "for tests"
  let level = 1
  let body: @Sendable (PassContext) throws -> Void
  func run(_ context: PassContext) throws { try body(context) }
}

@Suite struct PassManagerTests {
  static let text = "g (float[2] x) => (float[2] y) { a = Neg (x) b = Abs (a) y = Relu (b) }"

  private func run(_ passes: [any Pass], _ text: String = text) throws -> (
    model: Model, report: OptimizationReport, source: Model
  ) {
    var source = try ONNXText.parseModel(text)
    source.number()
    let (model, report) = try PassManager(
      stages: [PassManager.Stage(passes, rounds: 4)], options: OptimizationOptions()
    ).run(source)
    return (model, report, source)
  }

  private func expectUntouched(_ result: (model: Model, report: OptimizationReport, source: Model), _ name: String) {
    #expect(ONNXText.canonicalText(result.model.graph) == ONNXText.canonicalText(result.source.graph))
    #expect(result.report.failures.count == 1, "\(result.report.failures)")
    #expect(result.report.failures.first?.hasPrefix("pass \(name)") == true, "\(result.report.failures)")
  }

  @Test func aPassThatThrowsMidwayIsRolledBack() throws {
    let pass = ClosurePass(name: "Thrower") { context in
      let first = context.graph.nodes[0]
      var change = GraphChange(rule: "r", covers: [first])
      guard let output = context.graph[first].output(0), let input = context.graph[first].input(0) else { return }
      change.replace(output, with: change.node("Exp", [.existing(input)]))
      try context.apply(change)
      throw CameoError.badInput("midway")
    }
    expectUntouched(try run([pass]), "Thrower")
  }

  @Test func aPassThatMakesACycleIsRolledBack() throws {
    let pass = ClosurePass(name: "Breaker") { context in
      let nodes = context.graph.nodes
      guard let late = context.graph[nodes[2]].output(0) else { return }
      var change = GraphChange(rule: "r", covers: [])
      change.setInput(0, of: nodes[0], to: .existing(late))
      try context.apply(change)
    }
    expectUntouched(try run([pass]), "Breaker")
  }

  @Test func aRewriteThatChangesTheShapeIsRolledBack() throws {
    let passes = try RuleFile.parse(
      "rule Wider { match { y = Abs(x) } rewrite { y = Concat<axis = 0>(x, x) } }", file: "r")
    expectUntouched(try run(passes), "Wider")
    let typed = try RuleFile.parse("rule Typed { match { y = Abs(x) } rewrite { y = IsNaN(x) } }", file: "r")
    expectUntouched(try run(typed), "Typed")
  }

  @Test func aDivergingRuleIsStopped() throws {
    let swap = """
      rule Swap { match { y = Neg(x) } rewrite { y = Abs(x) } }
      rule Swap { match { y = Abs(x) } rewrite { y = Neg(x) } }
      """
    let result = try run(try RuleFile.parse(swap, file: "r"))
    expectUntouched(result, "Swap")
    #expect(result.report.failures.first?.contains("does not come to an end") == true)
    expectUntouched(
      try run(try RuleFile.parse("rule Grow { match { y = Neg(x) } rewrite { y = Neg(Neg(Neg(x))) } }", file: "r")),
      "Grow")
  }

  @Test func aFailingPassDoesNotHinderOthers() throws {
    let bad = ClosurePass(name: "Bad") { _ in throw CameoError.badInput("no") }
    let good = try RuleFile.parse("rule Good { match { a = Neg!(x) y = Abs(a) } rewrite { y = Abs(x) } }", file: "r")
    let result = try run([bad] + good)
    #expect(result.report.failures.count == 1)
    #expect(result.model.graph.nodeCount == 2)
  }

  @Test func originsAreUnitedOnce() throws {
    let rule = try RuleFile.parse(
      "rule R { match { a = Neg!(x) y = Abs(a) } rewrite { y = Sqrt(Mul(x, x)) } }", file: "r")
    let result = try run(rule)
    let origins = result.model.graph.nodes.map { result.model.graph[$0].origins.indices }
    #expect(origins == [[], [0, 1], [2]])
  }

  @Test func constantsKeepWhatWasFoldedIntoThem() throws {
    let rule = try RuleFile.parse("rule Fold { match { y = Neg($c) } rewrite { y = -$c } }", file: "r")
    let result = try run(rule, "g (float[2] x) => (float[2] y) <float[2] c = {1,2}> { n = Neg (c) y = Add (x, n) }")
    let graph = result.model.graph
    let constant = try #require(graph.allValues.first { graph[$0].isConstant })
    #expect(graph[constant].origins.indices == [0])
    #expect(graph.nodeCount == 1)
  }
}
