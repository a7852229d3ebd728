import GraphIR
import Operators
import PassKit
import Tensors

/// Lays images out as [N, spatial.., C]: convolutions take their channels-last form, what lies between them follows, and
/// Transposes stay at the borders only.
///
/// Before: `Relu(Add(Conv(MaxPool(Conv(x, V)), W), b))`. After: one Transpose of x, ChannelsLastConv, ChannelsLastMaxPool,
/// ChannelsLastConv, Add, Relu, one Transpose of the result.
///
/// A convolution stands between a Transpose of its input and one of its result; every other rule moves the Transpose in
/// front of a node behind it, or meets another one and cancels it. Nodes come in topological order and Transposes only move down,
/// so it comes to an end.
public enum UseChannelsLast {
  public static let pass = RewritePass(
    "UseChannelsLast", level: 3, summary: "lays images out with their channels last between convolutions",
    rules: [
      ConvRule(), ConvTransposeRule(), PoolRule(), GlobalPoolRule(), ElementwiseRule(), ConcatRule(), ReduceRule(),
      ResizeRule(),
      ReshapeRule(), TransposeRule(), ShapeRule(), PadRule(), AxisRule(), QuantizationRule(), BatchNormalizationRule(),
      ShuffleRule(),
    ])
}

/// What the rules ask and write.
struct LayoutView {
  let context: PassContext
  let id: NodeID
  var node: Node { context.graph[id] }

  init(_ id: NodeID, _ context: PassContext) {
    self.id = id
    self.context = context
  }

  /// [N, spatial.., C] to [N, C, spatial..].
  static func toFirst(_ rank: Int) -> [Int64] { [0, Int64(rank - 1)] + (1..<Int64(max(1, rank - 1))) }
  /// [N, C, spatial..] to [N, spatial.., C].
  static func toLast(_ rank: Int) -> [Int64] { [0] + (2..<Int64(max(2, rank))) + [1] }
  /// Where an axis of [N, C, spatial..] stands in [N, spatial.., C].
  static func moved(_ axis: Int, rank: Int) -> Int { axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1 }

  /// The channels-last value that `value` is the Transpose of.
  func source(_ value: ValueID?) -> ValueID? {
    guard let value, let rank = context.rank(value), rank >= 3, let producer = context.graph.producer(value),
      context.graph[producer].is("Transpose"), case .ints(let perm)? = context.graph[producer]["perm"],
      perm == LayoutView.toFirst(rank)
    else { return nil }
    return context.graph[producer].input(0)
  }

  /// `value` with its channels last.
  func last(_ value: ValueID, rank: Int, _ change: inout GraphChange) -> GraphChange.Ref {
    if let source = source(value) { return .existing(source) }
    if let narrow = narrow(value, rank: rank, &change) { return narrow }
    return change.node(
      "Transpose", [.existing(value)], [NamedAttribute("perm", .ints(LayoutView.toLast(rank)))], covers: [])
  }

  /// A dequantized value with its channels last: the integers are moved.
  private func narrow(_ value: ValueID, rank: Int, _ change: inout GraphChange) -> GraphChange.Ref? {
    guard let producer = context.graph.producer(value),
      let parameters = try? QuantizationNode(producer, context), parameters.isDequantize, parameters.axis == nil,
      let integers = parameters.node.input(0)
    else { return nil }
    let moved = change.node(
      "Transpose", [.existing(integers)], [NamedAttribute("perm", .ints(LayoutView.toLast(rank)))], covers: [])
    let others = parameters.node.inputs.dropFirst().map { $0.map { GraphChange.Ref.existing($0) } }
    return change.node("DequantizeLinear", [moved] + others, parameters.node.attributes, covers: [])
  }

  func change(_ rule: String) -> GraphChange { GraphChange(rule: rule, covers: [id]) }

  /// The node's result is the Transpose of `ref`.
  func finish(_ change: inout GraphChange, _ ref: GraphChange.Ref, rank: Int, output: Int = 0) {
    guard let old = node.output(output) else { return }
    change.replace(
      old,
      with: change.node("Transpose", [ref], [NamedAttribute("perm", .ints(LayoutView.toFirst(rank)))], covers: []))
  }

  /// The constant axes that input `index` holds, from the front; nil where it is left out or computed.
  func axes(input index: Int, rank: Int) throws -> [Int]? {
    guard let axes = try context.constant(node.input(index))?.ints().map({ $0 < 0 ? $0 + rank : $0 }) else {
      return nil
    }
    return axes.allSatisfy((0..<rank).contains) ? axes : nil
  }
}
