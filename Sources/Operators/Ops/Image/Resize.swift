import GraphIR
import Tensors

/// Resize: separable interpolation, one axis after the other, as onnx 1.23's reference computes it.
struct Resize: Operator {
  let name = OperatorName("Resize")

  // MARK: Sizes

  /// Axes that change, in the order of `scales` and `sizes`.
  private func axes(_ attributes: AttributeReader, rank: Int) throws -> [Int] {
    guard let given = try attributes.optionalInts("axes"), !given.isEmpty else { return Array(0..<rank) }
    let axes = given.map { $0 < 0 ? $0 + rank : $0 }
    guard axes.allSatisfy({ (0..<rank).contains($0) }), Set(axes).count == axes.count else {
      throw CameoError.badInput("attribute axes is \(given), different axes of a tensor of rank \(rank) were expected")
    }
    return axes
  }

  private func policy(_ attributes: AttributeReader) throws -> String {
    let policy = try attributes.string("keep_aspect_ratio_policy", default: "stretch")
    guard ["stretch", "not_larger", "not_smaller"].contains(policy) else {
      throw CameoError.badInput(
        "attribute keep_aspect_ratio_policy is \(policy); stretch, not_larger or not_smaller was expected")
    }
    return policy
  }

  private func present(_ context: InferenceContext, _ index: Int) -> Bool {
    guard context.hasInput(index) else { return false }
    // Before opset 13 an empty tensor stood for an input left out.
    return context.shape(index)?.first?.value != 0
  }

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    let isStretched = try policy(context.attributes) == "stretch"
    guard let x = context.shape(0) else { return context.set(0, type, nil) }
    let axes = try axes(context.attributes, rank: x.count)
    var shape = x
    if present(context, 3) {
      if let sizes = context.symbols(3), isStretched {
        guard sizes.count == axes.count else {
          throw CameoError.badInput("\(sizes.count) sizes are given for \(axes.count) axes")
        }
        for (axis, size) in zip(axes, sizes) { shape[axis] = size }
      } else if let sizes = context.ints(3), sizes.count == axes.count, axes.allSatisfy({ x[$0].isKnown }) {
        let scales = try scales(of: sizes, axes, x.map { $0.value ?? 0 }, context.attributes)
        for (axis, scale) in zip(axes, scales) {
          shape[axis] = Dim(try roundedHalfUp(scale * Double(x[axis].value ?? 0)))
        }
      } else {
        for axis in axes { shape[axis] = context.unknownDim() }
      }
    } else if present(context, 2), let scales = context.tensor(2) {
      let values = try scales.elements(as: Float.self)
      guard values.count == axes.count else {
        throw CameoError.badInput("\(values.count) scales for \(axes.count) axes")
      }
      for (axis, scale) in zip(axes, values) { shape[axis] = try scaled(x[axis], scale, &context) }
    } else {
      for axis in axes { shape[axis] = context.unknownDim() }
    }
    context.set(0, type, shape)
  }

  private func roundedHalfUp(_ value: Double) throws -> Int {
    guard value.isFinite, value >= 0, value < 0x1p53 else {
      throw CameoError.badInput("an output size would be \(value)")
    }
    return Int(value + 0.5)
  }

  private func scaled(_ dim: Dim, _ scale: Float, _ context: inout InferenceContext) throws -> Dim {
    guard scale.isFinite, scale > 0 else { throw CameoError.badInput("a scale is \(scale)") }
    if let value = dim.value {
      let size = Double(value) * Double(scale)
      guard size < 0x1p53 else { throw CameoError.badInput("a scale is \(scale)") }
      return Dim(Int(size))
    }
    // A float is an integer over a power of two, so the product's floor has an exact form.
    var (numerator, divisor) = (Double(scale), 1)
    while numerator != numerator.rounded(), divisor < 1 << 40 {
      numerator *= 2
      divisor *= 2
    }
    guard let factor = Int(exactly: numerator), factor < 1 << 40 else { return context.unknownDim() }
    return (dim * Dim(factor)).floorDiv(Dim(divisor))
  }

  /// One scale for each axis under the aspect ratio policy.
  private func scales(of sizes: [Int], _ axes: [Int], _ shape: [Int], _ attributes: AttributeReader) throws -> [Double]
  {
    var scales = zip(axes, sizes).map { Double($1) / Double(shape[$0]) }
    switch try policy(attributes) {
    case "not_larger": scales = scales.map { _ in scales.min() ?? 1 }
    case "not_smaller": scales = scales.map { _ in scales.max() ?? 1 }
    default: break
    }
    return scales
  }

  // MARK: Evaluation

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    if x.dataType.isComplex { return try LinearParts.complex(context, evaluate) }
    if x.dataType == .string {
      guard Resize.isNearest(context.node) else {
        throw CameoError.unsupported("strings cannot be interpolated: mode nearest moves them")
      }
      return try LinearParts.strings(context, evaluate)
    }
    let axes = try axes(context.attributes, rank: x.rank)
    var shape = x.shape
    var scales: [Double]
    if let sizes = try context.optionalTensor(3), !sizes.isEmpty {
      let values = try sizes.ints()
      guard values.count == axes.count, values.allSatisfy({ $0 >= 0 }) else {
        throw CameoError.badInput("sizes is \(values), \(axes.count) integers of 0 or more were expected")
      }
      scales = try self.scales(of: values, axes, x.shape, context.attributes)
      let isStretched = try policy(context.attributes) == "stretch"
      for (index, axis) in axes.enumerated() {
        shape[axis] = isStretched ? values[index] : try roundedHalfUp(scales[index] * Double(x.shape[axis]))
      }
    } else {
      scales = try context.tensor(2).elements(as: Double.self)
      guard scales.count == axes.count, scales.allSatisfy({ $0.isFinite && $0 > 0 && $0 < 0x1p40 }) else {
        throw CameoError.badInput("scales is \(scales), \(axes.count) positive numbers were expected")
      }
      for (axis, scale) in zip(axes, scales) {
        let size = Double(x.shape[axis]) * scale
        guard size < 0x1p53 else { throw CameoError.limit("axis \(axis) would have \(size) elements") }
        shape[axis] = Int(size)
      }
    }
    // One axis after the other, in double: the largest of what stands between.
    var between = x.shape
    for axis in axes {
      between[axis] = shape[axis]
      try MemoryBudget.shared.check(2 * 8 * Tensor.elementCount(between), for: "an image of \(between)")
    }
    var interpolation = try ResizeInterpolation(context.attributes)
    let roi = try context.optionalTensor(1).flatMap { $0.isEmpty ? nil : try $0.elements(as: Double.self) }
    if let roi, roi.count != 2 * axes.count {
      throw CameoError.badInput("roi has \(roi.count) elements, \(2 * axes.count) were expected")
    }
    if interpolation.transformation == "tf_crop_and_resize" && roi == nil {
      throw CameoError.badInput("input 1 (roi) is missing, tf_crop_and_resize needs it")
    }

    var data = try ElementView<Double>(x).array
    var current = x.shape
    for (index, axis) in axes.enumerated() {
      interpolation.roi = roi.map { ($0[index], $0[axes.count + index]) } ?? (0, 1)
      let isWhole = interpolation.roi.0 == 0 && interpolation.roi.1 == 1
      if shape[axis] == current[axis] && (current[axis] == 0 || scales[index] == 1 && isWhole) { continue }
      guard current[axis] > 0 else { throw CameoError.badInput("an empty axis cannot be resized") }
      let table = try interpolation.table(input: current[axis], output: shape[axis], scale: scales[index])
      data = apply(table, data, current, axis, interpolation.extrapolation)
      current[axis] = shape[axis]
    }
    let type = x.dataType
    return [
      .tensor(
        try Tensor.make(type, current, as: Double.self) { out in
          let range = Resize.range(of: type)
          for i in data.indices {
            out[i] = range.map { min(max(data[i].rounded(.toNearestOrEven), $0.0), $0.1) } ?? data[i]
          }
        })
    ]
  }

  /// What an integer type holds: results are rounded and saturate.
  private static func range(of type: DataType) -> (Double, Double)? {
    guard type.isInteger else { return nil }
    let bits = Double(type.bitWidth)
    var top = 1.0
    for _ in 0..<Int(type.isSignedInteger ? bits - 1 : bits) { top *= 2 }
    return type.isSignedInteger ? (-top, top - 1) : (0, top - 1)
  }

  private func apply(
    _ table: [ResizeInterpolation.Taps?], _ data: [Double], _ shape: [Int], _ axis: Int, _ extrapolation: Double
  ) -> [Double] {
    let outer = shape[..<axis].reduce(1, *)
    let inner = shape[(axis + 1)...].reduce(1, *)
    let length = shape[axis]
    return [Double](unsafeUninitializedCapacity: outer * table.count * inner) { out, count in
      count = outer * table.count * inner
      nonisolated(unsafe) let out = out
      data.withUnsafeBufferPointer { data in
        NNParallel.ranges(outer, grain: max(1, 8192 / max(1, table.count * inner))) { range in
          for o in range {
            for (position, taps) in table.enumerated() {
              let target = (o * table.count + position) * inner
              for i in 0..<inner {
                guard let taps else { out[target + i] = extrapolation; continue }
                var sum = 0.0
                for (index, weight) in zip(taps.indices, taps.weights) {
                  sum += weight * data[(o * length + index) * inner + i]
                }
                out[target + i] = sum
              }
            }
          }
        }
      }
    }
  }

  // MARK: Versions

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 11 { return Resize.upgradeScales(&graph, node) }
    if case .string("tf_half_pixel_for_nn") = graph[node]["coordinate_transformation_mode"] {
      // floor((x + 0.5) / scale) is ((x + 0.5) / scale - 0.5) rounded, halves up.
      if case .string("floor") = graph[node]["nearest_mode"], Resize.isNearest(graph[node]) {
        graph.setAttribute("coordinate_transformation_mode", of: node, to: .string("half_pixel"))
        graph.setAttribute("nearest_mode", of: node, to: .string("round_prefer_ceil"))
        return
      }
      throw CameoError.unsupported("the coordinate transformation tf_half_pixel_for_nn, which opset 13 took away")
    }
  }

  private static func isNearest(_ node: Node) -> Bool {
    if case .string(let mode) = node["mode"] { return mode == "nearest" }
    return true
  }

  /// The form of Resize-10 and Upsample-9, (X, scales), in today's words.
  static func upgradeScales(_ graph: inout Graph, _ node: NodeID) {
    let source = graph[node]
    graph.replaceInputs(of: node, with: [source.input(0), nil, source.input(1)])
    graph.setAttribute("coordinate_transformation_mode", of: node, to: .string("asymmetric"))
    graph.setAttribute("nearest_mode", of: node, to: .string("floor"))
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 18 { try Resize.lowerAxes(&graph, node) }
    guard version < 13 else { return }
    let source = graph[node]
    func text(_ name: String, _ fallback: String) -> String {
      if case .string(let value) = source[name] { return value }
      return fallback
    }
    if version < 11 {
      guard text("coordinate_transformation_mode", "half_pixel") == "asymmetric", text("mode", "nearest") != "cubic",
        text("mode", "nearest") != "nearest" || text("nearest_mode", "round_prefer_floor") == "floor",
        let scales = source.input(2), source.input(3) == nil
      else { throw CameoError.unsupported("this Resize before opset 11") }
      graph.replaceInputs(of: node, with: [source.input(0), scales])
      for name in ["coordinate_transformation_mode", "nearest_mode"] { graph.setAttribute(name, of: node, to: nil) }
      return
    }
    // roi and scales had to be given, empty where they mean nothing.
    for index in 1...2 where graph[node].input(index) == nil {
      let empty = graph.emitConstant(try Tensor.of([Float](), .float), like: node)
      graph.insertInput(empty, of: node, at: index)
    }
  }

  /// Before opset 18 scales, sizes and roi were for all axes.
  private static func lowerAxes(_ graph: inout Graph, _ node: NodeID) throws {
    let source = graph[node]
    guard let given = try AttributeReader(source).optionalInts("axes"), !given.isEmpty else {
      return graph.setAttribute("axes", of: node, to: nil)
    }
    guard let shape = source.input(0).flatMap({ graph[$0].type?.shape }) else {
      throw CameoError.unsupported("axes of Resize before opset 18 on a tensor of unknown rank")
    }
    let axes = try given.map { try Axes.normalize($0, rank: shape.count) }
    func widen<T: ComputeElement>(_ index: Int, _ type: DataType, parts: Int, _ others: [T?]) throws {
      guard let input = source.input(index) else { return }
      guard let tensor = graph.constant(input) else {
        throw CameoError.unsupported("computed inputs for some axes of Resize before opset 18")
      }
      if tensor.isEmpty { return }
      let values = try tensor.elements(as: T.self)
      var all = others
      guard values.count == axes.count * parts else {
        throw CameoError.badInput("input \(index) does not fit the axes")
      }
      for part in 0..<parts {
        for (place, axis) in axes.enumerated() { all[part * shape.count + axis] = values[part * axes.count + place] }
      }
      let known = all.compactMap { $0 }
      guard known.count == all.count else {
        throw CameoError.unsupported("sizes for some axes of Resize before opset 18 on a tensor of unknown shape")
      }
      graph.setInput(index, of: node, to: graph.emitConstant(try .of(known, type), like: node))
    }
    let type = source.input(1).flatMap { graph[$0].type?.dataType } ?? .float
    try widen(
      1, type, parts: 2, [Double?](repeating: 0, count: shape.count) + [Double?](repeating: 1, count: shape.count))
    try widen(2, .float, parts: 1, [Float?](repeating: 1, count: shape.count))
    try widen(3, .int64, parts: 1, shape.map { dim -> Int64? in dim.value.map { Int64($0) } })
    graph.setAttribute("axes", of: node, to: nil)
  }

  /// Opsets 1 to 9 have Upsample, which enlarges.
  func replace(_ graph: inout Graph, _ node: NodeID, before opset: Int) throws -> Bool {
    let scales = graph[node].input(2).flatMap { graph.constant($0) }
    if let scales, try scales.elements(as: Float.self).contains(where: { $0 < 1 }) { return false }
    try lower(&graph, node, to: 10)
    if opset < 9 {
      guard let scales else { throw CameoError.unsupported("Upsample before opset 9 with computed scales") }
      graph.replaceInputs(of: node, with: [graph[node].input(0)])
      let factors = try scales.elements(as: Float.self)
      if opset < 7 {
        guard factors.count == 4, factors[0] == 1, factors[1] == 1 else {
          throw CameoError.unsupported("Upsample before opset 7 of other axes than the last two of four")
        }
        graph.setAttribute("height_scale", of: node, to: .float(factors[2]))
        graph.setAttribute("width_scale", of: node, to: .float(factors[3]))
        if case .string("linear") = graph[node]["mode"] {
          graph.setAttribute("mode", of: node, to: .string("bilinear"))
        }
      } else {
        graph.setAttribute("scales", of: node, to: .floats(factors))
      }
    }
    graph.setOperator(OperatorName("Upsample"), of: node)
    return true
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Resize(), to: $0) })
