import Cameo
import GraphIR
import ONNXFormat
import Operators
import PassKit
import TestSupport
import Testing

/// What the rewrites around Attention make of whole models.
@Suite struct DecoderTests {
  private func optimized(_ name: String) throws -> Graph? {
    guard let entry = Zoo.present.first(where: { $0.name == name }) else {
      print("skipped: \(name) is not there (Tools/zoo fetch)")
      return nil
    }
    return try ONNXImporter.load(path: Zoo.path(entry.path)).optimized(level: 2).graph
  }

  /// 30 layers of 9 query heads that share 3 key heads, rotated queries and keys, a cache each.
  @Test func smollm2ReadsItsCacheInGroups() throws {
    guard let graph = try optimized("smollm2") else { return }
    let attentions = graph.allNodes.filter { graph[$0].is("Attention") }
    #expect(attentions.count == 30)
    for id in attentions {
      let node = graph[id]
      let attributes = AttributeReader(node)
      #expect(try attributes.int("q_num_heads") == 9 && attributes.int("kv_num_heads") == 3)
      for index in 4...5 {
        let past = try #require(node.input(index))
        #expect(graph.inputs.contains(past))
      }
      for index in 1...2 {
        let present = try #require(node.output(index))
        #expect(graph.outputs.contains(present))
      }
    }
    let counts = Dictionary(grouping: graph.allNodes, by: { graph[$0].type }).mapValues(\.count)
    #expect(counts["RotaryEmbedding"] == 60)
    #expect(counts["RMSNormalization"] == 61)
    #expect(graph.allNodes.count < 700)
    for type in ["Transpose", "Expand", "Concat", "Neg", "Slice"] { #expect(counts[type] == nil, "\(type) is left") }
  }

  @Test(arguments: [("minilm", 6, 12), ("bert_base_eager_ts", 12, 12), ("bert_base_sdpa_dynamo", 12, 12)])
  func encodersPackTheirHeads(_ name: String, _ layers: Int, _ heads: Int) throws {
    guard let graph = try optimized(name) else { return }
    let attentions = graph.allNodes.filter { graph[$0].is("Attention") }
    #expect(attentions.count == layers)
    for id in attentions { #expect(try AttributeReader(graph[id]).int("q_num_heads") == heads) }
    #expect(!graph.allNodes.contains { graph[$0].is("Transpose") })
  }
}
