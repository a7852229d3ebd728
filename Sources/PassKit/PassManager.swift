public import GraphIR
import Operators
import Tensors

/// Runs passes over a model: applies their changes, checks the graph, records provenance, counts, rolls a failing pass back.
public struct PassManager {
  /// A stage of a pipeline: passes run in order, the whole again until nothing changes or `rounds` are done.
  public struct Stage: Sendable {
    public var passes: [any Pass]
    public var rounds: Int

    public init(_ passes: [any Pass], rounds: Int = 1) {
      self.passes = passes
      self.rounds = rounds
    }
  }

  public let stages: [Stage]
  public let options: OptimizationOptions
  /// Told the pass's name before it runs.
  public var progress: (@Sendable (String) -> Void)?
  /// Asked about each change of each pass.
  public var auditor: (any ChangeAuditor)?

  public init(stages: [Stage], options: OptimizationOptions) {
    self.stages = stages
    self.options = options
  }

  /// True where the options let the pass run.
  public func isActive(_ pass: any Pass) -> Bool {
    if options.disabled.contains(pass.name) { return false }
    return options.enabled.contains(pass.name) || pass.level <= options.level
  }

  /// Optimizes the model's main graph. Function bodies are reached by inlining (a pass).
  /// Throws only where the model itself is broken; a pass that throws is rolled back and listed.
  public func run(_ model: Model) throws -> (model: Model, report: OptimizationReport) {
    let start = ContinuousClock.now
    var model = model
    var report = OptimizationReport()
    report.level = options.level
    report.target = options.target.rawValue
    report.model = model.sourcePath
    report.nodesBefore = model.graph.countedNodes
    report.bytesBefore = model.graph.constantBytes
    report.operatorsBefore = model.graph.operatorCounts
    try model.graph.verify()
    var records: [String: PassRecord] = [:]
    var order: [String] = []
    var fusions: [PendingFusion] = []
    var misses = NearMissList()
    var ledger = ProvenanceLedger(model.graph, sourceNodes: model.sourceNodes.count)
    var broken: Set<String> = []
    var (isChecked, isCompact) = (false, false)
    var known: PassContext?
    var nodeCount = report.nodesBefore
    for stage in stages {
      let active = stage.passes.filter(isActive)
      if active.isEmpty { continue }
      var context = known ?? makeContext(model, checksSignatures: !isChecked)
      var isEdited = !isCompact
      known = nil
      var settledPasses: Set<String> = []
      for _ in 0..<max(1, stage.rounds) {
        var changed = false
        for pass in active {
          // A pass that found nothing has nothing to find until another changes the graph; one that failed would fail again.
          if settledPasses.contains(pass.name) || broken.contains(pass.name) { continue }
          progress?(pass.name)
          let began = ContinuousClock.now
          let failures = report.failures.count
          let outcome = run(pass, &context, &model, &report)
          if report.failures.count > failures {
            broken.insert(pass.name)
            isEdited = true
          }
          if outcome.applied.isEmpty { settledPasses.insert(pass.name) } else { settledPasses = [] }
          let elapsed = (ContinuousClock.now - began).milliseconds
          if records[pass.name] == nil { order.append(pass.name) }
          var record = records[pass.name] ?? PassRecord(name: pass.name, applied: 0, milliseconds: 0, nodesAfter: 0)
          record.applied += outcome.applied.count
          record.milliseconds += elapsed
          if !outcome.applied.isEmpty { nodeCount = context.graph.countedNodes }
          record.nodesAfter = nodeCount
          records[pass.name] = record
          if !outcome.misses.isEmpty || !outcome.applied.isEmpty {
            misses.note(pass.name, outcome.misses, consumed: Set(outcome.applied.flatMap(\.consumed)))
          }
          if !outcome.applied.isEmpty { ledger.note(pass.name, context.graph) }
          fusions += outcome.fusions
          changed = changed || !outcome.applied.isEmpty
        }
        if !changed { break }
        isEdited = true
      }
      isChecked = isChecked || (context.isSound && context.isInferred)
      // What is known of a graph that nobody has touched stays known.
      if !isEdited {
        known = context
        continue
      }
      isCompact = true
      model.graph = context.graph
      context.discard()
      if let renumbering = model.graph.compact() {
        auditor?.didCompact(renumbering)
        misses.renumber(renumbering)
      }
    }
    report.passes = order.compactMap { records[$0] }
    report.fusions = fusions.map { $0.record }
    report.nearMisses = misses.settled(model)
    report.departures = ledger.departures(model)
    report.nodesAfter = model.graph.countedNodes
    report.bytesAfter = model.graph.constantBytes
    report.operatorsAfter = model.graph.operatorCounts
    report.milliseconds = (ContinuousClock.now - start).milliseconds
    return (model, report)
  }

