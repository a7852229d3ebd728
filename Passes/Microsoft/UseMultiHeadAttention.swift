import GraphIR
import Operators
import PassKit
import Tensors

/// Long attention without bias becomes com.microsoft.MultiHeadAttention, which ONNX Runtime runs without storing the scores.
///
/// Before: `Attention<q_num_heads = 8, kv_num_heads = 8>(q, k, v)` of rank 3, at least 512 keys.
/// After: `com.microsoft.MultiHeadAttention<num_heads = 8>(q, k, v)`.
///
/// Measured (docs/runtime-operators.md): at 2048 keys 0.8 of the time of Attention, at 128 keys 1.2; with a bias or a causal
/// mask it stores the scores like Attention and is not faster.
public enum UseMultiHeadAttention {
  public static let pass = RewritePass(
    "UseMultiHeadAttention", level: 2,
    summary: "writes long attention as com.microsoft.MultiHeadAttention (target ort)", rules: [Rule()])

  /// Keys from which on it is faster.
  static let leastKeys = 512

  struct Rule: RewriteRule {
    let name = "MicrosoftMultiHeadAttention"
    let anchors: Set<OperatorName> = [OperatorName("Attention")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard Microsoft.isTarget(context), let query = node.input(0), let key = node.input(1), let value = node.input(2),
        let output = node.output(0), let shape = context.shape(key), context.rank(query) == 3, shape.count == 3
      else { return nil }
      try Microsoft.requireFloat(query, "MultiHeadAttention", at: id, context)
      guard let keys = shape[1].value else { throw Refusal("the number of keys is not known", at: id) }
      guard keys >= leastKeys else {
        throw Refusal("there are \(keys) keys; below \(leastKeys) ONNX Runtime's Attention is faster", at: id)
      }
      guard node.inputs.dropFirst(3).allSatisfy({ $0 == nil }) else {
        throw Refusal("with a mask or a cache ONNX Runtime's MultiHeadAttention stores the scores", at: id)
      }
      let reader = AttributeReader(node)
      guard try !reader.bool("is_causal") else {
        throw Refusal("with a causal mask ONNX Runtime's MultiHeadAttention stores the scores", at: id)
      }
      let heads = try reader.int("q_num_heads", default: 0)
      let others = try reader.int("kv_num_heads", default: 0)
      guard heads > 0, heads == others else {
        throw Refusal("\(heads) query heads share \(others) key heads", at: id)
      }
      guard try reader.float("softcap", default: 0) == 0, node["softmax_precision"] == nil,
        node.outputs.dropFirst().allSatisfy({ output in output.map { context.graph[$0].uses.isEmpty } ?? true })
      else { throw Refusal("softcap, softmax_precision and the scores have no counterpart", at: id) }
      guard context.haveSameShape(key, value) else {
        throw Refusal("the heads of keys and values are of unequal size", at: id)
      }
      var attributes = [NamedAttribute("num_heads", .int(Int64(heads)))]
      if let scale = try reader.optionalFloat("scale") { attributes.append(NamedAttribute("scale", .float(scale))) }
      var change = GraphChange(rule: name, covers: [id])
      change.replace(
        output,
        with: change.node(
          "MultiHeadAttention", domain: Microsoft.domain, [.existing(query), .existing(key), .existing(value)],
          attributes, name: node.name))
      return change
    }
  }
}
