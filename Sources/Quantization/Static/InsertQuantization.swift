import GraphIR
import Operators
public import PassKit
import Tensors

/// Puts QuantizeLinear and DequantizeLinear around what a placement chose: the form in which ONNX runtimes exchange quantized models.
///
/// Before: `Conv(x, W, b)`. After: `Conv(DequantizeLinear(QuantizeLinear(x, s, z), s, z), DequantizeLinear(W8, w, 0),
/// DequantizeLinear(b32, s * w))`.
public struct InsertQuantization: Pass {
  public let name = "InsertQuantization"
  public let summary = "puts QuantizeLinear and DequantizeLinear around products and what lies between them"
  public let level = 0
  private let placement: QuantizationPlacement
  /// By group.
  private let parameters: [QuantizationParameters]
  private let options: StaticQuantizationOptions
  private let means: [ValueID: [Float]]
  private let rounded: [NodeID: WeightCodes]

  /// `placement` is of the graph that the pass will see; `parameters` has an entry for each of its groups. `means`: for products' data,
  /// the mean of each channel, by which the bias is corrected for the weights' rounding; a value without is not corrected.
  /// `rounded`: the codes of products' weights, where they are not to be the nearest.
  public init(
    _ placement: QuantizationPlacement, _ parameters: [QuantizationParameters], _ options: StaticQuantizationOptions,
    means: [ValueID: [Float]] = [:], rounded: [NodeID: WeightCodes] = [:]
  ) {
    self.placement = placement
    self.parameters = parameters
    self.options = options
    self.means = means
    self.rounded = rounded
  }

  public func run(_ context: PassContext) throws {
    var scales: [ValueID: Float] = [:]
    for value in placement.values {
      scales[value.value] = parameters[value.group].scale
      try insert(value, context)
    }
    var codes: [ValueID: [Int: WeightCodes]] = [:]
    for product in placement.products {
      guard let scale = scales[product.data], let weights = context.graph.constant(product.weights) else { continue }
      try weights.readOnce { try quantize($0, of: product, scale, &codes, context) }
    }
  }

  private func insert(_ value: QuantizationPlacement.Value, _ context: PassContext) throws {
    guard !value.readers.isEmpty else { return }
    let chosen = parameters[value.group]
    var change = GraphChange(rule: name, covers: [], region: .main)
    let scale = change.constant(try Tensor.scalar(chosen.scale, .float))
    let zero = change.constant(try Tensor.scalar(Int64(chosen.zeroPoint), chosen.type))
    let integers = change.node("QuantizeLinear", [.existing(value.value), scale, zero], covers: [])
    let floats = change.node("DequantizeLinear", [integers, scale, zero], covers: [])
    for reader in value.readers { change.setInput(reader.input, of: reader.node, to: floats) }
    try context.apply(change)
  }

  /// The weights' codes behind a DequantizeLinear of the product's own, and the bias as int32 in steps of both scales.
  private func quantize(
    _ weights: Tensor, of product: QuantizationPlacement.Product, _ dataScale: Float,
    _ known: inout [ValueID: [Int: WeightCodes]],
    _ context: PassContext
  ) throws {
    let given = try context.graph.constant(product.bias)?.elements(as: Float.self)
    // |bias| / (data scale * weight scale) stays below 2^30.
    let floor = given.map { $0.map { abs($0) / dataScale * 0x1p-30 } }
    let axis = options.isPerChannel ? product.channelAxis : nil
    let isShared = context.graph[product.weights].uses.count > 1 && given == nil
    let codes: WeightCodes
    if isShared, let made = known[product.weights]?[product.channelAxis] {
      codes = made
    } else {
      let nearest = try WeightCodes(
        weights, as: options.weights, axis: axis, floor: axis == nil ? floor?.max().map { [$0] } : floor)
      codes = try axis == nil ? nearest : rounded[product.node]?.replacingChannels(below: floor, by: nearest) ?? nearest
      if isShared { known[product.weights, default: [:]][product.channelAxis] = codes }
    }
    var change = GraphChange(rule: name, covers: [], region: .main)
    let attributes = axis.map { [NamedAttribute("axis", .int(Int64($0)))] } ?? []
    let floats = change.node(
      "DequantizeLinear",
      [
        change.constant(codes.codes, name: context.graph[product.weights].name + "_quantized"),
        change.constant(codes.scales), change.constant(codes.zeros),
      ], attributes, covers: [])
    change.setInput(1, of: product.node, to: floats)
    let shift = try means[product.data].flatMap {
      try BiasCorrection.shift(weights, codes, channelAxis: product.channelAxis, means: $0)
    }
    if context.graph[product.node].is("MatMul") {
      try context.apply(change)
      if let shift { try add(shift, behind: product.node, context) }
      return
    }
    if given != nil || shift != nil {
      let count = weights.shape[product.channelAxis]
      let bias = zip(given ?? [Float](repeating: 0, count: count), shift ?? [Float](repeating: 0, count: count)).map(+)
      change.setInput(2, of: product.node, to: try quantized(bias, codes, dataScale, &change))
    }
    try context.apply(change)
  }

  /// A bias as int32 in steps of the data's times the weights' scale; as floats where it would not fit or the data is wider than 8 bits.
  private func quantized(
    _ bias: [Float], _ codes: WeightCodes, _ dataScale: Float, _ change: inout GraphChange
  ) throws -> GraphChange.Ref {
    let steps = try codes.scales.elements(as: Float.self).map { Double($0) * Double(dataScale) }
    let whole = bias.indices.map { (Double(bias[$0]) / steps[steps.count == 1 ? 0 : $0]).rounded(.toNearestOrEven) }
    guard options.activations.bitWidth == 8, whole.allSatisfy({ abs($0) < 0x1p31 - 1 }) else {
      return change.constant(try Tensor.of(bias, .float, shape: [bias.count]))
    }
    let sums = change.constant(try Tensor.of(whole.map { Int64($0) }, .int32, shape: [bias.count]))
    let scales = change.constant(try Tensor.of(steps.map { Float($0) }, .float, shape: codes.scales.shape))
    return change.node(
      "DequantizeLinear", [sums, scales], codes.axis == nil ? [] : [NamedAttribute("axis", .int(0))], covers: [])
  }

  /// Adds a row to a product's result: to the row that is added already, where there is one.
  private func add(_ row: [Float], behind id: NodeID, _ context: PassContext) throws {
    let graph = context.graph
    guard let output = graph[id].output(0) else { return }
    var change = GraphChange(rule: name, covers: [], region: .main)
    if graph.hasSingleUse(output), let next = graph.consumers(output).first, graph[next].is("Add"),
      let place = [0, 1].first(where: { graph[next].input($0) != output }),
      let tensor = graph.constant(graph[next].input(place)), tensor.count == row.count, tensor.shape.last == row.count
    {
      let sum = try zip(tensor.elements(as: Float.self), row).map(+)
      change.setInput(place, of: next, to: change.constant(try Tensor.of(sum, .float, shape: tensor.shape)))
    } else {
      change.covers = [id]
      let product = change.node(
        "MatMul", graph[id].inputs.map { $0.map { .existing($0) } }, graph[id].attributes, name: graph[id].name)
      let shift = change.constant(try Tensor.of(row, .float, shape: [row.count]))
      change.replace(output, with: change.node("Add", [product, shift], covers: []))
    }
    try context.apply(change)
  }
}
