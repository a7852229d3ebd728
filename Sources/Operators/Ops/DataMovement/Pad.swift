import GraphIR
import Tensors

/// Pad: elements before and after each axis: a constant, the edge's, mirrored or wrapped ones. Negative pads cut.
struct Pad: Operator {
  let name = OperatorName("Pad")

  func infer(_ context: inout InferenceContext) throws {
    let type = try context.commonType([0, 2])
    guard let shape = context.shape(0) else { return context.set(0, type, nil) }
    let axes: [Int]
    if context.hasInput(3) {
      guard let given = context.ints(3) else { return context.set(0, type, context.unknownShape(rank: shape.count)) }
      axes = try Axes.normalize(given, rank: shape.count)
    } else {
      axes = Array(shape.indices)
    }
    guard let pads = context.symbols(1) else {
      let open = Set(axes)
      var result = shape
      for axis in open { result[axis] = context.unknownDim() }
      return context.set(0, type, result)
    }
    guard pads.count == 2 * axes.count else {
      throw CameoError.badInput("\(2 * axes.count) pads were expected, \(pads.count) are there")
    }
    var result = shape
    for (position, axis) in axes.enumerated() {
      result[axis] = shape[axis] + pads[position] + pads[position + axes.count]
      if let length = result[axis].value, length < 0 {
        throw CameoError.badInput("axis \(axis) is padded to length \(length)")
      }
    }
    context.set(0, type, result)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let axes =
      try context.optionalTensor(3).map { try Axes.normalize(try $0.ints(), rank: data.rank) }
      ?? Array(data.shape.indices)
    let pads = try context.tensor(1).ints()
    guard pads.count == 2 * axes.count else {
      throw CameoError.badInput("\(2 * axes.count) pads were expected, \(pads.count) are there")
    }
    var before = [Int](repeating: 0, count: data.rank)
    var shape = data.shape
    for (position, axis) in axes.enumerated() {
      let (low, high) = (pads[position], pads[position + axes.count])
      guard abs(low.clamped) < 1 << 48, abs(high.clamped) < 1 << 48 else {
        throw CameoError.limit("pads \(pads) are too large")
      }
      before[axis] = low
      shape[axis] += low + high
      guard shape[axis] >= 0 else { throw CameoError.badInput("axis \(axis) is padded to length \(shape[axis])") }
    }
    if shape == data.shape, before.allSatisfy({ $0 == 0 }) { return [.tensor(data)] }
    let mode = try context.attributes.string("mode", default: "constant")
    if mode == "constant" {
      let fill = try context.optionalTensor(2)
      if let fill, fill.dataType != data.dataType {
        throw CameoError.badInput("inputs 0 and 2 must agree in type, \(data.dataType) and \(fill.dataType) are there")
      }
      if let fill, fill.count != 1 {
        throw CameoError.badInput("constant_value has \(fill.count) elements, 1 was expected")
      }
      return [.tensor(try constant(data, shape, before, fill))]
    }
    let bytes = try Tensor.elementCount(shape).multipliedReportingOverflow(by: Swift.max(1, data.dataType.bitWidth / 8))
    try MemoryBudget.shared.check(bytes.overflow ? .max : bytes.partialValue, for: "the padded tensor")
    for (axis, size) in shape.enumerated() where data.shape[axis] == 0 && size > 0 {
      throw CameoError.badInput("axis \(axis) is empty and cannot be padded in mode \(mode)")
    }
    try MemoryBudget.shared.check((shape.max() ?? 0) * data.rank * 8, for: "the places of the padding")
    let sources = try shape.indices.map { axis in
      try (0..<shape[axis]).map { try source($0 - before[axis], data.shape[axis], mode, axis) }
    }
    return [.tensor(try move(data, shape, sources))]
  }

  private func constant(_ data: Tensor, _ shape: [Int], _ before: [Int], _ fill: Tensor?) throws -> Tensor {
    var out = try ElementBuffer(data.dataType, shape)
    if let fill { out.copy(try fill.reshaped([]), from: 0, step: 0, count: out.count, to: 0) }
    // The part of the input that stays, and where it goes.
    var kept: [Int] = []
    var from = 0
    var to = 0
    let (own, target) = (Tensor.strides(data.shape), Tensor.strides(shape))
    for axis in shape.indices {
      let first = Swift.max(0, -before[axis])
      let last = Swift.min(data.shape[axis], shape[axis] - before[axis])
      kept.append(Swift.max(0, last - first))
      from += first * own[axis]
      to += (first + before[axis]) * target[axis]
    }
    if kept.contains(0) { return try out.finish() }
    let walk = BroadcastWalk(kept, strides: [own, target], start: [from, to])
    walk.forEachRow { _, offsets in
      if walk.rowStrides[0] == 1 && walk.rowStrides[1] == 1 || walk.rowLength == 1 {
        out.copy(data, from: offsets[0], count: walk.rowLength, to: offsets[1])
      } else {
        for i in 0..<walk.rowLength {
          out.copy(data, from: offsets[0] + i * walk.rowStrides[0], count: 1, to: offsets[1] + i * walk.rowStrides[1])
        }
      }
    }
    return try out.finish()
  }

