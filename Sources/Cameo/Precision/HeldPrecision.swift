public import GraphIR
public import InferenceRuntime
import Operators
import Quantization
public import Tensors

/// Which nodes of a model have to stay float32 for a session that computes in float16 or bfloat16 (`SessionOptions.precision`) to give outputs
/// as close to float32's as asked for, on given inputs: for `SessionOptions.exactNodes`.
public struct HeldPrecision: Sendable {
  /// A node that stays, and what it would cost.
  public struct Kept: Sendable {
    public let node: String
    public let reason: String
  }

  public let exactNodes: Set<NodeID>
  public let kept: [Kept]
  /// The greatest max|a - b| / max|a| of an output, a being float32's: with everything narrow, as it is now, and the limit.
  public let accuracy: HeldAccuracy
  public let coverage: FloatCoverage

  /// `model` as it is to run; `options` and `providers` as its session is made. Some 50 sessions are made at most, one after the other, two
  /// where the limit is kept anyway. Throws what a session does, and `.badInput` where the model has no output of float32.
  public static func search(
    _ model: Model, providers: [any ExecutionProvider], options: SessionOptions, inputs: [String: Value], limit: Double,
    progress: ((String) -> Void)? = nil
  ) throws -> HeldPrecision {
    try PrecisionTrials(model, providers, options, inputs, limit: limit, progress).held()
  }
}

/// Runs of one model with some of its nodes narrow.
private final class PrecisionTrials {
  /// Sessions that are made at most.
  private static let budget = 48
  /// Stands for an error without bound.
  private static let most = 1e12
  private let model: Model
  private let providers: [any ExecutionProvider]
  private let options: SessionOptions
  private let inputs: [String: Value]
  private let limit: Double
  private let progress: ((String) -> Void)?
  private let work: NodeWork
  private let expected: [String: Tensor]
  /// That read or write float32, in the graph's order.
  private let nodes: [NodeID]
  private var sessions = 1

  init(
    _ model: Model, _ providers: [any ExecutionProvider], _ options: SessionOptions, _ inputs: [String: Value],
    limit: Double, _ progress: ((String) -> Void)?
  ) throws {
    (self.model, self.providers, self.inputs, self.limit, self.progress) = (model, providers, inputs, limit, progress)
    var plain = options
    (plain.mode, plain.tuning, plain.precision) = (.standard, nil, .fp32)
    plain.pool = options.pool ?? ThreadPool(threads: options.threads, affinity: options.affinity)
    let found = try Session(model, providers: providers, options: plain).run(values: inputs)
    expected = found.compactMapValues(\.tensor).filter { $0.value.dataType == .float }
    guard !expected.isEmpty else {
      throw CameoError.badInput(
        "how far a precision puts outputs off is measured on outputs of float32: there are none")
    }
    plain.precision = options.precision
    self.options = plain
    let work = try NodeWork(model, bindings: model.symbolSizes(inputs))
    self.work = work
    let graph = model.graph
    nodes = graph.allNodes.filter { id in
      (graph[id].inputs + graph[id].outputs).contains { work.isFloat($0) } && graph[id].regions.isEmpty
        || FusedElementwise.is(graph[id])
    }
  }

  func held() throws -> HeldPrecision {
    progress?("comparing with everything in \(options.precision.rawValue)")
    let whole = try cost(narrow: nodes)
    var (after, reasons): (Double, [NodeID: String]) = (whole.drop, [:])
    if whole.drop > limit {
      reasons = try sensitive(whole)
      after = try cost(narrow: nodes.filter { reasons[$0] == nil }).drop
    }
    let accuracy = HeldAccuracy(measure: .greatest, limit: limit, before: whole.drop, after: after, sessions: sessions)
    return HeldPrecision(
      exactNodes: Set(reasons.keys),
      kept: nodes.compactMap { id in
        reasons[id].map { HeldPrecision.Kept(node: model.graph.describe(id), reason: $0) }
      },
      accuracy: accuracy, coverage: FloatCoverage(work, narrow: Set(nodes).subtracting(reasons.keys)))
  }

