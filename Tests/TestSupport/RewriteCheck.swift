public import GraphIR
import Operators
public import PassKit
import Tensors

/// What a rewrite is held against: text, idempotence, numbers, provenance. Gives sentences of what is wrong, none where all is well.
public struct RewriteCheck {
  public enum Expectation: Sendable {
    /// The canonical text of this model's graph.
    case becomes(String)
    /// Nothing is applied; where a sentence is given, a near miss says it.
    case unchanged(String?)
  }

  public var passes: [any Pass]
  public var options: OptimizationOptions
  public var tolerance = 1e-5
  /// False: nothing is computed.
  public var isRun = true
  /// What a near miss has to say, whatever is expected otherwise.
  public var nearMiss: String?

  public init(passes: [any Pass], options: OptimizationOptions = OptimizationOptions()) {
    self.passes = passes
    self.options = options
  }

  public func problems(before text: String, _ expectation: Expectation) throws -> [String] {
    var source = try ONNXText.parseModel(text)
    source.number()
    let manager = PassManager(stages: [PassManager.Stage(passes, rounds: 4)], options: options)
    let (result, report) = try manager.run(source)
    var problems = report.failures.map { "failed: \($0)" }
    try result.graph.verify()
    let applied = report.passes.reduce(0) { $0 + $1.applied }
    let found = ONNXText.canonicalText(result.graph, types: false)
    switch expectation {
    case .becomes(let text):
      let expected = ONNXText.canonicalText(try ONNXText.parseModel(text).graph, types: false)
      if found != expected {
        problems.append("expected\n\(expected)found\n\(found)near misses: \(report.nearMisses.map(\.reason))")
      }
      if applied == 0 { problems.append("nothing was applied") }
      if result.graph.outputs.map({ result.graph[$0].name }) != source.graph.outputs.map({ source.graph[$0].name }) {
        problems.append("an output lost its name")
      }
    case .unchanged:
      if applied != 0 { problems.append("it was rewritten to\n\(found)") }
    }
    var sentences = nearMiss.map { [$0] } ?? []
    if case .unchanged(let sentence?) = expectation { sentences.append(sentence) }
    for sentence in sentences where !report.nearMisses.contains(where: { $0.reason == sentence }) {
      problems.append("no near miss says \"\(sentence)\", only \(report.nearMisses.map(\.reason))")
    }
    let again = try manager.run(result)
    let second = again.report.passes.reduce(0) { $0 + $1.applied }
    if second != 0 {
      problems.append("a second run changes it again:\n\(ONNXText.canonicalText(again.model.graph, types: false))")
    }
    problems += provenance(source.graph, result.graph)
    if !isRun { return problems }
    let inputs = try SeededInputs.make(source.graph)
    let expected = try GraphEvaluator(source.graph, functions: source.functions).run(inputs)
    let values = try GraphEvaluator(result.graph, functions: result.functions).run(inputs)
    let difference = try SeededInputs.difference(expected, values)
    if difference > max(tolerance, unit(of: expected)) { problems.append("the outputs differ by \(difference)") }
    return problems
  }

  /// Two units in the last place of the narrowest output: what a step rounded elsewhere may cost.
  private func unit(of outputs: [Value]) -> Double {
    let types = outputs.compactMap { $0.tensor?.dataType }
    return types.contains(.bfloat16) ? 0x1p-7 : types.contains(.float16) ? 0x1p-10 : 0
  }

  /// Origins of live nodes are disjoint, and together with those of constants cover every node that the outputs depended on.
  private func provenance(_ before: Graph, _ after: Graph) -> [String] {
    var problems: [String] = []
    var seen: Set<UInt32> = []
    for id in after.allNodes {
      for origin in after[id].origins.indices where !seen.insert(origin).inserted {
        problems.append("two nodes stand for source node \(origin)")
      }
    }
    for value in after.allValues where after[value].isConstant { seen.formUnion(after[value].origins.indices) }
    for id in before.liveNodes.sorted() {
      for origin in before[id].origins.indices where !seen.contains(origin) {
        problems.append("nothing stands for \(before.describe(id)) any more")
      }
    }
    return problems
  }
}

extension Model {
  /// Makes each node of the graph a source node of its own.
  public mutating func number() {
    sourceNodes = []
    for id in graph.allNodes {
      let origin = UInt32(sourceNodes.count)
      sourceNodes.append(SourceNode(name: graph[id].name, operatorName: graph[id].operatorName))
      graph.modify(id) { $0.origins = Origins([origin]) }
    }
  }
}

extension Graph {
  /// The main region's nodes that an output depends on.
  public var liveNodes: Set<NodeID> {
    var work = outputs.compactMap { producer($0) }
    var live: Set<NodeID> = []
    while let id = work.popLast() {
      guard live.insert(id).inserted else { continue }
      work += dependencies(of: id)
    }
    return live
  }
}
