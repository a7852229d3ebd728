import GraphIR
import Operators
import PassKit
import Tensors

/// What an element of a computed tensor is as a function of its place: Range, comparisons, Where, Trilu, arithmetic, slices of
/// constant buffers. This is how a mask is found to be the causal triangle, however it was made.
struct IndexEvaluator {
  /// Most cases of one expression.
  static let limit = 64
  let context: PassContext
  private var budget = 512

  init(_ context: PassContext) { self.context = context }

  /// `value`, broadcast to [batch, head, query, key]; nil where it depends on more than the place.
  /// `isFlipped`: the last two axes are key and query.
  mutating func value(_ value: ValueID, isFlipped: Bool = false) -> IndexValue? {
    guard let rank = context.rank(value), rank <= 4 else { return nil }
    let variables = isFlipped ? [0, 1, 3, 2] : [0, 1, 2, 3]
    return at(value, variables.suffix(rank).map { .variable($0) })
  }

  /// The element of `value` at `place`, of which the last axes count. Axes of length 1 are read at 0.
  mutating func at(_ value: ValueID, _ place: [AffineIndex], depth: Int = 0) -> IndexValue? {
    budget -= 1
    guard budget > 0, depth < 48, let shape = context.shape(value), shape.count <= place.count else { return nil }
    var place = Array(place.suffix(shape.count))
    for axis in place.indices where shape[axis] == 1 { place[axis] = AffineIndex(0) }
    if let known = settled(value, shape, place) { return known }
    guard let id = context.graph.producer(value) else { return nil }
    let node = context.graph[id]
    guard node.domain.isEmpty else { return nil }
    func input(_ index: Int) -> IndexValue? { node.input(index).flatMap { at($0, place, depth: depth + 1) } }
    switch node.type {
    case "Identity", "Expand": return input(0)
    case "Cast": return IndexEvaluator.cast(input(0), to: context.dataType(value))
    case "Unsqueeze", "Squeeze", "Reshape", "Flatten":
      guard let source = node.input(0), let from = context.shape(source),
        let moved = IndexEvaluator.realigned(place, shape, to: from)
      else { return nil }
      return at(source, moved, depth: depth + 1)
    case "Transpose":
      guard let source = node.input(0) else { return nil }
      let given = (try? AttributeReader(node).optionalInts("perm")) ?? nil
      let order = given ?? Array((0..<shape.count).reversed())
      guard order.count == shape.count, Set(order) == Set(0..<shape.count) else { return nil }
      var moved = place
      for (axis, from) in order.enumerated() { moved[from] = place[axis] }
      return at(source, moved, depth: depth + 1)
    case "Slice": return sliced(node, place, depth)
    case "Gather": return gathered(node, place, depth)
    case "Concat": return joined(node, place, depth)
    case "Trilu": return trimmed(node, place, depth)
    case "Range":
      guard let start = node.input(0).flatMap({ at($0, [], depth: depth + 1)?.affine }),
        let step = node.input(2).flatMap({ at($0, [], depth: depth + 1)?.affine?.constant?.value })
      else { return nil }
      return .index(start + place[0] * step)
    case "ConstantOfShape":
      guard let fill = try? AttributeReader(node).tensor("value") else { return .number(0) }
      return (try? fill.elements(as: Double.self))?.first.map { .number($0) }
    case "CumSum":
      guard let one = input(0)?.affine?.constant?.value,
        let axis = context.uniform(node.input(1)).flatMap({ Int(exactly: $0) }),
        node["exclusive"] == nil, node["reverse"] == nil, -shape.count..<shape.count ~= axis
      else { return nil }
      return .index((place[axis < 0 ? axis + shape.count : axis] + AffineIndex(1)) * one)
    default: break
    }
    let inputs = node.inputs.indices.map(input)
    guard inputs.count <= 3, !inputs.isEmpty else { return nil }
    let operands = inputs.compactMap { $0 }
    guard operands.count == inputs.count else { return nil }
    return IndexArithmetic.apply(node.type, operands)
  }

  // MARK: What is known without looking at the node

  private func settled(_ value: ValueID, _ shape: [Dim], _ place: [AffineIndex]) -> IndexValue? {
    if let symbols = context.facts(value).symbols {
      if symbols.count == 1 { return IndexEvaluator.value(of: symbols[0], context.dataType(value)) }
      if place.count == 1, let position = place[0].constant?.value, symbols.indices.contains(position) {
        return IndexEvaluator.value(of: symbols[position], context.dataType(value))
      }
    }
    guard let tensor = context.constant(value) else { return nil }
    if let number = context.uniform(value) { return .number(number) }
    return ConstantPattern(tensor)?.value(at: place)
  }

  private static func value(of dim: Dim, _ type: DataType?) -> IndexValue {
    if type == .bool, let value = dim.value { return .test(.always(value != 0)) }
    return .index(AffineIndex(dim))
  }

