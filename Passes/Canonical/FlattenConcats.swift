import GraphIR
import Operators
import PassKit
import Tensors

/// Operators of any number of inputs that take the result of their own kind take its inputs; a Concat that puts together what a Split
/// took apart goes.
///
/// Before: `Concat<axis=1>(a, Concat<axis=1>(b, c))`, `Max(a, Max(b, c))`, `Concat<axis=1>(Split<axis=1>(x))`.
/// After: `Concat<axis=1>(a, b, c)`, `Max(a, b, c)`, `x`.
public enum FlattenConcats {
  public static let pass = RewritePass(
    "FlattenConcats", level: 1, summary: "merges nested Concat, Max and Min, and undoes Split by Concat",
    rules: [Nested(), Inverse()])

  private static func axis(_ id: NodeID, default value: Int, _ context: PassContext) throws -> Int? {
    guard let rank = context.rank(context.graph[id].input(0)) else { return nil }
    let axis = try AttributeReader(context.graph[id]).int("axis", default: value)
    return axis < 0 ? axis + rank : axis
  }

  struct Nested: RewriteRule {
    let name = "FlattenConcats"
    let anchors = Set(["Concat", "Max", "Min"].map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard let output = node.output(0) else { return nil }
      var inputs: [GraphChange.Ref?] = []
      var covered = [id]
      for input in node.inputs {
        guard let input, let inner = graph.producer(input), graph[inner].operatorName == node.operatorName,
          graph[inner].region == node.region, graph.hasSingleUse(input)
        else {
          inputs.append(input.map { .existing($0) })
          continue
        }
        if node.type == "Concat" {
          guard let a = try FlattenConcats.axis(inner, default: 0, context),
            a == (try FlattenConcats.axis(id, default: 0, context))
          else {
            inputs.append(.existing(input))
            continue
          }
        } else if !graph[inner].inputs.allSatisfy({ $0.map { context.haveSameShape($0, output) } ?? false }) {
          // Operands that are widened step by step stay so.
          inputs.append(.existing(input))
          continue
        }
        covered.append(inner)
        inputs += graph[inner].inputs.map { $0.map { .existing($0) } }
      }
      if covered.count == 1 { return nil }
      var change = GraphChange(rule: name, covers: covered)
      change.replace(output, with: change.node(node.type, inputs, node.attributes, name: node.name))
      return change
    }
  }

  struct Inverse: RewriteRule {
    let name = "CancelSplit"
    let anchors: Set<OperatorName> = [OperatorName("Concat")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard let output = node.output(0), let first = node.input(0), let split = graph.producer(first),
        graph[split].is("Split"), graph[split].region == node.region, graph[split].outputs == node.inputs,
        let source = graph[split].input(0)
      else { return nil }
      guard let axis = try FlattenConcats.axis(split, default: 0, context), let rank = context.rank(source) else {
        throw Refusal("the rank is not known", at: split)
      }
      let joined = try AttributeReader(node).int("axis", default: 0)
      guard (joined < 0 ? joined + rank : joined) == axis else {
        throw Refusal("the parts are put together along another axis", at: id)
      }
      var change = GraphChange(rule: name, covers: [id])
      change.replace(output, with: source)
      return change
    }
  }
}
