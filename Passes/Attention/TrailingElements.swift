import GraphIR
import Operators
import PassKit
import Tensors

/// Follows single elements of the last axes of a value back through nodes that only move them, whatever the axes before hold.
///
/// A value of shape [leading..., d1, ..., dt] has `d1 * ... * dt` trailing elements; each stands for a whole tensor over the
/// leading axes. Slice, Split, Concat, Gather by constants, Reshape, Transpose, Expand and Neg of trailing axes only pick among
/// them.
struct TrailingElements {
  let context: PassContext
  let region: RegionID
  /// Most trailing elements of one value that are followed.
  static let limit = 4096

  init(_ context: PassContext, region: RegionID) {
    self.context = context
    self.region = region
  }

  /// Where one trailing element comes from.
  struct Source {
    /// Which of `Step.inputs`.
    var input: Int
    var index: Int
  }

  /// One node seen as a choice among the trailing elements of its inputs.
  struct Step {
    var node: NodeID
    var inputs: [(value: ValueID, trailing: Int)]
    var sources: [Source]
    var isNegated = false
  }

  /// The trailing dimensions; nil where they are open or too many.
  func dimensions(_ value: ValueID, _ trailing: Int) -> [Int]? {
    guard let shape = context.shape(value), trailing >= 0, shape.count >= trailing else { return nil }
    var result: [Int] = []
    var count = 1
    for dim in shape.suffix(trailing) {
      guard let size = dim.value, size > 0, size <= Self.limit else { return nil }
      count *= size
      if count > Self.limit { return nil }
      result.append(size)
    }
    return result
  }

  func count(_ value: ValueID, _ trailing: Int) -> Int? { dimensions(value, trailing).map { $0.reduce(1, *) } }

  /// How the producer of `value` picks its trailing elements; nil where it does more than that.
  func step(_ value: ValueID, _ trailing: Int) throws -> Step? {
    guard let id = context.graph.producer(value), context.graph[id].region == region,
      context.graph[id].domain.isEmpty, let to = dimensions(value, trailing), let rank = context.rank(value)
    else { return nil }
    let node = context.graph[id]
    guard let input = node.input(0), let from = context.shape(input) else { return nil }
    let leading = rank - trailing
    let inner = from.count - leading
    func single(_ sources: [Int], trailing: Int? = nil, isNegated: Bool = false) -> Step {
      Step(
        node: id, inputs: [(input, trailing ?? inner)], sources: sources.map { Source(input: 0, index: $0) },
        isNegated: isNegated)
    }
    switch node.type {
    case "Identity": return single(Array(0..<to.reduce(1, *)))
    case "Neg": return single(Array(0..<to.reduce(1, *)), isNegated: true)
    case "Slice":
      guard let picked = try slice(node, input, trailing) else { return nil }
      return single(picked)
    case "Split": return try split(node, value, input, trailing).map { single($0) }
    case "Concat": return try concat(id, trailing, rank)
    case "Gather": return try gather(node, from, trailing: trailing, rank: rank).map { single($0) }
    case "Reshape", "Unsqueeze", "Squeeze", "Flatten":
      guard inner >= 1, let shape = context.shape(value), from.prefix(leading) == shape.prefix(leading),
        let dimensions = dimensions(input, inner), dimensions.reduce(1, *) == to.reduce(1, *)
      else { return nil }
      return single(Array(0..<to.reduce(1, *)))
    case "Transpose":
      guard let order = try AttributeReader(node).optionalInts("perm"), order.count == rank,
        Array(order.prefix(leading)) == Array(0..<leading), let sizes = dimensions(input, trailing)
      else { return nil }
      let strides = Tensor.strides(sizes)
      return single(Self.places(to, strides: order.suffix(trailing).map { strides[$0 - leading] }))
    case "Expand":
      guard inner == trailing, let shape = context.shape(value), from.prefix(leading) == shape.prefix(leading),
        let sizes = dimensions(input, trailing)
      else { return nil }
      return single(Self.broadcast(sizes, to: to))
    case "Tile":
      guard inner == trailing, let repeats = try context.constant(node.input(1))?.ints(), repeats.count == rank,
        repeats.prefix(leading).allSatisfy({ $0 == 1 }), let sizes = dimensions(input, trailing)
      else { return nil }
      let strides = Tensor.strides(sizes)
      var places = [0]
      for (axis, size) in sizes.enumerated() {
        let part = (0..<to[axis]).map { $0 % size * strides[axis] }
        places = places.flatMap { base in part.map { base + $0 } }
      }
      return single(places)
    default: return nil
    }
  }

  /// For each place of an array of the shape `dimensions` the sum of its indices times `strides`.
  private static func places(_ dimensions: [Int], strides: [Int]) -> [Int] {
    var result = [0]
    for (size, stride) in zip(dimensions, strides) {
      result = result.flatMap { base in (0..<size).map { base + $0 * stride } }
    }
    return result
  }

