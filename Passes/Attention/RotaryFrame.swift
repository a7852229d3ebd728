import GraphIR
import Operators
import PassKit
import Tensors

/// How the leading axes of a rotated value and of its angles lie, and what brings them into RotaryEmbedding's order:
/// [batch, heads, length, size], or [batch, length, heads * size].
struct RotaryFrame {
  let context: PassContext
  let input: ValueID
  /// The rotated value's dimensions; the last is the size of a head.
  let shape: [Dim]
  /// The axis along which positions differ.
  let length: Int
  /// The axis along which angles may differ besides; nil where all axes but the length are heads.
  let batch: Int?
  /// The other axes before the size.
  let heads: [Int]

  init(_ rotation: Rotation, _ result: ValueID, _ context: PassContext) throws {
    self.context = context
    input = rotation.input
    self.shape = rotation.shape
    let producer = context.graph.producer(result)
    let shape = rotation.shape
    let leading = shape.count - 1
    guard leading >= 1 else {
      throw Refusal("the rotated value is one vector, it has no axis of positions", at: producer)
    }
    var own: Set<Int> = []
    for table in [rotation.cosine, rotation.sine] {
      let angles = table.dimensions
      for axis in 0..<leading where !Self.isShared(Self.dim(angles, over: axis, of: shape), shape[axis]) {
        own.insert(axis)
      }
    }
    let singles = (1..<max(leading, 1)).reversed().first { shape[$0] == 1 }
    switch (own.count, own.min() ?? leading - 1) {
    case (0, _):
      batch = leading == 1 ? nil : 0
      length = leading == 1 ? 0 : singles ?? leading - 1
    case (1, 0):
      // Positions first. An open number of heads cannot stand in RotaryEmbedding's num_heads.
      let isOpen = leading == 3 && !(shape[1].isKnown && shape[2].isKnown)
      batch = singles != nil ? 0 : isOpen ? 1 : nil
      length = singles ?? 0
    case (1, let axis):
      batch = leading == 2 && shape[0] != 1 ? nil : 0
      length = axis
    case (2, 0):
      batch = 0
      length = own.max() ?? 0
    default:
      throw Refusal(
        "the angles differ along the axes \(own.sorted()) of \(shape), RotaryEmbedding's along batch and length",
        at: producer)
    }
    let taken = [batch, length]
    heads = (0..<leading).filter { !taken.contains($0) }
    if let first = heads.first, let last = heads.last, first < length, last > length {
      throw Refusal("heads lie before and behind the length, axis \(length) of \(shape)", at: producer)
    }
  }

  /// The dimension of `angles` that stands over an axis of a value of the dimensions `shape`; 1 where they have none.
  private static func dim(_ angles: [Dim], over axis: Int, of shape: [Dim]) -> Dim {
    let place = axis - (shape.count - angles.count)
    return place >= 0 ? angles[place] : 1
  }

  /// True where all along the axis turn by the same angles. The first of an axis that may be empty is min(1, size) long.
  private static func isShared(_ angles: Dim, _ size: Dim) -> Bool { angles == 1 || angles == Dim.min(1, size) }

  private var isSwapped: Bool { batch.map { $0 > length } ?? false }

  private func product(_ axes: [Int]) -> Int? {
    axes.reduce(1) { product, axis in
      guard let product, let size = shape[axis].value else { return nil }
      let (result, overflow) = product.multipliedReportingOverflow(by: size)
      return overflow ? nil : result
    }
  }

  // MARK: The rotated value

  /// The input as RotaryEmbedding takes it, and the way back.
  func enter(
    _ value: GraphChange.Ref, _ attributes: inout [NamedAttribute], in change: inout GraphChange
  ) throws -> (GraphChange.Ref, (GraphChange.Ref, inout GraphChange) throws -> GraphChange.Ref) {
    let (rank, size) = (shape.count, shape.last?.value ?? 1)
    func same(_ result: GraphChange.Ref, _: inout GraphChange) -> GraphChange.Ref { result }
    func reshaped(
      _ to: [Int], _ back: [Int]
    ) throws -> (GraphChange.Ref, (GraphChange.Ref, inout GraphChange) throws -> GraphChange.Ref) {
      guard to.count(where: { $0 == -1 }) < 2, back.count(where: { $0 == -1 }) < 2 else {
        throw Refusal("more than one of the dimensions \(shape) between batch and size is open")
      }
      return (
        change.node("Reshape", [value, change.constant(try .ints(to))], covers: []),
        { result, change in change.node("Reshape", [result, change.constant(try .ints(back))], covers: []) }
      )
    }
    func moved(_ order: [Int]) -> (GraphChange.Ref, (GraphChange.Ref, inout GraphChange) throws -> GraphChange.Ref) {
      let back = order.indices.map { axis in order.firstIndex(of: axis) ?? axis }
      func permutation(_ list: [Int]) -> [NamedAttribute] { [NamedAttribute("perm", .ints(list.map { Int64($0) }))] }
      return (
        change.node("Transpose", [value], permutation(order), covers: []),
        { result, change in change.node("Transpose", [result], permutation(back), covers: []) }
      )
    }
    func open(_ axis: Int) -> Int { shape[axis].value ?? -1 }
    if isSwapped { return moved([1, 2, 0, 3]) }
    let areBehind = heads.first.map { $0 > length } ?? false
    guard batch != nil else {
      if areBehind {
        guard let count = product(heads) else { throw Refusal("the number of heads in \(shape) is open") }
        attributes.append(NamedAttribute("num_heads", .int(Int64(count))))
        return try reshaped([1, open(length), count * size], [open(length)] + heads.map(open) + [size])
      }
      if heads.isEmpty { attributes.append(NamedAttribute("num_heads", .int(1))) }
      let axis = try Tensor.ints([0])
      let lifted = change.node("Unsqueeze", [value, change.constant(axis)], covers: [])
      return (lifted, { result, change in change.node("Squeeze", [result, change.constant(axis)], covers: []) })
    }
    if heads.isEmpty {
      attributes.append(NamedAttribute("num_heads", .int(1)))
      return (value, same)
    }
    if !areBehind {
      if heads.count == 1 { return (value, same) }
      return try reshaped(
        [0, product(heads) ?? -1, open(length), size], [0] + (1..<rank).map(open))
    }
    guard let count = product(heads) else {
      if heads.count == 1 { return moved([0, 2, 1, 3]) }
      throw Refusal("the number of heads in \(shape) is open")
    }
    attributes.append(NamedAttribute("num_heads", .int(Int64(count))))
    return try reshaped([0, 0, count * size], [0, 0] + heads.map(open) + [size])
  }

