import GraphIR
import Operators
import PassKit
import Tensors

/// Moves data as integers: what only moves elements stands in front of DequantizeLinear and behind QuantizeLinear.
///
/// Before: `Transpose(DequantizeLinear(q, s, z))`. After: `DequantizeLinear(Transpose(q), s, z)`.
/// Before: `QuantizeLinear(Reshape(x), s, z)`. After: `Reshape(QuantizeLinear(x, s, z))`.
///
/// A quarter of the bytes is moved, and products stand beside the quantization that they take in. DequantizeLinear only moves
/// down, QuantizeLinear only up. At level 2 a Concat of DequantizeLinears by the numbers of the QuantizeLinear behind it.
public enum NarrowMovement {
  public static let pass = RewritePass(
    "NarrowMovement", level: 2, summary: "moves data in front of DequantizeLinear and behind QuantizeLinear",
    rules: [SinkRule(), LiftRule(), ConcatRule()])

  /// Operators that put their first input's elements in other places, or choose among them, whatever they are.
  private static let movers: Set<String> = [
    "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "Expand", "Tile", "Split",
    "DepthToSpace", "SpaceToDepth", "Pad", "Resize", "MaxPool", "ChannelsLastMaxPool",
  ]
  static let anchors: Set<OperatorName> = Set(
    movers.map { OperatorName($0, domain: $0.hasPrefix("ChannelsLast") ? "ai.cameo" : "") })
  /// Those that have as many elements behind as in front.
  private static let keepers: Set<String> = [
    "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "DepthToSpace", "SpaceToDepth",
  ]

  /// True where the node does to integers what it does to the numbers that they stand for.
  static func movesIntegers(_ id: NodeID, _ parameters: QuantizationNode, _ context: PassContext) throws -> Bool {
    let node = context.graph[id]
    let reader = AttributeReader(node)
    switch node.type {
    case "Resize":
      return try reader.string("mode", default: "nearest") == "nearest"
        && reader.string("coordinate_transformation_mode", default: "half_pixel") != "tf_crop_and_resize"
    case "MaxPool", "ChannelsLastMaxPool":
      guard let scale = context.uniform(parameters.node.input(1)) else { return false }
      return node.output(1) == nil && scale > 1e-30 && scale < 1e30
    default: return true
    }
  }

  /// The node's inputs with `data` in the place of the first; what Pad writes is 0, so the zero point.
  static func inputs(
    _ id: NodeID, _ data: GraphChange.Ref, _ parameters: QuantizationNode, _ context: PassContext,
    _ change: inout GraphChange
  ) throws -> [GraphChange.Ref?]? {
    let node = context.graph[id]
    var inputs: [GraphChange.Ref?] = node.inputs.map { $0.map { .existing($0) } }
    inputs[0] = data
    guard node.is("Pad"), try AttributeReader(node).string("mode", default: "constant") == "constant" else {
      return inputs
    }
    guard let zero = parameters.zero(context), let type = parameters.integer,
      node.input(2) == nil || context.uniform(node.input(2)) == 0
    else { return nil }
    while inputs.count < 3 { inputs.append(nil) }
    inputs[2] = change.constant(try Tensor.scalar(Int64(zero), type))
    return inputs
  }

  /// Takes a node's movement in front of the DequantizeLinear that it reads.
  struct SinkRule: RewriteRule {
    let name = "SinkDequantization"
    let anchors = NarrowMovement.anchors

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard context.options.level >= 3, let data = node.input(0), let producer = graph.producer(data),
        graph[producer].region == node.region, let parameters = try QuantizationNode(producer, context),
        parameters.isDequantize, parameters.isBytes, let integers = parameters.node.input(0),
        let axis = try axis(node, id, parameters, context),
        try NarrowMovement.movesIntegers(id, parameters, context)
      else { return nil }
      var change = GraphChange(rule: name, covers: [id, producer])
      guard let inputs = try NarrowMovement.inputs(id, .existing(integers), parameters, context, &change) else {
        throw Refusal("it pads with another number than 0", at: id)
      }
      let moved = change.nodes(
        node.type, domain: node.domain, inputs, node.attributes, present: node.outputs.map { $0 != nil },
        name: node.name, covers: [id])
      for (output, ref) in zip(node.outputs, moved) {
        guard let output, let ref else { continue }
        let others = parameters.node.inputs.dropFirst().map { $0.map { GraphChange.Ref.existing($0) } }
        change.replace(
          output,
          with: change.node(
            "DequantizeLinear", [ref] + others, parameters.attributes(axis: axis.place), name: parameters.node.name))
      }
      return change
    }

