import GraphIR
import Operators
import PassKit
import Tensors

/// com.microsoft's QuantizeLinear and DequantizeLinear are the standard's, where its version takes the types.
///
/// Before: `com.microsoft.QuantizeLinear(x, scale, zero)` of 16-bit integers. After, from opset 21 on:
/// `QuantizeLinear(x, scale, zero)`.
public enum StandardizeQuantization {
  public static let pass = RewritePass(
    "StandardizeQuantization", level: 1,
    summary: "turns com.microsoft's QuantizeLinear and DequantizeLinear into the standard's", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "StandardizeQuantization"
    let anchors: Set<OperatorName> = [
      OperatorName("QuantizeLinear", domain: "com.microsoft"),
      OperatorName("DequantizeLinear", domain: "com.microsoft"),
    ]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let output = node.output(0), let scale = context.facts(node.input(1) ?? output).type?.concreteShape else {
        throw Refusal("the shape of the scale is not known", at: id)
      }
      let isScalar = scale.allSatisfy { $0 == 1 }
      guard isScalar || scale.count == 1 && node["axis"] != nil else {
        throw Refusal("a scale of shape \(scale) is neither one number nor one for each index of an axis", at: id)
      }
      let isQuantize = node.type == "QuantizeLinear"
      let integer = isQuantize ? context.dataType(output) : context.dataType(node.input(0))
      let real = isQuantize ? context.dataType(node.input(0)) : context.dataType(output)
      guard let integer, let real else { throw Refusal("the types are not known", at: id) }
      // Since when the standard's takes an axis, float16, and integers that are not of 8 bits (int32 apart).
      var opset = isScalar ? 10 : 13
      if real == .float16 { opset = max(opset, 19) }
      if integer.bitWidth != 8 && integer != .int32 { opset = 21 }
      guard context.mayEmit(opset: opset) else {
        throw Refusal(
          "\(node.type) of \(integer) needs opset \(opset), the output is limited to \(context.options.opsetCeiling)",
          at: id)
      }
      var change = GraphChange(rule: name, covers: [id])
      let inputs = node.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
      let attributes = isScalar ? node.attributes.filter { $0.name != "axis" } : node.attributes
      change.replace(output, with: change.node(node.type, inputs, attributes, name: node.name))
      return change
    }
  }
}
