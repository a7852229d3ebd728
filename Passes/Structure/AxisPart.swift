import GraphIR
import Operators
import PassKit
import Tensors

/// A stretch of one axis of a value, as a Slice of step 1 or a Gather of neighbours reads it.
struct AxisPart {
  let node: NodeID
  let output: ValueID
  let axis: Int
  let range: Range<Int>
  /// True for a Gather by a scalar, whose result lacks the axis.
  let dropsAxis: Bool

  /// nil where the node reads something else. Throws a `Refusal` where only a length is missing.
  static func of(_ id: NodeID, _ context: PassContext) throws -> AxisPart? {
    let node = context.graph[id]
    guard node.domain.isEmpty, let data = node.input(0), let output = node.output(0), let shape = context.shape(data)
    else { return nil }
    switch node.type {
    case "Slice": return try slice(id, output, shape, context)
    case "Gather": return try gather(id, output, shape, context)
    default: return nil
    }
  }

  private static func slice(
    _ id: NodeID, _ output: ValueID, _ shape: [Dim], _ context: PassContext
  ) throws -> AxisPart? {
    let node = context.graph[id]
    guard let starts = try context.constant(node.input(1))?.ints(),
      let ends = try context.constant(node.input(2))?.ints(),
      starts.count == ends.count
    else { return nil }
    var axes = Array(0..<starts.count)
    if let input = node.input(3) {
      guard let given = try context.constant(input)?.ints(), given.count == starts.count else { return nil }
      axes = given.map { $0 < 0 ? $0 + shape.count : $0 }
    }
    if let input = node.input(4) {
      guard let steps = try context.constant(input)?.ints(), steps.allSatisfy({ $0 == 1 }) else { return nil }
    }
    var found: (axis: Int, range: Range<Int>)?
    for ((start, end), axis) in zip(zip(starts, ends), axes) {
      guard shape.indices.contains(axis) else { return nil }
      if start == 0, end >= Int(Int32.max) { continue }
      guard let length = shape[axis].value else {
        throw Refusal("the length of axis \(axis) is not known", at: id)
      }
      let low = clamp(start, length)
      let high = clamp(end, length)
      if low == 0, high == length { continue }
      guard low < high, found == nil else { return nil }
      found = (axis, low..<high)
    }
    return found.map { AxisPart(node: id, output: output, axis: $0.axis, range: $0.range, dropsAxis: false) }
  }

  private static func gather(
    _ id: NodeID, _ output: ValueID, _ shape: [Dim], _ context: PassContext
  ) throws -> AxisPart? {
    let node = context.graph[id]
    guard let indices = context.constant(node.input(1)), indices.rank <= 1, indices.count >= 1 else { return nil }
    var axis = try AttributeReader(node).int("axis", default: 0)
    if axis < 0 { axis += shape.count }
    guard shape.indices.contains(axis) else { return nil }
    let numbers = try indices.ints()
    guard let length = shape[axis].value else {
      throw Refusal("the length of axis \(axis) is not known", at: id)
    }
    let low = numbers[0] < 0 ? numbers[0] + length : numbers[0]
    guard low >= 0, low + numbers.count <= length, numbers.count < length || indices.rank == 0 else { return nil }
    for (offset, number) in numbers.enumerated() where (number < 0 ? number + length : number) != low + offset {
      return nil
    }
    return AxisPart(
      node: id, output: output, axis: axis, range: low..<low + numbers.count, dropsAxis: indices.rank == 0)
  }

  private static func clamp(_ index: Int, _ length: Int) -> Int {
    let (shifted, overflow) = index.addingReportingOverflow(length)
    return min(max(index < 0 ? (overflow ? 0 : shifted) : index, 0), length)
  }
}