  private struct PendingFusion {
    var record: FusionRecord
  }

  private struct Outcome {
    var applied: [PassContext.AppliedRecord] = []
    var misses: [NearMiss] = []
    var fusions: [PendingFusion] = []
  }

  private func makeContext(_ model: Model, checksSignatures: Bool = true) -> PassContext {
    let context = PassContext(
      graph: model.graph, functions: model.functions, options: options, sourceOpset: model.opsets[""] ?? 0,
      checksSignatures: checksSignatures)
    context.auditor = auditor
    return context
  }

  /// One pass. The graph is as before where it throws or leaves the graph broken.
  private func run(
    _ pass: any Pass, _ context: inout PassContext, _ model: inout Model, _ report: inout OptimizationReport
  ) -> Outcome {
    let snapshot = context.graph
    auditor?.willRun(pass.name)
    do {
      context.beginPass()
      try pass.run(context)
      if let damage = context.damage { throw damage }
      var outcome = Outcome(applied: context.applied, misses: context.nearMisses)
      if !outcome.applied.isEmpty {
        outcome.fusions = fusions(of: pass, in: context, model)
        try context.settle()
      }
      auditor?.didRun(pass.name, rolledBack: false)
      return outcome
    } catch {
      auditor?.didRun(pass.name, rolledBack: true)
      let located = (error as? CameoError) ?? CameoError(.invariant, "\(error)")
      report.failures.append("\(located.within("pass \(pass.name)"))")
      report.failedPasses.append(pass.name)
      model.graph = snapshot
      context = makeContext(model)
      return Outcome()
    }
  }

  private func fusions(of pass: any Pass, in context: PassContext, _ model: Model) -> [PendingFusion] {
    context.applied.filter(\.isFusion).compactMap { applied in
      guard let main = applied.added.last(where: { context.graph[$0].isAlive }) else { return nil }
      let node = context.graph[main]
      let name = node.name.isEmpty ? node.output(0).map { context.graph[$0].name } ?? "" : node.name
      let origins = applied.added.filter { context.graph[$0].isAlive }.reduce(into: Origins()) {
        $0.formUnion(context.graph[$1].origins)
      }
      return PendingFusion(
        record: FusionRecord(
          pass: pass.name, rule: applied.rule, operatorName: node.operatorName.description, node: name,
          origins: origins.indices.map(model.sourceLabel),
          before: applied.before, after: context.describe(applied.added.filter { context.graph[$0].isAlive })))
    }
  }
}

extension Duration {
  /// The duration in milliseconds.
  public var milliseconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) * 1e3 + Double(attoseconds) * 1e-15
  }
}

extension Graph {
  /// Bytes of all live constants.
  public var constantBytes: Int {
    var sum = 0
    for id in allValues { if let tensor = self[id].constantTensor { sum += tensor.byteCount } }
    return sum
  }

  /// Live nodes by operator, bodies included; a fused program is one node.
  public var operatorCounts: [String: Int] {
    var counts: [String: Int] = [:]
    for id in allNodes where !isStep(id) { counts[self[id].operatorName.description, default: 0] += 1 }
    return counts
  }

  /// Live nodes, bodies included; a fused program is one node.
  public var countedNodes: Int {
    allRegions.reduce(0) { count, region in
      let isProgram = self[region].parent.map { FusedElementwise.is(self[$0]) } ?? false
      return count + (isProgram ? 0 : nodes(in: region).count)
    }
  }

  /// True for a node in the body of a fused program.
  private func isStep(_ id: NodeID) -> Bool {
    self[self[id].region].parent.map { FusedElementwise.is(self[$0]) } ?? false
  }
}