    /// Where the axis of the scales stands behind the node; nil where it would have no place.
    private func axis(
      _ node: Node, _ id: NodeID, _ parameters: QuantizationNode, _ context: PassContext
    ) throws -> (place: Int?, Void)? {
      guard let axis = parameters.axis else { return (nil, ()) }
      guard let place = try Movement.permutation(id, context)?.firstIndex(of: axis) else { return nil }
      return (place, ())
    }
  }

  /// Takes a QuantizeLinear in front of the movement that it reads.
  struct LiftRule: RewriteRule {
    let name = "LiftQuantization"
    let anchors: Set<OperatorName> = [OperatorName("QuantizeLinear")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard context.options.level >= 3, let parameters = try QuantizationNode(id, context),
        parameters.axis == nil, parameters.isBytes, let moved = parameters.node.input(0),
        let output = parameters.node.output(0), let mover = graph.producer(moved), graph.hasSingleUse(moved),
        graph[mover].region == parameters.node.region, NarrowMovement.keepers.contains(graph[mover].type),
        graph[mover].domain.isEmpty, let data = graph[mover].input(0), context.constant(data) == nil
      else { return nil }
      var change = GraphChange(rule: name, covers: [mover, id])
      let others = parameters.node.inputs.dropFirst().map { $0.map { GraphChange.Ref.existing($0) } }
      let integers = change.node(
        "QuantizeLinear", [.existing(data)] + others, parameters.attributes(axis: nil), name: parameters.node.name,
        covers: [id])
      var inputs: [GraphChange.Ref?] = graph[mover].inputs.map { $0.map { .existing($0) } }
      inputs[0] = integers
      change.replace(
        output, with: change.node(graph[mover].type, inputs, graph[mover].attributes, name: graph[mover].name))
      return change
    }
  }

  /// Takes a QuantizeLinear in front of the Concat that it reads. Parts that were dequantized by its numbers are joined as they are.
  struct ConcatRule: RewriteRule {
    let name = "JoinIntegers"
    let anchors: Set<OperatorName> = [OperatorName("QuantizeLinear")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let parameters = try QuantizationNode(id, context), parameters.axis == nil, parameters.isBytes,
        let joined = parameters.node.input(0), let output = parameters.node.output(0),
        let concat = graph.producer(joined), graph[concat].is("Concat"), graph[concat].region == parameters.node.region
      else { return nil }
      guard graph.hasSingleUse(joined) else { throw Refusal("what is joined is also read as floats", at: id) }
      var change = GraphChange(rule: name, covers: [concat, id])
      var parts: [GraphChange.Ref?] = []
      for (index, part) in graph[concat].inputs.enumerated() {
        guard let part else { return nil }
        if let producer = graph.producer(part), let own = try QuantizationNode(producer, context),
          own.isDequantize, own.areEqual(parameters, context), let integers = own.node.input(0)
        {
          parts.append(.existing(integers))
          if !change.covers.contains(producer) { change.covers.append(producer) }
          continue
        }
        guard context.options.level >= 3 else {
          throw Refusal("part \(index) of the Concat is not dequantized by the same numbers", at: id)
        }
        let others = parameters.node.inputs.dropFirst().map { $0.map { GraphChange.Ref.existing($0) } }
        parts.append(
          change.node(
            "QuantizeLinear", [.existing(part)] + others, parameters.attributes(axis: nil), name: parameters.node.name,
            covers: []))
      }
      change.replace(
        output, with: change.node("Concat", parts, graph[concat].attributes, name: graph[concat].name))
      return change
    }
  }
}
