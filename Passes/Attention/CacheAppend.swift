import GraphIR
import Operators
import PassKit
import Tensors

/// `Concat(past, fresh)` along the length, cast to a wider type or not, its axes then moved or not.
struct CacheAppend {
  let concat: NodeID
  let whole: ValueID
  let past: ValueID
  let fresh: ValueID
  /// What Attention reads: `whole`, or what the steps make of it.
  let operand: ValueID
  /// Casts and Transposes between `whole` and `operand`, in order.
  let steps: [NodeID]
  /// The axes of `whole` that are batch, heads, length and size; nil where it has them in this order.
  let order: [Int]?

  var covers: [NodeID] { steps + [concat] }
  /// The axis of the length in `past`, `fresh` and `whole`.
  var axis: Int { order?[2] ?? 2 }

  func length(_ value: ValueID, _ context: PassContext) -> Dim? {
    context.shape(value).flatMap { $0.count == 4 ? $0[axis] : nil }
  }

  /// `whole` and what the steps make of it.
  func values(_ graph: Graph) -> [ValueID] { [whole] + steps.compactMap { graph[$0].output(0) } }

  /// True where something else than the steps, and than shapes that are counted otherwise, reads the whole.
  func isWholeRead(_ shapes: EarlyShapes, _ context: PassContext) -> Bool {
    context.graph.isRegionOutput(whole)
      || context.graph.consumers(whole).contains { !steps.contains($0) && !shapes.nodes.contains($0) }
  }

  /// The whole as it was, made of what Attention hands on.
  func whole(of present: GraphChange.Ref, _ context: PassContext, _ change: inout GraphChange) throws -> GraphChange
    .Ref?
  {
    var result = present
    guard let type = context.dataType(whole) else { return nil }
    if type != context.dataType(operand) {
      result = change.node("Cast", [result], [NamedAttribute("to", .int(Int64(type.rawValue)))], covers: [])
    }
    guard let order else { return result }
    let back = (0..<4).map { axis in Int64(order.firstIndex(of: axis) ?? axis) }
    return change.node("Transpose", [result], [NamedAttribute("perm", .ints(back))], covers: [])
  }

  /// nil where `value` is no Concat of a cache. `what`: keys or values.
  init?(_ operand: ValueID, _ what: String, _ context: PassContext) throws {
    let graph = context.graph
    var walk = Walk(value: operand, context: context)
    guard let id = try walk.run() else { return nil }
    if graph[id].is("RotaryEmbedding"), CacheAppend.readsCache(graph[id].input(0), context) {
      throw Refusal(
        "the \(what) are rotated once they are joined with the cache, Attention joins them as they are", at: id)
    }
    if graph[id].is("Gather") || graph[id].is("Split"), CacheAppend.readsCache(graph[id].input(0), context) {
      throw Refusal("keys and values are joined with the cache as one tensor, Attention takes a cache of each", at: id)
    }
    guard graph[id].is("Concat"), let first = graph[id].input(0), let second = graph[id].inputs.last ?? nil else {
      return nil
    }
    let axis = try AttributeReader(graph[id]).int("axis")
    guard (axis < 0 ? axis + 4 : axis) == walk.order[2] else { return nil }
    guard graph[id].inputs.count == 2 else {
      if CacheAppend.isHandedIn(first, context) {
        throw Refusal("the \(what) are joined of more than two parts", at: id)
      }
      return nil
    }
    guard CacheAppend.isHandedIn(first, context) else {
      if CacheAppend.isHandedIn(second, context) {
        throw Refusal("the cache stands behind the new \(what), Attention puts it before them", at: id)
      }
      throw Refusal("what stands before the new \(what) is computed here, it is no cache", at: id)
    }
    (concat, whole, past, fresh, self.operand, steps) = (id, walk.value, first, second, operand, walk.steps)
    order = walk.order == [0, 1, 2, 3] ? nil : walk.order
    if order == nil { return }
    // The whole in its own order would have to be made of present_key again: a copy more than there is now.
    var values = self.values(graph)
    values.removeLast()
    for value in values {
      let reader = graph.consumers(value).first { !steps.contains($0) && !CacheAppend.asksForShape($0, graph) }
      guard let reader = reader ?? (graph.isRegionOutput(value) ? id : nil) else { continue }
      throw Refusal(
        "the cache of the \(what) is kept and handed on with its axes in the order \(CacheAppend.names(walk.order)), "
          + "Attention's is batch, heads, length, size", at: reader)
    }
  }

