import Cameo
import GraphIR
import ONNXFormat
import Operators
import PassKit
public import Tensors

/// What became of one spelling.
public struct SpellingOutcome: Sendable {
  public struct Failure: Sendable {
    /// An expectation's name, or `invalid`, `error`, `failedPass`, `export`, `numbers`, `second-run`.
    public let item: String
    public let detail: String
  }
  public var failures: [Failure] = []
  /// The expectations that were met.
  public var met: [String] = []
  /// Sentences of near misses, each once.
  public var nearMisses: [String] = []
  public var optimized: [UInt8] = []
  public var expected: [Tensor] = []
  /// max|a - b| / max|a| of the exported file's outputs.
  public var difference = 0.0
}

/// Optimizes a spelling at level 2 and holds the result against what is expected of it.
public struct SpellingCheck: Sendable {
  public var options = OptimizationOptions()

  public init() {}

  public func run(_ spelling: Spelling) -> SpellingOutcome {
    var outcome = SpellingOutcome()
    var stage = "invalid"
    do {
      let source = try ONNXImporter.load(bytes: spelling.bytes)
      let inputs = spelling.inputs.map { Value?.some(.tensor($0.tensor)) }
      let expected = try evaluate(source, inputs)
      outcome.expected = expected.compactMap(\.tensor)
      stage = "error"
      var options = options
      options.maximumOpset = spelling.maximumOpset ?? options.maximumOpset
      options.target = spelling.target ?? options.target
      let optimizer = Optimizer(options: options, verification: nil)
      let (result, report) = try optimizer.optimize(source)
      for failure in report.failures { outcome.failures.append(.init(item: "failedPass", detail: failure)) }
      for miss in report.nearMisses {
        let sentence = "\(miss.rule): \(miss.reason)"
        if !outcome.nearMisses.contains(sentence) { outcome.nearMisses.append(sentence) }
      }
      for expectation in spelling.expectations {
        if case .assuming(let list, _) = expectation.kind {
          if let problem = try self.problem(assuming: list, source, inputs, expected, spelling.tolerance) {
            outcome.failures.append(.init(item: expectation.name, detail: problem))
            continue
          }
        }
        if let problem = breach(expectation.kind, result, report) {
          outcome.failures.append(problem)
        } else if let problem = problem(expectation.kind, result, report) {
          outcome.failures.append(.init(item: expectation.name, detail: problem))
        } else {
          outcome.met.append(expectation.name)
        }
      }
      stage = "export"
      outcome.optimized = try ONNXExporter.serialize(result)
      let reloaded = try ONNXImporter.load(bytes: outcome.optimized)
      let found = try evaluate(reloaded, inputs)
      outcome.difference = Self.difference(expected, found)
      if !(outcome.difference <= spelling.tolerance), try !isAsExact(source, inputs, expected, found) {
        outcome.failures.append(
          .init(item: "numbers", detail: "the outputs differ by \(outcome.difference) of the largest"))
      }
      stage = "second-run"
      let (again, second) = try optimizer.optimize(result)
      if ONNXText.canonicalText(again.graph, types: false) != ONNXText.canonicalText(result.graph, types: false) {
        let passes = second.passes.filter { $0.applied > 0 }.map(\.name).joined(separator: ", ")
        outcome.failures.append(.init(item: "second-run", detail: "it changes the result of the first: \(passes)"))
      }
    } catch {
      outcome.failures.append(.init(item: stage, detail: "\(error)"))
    }
    return outcome
  }

  /// What is wrong where each row is taken to have an allowed key, as it has in the inputs.
  private func problem(
    assuming list: [Spelling.Expectation], _ source: Model, _ inputs: [Value?], _ expected: [Value], _ tolerance: Double
  ) throws -> String? {
    var options = options
    options.assumesNoEmptyRows = true
    let (result, report) = try Optimizer(options: options, verification: nil).optimize(source)
    let problems = list.lazy.compactMap { problem($0.kind, result, report) }
    if let problem = problems.first { return "with --assume no-empty-rows: \(problem)" }
    let found = try evaluate(try ONNXImporter.load(bytes: try ONNXExporter.serialize(result)), inputs)
    let difference = Self.difference(expected, found)
    return difference <= tolerance ? nil : "with --assume no-empty-rows the outputs differ by \(difference)"
  }

