import GraphIR
import Operators
import PassKit
import Tensors

/// Rows of a quantized table are gathered before they are dequantized.
///
/// Before: `Gather(DequantizeLinear<axis = 1, block_size = 32>(W, scales), rows)`, W [V, D]. After:
/// `DequantizeLinear<axis = -1, block_size = 32>(Gather(W, rows), Gather(scales, rows))`: the table never becomes float. Scales of
/// rows become blocks of a whole row; one scale for all, and scales of columns, stay as they are. The numbers are the same. Tables of 4
/// bits become `com.microsoft.GatherBlockQuantized`, which gives zeros where Gather's indices would be refused.
public enum GatherQuantizedRows {
  public static let pass = RewritePass(
    "GatherQuantizedRows", level: 3, summary: "gathers rows of quantized tables before it dequantizes them",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "GatherQuantizedRows"
    let anchors: Set<OperatorName> = [OperatorName("Gather")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard context.options.target != .ort, let table = node.input(0), let rows = node.input(1),
        let output = node.output(0), let producer = graph.producer(table), graph[producer].is("DequantizeLinear")
      else { return nil }
      let source = graph[producer]
      guard let weights = graph.constant(source.input(0)), weights.rank == 2,
        let integers = source.input(0), let scaleValue = source.input(1)
      else { return nil }
      guard let count = context.shape(rows)?.count, graph.constant(rows) == nil else { return nil }
      guard try AttributeReader(node).int("axis", default: 0) == 0 else {
        throw Refusal("the table is not gathered by rows", at: id)
      }
      guard let scale = graph.constant(scaleValue), source.input(2) == nil || graph.constant(source.input(2)) != nil
      else {
        throw Refusal("the scales or zero points are computed", at: producer)
      }
      let reader = AttributeReader(source)
      let given = try reader.int("axis", default: 1)
      let axis = given < 0 ? given + 2 : given
      var block = try reader.int("block_size", default: 0)
      let zero = graph.constant(source.input(2))
      var change = GraphChange(rule: name, covers: [producer, id])
      func gathered(_ value: GraphChange.Ref) -> GraphChange.Ref {
        change.node("Gather", [value, .existing(rows)], [NamedAttribute("axis", .int(0))], covers: [])
      }
      if weights.dataType.bitWidth < 8 {
        guard block >= 16, block & (block - 1) == 0, axis == 1, weights.dataType == .int4 || weights.dataType == .uint4
        else {
          throw Refusal(
            "Gather takes no \(weights.dataType), and GatherBlockQuantized needs blocks of a row", at: producer)
        }
        let inputs = [integers, rows, scaleValue].map { GraphChange.Ref.existing($0) }
        change.replace(
          output,
          with: change.node(
            "GatherBlockQuantized", domain: "com.microsoft", inputs + (source.input(2).map { [.existing($0)] } ?? []),
            [
              NamedAttribute("bits", .int(4)), NamedAttribute("block_size", .int(Int64(block))),
              NamedAttribute("gather_axis", .int(0)), NamedAttribute("quantize_axis", .int(1)),
            ], name: node.name))
        return change
      }
      var operands: [GraphChange.Ref?] = [.existing(scaleValue), source.input(2).map { .existing($0) }]
      if block > 0 {
        guard axis == 1 else { throw Refusal("the blocks go across rows", at: producer) }
        operands = operands.map { $0.map(gathered) }
      } else if scale.count > 1, axis == 0 {
        // One scale a row: a block as long as the row.
        block = weights.shape[1]
        let column = [weights.shape[0], 1]
        operands = [gathered(change.constant(try scale.reshaped(column)))]
        if let zero { operands.append(gathered(change.constant(try zero.reshaped(column)))) }
      }
      if operands.last == .some(nil) { operands.removeLast() }
      var attributes = source.attributes.filter { $0.name != "axis" && $0.name != "block_size" }
      if scale.count > 1 || block > 0 { attributes.append(NamedAttribute("axis", .int(Int64(count)))) }
      if block > 0 { attributes.append(NamedAttribute("block_size", .int(Int64(block)))) }
      let codes = gathered(.existing(integers))
      change.replace(output, with: change.node("DequantizeLinear", [codes] + operands, attributes, name: node.name))
      return change
    }
  }
}
