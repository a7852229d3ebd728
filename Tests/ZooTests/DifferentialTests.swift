import CPUProvider
import Cameo
import GraphIR
import InferenceRuntime
import ONNXFormat
import Operators
import PassKit
import Tensors
import TestSupport
import Testing

/// Every public model on both providers at every level against ONNX Runtime without optimizations.
///
/// By default each model's smallest inputs; `CAMEO_FULL=1` takes all of them.
@Suite(.serialized) struct DifferentialTests {
  @Test func everyModelIsThere() {
    guard let zoo = Zoo.shared else {
      if Repository.isCI { Issue.record("no models in \(Repository.cache.path): Tools/zoo fetch") }
      print("skipped: no models in \(Repository.cache.path) (Tools/zoo fetch)")
      return
    }
    for model in zoo.models where !model.isThere {
      if Repository.isCI { Issue.record("\(model.name) is missing") }
      print("skipped: \(model.name) is missing")
    }
  }

  @Test(arguments: Zoo.present)
  func matchesGolden(_ entry: Zoo.Model) throws {
    let source = try ONNXImporter.load(path: Zoo.path(entry.path))
    let cases = try (Repository.isFull ? entry.sets : [entry.smallest]).map { try Case(entry, $0) }
    for level in 0...3 {
      let model = try source.optimized(level: level)
      try check(model, cases, "level \(level)", providers: true)
      // What is written computes the same; level 3 is for this process only.
      if level == 1 || level == 2 {
        let bytes = try ONNXExporter.serialize(model)
        try check(try ONNXImporter.load(bytes: bytes), cases, "level \(level) written", providers: false)
      }
    }
  }

  /// One line of the table for each provider; an issue where an output is too far off.
  private func check(_ model: Model, _ cases: [Case], _ label: String, providers: Bool) throws {
    for sample in cases {
      let label = "\(sample.label) \(label)"
      let graph = model.graph
      if !providers || Repository.isFull {
        let values = try GraphEvaluator(graph, functions: model.functions).run(
          graph.inputs.map { id in sample.inputs[graph[id].name].map { .tensor($0) } })
        sample.compare(
          Dictionary(zip(graph.outputs.map { graph[$0].name }, values)) { a, _ in a }, label + " evaluator")
      }
      guard providers else { continue }
      let kinds: [(String, [any ExecutionProvider])] = [("reference", [ReferenceProvider()]), ("cpu", [CPUProvider()])]
      for (name, list) in kinds {
        let session = try Session(model, providers: list)
        sample.compare(try session.run(values: sample.inputs.mapValues { .tensor($0) }), "\(label) \(name)")
      }
    }
  }
}

/// Inputs of a model with what they must give.
struct Case {
  let label: String
  let inputs: [String: Tensor]
  private let expected: [String: Tensor]
  private let limit: [String: Double]

  init(_ entry: Zoo.Model, _ set: Zoo.Set) throws {
    label = "\(entry.name)/\(set.name)"
    inputs = try Zoo.tensors(set.inputs)
    let golden = try Zoo.tensors(set.golden)
    expected = try golden.merging(set.shipped.map { try Zoo.tensors($0) } ?? [:]) { _, shipped in shipped }
    limit = golden.keys.reduce(into: [:]) { $0[$1] = entry.tolerance + 3 * (set.spread[$1] ?? 0) }
  }

  func compare(_ values: [String: Value], _ label: String) {
    var worst = 0.0
    for (name, tensor) in expected {
      guard let value = values[name] else {
        Issue.record("\(label): output \(name) is missing")
        continue
      }
      let found = Closeness.between(.tensor(tensor), value).maxRel
      worst = max(worst, found)
      #expect(found <= limit[name] ?? 1e-4, "\(label): output \(name) is off by \(found)")
    }
    print("closeness \(label): \(worst)")
  }
}

extension Model {
  /// Without the check on numbers that the optimizer makes: the test makes its own.
  func optimized(level: Int) throws -> Model {
    if level == 0 { return self }
    var options = OptimizationOptions()
    options.level = level
    if level == 3 { options.target = .cameo }
    return try Optimizer(options: options, verification: nil).optimize(self).model
  }
}
