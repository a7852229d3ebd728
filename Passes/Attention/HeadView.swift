import GraphIR
import Operators
import PassKit
import Tensors

/// A [batch, heads, length, size] value as a view of another: where along each axis of that one its elements lie.
///
/// Followed backwards through Transpose, Reshape, Squeeze, Unsqueeze, Slice, Split, Gather of one index and Cast. The index along an
/// axis is `offset` plus the sum of the indices of batch, head, length and size that lie there times their strides.
struct HeadView {
  enum Role { case batch, head, length, size }

  struct Part: Equatable {
    var role: Role
    var stride: Int
    var size: Dim
  }

  struct Place: Equatable {
    var offset = 0
    var parts: [Part] = []
  }

  let context: PassContext
  let region: RegionID
  /// Batch, heads, length and size of the operand.
  let dims: [Dim]
  var value: ValueID
  var places: [Place]
  var covers: [NodeID] = []
  /// The casts among them, the nearest first.
  var casts: [NodeID] = []

  init?(_ operand: ValueID, _ context: PassContext, region: RegionID) {
    guard let dims = context.shape(operand), dims.count == 4 else { return nil }
    (self.context, self.region, self.dims, value) = (context, region, dims, operand)
    // What is 1 long has no index to follow.
    places = zip([Role.batch, .head, .length, .size], dims).map { role, size in
      Place(parts: size == 1 ? [] : [Part(role: role, stride: 1, size: size)])
    }
  }

  /// Goes one node back; false where that does more than move.
  mutating func step() throws -> Bool {
    guard let id = context.graph.producer(value), context.graph[id].region == region,
      context.graph[id].domain.isEmpty, let input = context.graph[id].input(0), let from = context.shape(input),
      let to = context.shape(value), to.count == places.count
    else { return false }
    let node = context.graph[id]
    let moved: [Place]?
    switch node.type {
    case "Identity": moved = places
    case "Cast":
      casts.append(id)
      moved = places
    case "Transpose":
      guard let order = try AttributeReader(node).optionalInts("perm"), order.count == places.count else {
        return false
      }
      var result = places
      for (index, axis) in order.enumerated() { result[axis] = places[index] }
      moved = result
    case "Reshape", "Squeeze", "Unsqueeze", "Flatten": moved = Self.regrouped(places, from: from, to: to)
    case "Slice": moved = try sliced(node, from)
    case "Split": moved = try split(node, from)
    case "Gather": moved = try picked(node, from)
    default: moved = nil
    }
    guard let moved, moved.count == from.count else { return false }
    places = moved
    value = input
    covers.append(id)
    return true
  }

  /// The place is the whole axis `axis` of the value and nothing but `role`, of `dims[index]`.
  private func isWhole(_ axis: Int, _ role: Role, _ index: Int) -> Bool {
    guard let shape = context.shape(value), shape[axis] == dims[index] else { return false }
    return places[axis] == Place(parts: dims[index] == 1 ? [] : [Part(role: role, stride: 1, size: dims[index])])
  }

  /// Where the value is [batch, length, columns]: the column at which the heads start, one behind the other.
  var packedOffset: Int? {
    guard places.count == 3, isWhole(0, .batch, 0), isWhole(1, .length, 2), let size = dims[3].value else { return nil }
    var parts: [Part] = []
    if dims[1] != 1 { parts.append(Part(role: .head, stride: size, size: dims[1])) }
    if dims[3] != 1 { parts.append(Part(role: .size, stride: 1, size: dims[3])) }
    guard places[2].parts.count == parts.count, parts.allSatisfy({ places[2].parts.contains($0) }) else { return nil }
    return places[2].offset
  }

  /// The value is [batch, length, heads, size].
  var isSplitBehindLength: Bool {
    places.count == 4 && isWhole(0, .batch, 0) && isWhole(1, .length, 2) && isWhole(2, .head, 1)
      && isWhole(3, .size, 3)
  }

  private func sliced(_ node: Node, _ from: [Dim]) throws -> [Place]? {
    guard let starts = try context.constant(node.input(1))?.ints() else { return nil }
    let axes = node.input(3) == nil ? Array(0..<starts.count) : try context.constant(node.input(3))?.ints()
    let steps = node.input(4) == nil ? starts.map { _ in 1 } : try context.constant(node.input(4))?.ints()
    guard let axes, let steps, axes.count == starts.count, steps.count == starts.count else { return nil }
    var result = places
    for (index, given) in axes.enumerated() {
      let axis = given < 0 ? given + from.count : given
      guard result.indices.contains(axis), steps[index] > 0 else { return nil }
      var start = starts[index]
      if start < 0 {
        guard let size = from[axis].value else { return nil }
        start = max(0, start + size)
      }
      result[axis].offset = start + steps[index] * result[axis].offset
      for part in result[axis].parts.indices { result[axis].parts[part].stride *= steps[index] }
    }
    return result
  }

