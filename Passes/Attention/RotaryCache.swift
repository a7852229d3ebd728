import GraphIR
import Operators
import PassKit
import Tensors

/// Builds cos_cache or sin_cache, [batch, length, half], from a value that holds the wanted elements in its last axis.
struct RotaryCache {
  let context: PassContext
  let region: RegionID
  let elements: TrailingElements

  init(_ context: PassContext, region: RegionID) {
    self.context = context
    self.region = region
    elements = TrailingElements(context, region: region)
  }

  /// A value whose last axis keeps only `columns`: computed on half the angles where what computes it allows that, else cut
  /// out of the whole.
  func picked(_ value: ValueID, _ columns: [Int], in change: inout GraphChange) throws -> GraphChange.Ref? {
    guard let count = elements.count(value, 1) else { return nil }
    if columns == Array(0..<count) { return .existing(value) }
    if try isReachable(value, 1, columns) { return try rebuilt(value, 1, columns, in: &change) }
    return try cut(.existing(value), columns, in: &change)
  }

  /// The same for elements of several last axes, which are made one first.
  func flattened(_ table: Rotation.Table, in change: inout GraphChange) throws -> GraphChange.Ref? {
    guard let rank = context.rank(table.value), let count = elements.count(table.value, table.trailing) else {
      return nil
    }
    let shape = [Int](repeating: 0, count: rank - table.trailing) + [count]
    let flat = change.node("Reshape", [.existing(table.value), change.constant(try .ints(shape))], covers: [])
    return table.columns == Array(0..<count) ? flat : try cut(flat, table.columns, in: &change)
  }

  private func cut(
    _ value: GraphChange.Ref, _ columns: [Int], in change: inout GraphChange
  ) throws -> GraphChange.Ref? {
    guard let first = columns.first else { return nil }
    let step = columns.count > 1 ? columns[1] - first : 1
    if step > 0, columns.indices.allSatisfy({ columns[$0] == first + $0 * step }) {
      let bounds = try [[first], [(columns.last ?? first) + 1], [-1], [step]].map { change.constant(try .ints($0)) }
      return change.node("Slice", [value] + bounds, covers: [])
    }
    return change.node(
      "Gather", [value, change.constant(try .ints(columns))], [NamedAttribute("axis", .int(-1))], covers: [])
  }

  private enum Way {
    case whole
    case constant(Tensor)
    case moved(ValueID, Int, [Int], isNegated: Bool)
    /// The node again, with these inputs picked and the others as they are.
    case again(NodeID, [Int])
    case reshaped(NodeID, [Int])
  }

  private func way(_ value: ValueID, _ trailing: Int, _ columns: [Int]) throws -> Way? {
    guard let count = elements.count(value, trailing) else { return nil }
    if trailing == 1, columns == Array(0..<count) { return .whole }
    if trailing == 1, let tensor = context.constant(value), tensor.rank >= 1, tensor.dataType.isFloatingPoint,
      tensor.count <= 1 << 24
    {
      return .constant(tensor)
    }
    guard let id = context.graph.producer(value), context.graph[id].region == region,
      context.graph[id].domain.isEmpty
    else { return nil }
    if let step = try elements.step(value, trailing), let first = columns.first {
      let chosen = columns.map { step.sources[$0] }
      let input = step.sources[first].input
      guard chosen.allSatisfy({ $0.input == input }) else { return nil }
      let source = step.inputs[input]
      return .moved(source.value, source.trailing, chosen.map(\.index), isNegated: step.isNegated)
    }
    guard trailing == 1 else { return nil }
    let node = context.graph[id]
    if ElementIdentity.unary.contains(node.type) { return .again(id, [0]) }
    if ElementIdentity.binary.contains(node.type) {
      let wide = node.inputs.indices.filter { (context.shape(node.inputs[$0])?.last ?? 1) != 1 }
      return .again(id, wide)
    }
    guard try ElementIdentity.isLeading(node, value, 1, context) else { return nil }
    switch node.type {
    // Without axes Squeeze drops whatever is 1.
    case "Squeeze" where node.input(1) == nil: return nil
    case "Unsqueeze", "Squeeze", "Gather", "Slice", "Transpose": return .again(id, [0])
    case "Concat": return .again(id, Array(node.inputs.indices))
    case "Reshape":
      guard let target = try context.graph.constant(node.input(1))?.ints(), let last = target.last, last > 0 else {
        return nil
      }
      return .reshaped(id, target)
    default: return nil
    }
  }

  private func isReachable(_ value: ValueID, _ trailing: Int, _ columns: [Int], depth: Int = 0) throws -> Bool {
    guard depth < 16, let way = try way(value, trailing, columns) else { return false }
    switch way {
    case .whole, .constant: return true
    case .moved(let source, let inner, let picks, _):
      return try isReachable(source, inner, picks, depth: depth + 1)
    case .again(let id, let inputs):
      return try inputs.allSatisfy { index in
        guard let input = context.graph[id].input(index) else { return false }
        return try isReachable(input, 1, columns, depth: depth + 1)
      }
    case .reshaped(let id, _):
      guard let input = context.graph[id].input(0) else { return false }
      return try isReachable(input, 1, columns, depth: depth + 1)
    }
  }

  private func rebuilt(
    _ value: ValueID, _ trailing: Int, _ columns: [Int], in change: inout GraphChange
  ) throws -> GraphChange.Ref? {
    guard let way = try way(value, trailing, columns) else { return nil }
    switch way {
    case .whole: return .existing(value)
    case .constant(let tensor): return change.constant(try Self.columns(columns, of: tensor))
    case .moved(let source, let inner, let picks, let isNegated):
      guard let result = try rebuilt(source, inner, picks, in: &change) else { return nil }
      return isNegated ? change.node("Neg", [result], covers: []) : result
    case .again(let id, let wide):
      let node = context.graph[id]
      var inputs = node.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
      for index in wide {
        guard let input = node.input(index) else { return nil }
        inputs[index] = try rebuilt(input, 1, columns, in: &change)
      }
      return change.node(node.type, inputs, node.attributes, covers: [])
    case .reshaped(let id, let target):
      guard let input = context.graph[id].input(0), let source = try rebuilt(input, 1, columns, in: &change) else {
        return nil
      }
      let shape = change.constant(try .ints(target.dropLast() + [columns.count]))
      return change.node("Reshape", [source, shape], context.graph[id].attributes, covers: [])
    }
  }

  /// The constant with only these columns of its last axis.
  private static func columns(_ columns: [Int], of tensor: Tensor) throws -> Tensor {
    let width = tensor.shape[tensor.rank - 1]
    let rows = width > 0 ? tensor.count / width : 0
    let view = try ElementView<Double>(tensor)
    return try Tensor.make(tensor.dataType, tensor.shape.dropLast() + [columns.count], as: Double.self) { out in
      for row in 0..<rows {
        for (place, column) in columns.enumerated() { out[row * columns.count + place] = view[row * width + column] }
      }
    }
  }
}
