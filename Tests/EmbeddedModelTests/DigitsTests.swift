import CPUProvider
import Cameo
import GraphIR
import InferenceRuntime
import ONNXFormat
import PassKit
import Tensors
import TestSupport
import Testing

/// The two models that the project trained itself, on their held-out images.
@Suite struct DigitsTests {
  private static func arrays(_ name: String) throws -> [String: Tensor] {
    let path = Repository.models.appending(path: name).path
    return try Dictionary(uniqueKeysWithValues: NumPyFile.readArchive(path: path).map { ($0.name, $0.tensor) })
  }

  private static func optimized(_ kind: String, level: Int) throws -> (model: Model, report: OptimizationReport?) {
    let model = try ONNXImporter.load(path: Repository.models.appending(path: "digits_\(kind).onnx").path)
    if level == 0 { return (model, nil) }
    var options = OptimizationOptions()
    options.level = level
    let result = try Optimizer(options: options).optimize(model)
    #expect(result.report.verification?.passed == true)
    #expect(result.report.verification?.culprit == nil)
    return (result.model, result.report)
  }

  @Test(arguments: ["cnn", "transformer"], 0...3)
  func accuracy(_ kind: String, level: Int) throws {
    let images = try #require(try Self.arrays("digits_heldout.npz")["image"])
    let expected = try Self.arrays("digits_expected.npz")
    let labels = try #require(expected["label"]).ints()
    let logits = try #require(expected["\(kind)_logits"])
    let model = try Self.optimized(kind, level: level).model
    for (name, providers) in [("reference", [ReferenceProvider()]), ("cpu", [CPUProvider()])]
      as [(String, [any ExecutionProvider])]
    {
      let output = try #require(try Session(model, providers: providers).run(["image": images])["logits"])
      let closeness = Closeness.between(logits, output)
      #expect(closeness.maxRel <= 1e-4, "\(kind), level \(level), \(name)")
      let scores = try output.elements(as: Float.self)
      let right = labels.indices.count { row in
        let line = scores[row * 10..<row * 10 + 10]
        return line.firstIndex(of: line.max()!)! - row * 10 == labels[row]
      }
      print("digits_\(kind) level \(level) \(name): top-1 \(right) of \(labels.count), closeness \(closeness.maxRel)")
      #expect(Double(right) >= 0.95 * Double(labels.count))
    }
  }

  @Test func transformerFuses() throws {
    let graph = try Self.optimized("transformer", level: 2).model.graph
    var counts: [String: Int] = [:]
    for id in graph.allNodes { counts[graph[id].type, default: 0] += 1 }
    #expect(counts["Attention", default: 0] >= 3)
    #expect(counts["LayerNormalization", default: 0] >= 6)
    #expect(counts["Gelu", default: 0] >= 3)
    #expect(counts["Erf"] == nil && counts["Softmax"] == nil)
  }
}