  private func split(_ node: Node, _ from: [Dim]) throws -> [Place]? {
    let given = try AttributeReader(node).int("axis", default: 0)
    let axis = given < 0 ? given + from.count : given
    guard places.indices.contains(axis) else { return nil }
    var result = places
    for case .some(let output) in node.outputs {
      if output == value { return result }
      guard let length = context.shape(output)?[axis].value else { return nil }
      result[axis].offset += length
    }
    return nil
  }

  private func picked(_ node: Node, _ from: [Dim]) throws -> [Place]? {
    let given = try AttributeReader(node).int("axis", default: 0)
    let axis = given < 0 ? given + from.count : given
    guard let tensor = context.constant(node.input(1)), tensor.count == 1, tensor.rank <= 1,
      from.indices.contains(axis), var index = try tensor.ints().first
    else { return nil }
    if index < 0 {
      guard let size = from[axis].value else { return nil }
      index += size
    }
    var result = places
    if tensor.rank == 0 {
      result.insert(Place(offset: index), at: axis)
    } else {
      result[axis] = Place(offset: index)
    }
    return result
  }

  /// The places along the axes `from` that a Reshape made the axes `to` of.
  private static func regrouped(_ places: [Place], from: [Dim], to: [Dim]) -> [Place]? {
    var result: [Place] = []
    var (i, j) = (0, 0)
    while i < from.count || j < to.count {
      guard let (a, b) = group(from[i...], to[j...]) else { return nil }
      guard let linear = joined(Array(places[j..<j + b]), to[j..<j + b]),
        let spread = spread(linear, Array(from[i..<i + a]))
      else { return nil }
      result += spread
      (i, j) = (i + a, j + b)
    }
    return result
  }

  /// How many of the first axes of either side hold the same elements; the fewest.
  private static func group(_ from: ArraySlice<Dim>, _ to: ArraySlice<Dim>) -> (Int, Int)? {
    for sum in 1...max(1, from.count + to.count) {
      for a in max(0, sum - to.count)...max(0, min(sum, from.count)) where sum - a <= to.count {
        if from.prefix(a).reduce(1, *) == to.prefix(sum - a).reduce(1, *) { return (a, sum - a) }
      }
    }
    return nil
  }

  /// The places along several axes as one along all of them.
  private static func joined(_ places: [Place], _ dims: ArraySlice<Dim>) -> Place? {
    var result = Place()
    var stride = 1
    for (index, (place, dim)) in zip(places, dims).enumerated().reversed() {
      result.offset += place.offset * stride
      result.parts += place.parts.map { Part(role: $0.role, stride: $0.stride * stride, size: $0.size) }
      if index > 0 {
        guard let size = dim.value else { return nil }
        stride *= size
      }
    }
    return result
  }

  /// The reverse; nil where an index would run over the end of an axis.
  private static func spread(_ place: Place, _ dims: [Dim]) -> [Place]? {
    if dims.isEmpty { return place == Place() ? [] : nil }
    if dims.count == 1 { return [place] }
    var strides = [1]
    for dim in dims.dropFirst().reversed() {
      guard let size = dim.value, size > 0 else { return nil }
      strides.insert(strides[0] * size, at: 0)
    }
    var result = [Place](repeating: Place(), count: dims.count)
    var rest = place.offset
    for axis in dims.indices {
      result[axis].offset = rest / strides[axis]
      rest %= strides[axis]
    }
    for part in place.parts {
      guard let axis = strides.firstIndex(where: { part.stride >= $0 }), part.stride % strides[axis] == 0 else {
        return nil
      }
      result[axis].parts.append(Part(role: part.role, stride: part.stride / strides[axis], size: part.size))
    }
    for axis in dims.indices.dropFirst() {
      var last = result[axis].offset
      for part in result[axis].parts {
        guard let size = part.size.value else { return nil }
        last += (size - 1) * part.stride
      }
      guard let size = dims[axis].value, last < size else { return nil }
    }
    return result
  }
}
