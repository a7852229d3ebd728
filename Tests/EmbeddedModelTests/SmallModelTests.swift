import CPUProvider
import Cameo
import Foundation
import GraphIR
import InferenceRuntime
import ONNXFormat
import PassKit
import Tensors
import TestSupport
import Testing

/// Models/small: one form each that a reader of ONNX files must keep or compute.
@Suite struct SmallModelTests {
  private static let folder = Repository.models.appending(path: "small")
  static let names: [String] = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasSuffix(".onnx") }.map { String($0.dropLast(5)) }.sorted()
  }()
  static let computed = names.filter {
    FileManager.default.fileExists(atPath: folder.appending(path: $0 + ".expected.npz").path)
  }

  private static func load(_ name: String) throws -> Model {
    try ONNXImporter.load(path: folder.appending(path: name + ".onnx").path)
  }

  private static func arrays(_ name: String) throws -> [String: Tensor] {
    try Dictionary(
      uniqueKeysWithValues: NumPyFile.readArchive(path: folder.appending(path: name).path).map { ($0.name, $0.tensor) })
  }

  /// `xs.0`, `xs.1` are the elements of the sequence `xs`.
  private static func values(_ arrays: [String: Tensor], for model: Model) -> [String: Value] {
    var result: [String: Value] = [:]
    for id in model.graph.inputs {
      let name = model.graph[id].name
      if let tensor = arrays[name] {
        if case .optional? = model.graph[id].type {
          result[name] = .optional(.tensor(tensor))
        } else {
          result[name] = .tensor(tensor)
        }
        continue
      }
      let elements = (0..<arrays.count).compactMap { arrays["\(name).\($0)"] }
      if case .sequence? = model.graph[id].type { result[name] = .sequence(elements.map { .tensor($0) }) }
      if case .optional? = model.graph[id].type { result[name] = .optional(nil) }
    }
    return result
  }

  @Test func areThere() { #expect(Self.names.count >= 15) }

  @Test(arguments: computed)
  func matchesExpected(_ name: String) throws {
    let source = try Self.load(name)
    let inputs = Self.values(try Self.arrays(name + ".inputs.npz"), for: source)
    let expected = try Self.arrays(name + ".expected.npz")
    for level in 0...3 {
      var options = OptimizationOptions()
      options.level = level
      let model = level == 0 ? source : try Optimizer(options: options, verification: nil).optimize(source).model
      var written = ExportOptions()
      written.discardSourceForms = level % 2 == 1
      let again = try ONNXImporter.load(bytes: try ONNXExporter.serialize(model, options: written))
      let kinds: [(String, Model, [any ExecutionProvider])] = [
        ("reference", model, [ReferenceProvider()]), ("cpu", model, [CPUProvider()]),
        ("written", again, [ReferenceProvider()]),
      ]
      for (kind, model, providers) in kinds {
        let found = try Session(model, providers: providers).run(values: inputs)
        for (output, tensor) in expected {
          let value = try #require(found[output], "\(name): \(output)")
          #expect(
            Closeness.between(.tensor(tensor), value).maxRel <= 1e-5, "\(name), level \(level), \(kind): \(output)")
        }
      }
    }
  }

  /// What is read from a written file is written as the same bytes: nothing is lost on the way.
  @Test(arguments: names)
  func survivesExport(_ name: String) throws {
    let model = try Self.load(name)
    let first = try ONNXExporter.serialize(model)
    let again = try ONNXImporter.load(bytes: first)
    #expect(try ONNXExporter.serialize(again) == first)
    #expect(again.functions.map(\.operatorName) == model.functions.map(\.operatorName))
    #expect(again.functions.map(\.documentation) == model.functions.map(\.documentation))
    #expect(again.metadata.map(\.key) == model.metadata.map(\.key))
    #expect(again.metadata.map(\.value) == model.metadata.map(\.value))
    #expect(again.documentation == model.documentation)
    #expect(again.unknownFields == model.unknownFields)
    // Before IR 4, initializers had to be listed as inputs; what is written says IR 4.
    #expect(again.opsets == model.opsets && again.irVersion == max(model.irVersion, 4))
    var asItIs = ImportOptions()
    asItIs.upgrade = false
    let source = try ONNXImporter.load(path: Self.folder.appending(path: name + ".onnx").path, options: asItIs)
    let written = try ONNXImporter.load(bytes: first, options: asItIs)
    #expect(describe(written.graph) == describe(source.graph))
  }

  /// Everything of a graph that is not an id.
  private func describe(_ graph: Graph) -> [String] {
    var lines: [String] = []
    for id in graph.allNodes {
      let node = graph[id]
      let edges = (node.inputs + node.outputs).map { $0.map { graph[$0].name } ?? "" }.joined(separator: ",")
      let metadata = node.metadata.map { $0.key + "=" + $0.value }.joined(separator: ",")
      let attributes = node.attributes.map(\.name).sorted().joined(separator: ",")
      lines.append(
        "\(node.operatorName) \(node.name) \(edges) \(attributes) \(node.documentation) \(metadata) \(node.overload)")
    }
    for id in graph.allValues {
      let value = graph[id]
      let type = value.constant == nil ? value.type.map { "\($0)" } ?? "" : "constant"
      lines.append("\(value.name) \(type) \(value.documentation) \(value.metadata.map { $0.key + "=" + $0.value })")
    }
    return lines.sorted()
  }
}
