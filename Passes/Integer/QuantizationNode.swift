import GraphIR
import Operators
import PassKit
import Tensors

/// How a QuantizeLinear or DequantizeLinear goes over its tensor: by one scale, or by one for each index of an axis.
struct QuantizationNode {
  let node: Node
  /// Of 8 bits where `isBytes`.
  let integer: DataType?
  /// From the front; nil: one scale.
  let axis: Int?

  var isBytes: Bool { integer == .uint8 || integer == .int8 }
  var isDequantize: Bool { node.type == "DequantizeLinear" }

  /// nil for what is none, for blocks, and where the shape of the scale is not known.
  init?(_ id: NodeID, _ context: PassContext) throws {
    let node = context.graph[id]
    guard node.is("QuantizeLinear") || node.is("DequantizeLinear"), let rank = context.rank(node.input(0)),
      let scale = context.shape(node.input(1))
    else { return nil }
    let reader = AttributeReader(node)
    guard try reader.int("block_size", default: 0) == 0 else { return nil }
    self.node = node
    integer = context.dataType(node.is("QuantizeLinear") ? node.output(0) : node.input(0))
    if scale.count <= 1, scale.allSatisfy({ $0 == 1 }) {
      axis = nil
    } else {
      let given = try reader.int("axis", default: 1)
      let axis = given < 0 ? given + rank : given
      guard scale.count == 1, (0..<rank).contains(axis) else { return nil }
      self.axis = axis
    }
  }

  /// The node's attributes for the same numbers along another axis.
  func attributes(axis: Int?) -> [NamedAttribute] {
    let others = node.attributes.filter { $0.name != "axis" }
    guard let axis else { return others }
    return others + [NamedAttribute("axis", .int(Int64(axis)))]
  }

  /// True where both quantize by the same constants: one scale and one zero point each, in one type.
  func areEqual(_ other: QuantizationNode, _ context: PassContext) -> Bool {
    guard axis == nil, other.axis == nil, integer != nil, integer == other.integer,
      let scale = context.uniform(node.input(1)), scale == context.uniform(other.node.input(1)), scale > 1e-30,
      scale < 1e30
    else { return false }
    return zero(context) != nil && zero(context) == other.zero(context)
  }

  /// The one zero point; nil where it is computed or one of several.
  func zero(_ context: PassContext) -> Double? {
    guard let value = node.input(2) else { return 0 }
    return context.uniform(value)
  }
}
