import Cameo
import GraphIR
import Operators
import Tensors

/// How a test is checked whose expected numbers are one draw of a random operator, which no other generator repeats.
///
/// Shape and type are those expected. Two sessions of one seed give the same bits, whatever the session's seed where all the
/// operators have their own; 64 seeds do not all give one result. The rate: over those seeds, the outputs' mean is within five
/// standard errors of what the model says. That is the mean of the input where its random operator is a Bernoulli; where it is
/// a uniform one, that of the outputs for 512 evenly spaced numbers in place of the drawn ones (the body that the standard gives
/// Bernoulli draws 1 where the number is *greater* than the probability p, so at the rate 1 - p); else that of the expected draw.
struct RandomCheck {
  let model: Model
  let inputs: [String: Value]
  /// Of the session with seed 0.
  let results: [String: Value]
  private let nodes: [NodeID]
  private let isSeeded: Bool
  private static let draws = 64
  private static let steps = 512
  private static let standardErrors = 5.0

  init(model: Model, inputs: [String: Value], results: [String: Value]) {
    self.model = model
    self.inputs = inputs
    self.results = results
    let graph = model.graph
    nodes = graph.allNodes.filter { RandomCheck.isRandom(graph[$0]) }
    isSeeded = nodes.allSatisfy { graph[$0]["seed"] != nil }
  }

  private static func isRandom(_ node: Node) -> Bool {
    OperatorRegistry[node.operatorName]?.traits.contains(.random) ?? false
  }

  var applies: Bool { !nodes.isEmpty }

  /// The note for a test that passes. `run` prepares a model with a session seed and runs it on the test's inputs. Throws
  /// `ConformanceFailure`.
  func check(
    _ outputs: [(name: String, expected: Value)], run: (Model, UInt64) throws -> [String: Value]
  ) throws -> String {
    for (name, expected) in outputs {
      guard let a = expected.tensor, let b = results[name]?.tensor else {
        throw failure(name, "a value of another kind")
      }
      if a.dataType != b.dataType { throw failure(name, "type \(b.dataType), not \(a.dataType)") }
      if a.shape != b.shape { throw failure(name, "shape \(b.shape), not \(a.shape)") }
      if a.dataType == .string || a.dataType.isComplex { throw failure(name, "\(a.dataType) is not drawn at random") }
    }
    try repeats(outputs.map(\.name), run)
    let draws = try (1...RandomCheck.draws).map { seed in
      try run(reseeded(seed), UInt64(seed))
    }
    var rates: [String] = []
    for (name, expected) in outputs {
      guard let expected = expected.tensor else { continue }
      let samples = try draws.map { draw -> [Double] in
        guard let tensor = draw[name]?.tensor, tensor.shape == expected.shape else {
          throw failure(name, "another shape for another seed")
        }
        return try tensor.elements(as: Double.self)
      }
      if expected.count > 0, samples.allSatisfy({ $0 == samples[0] }) {
        throw failure(name, "the same numbers for \(samples.count) seeds")
      }
      rates.append(try rate(name, try expected.elements(as: Double.self), samples, run))
    }
    return "checked by shape, type, rate (\(rates.joined(separator: "; "))) and repeatability of the seed"
  }

  private func failure(_ name: String, _ reason: String) -> ConformanceFailure {
    ConformanceFailure(reason: "output \(name): \(reason)")
  }

  /// The model with another seed in every random operator that has one.
  private func reseeded(_ seed: Int) -> Model {
    var model = model
    for id in nodes where model.graph[id]["seed"] != nil {
      model.graph.setAttribute("seed", of: id, to: .float(Float(seed)))
    }
    return model
  }

  private func repeats(_ names: [String], _ run: (Model, UInt64) throws -> [String: Value]) throws {
    for seed: UInt64 in isSeeded ? [0, 1] : [0] {
      let again = try run(model, seed)
      for name in names {
        guard let a = results[name]?.tensor, let b = again[name]?.tensor, a.isIdentical(to: b) else {
          throw failure(name, "a second run with the same seed differs")
        }
      }
    }
  }

  /// Says the rate found and the one asked for. Throws where they are further apart than chance allows.
  private func rate(
    _ name: String, _ expected: [Double], _ samples: [[Double]], _ run: (Model, UInt64) throws -> [String: Value]
  ) throws -> String {
    let all = samples.joined()
    guard !all.isEmpty else { return "no elements" }
    let count = Double(all.count)
    let mean = all.reduce(0, +) / count
    if expected.allSatisfy({ $0 == 0 || $0 == 1 }), let wrong = all.first(where: { $0 != 0 && $0 != 1 }) {
      throw failure(name, "\(Figures.short(wrong)), neither 0 nor 1")
    }
    let asked: Double
    let error: Double
    if let elements = try distribution(name, run), elements.count == expected.count {
      asked = elements.reduce(0) { $0 + $1.mean } / Double(elements.count)
      error = (elements.reduce(0) { $0 + $1.variance } / Double(elements.count) / count).squareRoot()
    } else {
      asked = expected.reduce(0, +) / Double(expected.count)
      let variance = all.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      error = (variance * (1 / count + 1 / Double(expected.count))).squareRoot()
    }
    guard abs(mean - asked) <= RandomCheck.standardErrors * error else {
      throw failure(
        name, "the mean \(Figures.short(mean)) of \(all.count) draws, \(Figures.short(asked)) was asked for")
    }
    return "\(Figures.short(mean)) of \(Figures.short(asked)) asked for"
  }

  /// Mean and variance of each element of an output, where the model has one random operator that tells them.
  private func distribution(
    _ name: String, _ run: (Model, UInt64) throws -> [String: Value]
  ) throws -> [(mean: Double, variance: Double)]? {
    guard nodes.count == 1 else { return nil }
    let node = model.graph[nodes[0]]
    switch node.type {
    case "Bernoulli":
      guard let input = node.input(0), let chances = inputs[model.graph[input].name]?.tensor else { return nil }
      return try chances.elements(as: Double.self).map { ($0, $0 * (1 - $0)) }
    case "RandomUniform", "RandomUniformLike":
      var elements: [(sum: Double, squares: Double)] = []
      for step in 0..<RandomCheck.steps {
        let values = try run(fixed(nodes[0], at: (Double(step) + 0.5) / Double(RandomCheck.steps)), 0)
        guard let tensor = values[name]?.tensor else { return nil }
        let found = try tensor.elements(as: Double.self)
        if elements.isEmpty { elements = found.map { _ in (0, 0) } }
        guard elements.count == found.count else { return nil }
        for (index, value) in found.enumerated() {
          elements[index].sum += value
          elements[index].squares += value * value
        }
      }
      let count = Double(RandomCheck.steps)
      return elements.map { ($0.sum / count, max(0, $0.squares / count - $0.sum * $0.sum / count / count)) }
    default: return nil
    }
  }

  /// The model with a uniform operator that always draws the number at `place` between its bounds.
  private func fixed(_ id: NodeID, at place: Double) -> Model {
    func bound(_ name: String, _ fallback: Double) -> Double {
      if case .float(let value) = self.model.graph[id][name] { return Double(value) }
      return fallback
    }
    let (low, high) = (bound("low", 0), bound("high", 1))
    var model = model
    for name in ["low", "high"] {
      model.graph.setAttribute(name, of: id, to: .float(Float(low + (high - low) * place)))
    }
    return model
  }
}