  private func evaluate(_ model: Model, _ inputs: [Value?]) throws -> [Value] {
    try GraphEvaluator(model.graph, functions: model.functions).run(inputs)
  }

  /// True where the difference is the source's own rounding: against its evaluation in float64 the result errs at most twice as
  /// much. A row of nearly equal numbers loses most of its digits when its mean is taken away.
  private func isAsExact(_ source: Model, _ inputs: [Value?], _ before: [Value], _ after: [Value]) throws -> Bool {
    guard Self.difference(before, after).isFinite else { return false }
    var options = GraphEvaluator.Options()
    options.widensFloats = true
    let exact = try GraphEvaluator(source.graph, functions: source.functions, options: options).run(inputs)
    let errors = try [before, after].map { try Self.difference(exact, $0.map(GraphEvaluator.widened)) }
    return errors[1] <= 2 * errors[0] + 1e-6
  }

  /// Infinity where types or shapes differ; elements that are NaN before are not compared.
  private static func difference(_ expected: [Value], _ found: [Value]) -> Double {
    guard expected.count == found.count else { return .infinity }
    var worst = 0.0
    for (a, b) in zip(expected, found) {
      guard let a = a.tensor, let b = b.tensor, a.shape == b.shape, a.dataType == b.dataType,
        let x = try? a.elements(as: Double.self), let y = try? b.elements(as: Double.self)
      else { return .infinity }
      let peak = x.lazy.filter(\.isFinite).map(\.magnitude).max() ?? 0
      for (p, q) in zip(x, y) where p != q && !p.isNaN {
        if !p.isFinite || !q.isFinite { return .infinity }
        worst = max(worst, (p - q).magnitude / max(peak, 1e-6))
      }
    }
    return worst
  }

  // MARK: Expectations

  /// Operators that targets without a kernel for them get in pieces again.
  private static let cheap: Set<String> = ["Swish", "SwiGLU", "Mish", "HardSwish", "Gelu"]

  /// What was fused that must not be (`fused`), or refused without a word (`silent`); nil where all is well or where the
  /// expectation is of another kind.
  private func breach(
    _ kind: Spelling.Expectation.Kind, _ model: Model, _ report: OptimizationReport
  ) -> SpellingOutcome.Failure? {
    let graph = model.graph
    let attentions = graph.allNodes.filter { graph[$0].type == "Attention" }
    let reasons = kind.sentences
    func reads(_ id: NodeID) -> Int? {
      if case .int(let stated)? = graph[id]["kv_num_heads"] { return Int(stated) }
      guard let shape = graph[id].input(1).flatMap({ graph[$0].type?.shape }), shape.count == 4 else { return nil }
      return shape[1].value
    }
    let wrong: String?
    switch kind {
    case .assuming: wrong = attentions.isEmpty ? nil : "an Attention was made"
    case .refused(let name, _):
      let isMade =
        graph.allNodes.contains { graph[$0].type == name } || report.fusions.contains { $0.operatorName == name }
      wrong = isMade ? "\(name) was made" : nil
    case .kept(let names, _):
      let lost = names.first { name in !graph.allNodes.contains { graph[$0].type == name } }
      wrong = lost.map { "\($0) is gone" }
    case .notCausal:
      let isCausal = attentions.contains { if case .int(1)? = graph[$0]["is_causal"] { true } else { false } }
      wrong = isCausal ? "is_causal was set" : nil
    case .noPast: wrong = attentions.contains { graph[$0].input(4) != nil } ? "past was taken" : nil
    case .masked: wrong = attentions.contains { graph[$0].input(3) == nil } ? "the mask is gone" : nil
    case .headsFirst:
      wrong = attentions.contains { graph[$0]["q_num_heads"] != nil } ? "the heads were packed" : nil
    case .allHeads(let heads, _):
      let few = attentions.lazy.compactMap(reads).first { $0 != heads }
      wrong = few.map { "keys of \($0) heads are read" }
    default: return nil
    }
    if let wrong { return .init(item: "fused", detail: wrong) }
    if reasons.isEmpty { return nil }
    let isTold = report.nearMisses.contains { miss in
      reasons.contains { SentencePattern($0).isPart(of: miss.reason) }
    }
    return isTold ? nil : .init(item: "silent", detail: "no near miss says \(reasons.joined(separator: " or "))")
  }

