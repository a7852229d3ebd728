import GraphIR
import Operators
import PassKit
import Tensors

/// How the leading axes of all operands are seen as batch and heads.
///
/// The leading axes are cut into *atoms*: the finest factors that any of the shapes between the operands and the result shows
/// ([B*H, L, S] reshaped to [B, H, L, S] has the atoms B and H). The first `split` atoms are the batch, the rest are the heads.
struct HeadLayout {
  let atoms: [Dim]
  let split: Int
  let queries: Dim
  let keys: Dim

  var batch: Dim { HeadLayout.product(atoms.prefix(split)) }
  var heads: Dim { HeadLayout.product(atoms.dropFirst(split)) }

  /// One head, which needs no axis: what it is of is the batch.
  var isFlat: Bool { atoms.count <= 1 && split == atoms.count }

  /// The shape of an operand with these lengths.
  func shape(batch: Dim, heads: Dim, _ rows: Dim, _ size: Dim) -> [Dim] {
    isFlat ? [batch, rows, size] : [batch, heads, rows, size]
  }

  static func product(_ dims: some Sequence<Dim>) -> Dim { dims.reduce(1, *) }

  func with(split: Int) -> HeadLayout { HeadLayout(atoms: atoms, split: split, queries: queries, keys: keys) }

  /// The splits to try, the likeliest first: that of a product of rank 4, then one axis of batch.
  static func splits(atoms: [Dim], product lead: [Dim]) -> [Int] {
    var candidates: [Int] = []
    if lead.count == 2, let groups = groups(of: lead, in: atoms) { candidates.append(groups[0].count) }
    candidates.append(min(1, atoms.count))
    candidates += Array(0...atoms.count)
    var seen: Set<Int> = []
    return candidates.filter { seen.insert($0).inserted }
  }

  /// For each axis of `coarse` the atoms that it is the product of; nil where it is another shape.
  static func groups(of coarse: [Dim], in atoms: [Dim]) -> [Range<Int>]? {
    var result: [Range<Int>] = []
    var next = 0
    for dim in coarse {
      let start = next
      var product: Dim = 1
      while product != dim, next < atoms.count {
        product = product * atoms[next]
        next += 1
      }
      // A 1 among the atoms belongs to the axis 1 that shows it.
      if start == next, next < atoms.count, atoms[next] == 1 { next += 1 }
      guard product == dim else { return nil }
      result.append(start..<next)
    }
    while next < atoms.count, atoms[next] == 1, let last = result.popLast() {
      next += 1
      result.append(last.lowerBound..<next)
    }
    return next == atoms.count ? result : nil
  }

  /// The finest of these leading shapes. Throws where another is not a coarser view of it.
  static func atoms(of leads: [[Dim]], at node: NodeID) throws -> [Dim] {
    var finest: [Dim] = []
    for lead in leads where lead.count > finest.count { finest = lead }
    for lead in leads where groups(of: lead, in: finest) == nil {
      let isBroadcast = lead.count == finest.count && zip(lead, finest).allSatisfy { $0 == $1 || $0 == 1 || $1 == 1 }
      throw Refusal(
        isBroadcast
          ? "a mask or bias broadcasts the scores' leading axes [\(text(lead))] and [\(text(finest))]"
          : "the heads are regrouped from [\(text(lead))] to [\(text(finest))]", at: node)
    }
    return finest
  }

  static func text(_ dims: [Dim]) -> String { dims.map(\.description).joined(separator: ", ") }

  /// The leading axes of an operand in atoms: each atom itself, or 1 where the operand is broadcast. `lead` is the result's.
  func spread(_ own: [Dim], over lead: [Dim], _ label: String) throws -> [Dim] {
    guard let groups = HeadLayout.groups(of: lead, in: atoms), own.count <= lead.count else {
      throw Refusal("the leading axes [\(HeadLayout.text(own))] of \(label) are not those of the scores")
    }
    var result: [Dim] = []
    let missing = lead.count - own.count
    for (axis, group) in groups.enumerated() {
      let dim = axis < missing ? 1 : own[axis - missing]
      if dim == lead[axis] {
        result += atoms[group]
      } else if dim == 1 {
        result += group.map { _ in 1 }
      } else {
        throw Refusal("\(label) has \(dim) along a leading axis where the scores have \(lead[axis])")
      }
    }
    return result
  }

  func partialBatch(_ label: String) -> Refusal {
    Refusal("\(label) is broadcast along a part of the batch [\(HeadLayout.text(atoms))]")
  }

  /// The heads of an operand, from its leading axes in atoms: all of them, or a divisor where several query heads that stand
  /// side by side read one; and whether its batch is 1 and broadcast. Throws where the heads repeat in another order.
  func groupedHeads(_ own: [Dim], _ label: String) throws -> (heads: Dim, isOneBatch: Bool) {
    let batch = own.prefix(split)
    let isWhole = batch.elementsEqual(atoms.prefix(split))
    guard isWhole || batch.allSatisfy({ $0 == 1 }) else {
      throw partialBatch(label)
    }
    let mine = own.dropFirst(split)
    let all = atoms.dropFirst(split)
    // [KV, 1]: each head serves all heads of the atoms behind it.
    var count = mine.count
    while count > 0, let last = mine.prefix(count).last, last == 1 { count -= 1 }
    for (a, b) in zip(mine.prefix(count), all) where a != b {
      throw Refusal("the heads of \(label) repeat in an order that Attention does not have")
    }
    return (HeadLayout.product(mine.prefix(count)), !isWhole)
  }
}

