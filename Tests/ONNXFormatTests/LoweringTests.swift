import Foundation
import GraphIR
import Operators
import Tensors
import Testing

@testable import ONNXFormat

/// Every operator of the standard domain in every version that was published: written in an opset of that version and read
/// again, a node gives the same bits, or the export refuses and the case says so. (A body of
/// steps in single precision gives the same numbers only, and the case says that, too.) Cases/make-lowering-cases makes the cases.
@Suite struct LoweringTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let op: String
    let opset: Int
    let graph: String
    let inputs: [String]
    /// The versions of the operator that cannot say it.
    let refuses: [Int]
    /// Those that say it by the steps of its function body, each rounded.
    let expands: [Int]
    var testDescription: String { "\(op): \(graph)" }

    init?(_ block: Substring) {
      let lines = block.split(separator: "\n").map(String.init)
      let header = lines.first?.split(separator: " ") ?? []
      guard lines.count >= 2, header.count == 2, let opset = Int(header[1].dropFirst()) else { return nil }
      op = String(header[0])
      self.opset = opset
      graph = lines[1]
      let rest = lines.dropFirst(2)
      inputs = rest.filter { !$0.hasPrefix("refuses ") && !$0.hasPrefix("expands ") }
      refuses = rest.first { $0.hasPrefix("refuses ") }?.split(separator: " ").compactMap { Int($0) } ?? []
      expands = rest.first { $0.hasPrefix("expands ") }?.split(separator: " ").compactMap { Int($0) } ?? []
    }

    /// In the dialect.
    func model() throws -> Model {
      var graph = try ONNXText.parseGraph(self.graph)
      try UpgradeDriver(opsets: ["": opset], functions: []).run(on: &graph)
      var model = Model(graph: graph)
      model.opsets = ["": 28]
      return model
    }

    func values(for graph: Graph) throws -> [Value?] {
      var tensors: [String: Tensor] = [:]
      for input in inputs {
        let parts = input.split(separator: "=", maxSplits: 1)
        tensors[parts[0].trimmingCharacters(in: .whitespaces)] = try ONNXText.parseTensor(
          parts[1].trimmingCharacters(in: .whitespaces))
      }
      return graph.inputs.map { tensors[graph[$0].name].map { .tensor($0) } }
    }
  }

  static let cases: [Case] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "Cases/lowering.onnxtxt")
    let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    return "\n\(text)".components(separatedBy: "\n=== ").compactMap { Case($0[...]) }
  }()

  @Test func everyOperatorOfSeveralVersionsHasACase() {
    let covered = Set(LoweringTests.cases.map(\.op))
    for op in OperatorRegistry.all where op.name.domain.isEmpty && !op.traits.contains(.retired) {
      guard SchemaRegistry.versions(domain: "", name: op.name.name).count > 1 else { continue }
      #expect(covered.contains(op.name.name), "\(op.name)")
    }
  }

  private static func isClose(_ a: Tensor, _ b: Tensor) -> Bool {
    guard a.dataType == b.dataType, a.shape == b.shape, let x = try? a.elements(as: Double.self),
      let y = try? b.elements(as: Double.self)
    else { return false }
    return zip(x, y).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($0)) }
  }

  /// Sums in double: axes may lie otherwise in an older version, and the order of sums with them.
  private static func run(_ model: Model, _ test: Case) throws -> [Value] {
    var options = GraphEvaluator.Options()
    options.accumulatesInDouble = true
    return try GraphEvaluator(model.graph, options: options).run(try test.values(for: model.graph))
  }

  @Test(arguments: cases) func downAndUpAgain(_ test: Case) throws {
    let model = try test.model()
    let expected = try LoweringTests.run(model, test)
    var refused: [Int] = []
    var reasons: [String] = []
    for version in SchemaRegistry.versions(domain: "", name: test.op) {
      var options = ExportOptions(opset: version)
      options.discardSourceForms = true
      let bytes: [UInt8]
      do {
        bytes = try ONNXExporter.serialize(model, options: options)
      } catch let error as CameoError where error.kind == .unsupported {
        refused.append(version)
        reasons.append("\(version): \(error)")
        continue
      }
      let again = try ONNXImporter.load(bytes: bytes)
      #expect(again.opsets[""] == version)
      let found = try LoweringTests.run(again, test)
      for (a, b) in zip(expected, found) {
        let (x, y) = (try #require(a.tensor), try #require(b.tensor))
        let isSame = test.expands.contains(version) ? LoweringTests.isClose(x, y) : x.isIdentical(to: y)
        #expect(isSame, "version \(version)")
      }
      #expect(expected.count == found.count)
    }
    #expect(refused == test.refuses, "\(reasons.joined(separator: "; "))")
  }
}