  /// What is wrong; nil where the expectation is met.
  private func problem(_ kind: Spelling.Expectation.Kind, _ model: Model, _ report: OptimizationReport) -> String? {
    let graph = model.graph
    func nodes(_ names: String) -> [NodeID] {
      let set = Set(names.split(separator: "|").map(String.init))
      return graph.allNodes.filter { set.contains(graph[$0].type) }
    }
    let attentions = nodes("Attention")
    switch kind {
    case .operators(let names, let count):
      let found = nodes(names).count
      if found == count { return nil }
      if Self.cheap.contains(names), report.fusions.count(where: { $0.operatorName == names }) >= count { return nil }
      return "\(found) \(names), not \(count)"
    case .gone(let names):
      let left = names.filter { !nodes($0).isEmpty }
      return left.isEmpty ? nil : "left: \(left.joined(separator: ", "))"
    case .anything, .assuming, .refused, .kept, .notCausal, .noPast, .allHeads, .masked, .headsFirst: return nil
    default: break
    }
    if attentions.isEmpty { return "there is no Attention" }
    for id in attentions {
      let node = graph[id]
      switch kind {
      case .causal:
        guard case .int(1)? = node["is_causal"] else { return "is_causal is not set" }
        if node.input(3) != nil { return "is_causal is set, and there is a mask" }
      case .past: if node.input(4) == nil || node.input(5) == nil { return "the Attention has no past" }
      case .lengths: if node.input(6) == nil || node.input(3) != nil { return "the Attention takes no lengths" }
      case .scores(let mode):
        var found = 0
        if case .int(let stated)? = node["qk_matmul_output_mode"] { found = Int(stated) }
        if node.output(3) == nil { return "the Attention hands on no scores" }
        if found != mode { return "the Attention hands on its scores in mode \(found), not \(mode)" }
      case .noMask: if node.input(3) != nil { return "the Attention has a mask" }
      case .softcap(let value):
        guard case .float(let found)? = node["softcap"], abs(found - value) < 1e-3 * value else {
          return "the Attention's softcap is not \(value)"
        }
      case .scale(let value):
        var found: Float?
        if case .float(let stated)? = node["scale"] { found = stated }
        if found == nil, let shape = node.input(0).flatMap({ graph[$0].type?.shape }), let last = shape.last?.value {
          var heads = 1
          if case .int(let stated)? = node["q_num_heads"] { heads = max(1, Int(stated)) }
          found = 1 / (Float(last) / Float(heads)).squareRoot()
        }
        guard let found, abs(found - value) <= 2e-3 * value else {
          return "the Attention's scale is \(found.map { "\($0)" } ?? "unknown"), not \(value)"
        }
      case .keyHeads(let heads):
        var found: Int?
        // A value that a fusion made has no type of its own.
        let inference = ShapeInference(graph)
        try? inference.run()
        if let shape = node.input(1).flatMap({ inference[$0].shape }), shape.count == 4 { found = shape[1].value }
        if case .int(let stated)? = node["kv_num_heads"] { found = Int(stated) }
        if found != heads {
          return "the Attention's keys have \(found.map { "\($0)" } ?? "unknown") heads, not \(heads)"
        }
      default: break
      }
    }
    return nil
  }
}