  // MARK: The angles

  /// The columns of `table` as [batch, length, half]; nil where they cannot be picked.
  func cache(
    _ table: Rotation.Table, _ what: String, _ region: RegionID, in change: inout GraphChange
  ) throws -> GraphChange.Ref? {
    let dims = table.dimensions
    let offset = shape.count - dims.count
    func place(_ axis: Int?) -> Int? { axis.flatMap { $0 >= offset ? $0 - offset : nil } }
    var dropped = heads.compactMap(place)
    if isSwapped { dropped = (dropped + [place(batch)].compactMap { $0 }).sorted() }
    guard dropped.allSatisfy({ dims[$0] == 1 }) else {
      throw Refusal("the heads' axis of the \(what) \(context.graph[table.value].name) may be empty")
    }
    var hasBatch = !isSwapped && place(batch) != nil
    let batchSize = hasBatch ? place(batch).map { dims[$0] } ?? 1 : 1
    let lengthSize = place(length).map { dims[$0] } ?? 1
    let rotary = RotaryCache(context, region: region)
    let picked: GraphChange.Ref?
    if table.trailing == 1 {
      var value = table.value
      let withBatch = hasBatch && batchSize == 1 ? [dropped + [0]] : []
      for list in [dropped] + withBatch where !list.isEmpty && value == table.value {
        guard let before = self.before(value, dropping: list) else { continue }
        value = before
        if list.count > dropped.count { hasBatch = false }
        dropped = []
      }
      picked = try rotary.picked(value, table.columns, in: &change)
    } else {
      picked = try rotary.flattened(table, in: &change)
    }
    guard var result = picked else { return nil }
    if let type = table.type {
      result = change.node("Cast", [result], [NamedAttribute("to", .int(Int64(type.rawValue)))], covers: [])
    }
    if !dropped.isEmpty {
      result = change.node("Squeeze", [result, change.constant(try .ints(dropped))], covers: [])
    }
    let missing = (hasBatch ? 0 : 1) + (place(length) == nil ? 1 : 0)
    if missing > 0 {
      result = change.node("Unsqueeze", [result, change.constant(try .ints(Array(0..<missing)))], covers: [])
    }
    return try expanded(result, batchSize, lengthSize, in: &change)
  }

  /// [batch or 1, length or 1, half] as [batch, length, half].
  private func expanded(
    _ value: GraphChange.Ref, _ batchSize: Dim, _ lengthSize: Dim, in change: inout GraphChange
  ) throws -> GraphChange.Ref {
    let batchTarget = batch.map { shape[$0] } ?? 1
    var parts: [GraphChange.Ref] = []
    var known: [Int] = []
    func flush() throws {
      if !known.isEmpty { parts.append(change.constant(try .ints(known))) }
      known = []
    }
    var isNeeded = false
    for (size, target, axis) in [(batchSize, batchTarget, batch), (lengthSize, shape[length], length)] {
      if size.isSameWhereItBroadcasts(to: target) {
        known.append(1)
        continue
      }
      isNeeded = true
      if let size = target.value {
        known.append(size)
        continue
      }
      try flush()
      let (source, place) = origin(of: target, else: axis ?? 0)
      parts.append(
        change.node(
          "Shape", [.existing(source)],
          [NamedAttribute("start", .int(Int64(place))), NamedAttribute("end", .int(Int64(place + 1)))], covers: []))
    }
    guard isNeeded else { return value }
    known.append(1)
    try flush()
    let lengths =
      parts.count == 1
      ? parts[0] : change.node("Concat", parts, [NamedAttribute("axis", .int(0))], covers: [])
    return change.node("Expand", [value, lengths], covers: [])
  }

  /// The value before these axes of 1 were put in.
  private func before(_ value: ValueID, dropping axes: [Int]) -> ValueID? {
    guard let dims = context.shape(value), let id = context.graph.producer(value), context.graph[id].domain.isEmpty,
      ["Unsqueeze", "Reshape"].contains(context.graph[id].type), let input = context.graph[id].input(0)
    else { return nil }
    let rest = dims.indices.filter { !axes.contains($0) }.map { dims[$0] }
    return context.shape(input) == rest ? input : nil
  }

  /// Where the dimension can be asked for: an input of the graph, which all layers share, else the rotated value.
  private func origin(of dim: Dim, else axis: Int) -> (ValueID, Int) {
    for value in context.graph.inputs {
      if let axis = context.shape(value)?.firstIndex(of: dim) { return (value, axis) }
    }
    return (input, axis)
  }
}
