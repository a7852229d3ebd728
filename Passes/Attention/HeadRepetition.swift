import GraphIR
import Operators
import PassKit
import Tensors

/// The end of a chain of nodes that repeats the heads of a [batch, heads, length, size] value for groups of query heads.
///
/// Followed backwards: Transposes, the Reshape that joins heads and group, Expand, Tile, Concat of one value or Gather with
/// repeated indices, the Unsqueeze before it; on any axes, in any order of the axes, with Casts anywhere among them.
struct HeadRepetition {
  /// The value before the repetition, in an order of axes of its own.
  let source: ValueID
  /// An axis of 1 that `source` still has where the heads were repeated.
  let extra: Int?
  /// Puts `source` into the order batch, heads, length, size.
  let permutation: [Int]
  let heads: Int
  let times: Int
  let covers: [NodeID]
  /// What casts `source` to the type of the value, in order.
  let casts: [NodeID]

  private enum Role { case batch, head, group, length, size }

  /// nil where `value` repeats nothing. Throws where it repeats, but not each head `times` times in a row.
  init?(of value: ValueID, in context: PassContext) throws {
    var walk = Walk(value: value, context: context)
    guard try walk.run(), let heads = walk.heads, walk.times > 1 else { return nil }
    source = walk.value
    extra = walk.roles.firstIndex(of: .group)
    let roles = walk.roles.filter { $0 != .group }
    permutation = [Role.batch, .head, .length, .size].compactMap { roles.firstIndex(of: $0) }
    guard permutation.count == 4, roles.count == 4 else { return nil }
    self.heads = heads
    times = walk.times
    covers = walk.covers
    casts = walk.casts.reversed()
  }

  private struct Walk {
    var value: ValueID
    let context: PassContext
    var roles: [Role] = [.batch, .head, .length, .size]
    var covers: [NodeID] = []
    /// The nearest first.
    var casts: [NodeID] = []
    /// Of the source, once it is found.
    var heads: Int?
    var times = 1
    /// Each query head's place in its own group runs slower than the key head: h % heads instead of h / times.
    var isTiled = false

    init(value: ValueID, context: PassContext) {
      self.value = value
      self.context = context
    }

    mutating func run() throws -> Bool {
      guard context.rank(value) == 4 else { return false }
      for _ in 0..<12 {
        guard let id = context.graph.producer(value), context.graph[id].domain.isEmpty,
          let input = context.graph[id].input(0), let from = context.shape(input), let to = context.shape(value),
          to.count == roles.count, try step(id, from, to)
        else { break }
        covers.append(id)
        value = input
        if times > 1, !roles.contains(.group) { break }
      }
      guard times > 1 else { return false }
      guard isTiled, let heads, heads > 1 else { return true }
      throw Refusal("query head h reads key head h % \(heads), Attention's is h / \(times)", at: covers.first)
    }

    private mutating func step(_ id: NodeID, _ from: [Dim], _ to: [Dim]) throws -> Bool {
      let node = context.graph[id]
      switch node.type {
      case "Identity": return true
      case "Cast":
        casts.append(id)
        return true
      case "Transpose":
        guard let order = try AttributeReader(node).optionalInts("perm"), order.count == roles.count else {
          return false
        }
        var moved = roles
        for (index, axis) in order.enumerated() { moved[axis] = roles[index] }
        roles = moved
        return true
      case "Reshape", "Unsqueeze", "Squeeze": return reshape(from, to)
      case "Expand": return repeated(from, to)
      case "Tile":
        guard let counts = try context.constant(node.input(1))?.ints(), counts.count == roles.count else {
          return false
        }
        let axes = counts.indices.filter { counts[$0] != 1 }
        guard axes.count == 1 else { return false }
        return repeated(from, to, axis: axes[0], tiles: counts[axes[0]])
      case "Concat":
        guard node.inputs.count > 1, Set(node.inputs).count == 1 else { return false }
        let axis = try AttributeReader(node).int("axis")
        return repeated(from, to, axis: axis < 0 ? axis + roles.count : axis, tiles: node.inputs.count)
      case "Gather": return try gather(node, from)
      default: return false
      }
    }

    /// Splits the heads into key heads and group, or drops the group once it is 1.
    private mutating func reshape(_ from: [Dim], _ to: [Dim]) -> Bool {
      if from.count == roles.count + 1, !roles.contains(.group), let axis = roles.firstIndex(of: .head) {
        guard from[axis] * from[axis + 1] == to[axis], from[axis].isKnown, from[axis + 1].isKnown,
          from.prefix(axis) == to.prefix(axis), from.suffix(from.count - axis - 2) == to.suffix(to.count - axis - 1)
        else { return false }
        roles.insert(.group, at: axis + 1)
        return true
      }
      guard from.count == roles.count - 1, times > 1, let group = roles.firstIndex(of: .group), to[group] == 1,
        let head = roles.firstIndex(of: .head), to[head].isKnown
      else { return false }
      var rest = to
      rest.remove(at: group)
      guard rest == from else { return false }
      roles.remove(at: group)
      return true
    }

    /// Expand: axes of 1 that became longer.
    private mutating func repeated(_ from: [Dim], _ to: [Dim]) -> Bool {
      guard from.count == to.count else { return false }
      let axes = from.indices.filter { from[$0] != to[$0] }
      guard axes.count == 1, from[axes[0]] == 1, let count = to[axes[0]].value else { return false }
      return repeated(from, to, axis: axes[0], tiles: count)
    }

    private mutating func repeated(_ from: [Dim], _ to: [Dim], axis: Int, tiles: Int) -> Bool {
      guard axis >= 0, axis < roles.count, times == 1, tiles > 1, let length = from[axis].value else { return false }
      switch roles[axis] {
      case .head:
        if let group = roles.firstIndex(of: .group) {
          // What was taken for the group is the real head: heads repeat as a whole.
          guard length == 1, let real = to[group].value else { return false }
          roles[axis] = .group
          roles[group] = .head
          heads = real
        } else {
          heads = length
        }
        isTiled = true
      case .group:
        guard length == 1, let head = roles.firstIndex(of: .head), let count = from[head].value else { return false }
        heads = count
      default: return false
      }
      times = tiles
      return true
    }

    private mutating func gather(_ node: Node, _ from: [Dim]) throws -> Bool {
      let axis = try AttributeReader(node).int("axis", default: 0)
      guard times == 1, !roles.contains(.group), let head = roles.firstIndex(of: .head),
        (axis < 0 ? axis + from.count : axis) == head, from.count == roles.count, let count = from[head].value,
        let tensor = context.constant(node.input(1)), tensor.rank == 1, count > 0, tensor.count % count == 0
      else { return false }
      let indices = try tensor.ints().map { $0 < 0 ? $0 + count : $0 }
      let repeats = tensor.count / count
      guard repeats > 1 else { return false }
      let isContiguous = indices.indices.allSatisfy { indices[$0] == $0 / repeats }
      let isTiled = indices.indices.allSatisfy { indices[$0] == $0 % count }
      guard isContiguous || isTiled else { throw Refusal("key heads are picked in the order \(indices.prefix(16))") }
      (heads, times, self.isTiled) = (count, repeats, isTiled && !isContiguous)
      return true
    }
  }
}
