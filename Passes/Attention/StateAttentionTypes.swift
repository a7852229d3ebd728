import GraphIR
import Operators
import PassKit
import Tensors

/// States the types of the operands and the result of an Attention with its heads in the last axis.
///
/// ONNX's own shape inference takes an unknown last axis of V for 0, and so does ONNX Runtime, which then refuses the file. Where V
/// comes of a Reshape with a computed shape, only the stated type tells it.
public enum StateAttentionTypes {
  public static let pass = RewritePass(
    "StateAttentionTypes", level: 2,
    summary: "states the types around Attention that other runtimes do not find themselves",
    documentation: """
      Before: y = Attention <q_num_heads = H, kv_num_heads = H> (q, k, v)
      After:  the same, with value_info for q, k, v and y where they had none
      Runtimes get it; where the model runs here, types are inferred.
      """, rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "StateAttentionTypes"
    let anchors: Set<OperatorName> = [OperatorName("Attention")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard context.options.level < 3, node["q_num_heads"] != nil else { return nil }
      var change = GraphChange(rule: name, covers: [], region: node.region)
      for value in Set([node.input(0), node.input(1), node.input(2), node.output(0)].compactMap { $0 }).sorted() {
        guard graph.producer(value) != nil, graph[value].type?.shape == nil, let shape = context.shape(value),
          shape.count == 3, let type = context.dataType(value)
        else { continue }
        change.setType(.tensor(type, shape), of: value)
      }
      return change.isEmpty ? nil : change
    }
  }
}
