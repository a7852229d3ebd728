import GraphIR
import Operators
import PassKit
import Tensors

/// Attention reads each key and value head once instead of copies of it for every query head of a group.
///
/// Before: `Attention(q, Reshape(Expand(Unsqueeze(k, 2), {B, KV, G, S, D}), {B, KV * G, S, D}), <v alike>)`.
/// After: `Attention(q, k, v)` with `KV` heads in `k` and `v`.
///
/// Also Tile, Concat of one value, Gather with repeated indices, and any of them before a Transpose or a Cast. Keys and values
/// must be repeated alike, and query head h must read key head h / G.
public enum ShareKeyHeads {
  public static let pass = RewritePass(
    "ShareKeyHeads", level: 2,
    summary: "lets Attention read keys and values that are repeated for groups of heads once",
    documentation: """
      Before: y = Attention (q, k4, v4) with k4 = Reshape (Expand (Unsqueeze (k, 2), [B, KV, G, S, D]), [B, KV * G, S, D])
      After:  y = Attention (q, k, v)
      Refused where keys and values are repeated differently, or where query head h reads key head h % KV.
      """, rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "ShareKeyHeads"
    let anchors: Set<OperatorName> = [OperatorName("Attention")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let key = node.input(1), let value = node.input(2) else { return nil }
      let keys = try HeadRepetition(of: key, in: context)
      let values = try HeadRepetition(of: value, in: context)
      guard let keys, let values else {
        if keys == nil && values == nil { return nil }
        let (one, other) = keys == nil ? ("values", "keys") : ("keys", "values")
        throw Refusal("the heads of the \(one) are repeated, those of the \(other) are not", at: id)
      }
      guard keys.times == values.times, keys.heads == values.heads else {
        throw Refusal(
          "\(keys.heads) key heads are repeated \(keys.times) times, \(values.heads) value heads \(values.times) times",
          at: id)
      }
      if node.input(4) != nil || node.input(5) != nil {
        throw Refusal("the cache holds all \(keys.heads * keys.times) repeated heads", at: id)
      }
      for index in 1...2 {
        if let output = node.output(index), !context.graph[output].uses.isEmpty {
          throw Refusal("the repeated heads are handed on as \(index == 1 ? "present_key" : "present_value")", at: id)
        }
      }
      var change = GraphChange(rule: name, covers: [id] + keys.covers + values.covers, isFusion: false)
      func operand(_ part: HeadRepetition) throws -> GraphChange.Ref {
        var result = change.repeating(part.casts, on: .existing(part.source), in: context.graph)
        if let extra = part.extra {
          result = change.node("Squeeze", [result, change.constant(try .ints([extra]))], covers: [])
        }
        if part.permutation == [0, 1, 2, 3] { return result }
        return change.node(
          "Transpose", [result], [NamedAttribute("perm", .ints(part.permutation.map(Int64.init)))], covers: [])
      }
      var inputs = node.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
      inputs[1] = try operand(keys)
      inputs[2] = try operand(values)
      change.attention(node, inputs: inputs, attributes: node.attributes)
      return change
    }
  }
}

extension GraphChange {
  /// A copy of the Attention `node` with other inputs and attributes, whose outputs take the place of the old ones.
  /// Outputs that the old one leaves out stay out. `count`: so many the new node has in any case.
  @discardableResult
  mutating func attention(
    _ node: Node, inputs: [Ref?], attributes: [NamedAttribute], count: Int = 0, replacing: [Int]? = nil
  ) -> [Ref?] {
    var inputs = inputs
    while case .some(.none) = inputs.last { inputs.removeLast() }
    let present = (0..<max(count, node.outputs.count)).map { $0 < max(1, count) || node.output($0) != nil }
    let outputs = nodes("Attention", inputs, attributes, present: present, name: node.name)
    for index in replacing ?? Array(node.outputs.indices) {
      if let old = node.output(index), let new = outputs[index] { replace(old, with: new) }
    }
    return outputs
  }
}
