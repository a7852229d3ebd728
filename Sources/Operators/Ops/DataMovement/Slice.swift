import GraphIR
import Tensors

/// Slice: every `steps[i]`-th element from `starts[i]` to `ends[i]` (exclusive) along `axes[i]`. Negative bounds count from
/// the end; bounds beyond the ends are clamped.
struct SliceOperator: Operator {
  let name = OperatorName("Slice")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    for input in 1...4 { try context.requireList(input) }
    let type = context.dataType(0)
    guard var shape = context.shape(0) else { return context.set(0, type, nil) }
    let rank = shape.count
    let count = context.length(1) ?? context.length(2) ?? context.length(3)
    let axes: [Int]
    if context.hasInput(3) {
      guard let given = context.ints(3) else { return context.set(0, type, context.unknownShape(rank: rank)) }
      axes = try Axes.normalize(given, rank: rank)
    } else {
      guard let count else { return context.set(0, type, context.unknownShape(rank: rank)) }
      guard count <= rank else { throw CameoError.badInput("\(count) axes are sliced, the input has rank \(rank)") }
      axes = Array(0..<count)
    }
    let starts = context.symbols(1)
    let ends = context.symbols(2)
    let steps = context.hasInput(4) ? context.ints(4) : axes.map { _ in 1 }
    for list in [starts?.count, ends?.count, steps?.count] {
      if let list, list != axes.count {
        throw CameoError.badInput(
          "starts, ends, axes and steps must have one length, \(list) and \(axes.count) are there")
      }
    }
    var range: (start: Int, step: Int)?
    for (position, axis) in axes.enumerated() {
      guard let start = starts?[position], let end = ends?[position], let step = steps?[position] else {
        shape[axis] = context.unknownDim()
        continue
      }
      guard step != 0 else { throw CameoError.badInput("the step of axis \(axis) is 0") }
      let length = shape[axis]
      let bounds = SliceOperator.bounds(start, end, step, length)
      shape[axis] = bounds?.count ?? context.unknownDim()
      if let first = bounds?.first.value { range = (first, step) }
    }
    var symbols: [Dim]?
    if rank == 1, let own = context.facts(0)?.symbols ?? context.symbols(0), let range, let count = shape[0].value,
      axes.count == 1
    {
      symbols = (0..<count).compactMap { i in
        let index = range.start + i * range.step
        return own.indices.contains(index) ? own[index] : nil
      }
    } else if axes.isEmpty {
      symbols = context.facts(0)?.symbols
    }
    context.set(0, type, shape, symbols: symbols)
  }

  /// First element and number of elements, as far as expressions say it; nil where they do not.
  static func bounds(_ start: Dim, _ end: Dim, _ step: Int, _ length: Dim) -> (first: Dim, count: Dim)? {
    if let a = start.value, let b = end.value, let n = length.value {
      let range = concrete(a, b, step, n)
      return (Dim(range.first), Dim(range.count))
    }
    guard step != .min else { return nil }
    let low: Dim = step > 0 ? 0 : -1
    let high = step > 0 ? length : length - 1
    /// A bound counted from the front; nil where its sign is not known.
    func fromFront(_ bound: Dim) -> Dim? {
      if bound.isNonNegative { return bound }
      // A negative expression counts from the end; one of unknown sign says nothing.
      return (-bound - 1).isNonNegative ? length + bound : nil
    }
    /// A bound counted from the front and clamped.
    func clamped(_ bound: Dim, _ floor: Dim) -> Dim? {
      if let value = bound.value {
        if value >= 1 << 31 - 1 { return high }
        if value <= -(1 << 31 - 1) { return floor }
      }
      guard let place = fromFront(bound) else { return nil }
      if step > 0, (length - place).isNonNegative { return Dim.max(place, floor) }
      return Dim.min(Dim.max(place, floor), high)
    }
    guard let first = clamped(start, 0), let last = clamped(end, low) else { return nil }
    if step > 0, last == length, let place = fromFront(start), first != length {
      // All from `place` on: said without the clamps that cancel.
      let rest = place.isNonNegative ? Dim.max(length - place, 0) : Dim.min(length, length - place)
      return (first, rest.ceilDiv(Dim(step)))
    }
    let count = step > 0 ? (last - first).ceilDiv(Dim(step)) : (first - last).ceilDiv(Dim(-step))
    return (first, Dim.max(count, 0))
  }

  /// First element and number of elements.
  static func concrete(_ start: Int, _ end: Int, _ step: Int, _ length: Int) -> (first: Int, count: Int) {
    func clamp(_ bound: Int, _ low: Int, _ high: Int) -> Int {
      let place = bound < 0 ? bound.addingReportingOverflow(length).partialValue : bound
      return Swift.min(Swift.max(place, low), high)
    }
    if step > 0 {
      let first = clamp(start, 0, length)
      let last = clamp(end, 0, length)
      return (first, last > first ? (last - first - 1) / step + 1 : 0)
    }
    let first = clamp(start, length == 0 ? -1 : 0, length - 1)
    let last = clamp(end, -1, length - 1)
    // |Int.min| has no Int: such a step takes one element at most, as any step past the length does.
    let pace = step == .min ? Int.max : -step
    return (first, first > last ? (first - last - 1) / pace + 1 : 0)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let starts = try context.tensor(1).ints()
    let ends = try context.tensor(2).ints()
    let axes = try Axes.normalize(try context.optionalTensor(3)?.ints() ?? Array(starts.indices), rank: data.rank)
    let steps = try context.optionalTensor(4)?.ints() ?? starts.map { _ in 1 }
    guard starts.count == axes.count, ends.count == axes.count, steps.count == axes.count else {
      throw CameoError.badInput(
        "starts, ends, axes and steps must have one length: \(starts.count), \(ends.count), \(axes.count), \(steps.count)"
      )
    }
    var shape = data.shape
    var strides = Tensor.strides(data.shape)
    var offset = 0
    for (position, axis) in axes.enumerated() {
      guard steps[position] != 0 else { throw CameoError.badInput("the step of axis \(axis) is 0") }
      let range = SliceOperator.concrete(starts[position], ends[position], steps[position], shape[axis])
      shape[axis] = range.count
      if range.count > 0 { offset += range.first * strides[axis] }
      strides[axis] = range.count > 1 ? strides[axis] * steps[position] : strides[axis]
    }
    if shape == data.shape, steps.allSatisfy({ $0 == 1 }) { return [.tensor(data)] }
    return [.tensor(try DataMovement.strided(data, shape, strides: strides, start: offset))]
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 10 else { return }
    try graph.moveAttributeToInput("starts", of: node, at: 1)
    try graph.moveAttributeToInput("ends", of: node, at: 2)
    try graph.moveAttributeToInput("axes", of: node, at: 3)
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 10 else { return }
    if let steps = graph[node].input(4) {
      guard let tensor = graph.constant(steps), try tensor.ints().allSatisfy({ $0 == 1 }) else {
        throw CameoError.unsupported("before opset 10 a slice has no steps")
      }
      graph.setInput(4, of: node, to: nil)
    }
    try graph.moveInputToAttribute(3, of: node, named: "axes", Attribute.ints)
    try graph.moveInputToAttribute(2, of: node, named: "ends", Attribute.ints)
    try graph.moveInputToAttribute(1, of: node, named: "starts", Attribute.ints)
    try graph.countAxesFromFront(node, rank: graph.rank(graph[node].input(0)))
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SliceOperator(), to: $0) })
