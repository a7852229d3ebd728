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
/// A RotaryEmbedding in between takes the packed form, too. Caches keep their four axes. The standard wants queries, keys and
/// values of one rank, so all of them are packed or none.
public enum PackHeads {
  public static let pass = RewritePass(
    "PackHeads", level: 2, summary: "hands Attention its heads packed in the last axis, without Reshape and Transpose",
    documentation: """
      Before: q4 = Transpose <perm = [0, 2, 1, 3]> (Reshape (q, [B, L, H, D])), k4 and v4 alike
              y = Reshape (Transpose <perm = [0, 2, 1, 3]> (Attention (q4, k4, v4)), [B, L, H * D])
      After:  y = Attention <q_num_heads = H, kv_num_heads = H> (q, k, v)
      """, rules: [Rule()])

  static let swap: [Int] = [0, 2, 1, 3]

  struct Rule: RewriteRule {
    let name = "PackHeads"
    let anchors: Set<OperatorName> = [OperatorName("Attention")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard let query = node.input(0), let key = node.input(1), let value = node.input(2), context.rank(query) == 4,
        let output = node.output(0), node["q_num_heads"] == nil, node["kv_num_heads"] == nil
      else { return nil }
      let parts = try [query, key, value].map { try Split($0, reader: id, context) }
      guard parts.contains(where: { $0 != nil }) else { return nil }
      let names = ["queries", "keys", "values"]
      for (part, name) in zip(parts, names) where part == nil {
        throw Refusal(
          "the \(name) do not come with their heads behind the length, and Q, K and V have to be of one rank", at: id)
      }
      let (q, k, v) = (parts[0], parts[1], parts[2])
      guard let q, let k, let v else { return nil }
      guard k.heads == v.heads else { throw Refusal("\(k.heads) key heads and \(v.heads) value heads", at: id) }
      let join = try Join(output, heads: q.heads, size: v.size, at: id, context)
      var change = GraphChange(
        rule: name, covers: [id] + q.covers + k.covers + v.covers + join.covers, isFusion: false)
      var inputs = node.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
      for (index, part) in [q, k, v].enumerated() { inputs[index] = try part.packed(in: &change) }
      var attributes = node.attributes
      attributes.append(NamedAttribute("q_num_heads", .int(Int64(q.heads))))
      attributes.append(NamedAttribute("kv_num_heads", .int(Int64(k.heads))))
      let outputs = change.attention(
        node, inputs: inputs, attributes: attributes, replacing: Array(node.outputs.indices.dropFirst()))
      if join.isPacked {
        change.replace(join.result, with: outputs[0])
      } else {
        let shape = change.constant(try .ints([0, 0, q.heads, v.size]))
        change.replace(join.result, with: change.node("Reshape", [outputs[0], shape], covers: []))
      }
      return change
    }
  }

  /// An operand with its heads moved in front of the length.
  struct Split {
    /// [batch, length, heads, size] or, where `isPacked`, [batch, length, heads * size].
    let source: ValueID
    let isPacked: Bool
    let heads: Int
    let size: Int
    /// Stands between the split and the attention.
    let rotation: Node?
    let covers: [NodeID]

    init?(_ operand: ValueID, reader: NodeID, _ context: PassContext) throws {
      let graph = context.graph
      guard let shape = context.shape(operand), shape.count == 4, let size = shape[3].value, let heads = shape[1].value
      else { return nil }
      var current = operand
      var covers: [NodeID] = []
      var rotation: Node?
      if let id = graph.producer(current), graph[id].is("RotaryEmbedding"), let input = graph[id].input(0) {
        rotation = graph[id]
        covers.append(id)
        current = input
      }
      guard let id = graph.producer(current), graph[id].region == graph[reader].region, let input = graph[id].input(0),
        let from = context.shape(input)
      else { return nil }
      // One head needs no Transpose: [batch, length, size] with an axis put in.
      let isSingle = heads == 1 && from.count == 3 && ["Reshape", "Unsqueeze"].contains(graph[id].type)
      if isSingle {
        guard from == [shape[0], shape[2], shape[3]] else { return nil }
      } else {
        guard graph[id].is("Transpose"), try AttributeReader(graph[id]).optionalInts("perm") == PackHeads.swap else {
          return nil
        }
      }
      for value in Set([operand, current]) where !graph.hasSingleUse(value) {
        let other = graph.consumers(value).first { $0 != reader && !covers.contains($0) } ?? reader
        // Several operands of one attention may be one value.
        if graph.isRegionOutput(value)
          || graph.consumers(value).contains(where: { $0 != reader && !covers.contains($0) })
        {
          throw Refusal("the heads of \(graph[value].name) are also read one by one", at: other)
        }
      }
      covers.append(id)
      (self.heads, self.size, self.rotation) = (heads, size, rotation)
      if isSingle {
        (source, isPacked, self.covers) = (input, true, covers)
        return
      }
      if let inner = graph.producer(input), ["Reshape", "Unsqueeze"].contains(graph[inner].type),
        graph[inner].region == graph[id].region, let packed = graph[inner].input(0), let shape = context.shape(packed),
        shape.count == 3, shape[0] == from[0], shape[1] == from[1], shape[2] == Dim(heads * size)
      {
        (source, isPacked, self.covers) = (packed, true, covers + [inner])
      } else {
        (source, isPacked, self.covers) = (input, false, covers)
      }
    }

    func packed(in change: inout GraphChange) throws -> GraphChange.Ref {
      var result = GraphChange.Ref.existing(source)
      if !isPacked {
        result = change.node("Reshape", [result, change.constant(try .ints([0, 0, heads * size]))], covers: [])
      }
      guard let rotation else { return result }
      var inputs = rotation.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
      inputs[0] = result
      let attributes = rotation.attributes.filter { $0.name != "num_heads" }
      return change.node(
        "RotaryEmbedding", inputs, attributes + [NamedAttribute("num_heads", .int(Int64(heads)))], name: rotation.name,
        covers: covers.prefix(1).map { $0 })
    }
  }

  /// What moves the heads of the result behind the length again.
  struct Join {
    let result: ValueID
    let isPacked: Bool
    let covers: [NodeID]

    init(_ output: ValueID, heads: Int, size: Int, at id: NodeID, _ context: PassContext) throws {
      let graph = context.graph
      let readers = graph.consumers(output)
      guard graph.hasSingleUse(output), let reader = readers.first, let after = graph[reader].output(0),
        let shape = context.shape(output), let to = context.shape(after), shape.count == 4,
        graph[reader].region == graph[id].region
      else {
        throw Refusal("the heads of the result are read one by one", at: readers.first ?? id)
      }
      let packed = [shape[0], shape[2], Dim(heads * size)]
      if heads == 1, to == packed, ["Reshape", "Squeeze"].contains(graph[reader].type) {
        (result, isPacked, covers) = (after, true, [reader])
        return
      }
      guard graph[reader].is("Transpose"), try AttributeReader(graph[reader]).optionalInts("perm") == PackHeads.swap
      else { throw Refusal("the heads of the result are not moved behind its length", at: reader) }
      if graph.hasSingleUse(after), let last = graph.consumers(after).first, graph[last].region == graph[id].region,
        graph[last].is("Reshape"), let joined = graph[last].output(0), context.shape(joined) == packed
      {
        (result, isPacked, covers) = (joined, true, [reader, last])
      } else {
        (result, isPacked, covers) = (after, false, [reader])
      }
    }
  }
}
