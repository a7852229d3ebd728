import GraphIR
import Operators
import Tensors

/// Operators whose result is part of an operand's memory as it is.
enum Views {
  struct View {
    let output: Int
    let input: Int
    let byteOffset: Int
  }

  /// The views that stand for all of the node's outputs, or nil where it has to compute or move something.
  static func views(_ node: Node, inputs: [Operand?], outputs: [Operand?]) -> [View]? {
    guard node.domain.isEmpty, let source = inputs.first ?? nil, let result = outputs.first ?? nil else { return nil }
    func whole() -> [View]? {
      source.type == result.type && source.count == result.count && outputs.dropFirst().allSatisfy { $0 == nil }
        ? [View(output: 0, input: 0, byteOffset: 0)] : nil
    }
    switch node.type {
    case "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Cast", "CastLike":
      return whole()
    case "Dropout":
      // In training mode the result is no view.
      if inputs.count > 2, let training = inputs[2] {
        guard let flag = training.constant, (try? flag.scalar(as: Int64.self)) == 0 else { return nil }
      }
      return whole()
    case "Expand", "Tile":
      return source.count == result.count ? whole() : nil
    case "Concat":
      return node.inputs.count == 1 ? whole() : nil
    case "Transpose":
      guard let permutation = permutation(node, rank: source.rank) else { return nil }
      // Axes of extent 1 may go anywhere.
      let moved = permutation.filter { source.shape[$0] != 1 }
      return moved == moved.sorted() ? whole() : nil
    case "Slice":
      return slice(inputs: inputs, source: source, result: result)
    case "Split":
      return split(node, source: source, outputs: outputs)
    case "Gather":
      return gather(node, inputs: inputs, source: source, result: result)
    default: return nil
    }
  }

  static func permutation(_ node: Node, rank: Int) -> [Int]? {
    if case .ints(let perm) = node["perm"] { return perm.count == rank ? perm.map { Int($0) } : nil }
    return Array((0..<rank).reversed())
  }

  private static func slice(inputs: [Operand?], source: Operand, result: Operand) -> [View]? {
    guard source.type.bitWidth >= 8, source.count > 0, result.count > 0,
      let ranges = SliceRanges(inputs: inputs, shape: source.shape)
    else { return nil }
    // Contiguous: below the first axis that is cut, all are whole; above it, all are 1.
    var outer = 1
    var isWhole = true
    for axis in source.shape.indices.reversed() {
      if !isWhole && result.shape[axis] != 1 { outer *= result.shape[axis] }
      if result.shape[axis] != source.shape[axis] { isWhole = false }
      if ranges.steps[axis] != 1 && result.shape[axis] > 1 { return nil }
    }
    guard outer == 1 else { return nil }
    let strides = Tensor.strides(source.shape)
    let offset = zip(ranges.starts, strides).reduce(0) { $0 + $1.0 * $1.1 }
    return [View(output: 0, input: 0, byteOffset: offset * source.type.bitWidth / 8)]
  }

  private static func split(_ node: Node, source: Operand, outputs: [Operand?]) -> [View]? {
    guard source.type.bitWidth >= 8, let axis = axis(node, "axis", 0, rank: source.rank) else { return nil }
    guard source.shape[..<axis].allSatisfy({ $0 == 1 }) else { return nil }
    var offset = 0
    var result: [View] = []
    for (index, output) in outputs.enumerated() {
      guard let output else { return nil }
      result.append(View(output: index, input: 0, byteOffset: offset))
      offset += output.byteCount
    }
    return offset == source.byteCount ? result : nil
  }

  private static func gather(_ node: Node, inputs: [Operand?], source: Operand, result: Operand) -> [View]? {
    guard source.type.bitWidth >= 8, let axis = axis(node, "axis", 0, rank: source.rank),
      let indices = inputs[1]?.constant, indices.count == 1, result.count > 0,
      source.shape[..<axis].allSatisfy({ $0 == 1 }), let index = try? indices.ints()[0]
    else { return nil }
    let position = index < 0 ? index + source.shape[axis] : index
    guard position >= 0, position < source.shape[axis] else { return nil }
    return [View(output: 0, input: 0, byteOffset: position * result.byteCount)]
  }

  static func axis(_ node: Node, _ name: String, _ fallback: Int, rank: Int) -> Int? {
    var axis = fallback
    if case .int(let value) = node[name] { axis = Int(truncatingIfNeeded: value) }
    if axis < 0 { axis += rank }
    return axis >= 0 && axis < rank ? axis : nil
  }
}

/// Slice's starts and steps for every axis, counted from the front; constants only.
public struct SliceRanges {
  public let starts: [Int]
  public let steps: [Int]

  /// `inputs` are those of a Slice node; nil where one of starts, axes, steps is computed or makes no sense.
  public init?(inputs: [Operand?], shape: [Int]) {
    guard inputs.count >= 3, let startTensor = inputs[1]?.constant, let given = try? startTensor.ints() else {
      return nil
    }
    var axes = Array(given.indices)
    if inputs.count > 3, let operand = inputs[3] {
      guard let tensor = operand.constant, let values = try? tensor.ints() else { return nil }
      axes = values.map { $0 < 0 ? $0 + shape.count : $0 }
    }
    var sizes = [Int](repeating: 1, count: given.count)
    if inputs.count > 4, let operand = inputs[4] {
      guard let tensor = operand.constant, let values = try? tensor.ints() else { return nil }
      sizes = values
    }
    var starts = [Int](repeating: 0, count: shape.count)
    var steps = [Int](repeating: 1, count: shape.count)
    guard axes.count == given.count, sizes.count == given.count else { return nil }
    for (index, axis) in axes.enumerated() {
      guard shape.indices.contains(axis), sizes[index] != 0 else { return nil }
      let extent = shape[axis]
      let start = given[index] < 0 ? given[index] &+ extent : given[index]
      starts[axis] = sizes[index] > 0 ? min(max(start, 0), extent) : min(max(start, 0), extent - 1)
      steps[axis] = sizes[index]
    }
    self.starts = starts
    self.steps = steps
  }
}
