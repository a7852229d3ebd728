import GraphIR
import Operators
import PassKit
import Tensors

/// Puts the sum in front of a normalization into it, for ONNX Runtime.
///
/// Before: `s = Add(x, z); y = LayerNormalization(s, scale, bias)`. After: `com.microsoft.SkipLayerNormalization(x, z, scale, bias)`.
/// Before: `s = Add(x, z); y = RMSNormalization(s, scale)`. After: `com.microsoft.SkipSimplifiedLayerNormalization(x, z, scale)`.
/// A row added to one of the terms becomes the operator's own bias. A sum that is read again is the fourth output.
///
/// ONNX Runtime 1.31's SkipLayerNormalization takes 2 to 7 times as long as Add and LayerNormalization (docs/runtime-operators.md),
/// which made BERT 7 % slower. It is written where that runtime would put it in by itself (a sum of fixed shape that nothing
/// else reads), else only where this pass is named by `--enable`. SkipSimplifiedLayerNormalization costs next to nothing.
public enum FuseSkipNormalization {
  public static let pass = RewritePass(
    "FuseSkipNormalization", level: 2,
    summary: "puts sums into com.microsoft's SkipLayerNormalization and SkipSimplifiedLayerNormalization (target ort)",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "MicrosoftSkipNormalization"
    let anchors: Set<OperatorName> = [OperatorName("LayerNormalization"), OperatorName("RMSNormalization")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard Microsoft.isTarget(context), let sum = node.input(0), let scale = node.input(1),
        let output = node.output(0),
        let add = graph.producer(sum), graph[add].is("Add"), graph[add].region == node.region,
        let terms = try terms(add, sum, context)
      else { return nil }
      let isRMS = node.type == "RMSNormalization"
      let type = isRMS ? "SkipSimplifiedLayerNormalization" : "SkipLayerNormalization"
      try Microsoft.requireFloat(sum, type, at: id, context)
      guard let shape = context.shape(sum), (2...3).contains(shape.count) else {
        throw Refusal("\(type) takes rank 2 and 3, the sum has rank \(context.rank(sum) ?? 0)", at: add)
      }
      let axis = try AttributeReader(node).int("axis", default: -1)
      guard axis == -1 || axis == shape.count - 1 else {
        throw Refusal("\(node.type) runs over the axes from \(axis), not the last one alone", at: id)
      }
      for parameter in [scale, node.input(2)].compactMap({ $0 }) {
        guard graph.constant(parameter) != nil else { throw Refusal("a parameter is computed", at: id) }
        guard Microsoft.isRow(parameter, shape.last, context) else {
          throw Refusal("a parameter is not one row of the last axis", at: id)
        }
      }
      if let extra = node.outputs.dropFirst().compactMap({ $0 }).first(where: { !graph[$0].uses.isEmpty }) {
        throw Refusal("the statistics \(graph[extra].name) are read", at: id)
      }
      let isCheap = isRMS || graph.hasSingleUse(sum) && shape.allSatisfy(\.isKnown)
      guard isCheap || context.options.enabled.contains(FuseSkipNormalization.pass.name) else {
        throw Refusal(
          "ONNX Runtime's SkipLayerNormalization is slower than Add and LayerNormalization (--enable writes it all the same)",
          at: add)
      }
      return try change(id, add, sum, output, terms, type, context)
    }

    /// What the sum consists of.
    private struct Terms {
      var data: ValueID
      var skip: ValueID
      var bias: ValueID?
      var covers: [NodeID] = []
    }

    /// nil where the Add is no sum of two such terms: one that adds a row, say.
    private func terms(_ add: NodeID, _ sum: ValueID, _ context: PassContext) throws -> Terms? {
      let graph = context.graph
      guard let a = graph[add].input(0), let b = graph[add].input(1), let shape = context.shape(sum),
        Microsoft.biased(add, context) == nil
      else { return nil }
      // The second operand may lack the first axis, or have it as 1.
      func isSkip(_ value: ValueID) -> Bool {
        guard let own = context.shape(value) else { return false }
        if own == shape { return true }
        return shape.count == 3 && own.count >= 2 && own.count <= 3 && own.suffix(2) == shape.suffix(2)
          && (own.count == 2 || own[0] == 1)
      }
      var found: Terms?
      if context.shape(a) == shape, isSkip(b) { found = Terms(data: a, skip: b) }
      if found == nil, context.shape(b) == shape, isSkip(a) { found = Terms(data: b, skip: a) }
      guard var terms = found else {
        throw Refusal("the terms of the sum have shapes that the operator does not broadcast", at: add)
      }
      let sides = context.shape(terms.skip) == shape ? [terms.data, terms.skip] : [terms.data]
      for side in sides {
        guard graph.hasSingleUse(side), let inner = graph.producer(side), graph[inner].region == graph[add].region,
          let (data, bias) = Microsoft.biased(inner, context), context.haveSameShape(data, side)
        else { continue }
        terms.covers.append(inner)
        terms.bias = bias
        if side == terms.data { terms.data = data } else { terms.skip = data }
        break
      }
      return terms
    }

    private func change(
      _ id: NodeID, _ add: NodeID, _ sum: ValueID, _ output: ValueID, _ terms: Terms, _ type: String,
      _ context: PassContext
    ) throws -> GraphChange {
      let node = context.graph[id]
      let isRMS = node.type == "RMSNormalization"
      var change = GraphChange(rule: name, covers: terms.covers + [add, id], isFusion: true)
      var inputs: [GraphChange.Ref?] = [.existing(terms.data), .existing(terms.skip)]
      for parameter in isRMS ? [node.input(1)] : [node.input(1), node.input(2)] {
        inputs.append(try parameter.map { try Microsoft.row($0, context, &change) })
      }
      inputs.append(try terms.bias.map { try Microsoft.row($0, context, &change) })
      while case .some(.none) = inputs.last { inputs.removeLast() }
      let epsilon = try AttributeReader(node).float("epsilon", default: 1e-5)
      let attributes = [NamedAttribute("epsilon", .float(epsilon))]
      let isReadAgain = !context.graph.hasSingleUse(sum)
      let made = change.nodes(
        type, domain: Microsoft.domain, inputs, attributes, present: isReadAgain ? [true, false, false, true] : [true],
        name: node.name)
      if let result = made[0] { change.replace(output, with: result) }
      if isReadAgain, let total = made[3] { change.replace(sum, with: total) }
      return change
    }
  }
}