extension Dim {
  /// True where this length, broadcast to `full`, is `full` in every run: equal, or cut off at a number that `full` cannot
  /// exceed then (a slice [:full] of a buffer of 1024 has min(1024, full), and no other length broadcasts).
  func spans(_ full: Dim) -> Bool {
    if self == full { return true }
    if isKnown || full.isKnown { return false }
    let large = Dictionary(uniqueKeysWithValues: symbols.map { ($0, Dim(1 << 40)) })
    guard let bound = substituting(large).value, bound > 1, bound < 1 << 40 else { return false }
    return Dim.min(full, Dim(bound)) == self
  }
}

/// Writes reshapes with the fewest nodes.
enum Reshaping {
  /// `source` of the shape `from` under the shape `to`. Throws where more than one length would have to be computed.
  static func reshape(
    _ source: GraphChange.Ref, from: [Dim], to: [Dim], _ change: inout GraphChange, covers: [NodeID]? = []
  ) throws -> GraphChange.Ref {
    if from == to { return source }
    if let axes = insertedOnes(from, to) {
      return change.node("Unsqueeze", [source, change.constant(try .ints(axes))], covers: covers)
    }
    if let axes = insertedOnes(to, from) {
      return change.node("Squeeze", [source, change.constant(try .ints(axes))], covers: covers)
    }
    if let target = MergeReshapes.constantShape(to, from: from) {
      return change.node("Reshape", [source, change.constant(try .ints(target))], covers: covers)
    }
    // What stays at the end is read from the input's shape.
    var kept = 0
    while kept < min(from.count, to.count), from[from.count - 1 - kept] == to[to.count - 1 - kept] { kept += 1 }
    for suffix in stride(from: kept, to: 0, by: -1) {
      guard let head = MergeReshapes.constantShape(Array(to.dropLast(suffix)), from: from) else { continue }
      let tail = change.node(
        "Shape", [source], [NamedAttribute("start", .int(Int64(from.count - suffix)))], covers: [])
      let shape = change.node(
        "Concat", [change.constant(try .ints(head)), tail], [NamedAttribute("axis", .int(0))], covers: [])
      return change.node("Reshape", [source, shape], covers: covers)
    }
    throw Refusal("[\(HeadLayout.text(from))] cannot be written as [\(HeadLayout.text(to))]: too many lengths are open")
  }

  /// The axes of `to` that are 1 and not in `from`, where that is the only difference.
  static func insertedOnes(_ from: [Dim], _ to: [Dim]) -> [Int]? {
    guard to.count > from.count else { return nil }
    var axes: [Int] = []
    var next = 0
    for (axis, dim) in to.enumerated() {
      if next < from.count, from[next] == dim {
        next += 1
      } else if dim == 1 {
        axes.append(axis)
      } else {
        return nil
      }
    }
    return next == from.count && axes.count == to.count - from.count ? axes : nil
  }

  /// Swaps the last two of `rank` axes.
  static func turn(_ source: GraphChange.Ref, rank: Int, _ change: inout GraphChange) -> GraphChange.Ref {
    let order = (0..<rank - 2).map { Int64($0) } + [Int64(rank - 1), Int64(rank - 2)]
    return change.node("Transpose", [source], [NamedAttribute("perm", .ints(order))], covers: [])
  }

  /// `source`, whose last two axes are swapped where `isTurned`, under the shape `target`; what already stands so in front of
  /// data movement is taken from there.
  static func place(
    _ source: ValueID, isTurned: Bool, as target: [Dim], _ context: PassContext, _ change: inout GraphChange
  ) throws -> GraphChange.Ref {
    let swapped = Array(target.dropLast(2)) + [target[target.count - 1], target[target.count - 2]]
    var value = source
    var isTurned = isTurned
    for _ in 0..<4 {
      let wanted = isTurned ? swapped : target
      let producer = context.graph.producer(value)
      if isTurned, let producer, context.swapsLastTwo(producer), let input = context.graph[producer].input(0) {
        value = input
        isTurned = false
        continue
      }
      guard context.shape(value) != wanted, let producer, MergeReshapes.kinds.contains(context.graph[producer].type),
        context.graph[producer].domain.isEmpty, let input = context.graph[producer].input(0),
        context.shape(input) == wanted
      else { break }
      value = input
    }
    guard let shape = context.shape(value) else { throw Refusal("the shape of an operand is not known") }
    let reshaped = try reshape(.existing(value), from: shape, to: isTurned ? swapped : target, &change)
    return isTurned ? turn(reshaped, rank: target.count, &change) : reshaped
  }
}
