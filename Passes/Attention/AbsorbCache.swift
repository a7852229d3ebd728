import GraphIR
import Operators
import PassKit
import Tensors

/// Attention takes the key and value cache itself.
///
/// Before: `k = Concat<axis=-2>(past_k, new_k)`, `v` alike, `Attention(q, k, v)`.
/// After: `y, k, v = Attention(q, new_k, new_v, mask, past_k, past_v)`; whatever read the Concats reads present_key and
/// present_value. A Cast behind the Concats goes in front of them, where it loses nothing, and so does a Transpose of a cache that
/// is kept with its axes in another order, unless the joined cache is handed on in that order; lengths that the mask needs of the
/// whole keys are counted of the parts (`EarlyShapes`).
public enum AbsorbCache {
  public static let pass = RewritePass(
    "AbsorbCache", level: 2, summary: "gives Attention the cache that its keys and values are appended to",
    documentation: """
      Before: k = Concat <axis = -2> (past_k, new_k)  v = Concat <axis = -2> (past_v, new_v)  y = Attention (q, k, v, mask)
      After:  y, k, v = Attention (q, new_k, new_v, mask, past_k, past_v)
      Before: k = Transpose (Concat <axis = 1> (past_k, new_k)) that nothing else reads
      After:  Transpose (past_k) and Transpose (new_k) are what Attention appends
      The first operand of each Concat is an input of the graph (or body), or only moved, picked or cast since then.
      Before: m depends on Shape (k). After: on the sum of the lengths in Shape (past_k) and Shape (new_k).
      """, rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "AbsorbCache"
    let anchors: Set<OperatorName> = [OperatorName("Attention")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard node.input(4) == nil, node.input(5) == nil, let key = node.input(1), let value = node.input(2),
        context.rank(key) == 4, context.rank(value) == 4
      else { return nil }
      let keys = try CacheAppend(key, "keys", context)
      let values = try CacheAppend(value, "values", context)
      guard let keys, let values else {
        if keys == nil && values == nil { return nil }
        let (one, other) = keys == nil ? ("values", "keys") : ("keys", "values")
        throw Refusal("the \(one) are appended to a cache, the \(other) are not", at: id)
      }
      guard keys.concat != values.concat else { throw Refusal("keys and values are one cache", at: keys.concat) }
      for index in [0, 3] where node.input(index) == key || node.input(index) == value {
        throw Refusal("the cache is also input \(index) of the attention", at: id)
      }
      try checkMask(id, keys, values, context)
      let shapes = try EarlyShapes(id, [keys, values], context)
      var change = GraphChange(rule: name, covers: [id] + keys.covers + values.covers, isFusion: false)
      try shapes.replace(context, in: &change)
      var inputs = node.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
      while inputs.count < 6 { inputs.append(nil) }
      for (index, part) in [(1, keys), (2, values)] {
        inputs[index] = change.repeating(part.steps, on: .existing(part.fresh), in: graph)
        inputs[index + 3] = change.repeating(part.steps, on: .existing(part.past), in: graph)
      }
      let kept = node.outputs.indices.filter { $0 != 1 && $0 != 2 }
      let outputs = change.attention(node, inputs: inputs, attributes: node.attributes, count: 3, replacing: kept)
      for (index, part) in [(1, keys), (2, values)] {
        guard let present = outputs[index] else { return nil }
        change.replace(part.operand, with: present)
        if part.steps.isEmpty || !part.isWholeRead(shapes, context) { continue }
        guard let back = try part.whole(of: present, context, &change) else { return nil }
        change.replace(part.whole, with: back)
      }
      for index in 1...2 {
        if let old = node.output(index), let new = outputs[index] { change.replace(old, with: new) }
      }
      return change
    }

    /// What counts keys from the first one would count from the end of the cache.
    private func checkMask(_ id: NodeID, _ keys: CacheAppend, _ values: CacheAppend, _ context: PassContext) throws {
      let attributes = AttributeReader(context.graph[id])
      if context.graph[id].input(6) != nil {
        throw Refusal("nonpad_kv_seqlen cannot stand beside past_key and past_value", at: id)
      }
      guard let past = keys.length(keys.past, context), let other = values.length(values.past, context), past == other
      else {
        throw Refusal("past keys and past values are not known to be of one length", at: keys.concat)
      }
      if past == 0 { return }
      if try attributes.bool("is_causal") {
        throw Refusal("is_causal counts from the first key, with a cache of \(past) keys from their end", at: id)
      }
      for side in ["left", "right"] where try attributes.int("\(side)_window_size", default: -1) != -1 {
        throw Refusal("the \(side) window counts from the first key, with a cache from its end", at: id)
      }
    }
  }
}