  /// The element of an array of the shape `sizes` that stands at each place of one of the shape `to`.
  static func broadcast(_ sizes: [Int], to: [Int]) -> [Int] {
    let padded = [Int](repeating: 1, count: max(0, to.count - sizes.count)) + sizes
    let strides = Tensor.strides(padded)
    return places(to, strides: zip(padded, strides).map { $0 == 1 ? 0 : $1 })
  }

  private func slice(_ node: Node, _ input: ValueID, _ trailing: Int) throws -> [Int]? {
    guard let rank = context.rank(input), let sizes = dimensions(input, trailing),
      let starts = try context.constant(node.input(1))?.ints(), let ends = try context.constant(node.input(2))?.ints(),
      starts.count == ends.count
    else { return nil }
    let axes = node.input(3) == nil ? Array(0..<starts.count) : try context.constant(node.input(3))?.ints()
    let steps = node.input(4) == nil ? starts.map { _ in 1 } : try context.constant(node.input(4))?.ints()
    guard let axes, let steps, axes.count == starts.count, steps.count == starts.count else { return nil }
    var picks = sizes.map { Array(0..<$0) }
    for (index, given) in axes.enumerated() {
      let axis = (given < 0 ? given + rank : given) - (rank - trailing)
      guard axis >= 0, axis < trailing, steps[index] > 0 else { return nil }
      let size = sizes[axis]
      func clamp(_ x: Int) -> Int { min(max(x < 0 ? x + size : x, 0), size) }
      picks[axis] = Array(stride(from: clamp(starts[index]), to: clamp(ends[index]), by: steps[index]))
    }
    let strides = Tensor.strides(sizes)
    var result = [0]
    for (axis, pick) in picks.enumerated() {
      result = result.flatMap { base in pick.map { base + $0 * strides[axis] } }
    }
    return result
  }

  private func split(_ node: Node, _ value: ValueID, _ input: ValueID, _ trailing: Int) throws -> [Int]? {
    guard let rank = context.rank(input), let sizes = dimensions(input, trailing) else { return nil }
    let given = try AttributeReader(node).int("axis", default: 0)
    let axis = (given < 0 ? given + rank : given) - (rank - trailing)
    guard axis >= 0, axis < trailing else { return nil }
    var start = 0
    for case .some(let output) in node.outputs {
      guard let length = dimensions(output, trailing)?[axis] else { return nil }
      if output == value {
        guard start + length <= sizes[axis] else { return nil }
        var part = sizes
        part[axis] = length
        let strides = Tensor.strides(sizes)
        return Self.places(part, strides: strides).map { $0 + start * strides[axis] }
      }
      start += length
    }
    return nil
  }

  private func concat(_ id: NodeID, _ trailing: Int, _ rank: Int) throws -> Step? {
    let node = context.graph[id]
    let given = try AttributeReader(node).int("axis")
    let axis = (given < 0 ? given + rank : given) - (rank - trailing)
    guard axis >= 0, axis < trailing, !node.inputs.contains(nil) else { return nil }
    let parts = node.inputs.compactMap { $0 }.map { part -> (ValueID, [Int])? in
      dimensions(part, trailing).map { (part, $0) }
    }
    guard let first = parts.first??.1, !parts.contains(where: { $0 == nil }) else { return nil }
    var sources: [Source] = []
    let (outer, inner) = (first[..<axis].reduce(1, *), first[(axis + 1)...].reduce(1, *))
    for row in 0..<outer {
      for (index, part) in parts.enumerated() {
        guard let part else { return nil }
        let length = part.1[axis] * inner
        for place in 0..<length { sources.append(Source(input: index, index: row * length + place)) }
      }
    }
    return Step(node: id, inputs: parts.compactMap { $0 }.map { ($0.0, trailing) }, sources: sources)
  }

  private func gather(_ node: Node, _ from: [Dim], trailing: Int, rank: Int) throws -> [Int]? {
    guard let indices = context.constant(node.input(1)), indices.rank <= 1, let input = node.input(0) else {
      return nil
    }
    let leading = rank - trailing
    let inner = from.count - leading
    let given = try AttributeReader(node).int("axis", default: 0)
    let axis = (given < 0 ? given + from.count : given) - leading
    guard inner >= 1, axis >= 0, axis < inner, let sizes = dimensions(input, inner) else { return nil }
    let chosen = try indices.ints().map { $0 < 0 ? $0 + sizes[axis] : $0 }
    guard chosen.allSatisfy({ (0..<sizes[axis]).contains($0) }) else { return nil }
    let strides = Tensor.strides(sizes)
    var result = [0]
    for (place, size) in sizes.enumerated() {
      let pick = place == axis ? chosen : Array(0..<size)
      result = result.flatMap { base in pick.map { base + $0 * strides[place] } }
    }
    return result
  }
}
