import GraphIR
import Operators
import PassKit
import Tensors

/// An operand of Attention whose heads were moved in front of the length, and what it was before.
struct PackedOperand {
  /// [batch, length, columns], or [batch, length, heads, size] where `offset` is nil.
  let source: ValueID
  /// The column at which the heads start.
  let offset: Int?
  let heads: Int
  let size: Int
  /// Casts between the source and the rotation, or the attention; in order.
  let casts: [NodeID]
  /// Stands between the split and the attention.
  let rotation: NodeID?
  /// Casts of what was rotated, in order.
  let outerCasts: [NodeID]
  let covers: [NodeID]

  /// nil where it was not. `isShallow`: the nearest such value, not the farthest.
  init?(_ operand: ValueID, reader: NodeID, _ context: PassContext, isShallow: Bool = false) throws {
    let graph = context.graph
    guard let shape = context.shape(operand), shape.count == 4, let size = shape[3].value, let heads = shape[1].value
    else { return nil }
    var start = operand
    var rotation: NodeID?
    var outer: [NodeID] = []
    var current = operand
    while let id = graph.producer(current), graph[id].region == graph[reader].region, let input = graph[id].input(0) {
      if graph[id].is("RotaryEmbedding") {
        (rotation, start) = (id, input)
        break
      }
      guard graph[id].is("Cast") else { break }
      outer.insert(id, at: 0)
      current = input
    }
    if rotation == nil { outer = [] }
    guard var view = HeadView(start, context, region: graph[reader].region) else { return nil }
    var found: (source: ValueID, offset: Int?, covers: [NodeID], casts: [NodeID])?
    for _ in 0..<12 {
      guard try view.step() else { break }
      if let offset = view.packedOffset {
        found = (view.value, offset, view.covers, view.casts)
        break
      }
      if view.isSplitBehindLength { found = (view.value, nil, view.covers, view.casts) }
      if isShallow && found != nil { break }
    }
    guard let found else { return nil }
    (source, offset, self.rotation) = (found.source, found.offset, rotation)
    (self.heads, self.size) = (heads, size)
    (casts, outerCasts) = (found.casts.reversed(), outer)
    covers = found.covers + [rotation].compactMap { $0 } + outer
  }

  private var width: Int { heads * size }

  /// The operands as [batch, length, heads * size]. Parts of one value become one Split of it where they fill it.
  static func packed(
    _ operands: [PackedOperand], _ context: PassContext, in change: inout GraphChange
  ) throws -> [GraphChange.Ref] {
    var parts: [ValueID: [Int: GraphChange.Ref]] = [:]
    for source in Set(operands.filter { $0.offset != nil }.map(\.source)).sorted() {
      let pieces = Dictionary(
        operands.filter { $0.source == source && $0.offset != nil }.map { ($0.offset ?? 0, $0.width) },
        uniquingKeysWith: { a, b in a == b ? a : -1 }
      ).sorted { $0.key < $1.key }
      guard pieces.count > 1, let total = context.shape(source)?.last?.value else { continue }
      var end = 0
      for piece in pieces where piece.value > 0 && piece.key == end { end += piece.value }
      guard end == total else { continue }
      let lengths = change.constant(try .ints(pieces.map(\.value)))
      let outputs = change.nodes(
        "Split", [.existing(source), lengths], [NamedAttribute("axis", .int(2))], outputs: pieces.count, covers: [])
      parts[source] = Dictionary(zip(pieces.map(\.key), outputs)) { a, _ in a }
    }
    return try operands.map { operand in
      var result = GraphChange.Ref.existing(operand.source)
      if let offset = operand.offset {
        if let piece = parts[operand.source]?[offset] {
          result = piece
        } else if offset != 0 || context.shape(operand.source)?.last != Dim(operand.width) {
          let bounds = try [[offset], [offset + operand.width], [2], [1]].map { change.constant(try .ints($0)) }
          result = change.node("Slice", [result] + bounds, covers: [])
        }
      } else {
        result = change.node("Reshape", [result, change.constant(try .ints([0, 0, operand.width]))], covers: [])
      }
      result = change.repeating(operand.casts, on: result, in: context.graph)
      guard let id = operand.rotation else { return result }
      let rotation = context.graph[id]
      var inputs = rotation.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
      inputs[0] = result
      let attributes = rotation.attributes.filter { $0.name != "num_heads" }
      let rotated = change.node(
        "RotaryEmbedding", inputs, attributes + [NamedAttribute("num_heads", .int(Int64(operand.heads)))],
        name: rotation.name, covers: [id])
      return change.repeating(operand.outerCasts, on: rotated, in: context.graph)
    }
  }
}
