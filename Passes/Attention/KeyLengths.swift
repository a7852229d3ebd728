import GraphIR
import Operators
import PassKit
import Tensors

/// A mask that allows each batch item its first keys: `Less(Range, lengths)`, under whatever axes of 1, Casts and Nots, or as 0 and
/// -inf.
struct KeyLengths {
  /// One number a batch item, in a tensor of any rank.
  let value: ValueID
  /// Key j is allowed where j < value + shift.
  let shift: Int

  /// `lengths`: of batch, heads, queries and keys. nil where the mask is something else.
  init?(_ mask: ValueID, _ lengths: [Dim], _ context: PassContext) {
    guard let rank = context.rank(mask), rank <= 4, let found = KeyLengths.comparison(mask, rank, context) else {
      return nil
    }
    let node = context.graph[found.node]
    var kinds = ["Less", "LessOrEqual", "Greater", "GreaterOrEqual"]
    guard let place = kinds.firstIndex(of: node.type) else { return nil }
    // Not(a < b) is a >= b.
    if found.isNegated { kinds = ["GreaterOrEqual", "Greater", "LessOrEqual", "Less"] }
    let kind = kinds[place]
    let isKeyLeft = kind.hasPrefix("Less")
    guard let keys = node.input(isKeyLeft ? 0 : 1), let counts = node.input(isKeyLeft ? 1 : 0),
      let type = context.dataType(counts), type == .int64 || type == .int32, let shape = context.shape(counts),
      shape.count <= found.roles.count, shape.reduce(1, *) == lengths[0]
    else { return nil }
    for (dim, role) in zip(shape, found.roles.suffix(shape.count)) where dim != 1 && role != 0 { return nil }
    var evaluator = IndexEvaluator(context)
    let place4 = found.roles.map { role in role.map { AffineIndex.variable($0) } ?? AffineIndex(0) }
    guard let index = evaluator.at(keys, place4)?.affine,
      let offset = (index - AffineIndex.variable(3)).constant?.value
    else { return nil }
    value = counts
    shift = (kind.hasSuffix("OrEqual") ? 1 : 0) - offset
  }

  /// The comparison that the mask is made of; for each axis of its result which of batch, head, query and key it is, nil where
  /// it is 1 long and none of them.
  private static func comparison(
    _ mask: ValueID, _ rank: Int, _ context: PassContext
  ) -> (node: NodeID, roles: [Int?], isNegated: Bool)? {
    var roles = [0, 1, 2, 3].suffix(rank).map { Int?.some($0) }
    var (value, isNegated) = (mask, false)
    for _ in 0..<12 {
      guard let id = context.graph.producer(value), context.graph[id].domain.isEmpty,
        let input = context.graph[id].input(0), let to = context.shape(value), to.count == roles.count
      else { return nil }
      let node = context.graph[id]
      switch node.type {
      case "Identity": break
      case "Cast": if context.dataType(input) != .bool && context.dataType(value) != .bool { return nil }
      case "Not": isNegated.toggle()
      case "Where":
        // 0 where allowed, and what leaves nothing of a score where not.
        guard let a = context.uniform(node.input(1)), let b = context.uniform(node.input(2)), a == 0 || b == 0,
          let from = context.shape(input), from.count <= to.count,
          min(a, b) == -.infinity || context.options.assumesNoEmptyRows && min(a, b) <= MaskForm.forbidding
        else { return nil }
        if a != 0 { isNegated.toggle() }
        roles = roles.suffix(from.count)
      case "Expand":
        guard let from = context.shape(input), from.count <= to.count else { return nil }
        roles = roles.suffix(from.count)
      case "Unsqueeze", "Squeeze", "Reshape", "Flatten":
        guard let from = context.shape(input) else { return nil }
        var kept = zip(to, roles).filter { $0.0 != 1 }[...]
        var moved: [Int?] = []
        for dim in from {
          if dim == 1 {
            moved.append(nil)
          } else if let first = kept.popFirst(), first.0 == dim {
            moved.append(first.1)
          } else {
            return nil
          }
        }
        guard kept.isEmpty else { return nil }
        roles = moved
      case "Less", "LessOrEqual", "Greater", "GreaterOrEqual": return (id, roles, isNegated)
      default: return nil
      }
      value = input
    }
    return nil
  }

  /// int64[batch], each from 0 to the number of keys: `total`, or the length of axis `axis` of `keys` where that is open.
  func write(
    total: Dim, _ keys: ValueID, axis: Int, _ context: PassContext, _ change: inout GraphChange
  ) throws -> GraphChange.Ref {
    var source = value
    if let id = context.graph.producer(source), MergeReshapes.kinds.contains(context.graph[id].type),
      context.graph[id].domain.isEmpty, let input = context.graph[id].input(0), context.rank(input) == 1
    {
      source = input
    }
    var ref = GraphChange.Ref.existing(source)
    if context.rank(source) != 1 {
      ref = change.node("Reshape", [ref, change.constant(try .ints([-1]))], covers: [])
    }
    if context.dataType(source) != .int64 {
      ref = change.node("Cast", [ref], [NamedAttribute("to", .int(Int64(DataType.int64.rawValue)))], covers: [])
    }
    if shift != 0 { ref = change.node("Add", [ref, change.constant(try .ints([shift]))], covers: []) }
    if let known = total.value {
      return change.node(
        "Clip", [ref, change.constant(try .scalar(0.0, .int64)), change.constant(try .scalar(Double(known), .int64))],
        covers: [])
    }
    // An input of the graph tells it to all layers alike.
    let shared = context.graph.inputs.lazy.compactMap { value in
      context.shape(value)?.firstIndex(of: total).map { (value, $0) }
    }.first
    let (owner, place) = shared ?? (keys, axis)
    let length = change.node(
      "Shape", [.existing(owner)],
      [NamedAttribute("start", .int(Int64(place))), NamedAttribute("end", .int(Int64(place + 1)))], covers: [])
    let least = change.node("Max", [ref, change.constant(try .ints([0]))], covers: [])
    return change.node("Min", [least, length], covers: [])
  }
}
