public import GraphIR
import Operators
public import PassKit
import Passes
import Tensors

/// What holds for every pass and for the whole pipeline, whatever the model. Gives sentences of what is wrong, none where all is well.
///
/// - Each pass has nothing to do right after itself, the pipeline nothing after the pipeline.
/// - The graph is whole, and its inputs and outputs have the names, types and order that they had.
/// - A source node has one heir among the nodes that are left, or is listed with the pass that folded or removed it.
public struct PipelineCheck {
  public var options: OptimizationOptions

  public init(options: OptimizationOptions = OptimizationOptions()) { self.options = options }

  private static let takingApart: Set<String> = ["LegalizeActivations", "ExpandOperators"]

  /// A pass once more, right after itself.
  private struct Again: Pass {
    static let mark = " again"
    let pass: any Pass
    var name: String { pass.name + Self.mark }
    var summary: String { pass.summary }
    var level: Int { pass.level }

    func run(_ context: PassContext) throws { try pass.run(context) }
  }

  public func problems(_ source: Model) throws -> [String] {
    let doubled = Pipelines.stages.map { stage in
      PassManager.Stage(stage.passes.flatMap { [$0, Again(pass: $0)] as [any Pass] }, rounds: stage.rounds)
    }
    let (result, report) = try PassManager(stages: doubled, options: options).run(source)
    var problems = report.failures.map { "failed: \($0)" }
    for record in report.passes where record.name.hasSuffix(Again.mark) && record.applied > 0 {
      problems.append("\(record.name) changes \(record.applied) more")
    }
    try result.graph.verify()
    problems += interface(source.graph, result.graph)
    problems += provenance(source.graph, result.graph, report)
    let (second, secondReport) = try PassManager(stages: Pipelines.stages, options: options).run(result)
    let changes = secondReport.passes.filter { $0.applied > 0 }.map { "\($0.name) \($0.applied)" }
    // What the output may not hold is recognised anew and taken apart again: the graph comes out as it was.
    let isTakenApart = secondReport.passes.contains { Self.takingApart.contains($0.name) && $0.applied > 0 }
    if !changes.isEmpty, !isTakenApart {
      problems.append("a second run still applies \(changes.joined(separator: ", "))")
    }
    if ONNXText.canonicalText(second.graph) != ONNXText.canonicalText(result.graph) {
      problems.append("a second run gives another graph")
    }
    return problems
  }

  private func interface(_ before: Graph, _ after: Graph) -> [String] {
    func ports(_ values: [ValueID], _ graph: Graph) -> [String] {
      values.map { "\(graph[$0].name): \(graph[$0].type.map { "\($0)" } ?? "open")" }
    }
    var problems: [String] = []
    if ports(before.inputs, before) != ports(after.inputs, after) {
      problems.append("inputs \(ports(before.inputs, before)) became \(ports(after.inputs, after))")
    }
    let names = before.outputs.map { before[$0].name }
    if names != after.outputs.map({ after[$0].name }) {
      problems.append("outputs \(names) became \(after.outputs.map { after[$0].name })")
      return problems
    }
    for (old, new) in zip(before.outputs, after.outputs) {
      // A type that the source leaves out may be filled in.
      if let type = before[old].type, after[new].type != type {
        problems.append("output \(before[old].name) of \(type) became \(after[new].type.map { "\($0)" } ?? "open")")
      }
    }
    return problems
  }

  /// Import may write a node of an old opset as several: no pass makes them more.
  private func provenance(_ before: Graph, _ after: Graph, _ report: OptimizationReport) -> [String] {
    var problems: [String] = []
    func counts(_ graph: Graph) -> [UInt32: Int] {
      graph.allNodes.reduce(into: [:]) { counts, id in
        for origin in graph[id].origins.indices { counts[origin, default: 0] += 1 }
      }
    }
    let source = counts(before)
    let heirs = counts(after)
    for (origin, count) in heirs where count > max(1, source[origin] ?? 1) {
      problems.append("\(count) nodes stand for source node \(origin)")
    }
    var constants: Set<UInt32> = []
    for value in after.allValues where after[value].isConstant { constants.formUnion(after[value].origins.indices) }
    let departed = Set(report.departures.flatMap(\.origins))
    for origin in departed where heirs[origin] != nil {
      problems.append("source node \(origin) is gone and stands there")
    }
    for id in before.allNodes {
      for origin in before[id].origins.indices where heirs[origin] == nil && !departed.contains(origin) {
        problems.append("nothing tells what became of \(before.describe(id))")
      }
    }
    for id in before.liveNodes.sorted() {
      for origin in before[id].origins.indices where heirs[origin] == nil && !constants.contains(origin) {
        let pass = report.departures.first { $0.origins.contains(origin) }?.pass ?? "nobody"
        problems.append("an output depends on \(before.describe(id)), which \(pass) removed: nothing stands for it")
      }
    }
    return problems
  }
}
