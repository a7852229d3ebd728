import Foundation
import GraphIR
import Tensors
import Testing

@testable import ONNXFormat

/// The small models of the repository, each mutated and cut in many ways: an error or a graph that verifies, never a trap.
@Suite struct HostileInputTests {
  static let folder: String = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return root.appendingPathComponent("Models/small").path
  }()

  static let smallModels: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
    .filter { $0.hasSuffix(".onnx") }.sorted()

  @Test(arguments: smallModels) func smallModelsRoundTrip(_ name: String) throws {
    let path = Self.folder + "/" + name
    let model = try ONNXImporter.load(path: path)
    try model.graph.verify()
    let once = try ONNXExporter.serialize(model)
    let again = try ONNXImporter.load(bytes: once)
    try again.graph.verify()
    #expect(again.opsets == model.opsets)
    #expect(again.graph.nodeCount == model.graph.nodeCount)
    #expect(again.functions.count == model.functions.count)
    #expect(try ONNXExporter.serialize(again) == once)
  }

  private func sample() throws -> [UInt8] {
    let body = Proto.graph(nodes: [.node("Neg", ["h"], ["b"])], inputs: [], outputs: ["b"])
    let choice = Proto.node("If", ["c"], ["i"], name: "choice") { node in
      for name in ["then_branch", "else_branch"] {
        node.message(5) { attribute in
          attribute.text(1, name)
          attribute.message(6, body)
          attribute.int(20, 5)
        }
      }
    }
    let reduce = Proto.node("ReduceSum", ["i"], ["r"]) { node in
      node.message(5) { attribute in
        attribute.text(1, "axes")
        attribute.writer.int64s(8, [0, 1])
        attribute.int(20, 7)
      }
    }
    let tensor = Proto { tensor in
      tensor.int(1, 4)
      tensor.int(2, 1)
      tensor.text(8, "w")
      tensor.writer.bytes(9, [UInt8](repeating: 1, count: 16))
    }
    return Proto.model(
      Proto.graph(
        nodes: [
          .node("Abs", ["x"], ["h"]), choice, reduce, .node("Softmax", ["r"], ["s"]), .node("Add", ["s", "w"], ["y"]),
        ],
        inputs: ["x", "c"]
      ) { $0.message(5, tensor) }, ir: 6, opset: 11)
  }

  @Test func mutatedModels() throws {
    let budget = MemoryBudget.shared.limit
    defer { MemoryBudget.shared.limit = budget }
    var sources = [try sample()]
    for name in Self.smallModels {
      sources.append(Array(try Data(contentsOf: URL(fileURLWithPath: Self.folder + "/" + name))))
    }
    var generator = SeededGenerator(seed: 1)
    var loaded = 0
    for _ in 0..<3000 {
      var bytes = sources.randomElement(using: &generator)!
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator)))
      case 1:
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
          bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
        }
      case 2:
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      default:
        let start = Int.random(in: 0..<bytes.count, using: &generator)
        let part = Array(bytes[start..<min(bytes.count, start + Int.random(in: 1...30, using: &generator))])
        bytes.insert(contentsOf: part, at: Int.random(in: 0...bytes.count, using: &generator))
      }
      do {
        let model = try ONNXImporter.load(bytes: bytes)
        try model.graph.verify()
        loaded += 1
        _ = try ONNXExporter.serialize(model)
      } catch let error as CameoError {
        #expect(error.kind != .invariant, "\(error)")
      }
    }
    #expect(loaded > 50)
  }

  @Test func randomBytes() {
    var generator = SeededGenerator(seed: 2)
    for _ in 0..<3000 {
      let bytes = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      #expect(failure { _ = try ONNXImporter.load(bytes: bytes) } != nil)
    }
  }

  @Test func everyTruncation() throws {
    let bytes = try sample()
    for count in 0..<bytes.count {
      // A cut between fields may leave a whole model with fewer of them.
      _ = failure { try ONNXImporter.load(bytes: Array(bytes.prefix(count))).graph.verify() }
    }
  }
}