  /// The input position that `place` (it may lie outside) takes its element from.
  private func source(_ place: Int, _ length: Int, _ mode: String, _ axis: Int) throws -> Int {
    guard length > 0 else { throw CameoError.badInput("axis \(axis) is empty and cannot be padded in mode \(mode)") }
    switch mode {
    case "edge": return Swift.min(Swift.max(place, 0), length - 1)
    case "wrap": return ((place % length) + length) % length
    case "reflect":
      if length == 1 { return 0 }
      let period = 2 * (length - 1)
      let folded = ((place % period) + period) % period
      return folded < length ? folded : period - folded
    default: throw CameoError.badInput("attribute mode is \(mode); constant, reflect, edge or wrap was expected")
    }
  }

  /// The tensor whose element at (i, j, ...) is the input's at (sources[0][i], sources[1][j], ...).
  private func move(_ data: Tensor, _ shape: [Int], _ sources: [[Int]]) throws -> Tensor {
    var out = try ElementBuffer(data.dataType, shape)
    guard out.count > 0, let last = shape.indices.last else {
      return data.rank == 0 ? data : try out.finish()
    }
    let strides = Tensor.strides(data.shape)
    var index = [Int](repeating: 0, count: shape.count)
    var position = 0
    while position < out.count {
      var start = 0
      for axis in 0..<last { start += sources[axis][index[axis]] * strides[axis] }
      for i in 0..<shape[last] { out.copy(data, from: start + sources[last][i], count: 1, to: position + i) }
      position += shape[last]
      var axis = last - 1
      while axis >= 0 {
        index[axis] += 1
        if index[axis] < shape[axis] { break }
        index[axis] = 0
        axis -= 1
      }
    }
    return try out.finish()
  }

  /// Version 1 calls them `paddings`; before version 11 pads and value are attributes.
  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 11 else { return }
    if let paddings = graph[node]["paddings"] {
      graph.setAttribute("paddings", of: node, to: nil)
      graph.setAttribute("pads", of: node, to: paddings)
    }
    try graph.moveAttributeToInput("pads", of: node, at: 1)
    guard graph[node]["value"] != nil else { return }
    try graph.moveAttributeToInput("value", of: node, at: 2)
    // The value takes the data's type.
    guard let data = graph[node].input(0), let value = graph[node].input(2) else { return }
    if let type = graph.dataType(data), let tensor = graph.constant(value) {
      if type != .float {
        graph.setInput(2, of: node, to: graph.emitConstant(try tensor.converted(to: type), like: node))
      }
    } else if let tensor = graph.constant(value), try tensor.scalar(as: Float.self) == 0 {
      graph.setInput(2, of: node, to: nil)
      graph.trimInputs(of: node)
    } else {
      graph.setInput(2, of: node, to: graph.emit("CastLike", [value, data], like: node))
    }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    let mode = try AttributeReader(graph[node]).string("mode", default: "constant")
    if version < 19, mode == "wrap" { throw CameoError.unsupported("before opset 19 there is no mode wrap") }
    if version < 18, let axes = graph[node].input(3) {
      guard let list = try graph.constant(axes)?.ints(), let rank = graph.rank(graph[node].input(0)) else {
        throw CameoError.unsupported("before opset 18 pads are for all axes; the axes or the rank are not known")
      }
      guard let pads = try graph.constant(graph[node].input(1))?.ints(), pads.count == 2 * list.count else {
        throw CameoError.unsupported("before opset 18 pads are for all axes, and these are computed")
      }
      var all = [Int](repeating: 0, count: 2 * rank)
      for (position, axis) in try Axes.normalize(list, rank: rank).enumerated() {
        all[axis] = pads[position]
        all[axis + rank] = pads[position + list.count]
      }
      graph.setInput(3, of: node, to: nil)
      graph.setInput(1, of: node, to: graph.emitConstant(try .ints(all), like: node))
      graph.trimInputs(of: node)
    }
    guard version < 11 else { return }
    try graph.moveInputToAttribute(2, of: node, named: "value", Attribute.float)
    try graph.moveInputToAttribute(1, of: node, named: "pads", Attribute.ints)
    if version < 2, let pads = graph[node]["pads"] {
      graph.setAttribute("pads", of: node, to: nil)
      graph.setAttribute("paddings", of: node, to: pads)
    }
  }
}

extension Int {
  /// Kept off `Int.min`, whose magnitude has no `Int`.
  fileprivate var clamped: Int { Swift.max(self, -Int.max) }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Pad(), to: $0) })
