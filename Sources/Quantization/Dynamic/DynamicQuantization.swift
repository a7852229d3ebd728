import GraphIR
import Operators
public import PassKit
import Tensors

/// Products whose data is quantized in each run by its own range: no calibration, at the cost of a walk over the data.
///
/// Before: `MatMul(x, W)`. After: `q, s, z = DynamicQuantizeLinear(x); Mul(Cast(MatMulInteger(q, W8, z)), Mul(s, w))`. Gemm likewise, with
/// its bias added behind; Conv by ConvInteger where `includesConvolutions`. Needs opset 11.
public struct DynamicQuantization: Pass {
  public let name = "DynamicQuantization"
  public let summary = "quantizes the data of products in each run, their weights beforehand"
  public let level = 0
  private let options: StaticQuantizationOptions
  private let includesConvolutions: Bool

  /// Of `options` the weights' type (int8 or uint8), `isPerChannel`, `excluded` and `kept` count.
  public init(_ options: StaticQuantizationOptions, includesConvolutions: Bool = false) {
    self.options = options
    self.includesConvolutions = includesConvolutions
  }

  public func run(_ context: PassContext) throws {
    guard options.weights == .int8 || options.weights == .uint8 else {
      throw CameoError.unsupported("dynamic quantization with weights of \(options.weights)")
    }
    let placement = try QuantizationPlacement(context, options)
    for exception in placement.exceptions { context.refuse(name, at: exception.node, Refusal(exception.reason)) }
    var shared: [ValueID: [GraphChange.Ref]] = [:]
    for product in placement.products {
      if context.graph[product.node].is("Conv"), !includesConvolutions {
        context.refuse(
          name, at: product.node, Refusal("a convolution's data is not quantized in each run unless asked for"))
        continue
      }
      try rewrite(product, &shared, context)
    }
  }

  private func rewrite(
    _ product: QuantizationPlacement.Product, _ shared: inout [ValueID: [GraphChange.Ref]], _ context: PassContext
  ) throws {
    let graph = context.graph
    let node = graph[product.node]
    // What the node reads now: products in front of it have been rewritten.
    guard let output = node.output(0), let data = node.input(0), let weights = graph.constant(node.input(1)) else {
      return
    }
    let isConv = node.is("Conv")
    let matrix = !isConv && product.channelAxis == 0 ? try WeightColumns.of([weights]) : weights
    let axis = isConv ? 0 : 1
    let codes = try WeightCodes(matrix, as: options.weights, axis: options.isPerChannel ? axis : nil)
    var change = GraphChange(rule: name, covers: [product.node], isFusion: true)
    let known = shared[data]
    let quantized = known ?? change.nodes("DynamicQuantizeLinear", [.existing(data)], outputs: 3, covers: [])
    var inputs = [quantized[0], change.constant(codes.codes), quantized[2]]
    if options.weights == .uint8 {
      if isConv && codes.zeros.count > 1 {
        throw CameoError.unsupported("ConvInteger with a zero point for each filter")
      }
      inputs.append(change.constant(codes.zeros))
    }
    let attributes = isConv ? node.attributes : []
    let sums = change.node(isConv ? "ConvInteger" : "MatMulInteger", inputs, attributes, name: node.name)
    let floats = change.node("Cast", [sums], [NamedAttribute("to", .int(Int64(DataType.float.rawValue)))], covers: [])
    let spatial = isConv ? weights.rank - 2 : 0
    let scales =
      try codes.axis == nil
      ? codes.scales : codes.scales.reshaped([codes.scales.count] + [Int](repeating: 1, count: spatial))
    let scale = change.node("Mul", [quantized[1], change.constant(scales)], covers: [])
    var result = change.node("Mul", [floats, scale], covers: [])
    if let bias = node.input(2) {
      var addend = GraphChange.Ref.existing(bias)
      if isConv, let tensor = graph.constant(bias) {
        addend = change.constant(try tensor.reshaped([tensor.count] + [Int](repeating: 1, count: spatial)))
      }
      result = change.node("Add", [result, addend], covers: [])
    }
    change.replace(output, with: result)
    let applied = try context.apply(change)
    if known == nil, let made = applied.added.first(where: { context.graph[$0].is("DynamicQuantizeLinear") }) {
      shared[data] = context.graph[made].outputs.compactMap { $0.map { .existing($0) } }
    }
  }
}
