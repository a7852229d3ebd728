import GraphIR
import Operators
import PassKit
import Tensors

/// Attention takes the key and value cache itself.
///
/// Before: `k = Concat<axis=-2>(past_k, new_k)`, `v` alike, `Attention(q, k, v)`.
/// After: `y, k, v = Attention(q, new_k, new_v, mask, past_k, past_v)`; whatever read the Concats reads present_key and
/// present_value. A Cast behind the Concats goes in front of them, where it loses nothing; lengths that the mask needs of the whole
/// keys are counted of the parts (`EarlyShapes`).
public enum AbsorbCache {
  public static let pass = RewritePass(
    "AbsorbCache", level: 2, summary: "gives Attention the cache that its keys and values are appended to",
    documentation: """
      Before: k = Concat <axis = -2> (past_k, new_k)  v = Concat <axis = -2> (past_v, new_v)  y = Attention (q, k, v, mask)
      After:  y, k, v = Attention (q, new_k, new_v, mask, past_k, past_v)
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
      let keys = try Append(key, "keys", context)
      let values = try Append(value, "values", context)
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
        inputs[index] = change.repeating(part.casts, on: .existing(part.fresh), in: graph)
        inputs[index + 3] = change.repeating(part.casts, on: .existing(part.past), in: graph)
      }
      let kept = node.outputs.indices.filter { $0 != 1 && $0 != 2 }
      let outputs = change.attention(node, inputs: inputs, attributes: node.attributes, count: 3, replacing: kept)
      for (index, part) in [(1, keys), (2, values)] {
        change.replace(part.operand, with: outputs[index])
        if part.casts.isEmpty || !part.isWholeRead(shapes, context) { continue }
        guard let type = context.dataType(part.whole) else { return nil }
        let to = NamedAttribute("to", .int(Int64(type.rawValue)))
        change.replace(part.whole, with: change.node("Cast", [outputs[index]], [to], covers: []))
      }
      if let present = node.output(1) { change.replace(present, with: outputs[1]) }
      if let present = node.output(2) { change.replace(present, with: outputs[2]) }
      return change
    }

    /// What counts keys from the first one would count from the end of the cache.
    private func checkMask(_ id: NodeID, _ keys: Append, _ values: Append, _ context: PassContext) throws {
      let attributes = AttributeReader(context.graph[id])
      if context.graph[id].input(6) != nil {
        throw Refusal("nonpad_kv_seqlen cannot stand beside past_key and past_value", at: id)
      }
      guard let past = context.shape(keys.past), let other = context.shape(values.past), past.count == 4, other.count == 4,
        past[2] == other[2]
      else {
        throw Refusal("past keys and past values are not known to be of one length", at: keys.concat)
      }
      if past[2] == 0 { return }
      if try attributes.bool("is_causal") {
        throw Refusal("is_causal counts from the first key, with a cache of \(past[2]) keys from their end", at: id)
      }
      for side in ["left", "right"] where try attributes.int("\(side)_window_size", default: -1) != -1 {
        throw Refusal("the \(side) window counts from the first key, with a cache from its end", at: id)
      }
    }
  }

  /// `Concat(past, fresh)` along the length, cast to a wider type or not.
  struct Append {
    let concat: NodeID
    let whole: ValueID
    let past: ValueID
    let fresh: ValueID
    /// What Attention reads: `whole`, or what the casts make of it.
    let operand: ValueID
    /// In order.
    let casts: [NodeID]

    var covers: [NodeID] { casts + [concat] }

    /// True where something else than the casts, and than shapes that are counted otherwise, reads the whole.
    func isWholeRead(_ shapes: EarlyShapes, _ context: PassContext) -> Bool {
      context.graph.isRegionOutput(whole)
        || context.graph.consumers(whole).contains { !casts.contains($0) && !shapes.nodes.contains($0) }
    }

    /// nil where `value` is no Concat of a cache.
    init?(_ operand: ValueID, _ what: String, _ context: PassContext) throws {
      let graph = context.graph
      var value = operand
      var casts: [NodeID] = []
      while casts.count < 4, let cast = graph.producer(value), graph[cast].is("Cast"), let input = graph[cast].input(0),
        let from = context.dataType(input), let to = context.dataType(value), from.isNarrower(than: to)
      {
        casts.insert(cast, at: 0)
        value = input
      }
      (self.operand, self.casts) = (operand, casts)
      guard let id = graph.producer(value) else { return nil }
      if graph[id].is("Transpose"), let inner = graph[id].input(0), let concat = graph.producer(inner),
        graph[concat].is("Concat"), graph[concat].inputs.count == 2, let past = graph[concat].input(0),
        Append.isHandedIn(past, context)
      {
        let order = try AttributeReader(graph[id]).optionalInts("perm") ?? []
        throw Refusal(
          "the cache of the \(what) is kept with its axes in the order \(Append.names(order)), "
            + "Attention's is batch, heads, length, size", at: concat)
      }
      guard graph[id].is("Concat") else { return nil }
      let axis = try AttributeReader(graph[id]).int("axis")
      guard let first = graph[id].input(0), let second = graph[id].inputs.last ?? nil else { return nil }
      guard axis == 2 || axis == -2 else { return nil }
      guard graph[id].inputs.count == 2 else {
        if Append.isHandedIn(first, context) { throw Refusal("the \(what) are joined of more than two parts", at: id) }
        return nil
      }
      guard Append.isHandedIn(first, context) else {
        if Append.isHandedIn(second, context) {
          throw Refusal("the cache stands behind the new \(what), Attention puts it before them", at: id)
        }
        throw Refusal("what stands before the new \(what) is computed here, it is no cache", at: id)
      }
      (concat, whole, past, fresh) = (id, value, first, second)
    }

    /// True where the value is an input of the graph or body, or a constant, and since then only moved, picked or cast.
    private static func isHandedIn(_ value: ValueID, _ context: PassContext) -> Bool {
      var current = value
      for _ in 0..<12 {
        guard let id = context.graph.producer(current) else { return true }
        let node = context.graph[id]
        guard node.domain.isEmpty, movements.contains(node.type), let next = node.input(0) else { return false }
        current = next
      }
      return false
    }

    private static let movements: Set<String> = [
      "Identity", "Cast", "Gather", "Slice", "Split", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "SequenceAt",
      "Expand", "DequantizeLinear",
    ]

    /// The order of axes of x where Transpose of `order` makes it batch, heads, length, size.
    private static func names(_ order: [Int]) -> String {
      var names = [String](repeating: "?", count: order.count)
      for (index, axis) in order.enumerated() where axis >= 0 && axis < order.count && index < 4 {
        names[axis] = ["batch", "heads", "length", "size"][index]
      }
      return names.joined(separator: ", ")
    }
  }
}
