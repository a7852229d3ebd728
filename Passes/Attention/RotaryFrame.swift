import GraphIR
import Operators
import PassKit
import Tensors

/// How the leading axes of a rotated value and of its cosines lie, and what brings them into RotaryEmbedding's order.
struct RotaryFrame {
  enum Layout {
    /// [batch, heads, length, size]
    case headsFirst
    /// [batch, length, heads, size]
    case headsLast
    /// [batch, length, size]
    case headless
    /// [batch * heads, length, size], turned alike in each.
    case flat
  }

  let context: PassContext
  let layout: Layout
  let input: ValueID
  let shape: [Dim]

  init(_ rotation: Rotation, _ result: ValueID, _ context: PassContext) throws {
    self.context = context
    input = rotation.input
    let shape = rotation.shape
    guard shape.count == 3 || shape.count == 4,
      let angles = rotation.cosine.dimensions(context)
    else {
      throw Refusal(
        "the rotated value has rank \(shape.count), 3 or 4 is RotaryEmbedding's",
        at: context.graph.producer(result))
    }
    self.shape = shape
    guard angles.count <= shape.count, let other = rotation.sine.dimensions(context),
      other.dropLast() == angles.dropLast()
    else {
      throw Refusal("cosine and sine differ in shape", at: context.graph.producer(result))
    }
    /// The axis of the angles that stands over axis `index` of the input; 1 where they have none.
    func over(_ index: Int) -> Dim {
      let place = index - (shape.count - angles.count)
      return place >= 0 ? angles[place] : 1
    }
    if shape.count == 3 {
      guard over(1) == shape[1] else {
        throw Refusal(
          "the angles are for \(over(1)) positions, the input has \(shape[1])", at: context.graph.producer(result))
      }
      layout = over(0) == shape[0] ? .headless : .flat
    } else if over(1) == 1, over(2) == shape[2] {
      layout = .headsFirst
    } else if over(2) == 1, over(1) == shape[1] {
      layout = .headsLast
    } else {
      throw Refusal(
        "the angles \(angles) lie neither over the length of [batch, heads, length, size] nor of [batch, length, heads, size]: \(shape)",
        at: context.graph.producer(result))
    }
    let batch = over(0)
    // The first of a batch that may be empty is min(1, batch) long.
    guard batch == 1 || batch == shape[0] || batch == Dim.min(1, shape[0]) else {
      throw Refusal(
        "the angles are for a batch of \(batch), the input's is \(shape[0])", at: context.graph.producer(result))
    }
    if layout == .headsLast, !shape[2].isKnown {
      throw Refusal("the number of heads, \(shape[2]), is open", at: context.graph.producer(result))
    }
  }

  /// The input as RotaryEmbedding takes it, and the way back.
  func enter(
    _ value: GraphChange.Ref, _ attributes: inout [NamedAttribute], in change: inout GraphChange
  ) throws -> (GraphChange.Ref, (GraphChange.Ref, inout GraphChange) throws -> GraphChange.Ref) {
    switch layout {
    case .headsFirst: return (value, { result, _ in result })
    case .headless:
      attributes.append(NamedAttribute("num_heads", .int(1)))
      return (value, { result, _ in result })
    case .flat:
      let axis = try Tensor.ints([0])
      let lifted = change.node("Unsqueeze", [value, change.constant(axis)], covers: [])
      return (lifted, { result, change in change.node("Squeeze", [result, change.constant(axis)], covers: []) })
    case .headsLast:
      let (heads, size) = (shape[2].value ?? 1, shape[3].value ?? 1)
      attributes.append(NamedAttribute("num_heads", .int(Int64(heads))))
      let packed = change.node(
        "Reshape", [value, change.constant(try .ints([0, 0, heads * size]))], covers: [])
      return (
        packed,
        { result, change in
          change.node("Reshape", [result, change.constant(try .ints([0, 0, heads, size]))], covers: [])
        }
      )
    }
  }

  /// The columns of `table` as [batch, length, half].
  func cache(
    _ table: Rotation.Table, _ what: String, _ region: RegionID, in change: inout GraphChange
  ) throws -> GraphChange.Ref {
    let (value, isStripped) = table.trailing == 1 ? withoutHeads(table.value, region) : (table.value, false)
    guard var dims = table.dimensions(context) else { throw Refusal("the shape of the \(what) is not known") }
    let rotary = RotaryCache(context, region: region)
    let picked =
      table.trailing == 1
      ? try rotary.picked(value, table.columns, in: &change) : try rotary.flattened(table, in: &change)
    guard var result = picked else {
      throw Refusal("the \(what) cannot be cut to half of its last axis")
    }
    // Its axes from the right: size, then length and heads in the input's order.
    if let head = headAxis(rank: dims.count) {
      dims.remove(at: head)
      if !isStripped {
        result = change.node("Squeeze", [result, change.constant(try .ints([head]))], covers: [])
      }
    }
    while dims.count < 3 {
      result = change.node("Unsqueeze", [result, change.constant(try .ints([0]))], covers: [])
      dims.insert(1, at: 0)
    }
    let batch: Dim = layout == .flat ? 1 : shape[0]
    if dims[0] == batch { return result }
    let lengths: GraphChange.Ref
    if let known = batch.value {
      lengths = change.constant(try .ints([known, 1, 1]))
    } else {
      let (source, axis) = origin(of: batch)
      let size = change.node(
        "Shape", [.existing(source)],
        [NamedAttribute("start", .int(Int64(axis))), NamedAttribute("end", .int(Int64(axis + 1)))], covers: [])
      lengths = change.node(
        "Concat", [size, change.constant(try .ints([1, 1]))], [NamedAttribute("axis", .int(0))], covers: [])
    }
    return change.node("Expand", [result, lengths], covers: [])
  }

  /// The axis of angles of that rank that lies over the heads.
  private func headAxis(rank: Int) -> Int? {
    let fromEnd: Int
    switch layout {
    case .headsFirst: fromEnd = 3
    case .headsLast: fromEnd = 2
    default: return nil
    }
    return rank >= fromEnd ? rank - fromEnd : nil
  }

  /// The value before an axis for the heads was put in; else the value itself.
  private func withoutHeads(_ value: ValueID, _ region: RegionID) -> (ValueID, Bool) {
    guard let dims = context.shape(value), let head = headAxis(rank: dims.count),
      let id = context.graph.producer(value), context.graph[id].domain.isEmpty,
      ["Unsqueeze", "Reshape"].contains(context.graph[id].type), let input = context.graph[id].input(0),
      let from = context.shape(input)
    else { return (value, false) }
    var rest = dims
    rest.remove(at: head)
    return from == rest ? (input, true) : (value, false)
  }

  /// Where the dimension can be asked for: an input of the graph, which all layers share, else the rotated value.
  private func origin(of dim: Dim) -> (ValueID, Int) {
    for value in context.graph.inputs {
      if let axis = context.shape(value)?.firstIndex(of: dim) { return (value, axis) }
    }
    return (input, 0)
  }
}