  private static func cast(_ value: IndexValue?, to type: DataType?) -> IndexValue? {
    guard let value, let type else { return nil }
    if type == .bool { return value.condition.map { .test($0) } }
    return value.mapped { leaf in
      guard case .number(let number) = leaf else { return type.isInteger || type.isFloatingPoint ? leaf : nil }
      if type == .float16, number.isFinite, number.magnitude > 65519 {
        return .number(number < 0 ? -.infinity : .infinity)
      }
      if type == .float || type == .bfloat16, number.isFinite, number.magnitude > 3.4028235e38 {
        return .number(number < 0 ? -.infinity : .infinity)
      }
      if type.isInteger { return number.isFinite ? .number(number.rounded(.towardZero)) : nil }
      return leaf
    }
  }

  // MARK: Movement

  /// Places of a tensor of the shape `from`, which differs from `shape` in axes of length 1 only.
  private static func realigned(_ place: [AffineIndex], _ shape: [Dim], to from: [Dim]) -> [AffineIndex]? {
    var kept = zip(shape, place).filter { $0.0 != 1 }[...]
    var result: [AffineIndex] = []
    for dim in from {
      if dim == 1 {
        result.append(AffineIndex(0))
      } else if let first = kept.popFirst(), first.0 == dim {
        result.append(first.1)
      } else {
        return nil
      }
    }
    return kept.isEmpty ? result : nil
  }

  private mutating func sliced(_ node: Node, _ place: [AffineIndex], _ depth: Int) -> IndexValue? {
    guard let source = node.input(0), let shape = context.shape(source), shape.count == place.count,
      let starts = context.facts(node.input(1) ?? source).symbols
    else { return nil }
    var axes = Array(starts.indices)
    if let given = node.input(3) {
      guard let values = try? context.constant(given)?.ints() else { return nil }
      axes = values
    }
    if let steps = node.input(4) {
      guard let values = try? context.constant(steps)?.ints(), values.allSatisfy({ $0 == 1 }) else { return nil }
    }
    guard axes.count == starts.count else { return nil }
    var moved = place
    for (axis, start) in zip(axes, starts) {
      let axis = axis < 0 ? axis + shape.count : axis
      guard moved.indices.contains(axis) else { return nil }
      if shape[axis] == 1 { continue }
      if start.isNonNegative {
        moved[axis] = moved[axis] + AffineIndex(start)
      } else if (-start - 1).isNonNegative {
        moved[axis] = moved[axis] + AffineIndex(shape[axis] + start)
      } else {
        return nil
      }
    }
    return at(source, moved, depth: depth + 1)
  }

  private mutating func gathered(_ node: Node, _ place: [AffineIndex], _ depth: Int) -> IndexValue? {
    guard let source = node.input(0), let indices = node.input(1), let shape = context.shape(source),
      let rank = context.rank(indices), var axis = try? AttributeReader(node).int("axis", default: 0)
    else { return nil }
    if axis < 0 { axis += shape.count }
    guard shape.indices.contains(axis), place.count == shape.count + rank - 1,
      let index = at(indices, Array(place[axis..<axis + rank]), depth: depth + 1)?.affine
    else { return nil }
    var moved = Array(place[..<axis]) + [index] + place[(axis + rank)...]
    if let value = index.constant?.value, value < 0 { moved[axis] = AffineIndex(shape[axis] + Dim(value)) }
    return at(source, moved, depth: depth + 1)
  }

  private mutating func joined(_ node: Node, _ place: [AffineIndex], _ depth: Int) -> IndexValue? {
    guard var axis = try? AttributeReader(node).int("axis"), node.inputs.count <= 4 else { return nil }
    if axis < 0 { axis += place.count }
    guard place.indices.contains(axis) else { return nil }
    var start: Dim = 0
    var parts: [(IndexTest, IndexValue)] = []
    for input in node.inputs {
      guard let input, let shape = context.shape(input), shape.count == place.count else { return nil }
      var moved = place
      moved[axis] = place[axis] - AffineIndex(start)
      start = start + shape[axis]
      guard let part = at(input, moved, depth: depth + 1) else { return nil }
      parts.append((.reaches(AffineIndex(start - 1) - place[axis]), part))
    }
    guard var result = parts.popLast()?.1 else { return nil }
    for (test, part) in parts.reversed() { result = .choice(test, part, result) }
    return result
  }

  private mutating func trimmed(_ node: Node, _ place: [AffineIndex], _ depth: Int) -> IndexValue? {
    guard let source = node.input(0), place.count >= 2, let inner = at(source, place, depth: depth + 1) else {
      return nil
    }
    var shift = AffineIndex(0)
    if let k = node.input(1) {
      guard let given = at(k, [AffineIndex(0)], depth: depth + 1)?.affine, given.constant != nil else { return nil }
      shift = given
    }
    let isUpper = (try? AttributeReader(node).int("upper", default: 1)) != 0
    // Upper: column - row >= k. Lower: row + k - column >= 0.
    let distance = place[place.count - 1] - place[place.count - 2] - shift
    return .choice(.reaches(isUpper ? distance : distance * -1), inner, .number(0))
  }
}
