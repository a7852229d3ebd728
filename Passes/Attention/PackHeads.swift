import GraphIR
import Operators
import PassKit
import Tensors

/// Attention splits and joins the heads itself.
///
/// Before: `q4 = Transpose<perm=[0,2,1,3]>(Reshape(q, {B, L, H, D}))`, keys and values alike,
/// `Reshape(Transpose<perm=[0,2,1,3]>(Attention(q4, k4, v4)), {B, L, H * D})`.
/// After: `Attention<q_num_heads=H, kv_num_heads=H>(q, k, v)`.
///
/// The operands may also be parts of one product, by whatever Reshape, Transpose, Slice, Gather and Squeeze they are taken out
/// of it: a Split of its last axis takes their place. Casts among them are made of the packed form, and a RotaryEmbedding takes it,
/// too. Caches keep their four axes. The standard wants queries, keys and values of one rank, so all of them are packed or none.
public enum PackHeads {
  public static let pass = RewritePass(
    "PackHeads", level: 2, summary: "hands Attention its heads packed in the last axis, without Reshape and Transpose",
    documentation: """
      Before: q4 = Transpose <perm = [0, 2, 1, 3]> (Reshape (q, [B, L, H, D])), k4 and v4 alike
              y = Reshape (Transpose <perm = [0, 2, 1, 3]> (Attention (q4, k4, v4)), [B, L, H * D])
      After:  y = Attention <q_num_heads = H, kv_num_heads = H> (q, k, v)
      Where q4, k4 and v4 are parts of one value: q, k, v = Split <axis = 2> (x)
      """, rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "PackHeads"
    let anchors: Set<OperatorName> = [OperatorName("Attention")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let query = node.input(0), let key = node.input(1), let value = node.input(2), context.rank(query) == 4,
        let output = node.output(0), node["q_num_heads"] == nil, node["kv_num_heads"] == nil
      else { return nil }
      let parts = try [query, key, value].map { try PackedOperand($0, reader: id, context) }
      guard parts.contains(where: { $0 != nil }) else { return nil }
      let names = ["queries", "keys", "values"]
      for (part, name) in zip(parts, names) where part == nil {
        throw Refusal(
          "the \(name) do not come with their heads behind the length, and Q, K and V have to be of one rank", at: id)
      }
      var operands = parts.compactMap { $0 }
      if let refusal = refusal(operands, id, context) {
        operands = try [query, key, value].compactMap { try PackedOperand($0, reader: id, context, isShallow: true) }
        if operands.count < 3 || self.refusal(operands, id, context) != nil { throw refusal }
      }
      let (q, k, v) = (operands[0], operands[1], operands[2])
      // Others the standard does not have.
      guard k.heads == v.heads else { return nil }
      let join = try Join(output, heads: q.heads, size: v.size, at: id, context)
      var change = GraphChange(
        rule: name, covers: [id] + Set(operands.flatMap(\.covers)).sorted() + join.covers, isFusion: false)
      var inputs = node.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
      for (index, ref) in try PackedOperand.packed(operands, context, in: &change).enumerated() { inputs[index] = ref }
      var attributes = node.attributes
      attributes.append(NamedAttribute("q_num_heads", .int(Int64(q.heads))))
      attributes.append(NamedAttribute("kv_num_heads", .int(Int64(k.heads))))
      let outputs = change.attention(
        node, inputs: inputs, attributes: attributes, replacing: Array(node.outputs.indices.dropFirst()))
      guard let made = outputs[0] else { return nil }
      var result = change.repeating(join.casts, on: made, in: context.graph)
      if !join.isPacked {
        let shape = change.constant(try .ints([0, 0, q.heads, v.size]))
        result = change.node("Reshape", [result, shape], covers: [])
      }
      change.replace(join.result, with: result)
      return change
    }

    /// What moves the heads must serve this attention alone: else it stays, and the packed form is one more.
    private func refusal(_ operands: [PackedOperand], _ id: NodeID, _ context: PassContext) -> Refusal? {
      let graph = context.graph
      let inside = Set(operands.flatMap(\.covers) + [id])
      for covered in operands.flatMap(\.covers) {
        for case .some(let value) in graph[covered].outputs {
          if let other = graph.consumers(value).first(where: { !inside.contains($0) }) {
            return Refusal("the heads of \(graph[value].name) are also read one by one", at: other)
          }
          if graph.isRegionOutput(value) {
            return Refusal("the heads of \(graph[value].name) are an output of the graph", at: covered)
          }
        }
      }
      return nil
    }
  }

  /// What moves the heads of the result behind the length again, and the casts among that.
  struct Join {
    let result: ValueID
    let isPacked: Bool
    let covers: [NodeID]
    /// In order.
    private(set) var casts: [NodeID] = []

    init(_ output: ValueID, heads: Int, size: Int, at id: NodeID, _ context: PassContext) throws {
      let graph = context.graph
      var value = output
      guard let reader = Join.reader(&value, &casts, region: graph[id].region, graph),
        let after = graph[reader].output(0), let shape = context.shape(value),
        let to = context.shape(after), shape.count == 4
      else {
        throw Refusal("the heads of the result are read one by one", at: graph.consumers(value).first ?? id)
      }
      let packed = [shape[0], shape[2], Dim(heads * size)]
      if heads == 1, to == packed, ["Reshape", "Squeeze"].contains(graph[reader].type) {
        (result, isPacked, covers) = (after, true, casts + [reader])
        return
      }
      guard graph[reader].is("Transpose"), try AttributeReader(graph[reader]).optionalInts("perm") == [0, 2, 1, 3]
      else { throw Refusal("the heads of the result are not moved behind its length", at: reader) }
      value = after
      let inner = casts
      if let last = Join.reader(&value, &casts, region: graph[id].region, graph), graph[last].is("Reshape"),
        let joined = graph[last].output(0), context.shape(joined) == packed
      {
        (result, isPacked, covers) = (joined, true, casts + [reader, last])
      } else {
        casts = inner
        (result, isPacked, covers) = (after, false, casts + [reader])
      }
    }

    /// The one reader of `value`, which moves on past casts.
    private static func reader(
      _ value: inout ValueID, _ casts: inout [NodeID], region: RegionID, _ graph: Graph
    ) -> NodeID? {
      while graph.hasSingleUse(value), let reader = graph.consumers(value).first, graph[reader].region == region {
        guard graph[reader].is("Cast"), let cast = graph[reader].output(0) else { return reader }
        casts.append(reader)
        value = cast
      }
      return nil
    }
  }
}
