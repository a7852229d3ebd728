import GraphIR
import Operators
import PassKit
import Tensors

/// Integer products whose result is scaled to float become one node, for ONNX Runtime.
///
/// Before: `q, s, z = DynamicQuantizeLinear(x); Mul(Cast(MatMulInteger(q, W, z, wz)), Mul(s, ws))`.
/// After: `com.microsoft.DynamicQuantizeMatMul(x, W, ws, wz)`; where q is read elsewhere, too, or was not made that way,
/// `com.microsoft.MatMulIntegerToFloat(q, W, s, ws, z, wz)`. A row that is added behind becomes the operator's bias.
public enum FuseDynamicQuantizeMatMul {
  public static let pass = RewritePass(
    "FuseDynamicQuantizeMatMul", level: 2,
    summary: "writes com.microsoft's DynamicQuantizeMatMul and MatMulIntegerToFloat (target ort)",
    rules: [Scale(), Bias()])

  struct Scale: RewriteRule {
    let name = "MicrosoftIntegerProduct"
    let anchors: Set<OperatorName> = [OperatorName("Mul")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard Microsoft.isTarget(context), let output = graph[id].output(0), let a = graph[id].input(0),
        let b = graph[id].input(1)
      else { return nil }
      for (data, scale) in [(a, b), (b, a)] {
        guard let cast = graph.producer(data), graph[cast].is("Cast"), graph[cast].region == graph[id].region,
          let sums = graph[cast].input(0), let product = graph.producer(sums), graph[product].is("MatMulInteger"),
          graph[product].region == graph[id].region
        else { continue }
        try Microsoft.requireFloat(output, "MatMulIntegerToFloat", at: id, context)
        for (value, node) in [(data, cast), (sums, product)] where !graph.hasSingleUse(value) {
          throw Refusal("the product is also read elsewhere", at: node)
        }
        return try change(id, cast, product, scale, output, context)
      }
      return nil
    }

    private func change(
      _ id: NodeID, _ cast: NodeID, _ product: NodeID, _ scale: ValueID, _ output: ValueID, _ context: PassContext
    ) throws -> GraphChange {
      let graph = context.graph
      let node = graph[product]
      guard let left = node.input(0), let weights = node.input(1), let tensor = graph.constant(weights),
        tensor.rank == 2
      else { throw Refusal("the right operand is no constant matrix", at: product) }
      guard let rank = context.rank(left), rank >= 2 else {
        throw Refusal("the left operand is no matrix", at: product)
      }
      try requireZeroPoints(product, columns: tensor.shape[1], context)
      var change = GraphChange(rule: name, covers: [product, cast, id], isFusion: true)
      let (own, others, factor) = try scales(of: scale, columns: tensor.shape[1], id, context, &change)
      if let factor { change.covers.append(factor) }
      let zero = node.input(3).map { GraphChange.Ref.existing($0) }
      if let own, let quantize = graph.producer(left), graph[quantize].is("DynamicQuantizeLinear"),
        graph[quantize].output(0) == left, graph[quantize].output(1) == own, graph[quantize].output(2) == node.input(2),
        let source = graph[quantize].input(0), graph[quantize].region == node.region,
        graph[quantize].outputs.allSatisfy({ $0.map { graph.hasSingleUse($0) } ?? true })
      {
        change.covers.append(quantize)
        var inputs: [GraphChange.Ref?] = [.existing(source), .existing(weights), others]
        if let zero { inputs.append(zero) }
        change.replace(
          output, with: change.node("DynamicQuantizeMatMul", domain: Microsoft.domain, inputs, name: node.name))
        return change
      }
      let first: GraphChange.Ref
      if let own { first = .existing(own) } else { first = change.constant(try .scalar(1.0, .float)) }
      var inputs: [GraphChange.Ref?] = [.existing(left), .existing(weights), first, others]
      inputs += [node.input(2).map { .existing($0) }, zero]
      while case .some(.none) = inputs.last { inputs.removeLast() }
      change.replace(
        output, with: change.node("MatMulIntegerToFloat", domain: Microsoft.domain, inputs, name: node.name))
      return change
    }

    private func requireZeroPoints(_ product: NodeID, columns: Int, _ context: PassContext) throws {
      let node = context.graph[product]
      if let zero = node.input(2) {
        guard let shape = context.shape(zero), shape.allSatisfy({ $0 == 1 }), shape.count <= 1 else {
          throw Refusal("the left operand has a zero point for each row", at: product)
        }
      }
      if let zero = node.input(3) {
        guard let tensor = context.graph.constant(zero), tensor.rank <= 1, tensor.count == 1 || tensor.count == columns
        else { throw Refusal("the zero point of the right operand is no constant row", at: product) }
      }
    }

    /// The scale of the left operand (nil: 1), that of the right one, and the node that multiplied them.
    private func scales(
      of scale: ValueID, columns: Int, _ id: NodeID, _ context: PassContext, _ change: inout GraphChange
    ) throws -> (own: ValueID?, others: GraphChange.Ref, factor: NodeID?) {
      let graph = context.graph
      func row(_ value: ValueID) throws -> GraphChange.Ref? {
        guard let tensor = graph.constant(value), tensor.count == 1 || tensor.shape.last == columns,
          tensor.count == 1 || tensor.count == columns, tensor.rank <= 2
        else { return nil }
        return tensor.rank <= 1 ? .existing(value) : change.constant(try tensor.reshaped([tensor.count]))
      }
      if let whole = try row(scale) { return (nil, whole, nil) }
      if let factor = graph.producer(scale), graph[factor].is("Mul"), graph[factor].region == graph[id].region,
        let a = graph[factor].input(0), let b = graph[factor].input(1)
      {
        for (own, other) in [(a, b), (b, a)] {
          if let shape = context.shape(own), shape.count <= 1, shape.allSatisfy({ $0 == 1 }),
            let others = try row(other)
          {
            return (own, others, factor)
          }
        }
      }
      throw Refusal("the scale is no product of one number and a constant row", at: id)
    }
  }

  struct Bias: RewriteRule {
    let name = "MicrosoftIntegerProductBias"
    let anchors: Set<OperatorName> = [OperatorName("Add")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard Microsoft.isTarget(context), let output = graph[id].output(0), let a = graph[id].input(0),
        let b = graph[id].input(1)
      else { return nil }
      for (data, bias) in [(a, b), (b, a)] {
        guard let product = graph.producer(data), graph[product].domain == Microsoft.domain,
          graph[product].region == graph[id].region
        else { continue }
        let node = graph[product]
        let place: Int
        switch node.type {
        case "DynamicQuantizeMatMul": place = 4
        case "MatMulIntegerToFloat": place = 6
        default: continue
        }
        guard node.input(place) == nil else { continue }
        guard Microsoft.isRow(bias, context.shape(data)?.last, context), context.haveSameShape(data, output) else {
          throw Refusal("what is added is no constant row", at: id)
        }
        guard graph.hasSingleUse(data) else { throw Refusal("the product is also read elsewhere", at: product) }
        var change = GraphChange(rule: name, covers: [product, id], isFusion: true)
        var inputs = GraphChange.kept(node.inputs)
        while inputs.count < place { inputs.append(nil) }
        inputs = Array(inputs.prefix(place)) + [try Microsoft.row(bias, context, &change)]
        change.replace(
          output, with: change.node(node.type, domain: Microsoft.domain, inputs, node.attributes, name: node.name))
        return change
      }
      return nil
    }
  }
}
