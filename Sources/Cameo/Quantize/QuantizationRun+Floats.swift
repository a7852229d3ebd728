import GraphIR
import InferenceRuntime
import Operators
import PassKit
import Quantization
import Tensors

/// Models that compute in float16 or bfloat16.
extension QuantizationRun {
  func converted(
    _ model: Model, _ options: FloatConversionOptions, _ kept: Set<String>, _ setting: Setting
  ) throws -> Result {
    var options = options
    let graph = model.graph
    for id in graph.allNodes where kept.contains(graph[id].name) { options.keptNodes.insert(id) }
    options.keptOperators.formUnion(kept)
    let work = try NodeWork(model, bindings: setting.evaluation?.bindings ?? [:])
    var held: HeldAccuracy?
    if let accuracyDrop {
      guard let evaluation = setting.evaluation, evaluation.samples > 0 else {
        throw CameoError.badInput("how far the accuracy drops is measured on samples: there are none")
      }
      let trials = FloatTrials(
        model: model, evaluation: evaluation, measure: accuracyMeasure, limit: accuracyDrop, session: setting.session,
        work: work, progress: progress)
      (options, held) = try trials.held(options)
    }
    let conversion = try FloatTrials.convert(model, options)
    var result = try finish(conversion.model, setting)
    if let stored = held?.after {
      held?.after = max(stored, result.drop ?? 0)
      result.drop = held?.after
    }
    result.held = held
    result.floats = conversion.journal
    result.narrow = FloatCoverage(work, narrow: Set(conversion.journal.converted.map(\.id)))
    result.exceptions = conversion.journal.keptNodes.map {
      QuantizationReport.Exception(nodes: [$0.node], type: "", reason: $0.reason)
    }
    return result
  }
}

/// What conversions of one model cost on samples, up to finding the one that costs no more than a limit.
final class FloatTrials {
  /// Sessions that are made at most.
  static let budget = 48
  /// Samples that one stretch alone is measured on.
  private static let ranking = 4
  /// Stands for an error without bound.
  private static let most = 1e12
  private let model: Model
  private let evaluation: Evaluation
  private let measure: Accuracy.Measure
  private let limit: Double
  private let session: SessionOptions
  private let work: NodeWork
  private let progress: ((String) -> Void)?
  private var sessions = 0

  init(
    model: Model, evaluation: Evaluation, measure: Accuracy.Measure, limit: Double, session: SessionOptions,
    work: NodeWork, progress: ((String) -> Void)?
  ) {
    (self.model, self.evaluation, self.measure, self.limit) = (model, evaluation, measure, limit)
    (self.session, self.work, self.progress) = (session, work, progress)
  }

  static func convert(
    _ model: Model, _ options: FloatConversionOptions
  ) throws -> (model: Model, journal: FloatConversionJournal) {
    let journal = FloatConversionJournal()
    return (try QuantizationRun.apply([FloatConversion(options, journal: journal)], model).model, journal)
  }

  /// `options` with so many nodes kept float32 that the drop is at most the limit, where float32 itself is; and what that took.
  func held(_ options: FloatConversionOptions) throws -> (FloatConversionOptions, HeldAccuracy) {
    var options = options
    var (whole, journal) = try together(options, "everything that can be", always: true)
    let before = whole.drop
    if whole.drop > limit {
      let misfits = try misfits(journal.converted.map(\.id), options.type)
      if !misfits.isEmpty {
        options.keep(misfits)
        (whole, journal) = try together(options, "what \(options.type) holds")
      }
    }
    var after = whole.drop
    if whole.drop > limit {
      options.keep(try sensitive(journal.converted, options, whole))
      after = try cost(options, isAsStored: true).cost.drop
    }
    return (options, HeldAccuracy(measure: measure, limit: limit, before: before, after: after, sessions: sessions))
  }

