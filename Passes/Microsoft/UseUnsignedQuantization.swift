import GraphIR
import Operators
import PassKit
import Tensors

/// What is quantized to int8 and dequantized again is quantized to uint8 instead, 128 higher, for ONNX Runtime.
///
/// Before: `DequantizeLinear(QuantizeLinear(x, s, z), s, z)`, z int8. After: the same with z + 128 as uint8: the same numbers.
///
/// Its x86 kernels multiply uint8 with int8; the QLinearConvs of a ResNet-50 took ten times as long with int8 data.
public enum UseUnsignedQuantization {
  public static let pass = RewritePass(
    "UseUnsignedQuantization", level: 2,
    summary: "quantizes data to uint8 in the place of int8 (target ort)", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "UnsignedQuantization"
    let anchors: Set<OperatorName> = [OperatorName("QuantizeLinear")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard Microsoft.isTarget(context), let integers = node.output(0), context.dataType(integers) == .int8,
        let data = node.input(0), graph.constant(data) == nil
      else { return nil }
      let readers = graph.consumers(integers)
      guard !readers.isEmpty, !graph.isRegionOutput(integers),
        readers.allSatisfy({
          graph[$0].is("DequantizeLinear") && graph[$0].input(0) == integers && graph[$0].region == node.region
        })
      else { throw Refusal("the int8 numbers are also read as such", at: id) }
      var change = GraphChange(rule: name, covers: [id] + readers)
      let quantized = change.node(
        "QuantizeLinear", [.existing(data)] + (try parameters(id, context, &change)),
        node.attributes.filter { $0.name != "output_dtype" }, name: node.name, covers: [id])
      for reader in readers {
        guard let output = graph[reader].output(0) else { return nil }
        let floats = change.node(
          "DequantizeLinear", [quantized] + (try parameters(reader, context, &change)), graph[reader].attributes,
          name: graph[reader].name, covers: [reader])
        change.replace(output, with: floats)
      }
      return change
    }

    /// The scale, and the zero point as uint8.
    private func parameters(
      _ id: NodeID, _ context: PassContext, _ change: inout GraphChange
    ) throws -> [GraphChange.Ref?] {
      let node = context.graph[id]
      guard let scale = node.input(1), let shape = context.facts(scale).type?.concreteShape else {
        throw Refusal("the shape of the scale is not known", at: id)
      }
      var numbers = [Int64](repeating: 0, count: try Tensor.elementCount(shape))
      if let zero = node.input(2) {
        guard let tensor = context.constant(zero), tensor.shape == shape else {
          throw Refusal("the zero point of \(node.type) is computed", at: id)
        }
        numbers = try tensor.elements(as: Int64.self)
      }
      return [.existing(scale), change.constant(try Tensor.of(numbers.map { $0 + 128 }, .uint8, shape: shape))]
    }
  }
}