  /// True where nothing but the shape of the node's result is read.
  private static func asksForShape(_ id: NodeID, _ graph: Graph, depth: Int = 0) -> Bool {
    if graph[id].is("Shape") { return true }
    guard depth < 8, moves.contains(graph[id].type) || graph[id].is("Concat"), graph[id].domain.isEmpty,
      let output = graph[id].output(0), !graph.isRegionOutput(output)
    else { return false }
    return graph.consumers(output).allSatisfy { asksForShape($0, graph, depth: depth + 1) }
  }

  /// From what Attention reads back to the Concat.
  private struct Walk {
    var value: ValueID
    let context: PassContext
    var steps: [NodeID] = []
    /// The axes of `value` that are batch, heads, length and size of what Attention reads.
    var order = [0, 1, 2, 3]

    init(value: ValueID, context: PassContext) {
      self.value = value
      self.context = context
    }

    /// The node that is neither a cast to a wider type nor a Transpose.
    mutating func run() throws -> NodeID? {
      let graph = context.graph
      while let id = graph.producer(value) {
        guard steps.count < 6, let input = graph[id].input(0) else { return id }
        if graph[id].is("Cast"), let from = context.dataType(input), let to = context.dataType(value),
          from.isNarrower(than: to)
        {
          // As it is.
        } else if graph[id].is("Transpose"), let moved = try AttributeReader(graph[id]).optionalInts("perm"),
          moved.count == 4, moved.allSatisfy({ 0..<4 ~= $0 })
        {
          order = order.map { moved[$0] }
        } else {
          return id
        }
        steps.insert(id, at: 0)
        value = input
      }
      return nil
    }
  }

  /// True for a Concat of a cache and something new, moved, repeated, cast or not.
  static func readsCache(_ value: ValueID?, _ context: PassContext) -> Bool {
    var current = value
    for _ in 0..<16 {
      guard let id = context.graph.producer(current), context.graph[id].domain.isEmpty else { return false }
      let node = context.graph[id]
      if node.is("Concat"), node.inputs.count == 2, node.input(0) != node.input(1) {
        return node.input(0).map { isHandedIn($0, context) } ?? false
      }
      guard moves.contains(node.type) || node.is("Concat") && Set(node.inputs).count == 1 else { return false }
      current = node.input(0)
    }
    return false
  }

  private static let moves: Set<String> = [
    "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Cast", "Identity", "Expand", "Tile", "Gather", "Split",
    "RotaryEmbedding",
  ]

  /// True where the value is an input of the graph or body, or a constant, and since then only moved, picked or cast.
  private static func isHandedIn(_ value: ValueID, _ context: PassContext) -> Bool {
    var current = value
    for _ in 0..<12 {
      guard let id = context.graph.producer(current) else { return true }
      let node = context.graph[id]
      guard node.domain.isEmpty, movements.contains(node.type), let next = node.input(0) else { return false }
      current = next
    }
    return false
  }

  private static let movements: Set<String> = [
    "Identity", "Cast", "Gather", "Slice", "Split", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "SequenceAt",
    "Expand", "DequantizeLinear",
  ]

  /// The names of axes of a value of which `order` are batch, heads, length and size.
  private static func names(_ order: [Int]) -> String {
    var names = [String](repeating: "?", count: order.count)
    for (index, axis) in order.enumerated() where axis >= 0 && axis < order.count && index < 4 {
      names[axis] = ["batch", "heads", "length", "size"][index]
    }
    return names.joined(separator: ", ")
  }
}