  /// What is kept of `nodes` for the limit's sake, with reasons.
  private func sensitive(
    _ nodes: [ConvertedNode], _ options: FloatConversionOptions, _ whole: FloatSearch.Cost
  ) throws -> [NodeID: String] {
    let parts = parts(nodes)
    let all = nodes.map(\.id)
    func narrowing(_ parts: [FloatSearch.Part]) -> FloatConversionOptions {
      var changed = options
      changed.keptNodes.formUnion(Set(all).subtracting(parts.flatMap(\.nodes)))
      return changed
    }
    // Errors by their squares; a share of rows and the like grows with the noise.
    let tolerated =
      measure == .greatest ? limit * limit : whole.energy * limit / max(whole.drop, .leastNonzeroMagnitude)
    var search = FloatSearch(
      parts, limit: limit, tolerated: tolerated, whole: whole, budget: Self.budget - sessions - 1,
      alone: { parts in
        var changed = narrowing(parts)
        changed.leadingNodes = Set(parts.compactMap(\.nodes.first))
        self.progress?("ranking: model \(self.sessions + 1) of at most \(Self.budget)")
        return try self.cost(changed, isAsStored: true, most: Self.ranking).cost
      },
      together: { parts in
        let before = self.sessions
        let count = parts.reduce(0) { $0 + $1.nodes.count }
        let cost = try self.together(narrowing(parts), "\(count) of \(all.count) nodes").cost
        return (cost, self.sessions - before)
      })
    var reasons: [NodeID: String] = [:]
    for stretch in try search.kept() {
      let reason = stretch.reason("\(options.type)", measure: measure)
      for node in stretch.nodes { reasons[node] = reason }
    }
    return reasons
  }

  /// In the graph's order: a node that is worth Casts of its own, or a sum of computed values, begins each.
  private func parts(_ nodes: [ConvertedNode]) -> [FloatSearch.Part] {
    var groups: [(nodes: [NodeID], isSum: Bool)] = []
    for node in nodes {
      let isSum = model.graph.isSumOfValues(node.id)
      if groups.isEmpty || !node.follows || isSum {
        groups.append(([node.id], isSum))
      } else {
        groups[groups.count - 1].nodes.append(node.id)
      }
    }
    return groups.map { group in
      FloatSearch.Part(
        nodes: group.nodes, work: group.nodes.reduce(0) { $0 + work.work($1) }, isSum: group.isSum)
    }
  }

  /// The nodes that compute with numbers beyond the type's range, or too small for all of its digits. bfloat16 has float32's range.
  private func misfits(_ nodes: [NodeID], _ type: DataType) throws -> [NodeID: String] {
    guard type == .float16 else { return [:] }
    progress?("observing")
    sessions += 1
    let graph = model.graph
    func values(_ id: NodeID) -> [ValueID] {
      (graph[id].inputs + graph[id].outputs).compactMap { $0 }.filter { graph.constant($0) == nil && work.isFloat($0) }
    }
    var observers: [ValueID: MagnitudeObserver] = [:]
    for value in nodes.flatMap(values) where observers[value] == nil { observers[value] = MagnitudeObserver() }
    if observers.isEmpty { return [:] }
    try Calibrator(model, providers: Providers.all(), options: session).run(
      observers.mapValues { [$0] }, over: evaluation.set, limit: evaluation.limit)
    var reasons: [NodeID: String] = [:]
    for node in nodes {
      let magnitudes = values(node).compactMap { observers[$0]?.greatest }
      if magnitudes.contains(where: { $0 > 65504 }) {
        reasons[node] =
          "it computes with numbers beyond 65504, the greatest of float16: kept for the accuracy asked for"
      } else if magnitudes.contains(where: { $0 > 0 && $0 < 0x1p-14 }) {
        reasons[node] =
          "it computes with numbers below 6.1e-05, of which float16 keeps few digits or none: kept for the accuracy asked for"
      }
    }
    return reasons
  }

  /// The conversion as it is stored and, where that is within the limit or `always`, as it is run here: the greater drop.
  private func together(
    _ options: FloatConversionOptions, _ what: String, always: Bool = false
  ) throws -> (cost: FloatSearch.Cost, journal: FloatConversionJournal) {
    progress?("comparing with \(what) in \(options.type)")
    let stored = try cost(options, isAsStored: true)
    if stored.cost.drop > limit && !always { return stored }
    let run = try cost(options, isAsStored: false)
    return run.cost.drop > stored.cost.drop ? run : stored
  }

  private func cost(
    _ options: FloatConversionOptions, isAsStored: Bool, most: Int? = nil
  ) throws -> (cost: FloatSearch.Cost, journal: FloatConversionJournal) {
    sessions += 1
    let (converted, journal) = try Self.convert(model, options)
    MemoryBudget.trim()
    let accuracy = try evaluation.accuracy(of: converted, most: most, isAsStored: isAsStored)
    let drop = accuracy.drop(by: measure) ?? 0
    let energy = measure == .greatest ? drop * drop : accuracy.noise
    return (FloatSearch.Cost(drop: drop, energy: energy.isNaN ? Self.most : min(energy, Self.most)), journal)
  }
}

extension FloatConversionOptions {
  fileprivate mutating func keep(_ nodes: [NodeID: String]) {
    keptNodes.formUnion(nodes.keys)
    reasons.merge(nodes) { a, _ in a }
  }
}