  /// What stays, with reasons.
  private func sensitive(_ whole: FloatSearch.Cost) throws -> [NodeID: String] {
    var search = FloatSearch(
      parts, limit: limit, tolerated: limit * limit, whole: whole, budget: Self.budget - sessions - 1,
      alone: { parts in
        self.progress?("ranking: model \(self.sessions + 1) of at most \(Self.budget)")
        return try self.cost(narrow: parts.flatMap(\.nodes))
      },
      together: { parts in
        let narrow = parts.flatMap(\.nodes)
        self.progress?(
          "comparing with \(narrow.count) of \(self.nodes.count) nodes in \(self.options.precision.rawValue)")
        return (try self.cost(narrow: narrow), 1)
      })
    var reasons: [NodeID: String] = [:]
    for stretch in try search.kept() {
      let reason = stretch.reason(options.precision.rawValue, measure: .greatest)
      for node in stretch.nodes { reasons[node] = reason }
    }
    return reasons
  }

  /// In the graph's order: a product or a sum of computed values begins each.
  private var parts: [FloatSearch.Part] {
    let graph = model.graph
    var groups: [(nodes: [NodeID], isSum: Bool)] = []
    for id in nodes {
      let isSum = graph.isSumOfValues(id)
      if groups.isEmpty || isSum || groups[groups.count - 1].isSum || Contraction.isOne(graph[id]) {
        groups.append(([id], isSum))
      } else {
        groups[groups.count - 1].nodes.append(id)
      }
    }
    return groups.map { group in
      FloatSearch.Part(
        nodes: group.nodes, work: group.nodes.reduce(0) { $0 + work.work($1) }, isSum: group.isSum)
    }
  }

  private func cost(narrow: [NodeID]) throws -> FloatSearch.Cost {
    sessions += 1
    var options = options
    options.exactNodes.formUnion(Set(nodes).subtracting(narrow))
    MemoryBudget.trim()
    let found = try Session(model, providers: providers, options: options).run(values: inputs)
    var drop = 0.0
    for (name, a) in expected {
      guard let b = found[name]?.tensor else { continue }
      let error = Closeness.between(.tensor(a), .tensor(b)).maxRel
      drop = max(drop, error.isNaN ? Self.most : min(error, Self.most))
    }
    return FloatSearch.Cost(drop: drop, energy: drop * drop)
  }
}

extension Model {
  /// What the symbols of the inputs' shapes are, by the tensors given.
  func symbolSizes(_ inputs: [String: Value]) -> [String: Int] {
    var found: [String: Int] = [:]
    for input in graph.inputs {
      guard let shape = graph[input].type?.shape, let given = inputs[graph[input].name]?.tensor?.shape,
        shape.count == given.count
      else { continue }
      for (dim, size) in zip(shape, given) { if let name = dim.symbolName { found[name] = size } }
    }
    return found
  }
}

extension Graph {
  /// A sum of values that are not constant.
  func isSumOfValues(_ id: NodeID) -> Bool {
    let node = self[id]
    return node.domain.isEmpty && ["Add", "Sub", "Sum"].contains(node.type)
      && node.inputs.count { $0.map { constant($0) == nil } ?? false } > 1
  }
}

extension FloatSearch.Stretch {
  /// Why it stays float32, in a model that is otherwise of `type`.
  func reason(_ type: String, measure: Accuracy.Measure) -> String {
    let off = { (drop: Double) in "\(Figures.short(drop)) off (\(measure.rawValue))" }
    let cost =
      if let joint {
        "with its stretch in \(type), too, the outputs would be \(off(joint))"
      } else {
        "its stretch in \(type) by itself puts the outputs \(off((alone ?? outer)?.drop ?? 0)), more than the rest leaves"
      }
    return cost + ": kept for the accuracy asked for"
  }
}
