import GraphIR
import Operators
import PassKit
import Tensors

/// Attention takes its operands out of one product itself, and rotates them.
///
/// Before: `q, k, v = Split<axis = 2>(x)`, `y = Attention(RotaryEmbedding(q, c, s), RotaryEmbedding(k, c, s), v)`.
/// After: `y = ai.cameo.PackedAttention(x, ..., c, s)`. Only where it is asked for by name, as by a provider whose kernels read parts of a
/// row where they lie: the Split is a copy otherwise.
public enum PackAttention {
  public static let pass = RewritePass(
    "PackAttention", level: 4,
    summary: "hands Attention the product that its operands are parts of (only with --enable)",
    documentation: """
      Before: q, k, v = Split <axis = 2> (x)  y = Attention (RotaryEmbedding (q, c, s), RotaryEmbedding (k, c, s), v, mask)
      After:  y = ai.cameo.PackedAttention (x, mask, "", "", "", c, s)
      Where q and k are both rotated, and alike, or neither is.
      """, rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "PackAttention"
    let anchors: Set<OperatorName> = [OperatorName("Attention")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard context.options.target != .ort, let value = node.input(2), let split = graph.producer(value),
        graph[split].is("Split"), graph[split].region == node.region, let packed = graph[split].input(0),
        context.rank(packed) == 3, try Movement.axis(split, rank: 3, context) == 2,
        let sizes = Movement.sizes(split, axis: 2, context), sizes.count == 3, graph[split].output(2) == value
      else { return nil }
      guard node.output(3) == nil else { throw Refusal("the scores are asked for", at: id) }
      let reader = AttributeReader(node)
      let heads = try reader.int("q_num_heads", default: 0)
      let keyHeads = try reader.int("kv_num_heads", default: 0)
      guard heads > 0, keyHeads > 0, sizes[1] == sizes[2], sizes[0] * keyHeads == sizes[1] * heads else {
        throw Refusal("the heads of queries, keys and values differ in size", at: split)
      }
      let query = try Part(node.input(0), of: split, 0, heads: heads, context)
      let key = try Part(node.input(1), of: split, 1, heads: keyHeads, context)
      guard query.rotation == key.rotation else { throw Refusal("queries and keys are rotated differently", at: id) }
      guard graph.hasSingleUse(value), !graph.isRegionOutput(value) else {
        throw Refusal("the values are also read elsewhere", at: split)
      }
      var change = GraphChange(rule: name, covers: [split] + query.covers + key.covers + [id], isFusion: true)
      var inputs: [GraphChange.Ref?] = [.existing(packed)]
      for index in 3...6 { inputs.append(node.input(index).map { .existing($0) }) }
      for angle in query.rotation?.inputs ?? [] { inputs.append(angle.map { .existing($0) }) }
      while inputs.last == .some(nil) { inputs.removeLast() }
      let attributes =
        node.attributes.filter { $0.name != "qk_matmul_output_mode" } + (query.rotation?.attributes ?? [])
      let last = (0..<3).last { node.output($0) != nil } ?? 0
      let outputs = change.nodes(
        "PackedAttention", domain: "ai.cameo", inputs, attributes, present: (0...last).map { node.output($0) != nil },
        name: node.name)
      for (index, made) in outputs.enumerated() {
        if let old = node.output(index), let made { change.replace(old, with: made) }
      }
      return change
    }
  }

  /// Queries or keys as Attention reads them: a part of the Split, or that rotated.
  private struct Part {
    struct Rotation: Equatable {
      /// Angles, and positions where they are given.
      let inputs: [ValueID?]
      let isInterleaved: Bool
      let size: Int

      var attributes: [NamedAttribute] {
        var result: [NamedAttribute] = []
        if isInterleaved { result.append(NamedAttribute("interleaved", .int(1))) }
        if size > 0 { result.append(NamedAttribute("rotary_embedding_dim", .int(Int64(size)))) }
        return result
      }
    }

    let rotation: Rotation?
    let covers: [NodeID]

    init(_ value: ValueID?, of split: NodeID, _ index: Int, heads: Int, _ context: PassContext) throws {
      let graph = context.graph
      guard let value, let part = graph[split].output(index), graph.hasSingleUse(value), !graph.isRegionOutput(value),
        graph.hasSingleUse(part)
      else { throw Refusal("a part is not read by Attention alone", at: split) }
      if value == part {
        (rotation, covers) = (nil, [])
        return
      }
      guard let turn = graph.producer(value), graph[turn].is("RotaryEmbedding"), graph[turn].input(0) == part,
        graph[turn].region == graph[split].region
      else { throw Refusal("the parts are not what Attention reads, nor their rotations", at: split) }
      let reader = AttributeReader(graph[turn])
      guard try reader.int("num_heads", default: 0) == heads else {
        throw Refusal("the rotation has another number of heads", at: turn)
      }
      rotation = Rotation(
        inputs: (1...3).map { graph[turn].input($0) }, isInterleaved: try reader.bool("interleaved"),
        size: try reader.int("rotary_embedding_dim", default: 0))
      covers = [turn]
    }
  }
}
