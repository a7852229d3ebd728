public import GraphIR
import Operators
public import PassKit
import Tensors

/// Which products of a graph become integer products, which values are quantized for that, and what stays float for which reason.
///
/// Products decide: the value that a product reads is quantized. Data movement in front of it (Reshape, Transpose, MaxPool, Concat
/// ...) moves the integers, so its operands are quantized, too, with the same scale. Between convolutions, images are kept as integers for every reader,
/// residual sums included; elsewhere (LayerNormalization, Gelu, Softmax, attention, the residual stream of a transformer) the float
/// value serves, because quantizing it gains no integer product and costs accuracy.
public struct QuantizationPlacement: Sendable {
  /// A product with constant weights.
  public struct Product: Sendable {
    public let node: NodeID
    public let data: ValueID
    public let weights: ValueID
    /// The axis of the weights that counts output channels.
    public let channelAxis: Int
    /// Added to the sums, one number an output channel.
    public let bias: ValueID?
  }

  /// A product that stays float.
  public struct Exception: Sendable {
    public let node: NodeID
    public let reason: String
  }

  /// A place where a node reads a value.
  public struct Reader: Hashable, Sendable {
    public let node: NodeID
    public let input: Int
  }

  /// A value that is quantized.
  public struct Value: Sendable {
    public let value: ValueID
    /// Values of one group have one scale and zero point.
    public let group: Int
    /// Who reads the integers; everyone else reads the float value.
    public let readers: [Reader]
  }

  public private(set) var products: [Product] = []
  public private(set) var exceptions: [Exception] = []
  /// In the order of the graph.
  public private(set) var values: [Value] = []

  public init(_ context: PassContext, _ options: StaticQuantizationOptions) throws {
    var builder = PlacementBuilder(context, options)
    for id in context.graph.allNodes { try builder.consider(id) }
    builder.spread()
    products = builder.products
    exceptions = builder.exceptions
    values = builder.quantized()
  }
}

/// Finds products, then spreads the demand for integers backwards.
private struct PlacementBuilder {
  let context: PassContext
  let graph: Graph
  let options: StaticQuantizationOptions
  var products: [QuantizationPlacement.Product] = []
  var exceptions: [QuantizationPlacement.Exception] = []
  private var productNodes: Set<NodeID> = []
  /// The group of each value that is quantized, by union-find.
  private var parents: [ValueID: ValueID] = [:]
  private var images: Set<ValueID> = []

  init(_ context: PassContext, _ options: StaticQuantizationOptions) {
    self.context = context
    graph = context.graph
    self.options = options
  }

  // MARK: Products

  private static let candidates: Set<String> = ["Conv", "ConvTranspose", "MatMul", "Gemm"]

  mutating func consider(_ id: NodeID) throws {
    let node = graph[id]
    noteImage(node)
    guard node.domain.isEmpty, Self.candidates.contains(node.type) else { return }
    do {
      let product = try product(id)
      products.append(product)
      productNodes.insert(id)
    } catch let refusal as Refusal {
      exceptions.append(QuantizationPlacement.Exception(node: id, reason: refusal.reason))
    }
  }

  private func product(_ id: NodeID) throws -> QuantizationPlacement.Product {
    let node = graph[id]
    if options.excluded.contains(node.name) || options.excluded.contains(node.type) { throw Refusal("it is excluded") }
    if let output = node.output(0), let reason = options.kept[graph[output].name] { throw Refusal(reason) }
    guard node.region == .main else { throw Refusal("it is in the body of an If, Loop or Scan") }
    guard node.type != "ConvTranspose" else { throw Refusal("transposed convolutions have no integer kernel") }
    guard let data = node.input(0), let weights = node.input(1) else { throw Refusal("an operand is missing") }
    guard context.dataType(data) == .float, context.dataType(weights) == .float else {
      throw Refusal("its numbers are \(context.dataType(data).map { "\($0)" } ?? "of unknown type"), not float")
    }
    guard let matrix = graph.constant(weights) else {
      throw Refusal(
        graph.constant(data) != nil
          ? "its weights are on the left" : "both operands are computed: there are no weights to quantize beforehand")
    }
    guard graph.constant(data) == nil else { throw Refusal("both operands are constant") }
    var channelAxis = 0
    switch node.type {
    case "Conv": break
    case "MatMul":
      guard matrix.rank == 2 else { throw Refusal("its weights have the shape \(matrix.shape), not a matrix's") }
      channelAxis = 1
    default:
      let reader = AttributeReader(node)
      guard try reader.float("alpha", default: 1) == 1, try reader.float("beta", default: 1) == 1 else {
        throw Refusal("it scales its terms")
      }
      guard try !reader.bool("transA") else { throw Refusal("it transposes the data") }
      channelAxis = try reader.bool("transB") ? 0 : 1
    }
    var bias = node.input(2)
    if let given = bias, let tensor = graph.constant(given), tensor.count != matrix.shape[channelAxis] { bias = nil }
    if let given = bias, graph.constant(given) == nil { bias = nil }
    return QuantizationPlacement.Product(
      node: id, data: data, weights: weights, channelAxis: channelAxis, bias: bias)
  }

  // MARK: Images

  private static let images: Set<String> = ["Conv", "ConvTranspose"]
  private static let overImages: Set<String> = [
    "MaxPool", "AveragePool", "BatchNormalization", "Concat", "Resize", "Pad", "Add", "Mul", "Sub", "Relu", "Clip",
    "HardSwish",
    "LeakyRelu", "Sigmoid", "Swish", "HardSigmoid", "Mish", "PRelu", "Elu",
  ]

  /// An image: what a convolution makes, and what element-wise operators and pools make of it.
  private mutating func noteImage(_ node: Node) {
    guard node.domain.isEmpty, let output = node.output(0), context.rank(output) ?? 0 >= 3 else { return }
    let follows =
      Self.overImages.contains(node.type) && node.inputs.contains { $0.map { images.contains($0) } ?? false }
    if Self.images.contains(node.type) || follows { images.insert(output) }
  }

  // MARK: Demand

  /// Operators whose integers are those of their operand, or of operands that share a scale.
  static let movements: Set<String> = [
    "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Split", "Gather", "Expand", "Tile", "MaxPool",
    "DepthToSpace", "SpaceToDepth", "Identity", "Concat", "Pad", "Resize",
  ]

  /// The inputs of `id` whose elements its result is made of; empty where it computes.
  private func moved(_ id: NodeID) -> [Int] {
    let node = graph[id]
    guard node.domain.isEmpty, Self.movements.contains(node.type), node.region == .main else { return [] }
    switch node.type {
    case "Concat": return Array(node.inputs.indices)
    case "MaxPool": return node.output(1) == nil ? [0] : []
    case "Pad":
      let mode = (try? AttributeReader(node).string("mode", default: "constant")) ?? ""
      return mode != "constant" || node.input(2) == nil || context.uniform(node.input(2)) == 0 ? [0] : []
    case "Resize":
      return (try? AttributeReader(node).string("mode", default: "nearest")) == "nearest" ? [0] : []
    default:
      // Rows of a constant table: the table stays as it is.
      return graph.constant(node.input(0)) == nil ? [0] : []
    }
  }

  mutating func spread() {
    for product in products { demand(product.data) }
    for id in graph.nodes where options.intermediate == .all || productNodes.contains(id) {
      for value in results(of: id) where staysInteger(value) { demand(value) }
    }
  }

  /// The values that a product's sums become: its result, and what activations and sums and products with constants make of it. What lies
  /// between a product and the value that the next one reads is not rounded.
  private func results(of id: NodeID) -> [ValueID] {
    guard productNodes.contains(id) || options.intermediate == .all && Self.integerSums.contains(graph[id].type),
      let output = graph[id].output(0)
    else { return [] }
    var values = [output]
    while let last = values.last, let result = activated(last) { values.append(result) }
    return options.intermediate == .all ? values : Array(values.suffix(1))
  }

  /// What an activation makes of a value that nothing else reads. Between two products also what one written as several nodes makes of it
  /// (x * Sigmoid(x)), and a sum or product with a constant.
  private func activated(_ value: ValueID) -> ValueID? {
    guard !graph.isRegionOutput(value) else { return nil }
    let readers = graph.consumers(value).map { graph[$0] }
    guard let next = readers.first, readers.allSatisfy({ $0.domain.isEmpty }) else { return nil }
    if graph.hasSingleUse(value), Self.activations.contains(next.type) { return next.output(0) }
    if options.intermediate == .all { return nil }
    if graph.hasSingleUse(value) {
      let isScaling = Self.scalings.contains(next.type) && next.inputs.contains { graph.constant($0) != nil }
      return isScaling ? next.output(0) : nil
    }
    guard readers.count == 2, let product = readers.first(where: { $0.is("Mul") }),
      let gate = readers.first(where: { !$0.is("Mul") })?.output(0), product.inputs.contains(value),
      let other = product.inputs.first(where: { $0 != value })
    else { return nil }
    return self.gate(from: gate, endsAt: other) ? product.output(0) : nil
  }

  /// True where nothing but activations that nobody else reads stand between two values.
  private func gate(from first: ValueID, endsAt last: ValueID?) -> Bool {
    var value = first
    for _ in 0..<3 {
      guard graph.hasSingleUse(value) else { return false }
      if value == last { return true }
      guard let next = graph.consumers(value).first,
        Self.activations.contains(graph[next].type) || graph[next].is("Softplus"), let result = graph[next].output(0)
      else { return false }
      value = result
    }
    return false
  }

  private static let integerSums: Set<String> = ["Add", "Mul"]
  private static let scalings: Set<String> = ["Add", "Sub", "Mul", "Div"]
  private static let activations: Set<String> = [
    "Relu", "Clip", "HardSwish", "LeakyRelu", "Sigmoid", "Swish", "HardSigmoid", "Mish", "PRelu", "Elu", "Tanh",
  ]

  /// True where every reader of the value does well with integers: an image between operators that pass over it once.
  private func staysInteger(_ value: ValueID) -> Bool {
    guard !graph.isRegionOutput(value) else { return false }
    let readers = graph.consumers(value)
    guard !readers.isEmpty, readers.allSatisfy({ graph[$0].region == .main && graph[$0].domain.isEmpty }) else {
      return false
    }
    if options.intermediate == .all { return readers.contains { leadsToProduct($0) } }
    guard images.contains(value), readers.allSatisfy({ Self.passing.contains(graph[$0].type) }) else { return false }
    // A sum behind a convolution is made where the convolution's own sums are: they are not rounded in between.
    if readers.count == 1, graph[readers[0]].is("Add"), !isAddedByProduct(value, graph[readers[0]]) { return false }
    return readers.contains { leadsToProduct($0) }
  }

  /// True where the product on the other side of a sum adds the value to its own sums: of two products the first, so that the second's
  /// result is written and read as 8 bits, not as floats.
  private func isAddedByProduct(_ value: ValueID, _ sum: Node) -> Bool {
    func isProduct(_ value: ValueID?) -> Bool {
      guard let value, let producer = graph.producer(value) else { return false }
      return productNodes.contains(producer) && graph.hasSingleUse(value)
    }
    guard let place = sum.inputs.firstIndex(of: value), sum.inputs.count == 2 else { return false }
    return isProduct(sum.input(1 - place)) && (place == 1 || !isProduct(value))
  }

  private static let passing = overImages.union([
    "GlobalAveragePool", "ReduceMean", "Conv", "Slice", "Split", "Transpose",
  ])

  /// True where a product reads what `id` makes, or what becomes of it within a few nodes.
  private func leadsToProduct(_ id: NodeID, depth: Int = 0) -> Bool {
    if productNodes.contains(id) { return true }
    guard depth < 6 else { return false }
    return graph[id].outputs.contains { output in
      output.map { graph.consumers($0).contains { leadsToProduct($0, depth: depth + 1) } } ?? false
    }
  }

  private mutating func demand(_ value: ValueID) {
    var work = [value]
    while let value = work.popLast() {
      if parents[value] != nil { continue }
      parents[value] = value
      guard let producer = graph.producer(value) else { continue }
      for index in moved(producer) {
        guard let operand = graph[producer].input(index) else { continue }
        work.append(operand)
      }
    }
  }

  private mutating func root(_ value: ValueID) -> ValueID {
    var current = value
    while let parent = parents[current], parent != current { current = parent }
    parents[value] = current
    return current
  }

  /// The demanded values with their groups and readers.
  mutating func quantized() -> [QuantizationPlacement.Value] {
    let demanded = parents.keys.sorted { $0.index < $1.index }
    for value in demanded {
      guard let producer = graph.producer(value) else { continue }
      for index in moved(producer) {
        guard let operand = graph[producer].input(index), parents[operand] != nil else { continue }
        let (a, b) = (root(value), root(operand))
        if a != b { parents[max(a, b)] = min(a, b) }
      }
    }
    var numbers: [ValueID: Int] = [:]
    return demanded.map { value in
      let root = root(value)
      let group = numbers[root] ?? numbers.count
      numbers[root] = group
      return QuantizationPlacement.Value(value: value, group: group, readers: readers(of: value))
    }
  }

  private func readers(of value: ValueID) -> [QuantizationPlacement.Reader] {
    var result: [QuantizationPlacement.Reader] = []
    for id in Set(graph.consumers(value)).sorted() {
      for (index, input) in graph[id].inputs.enumerated() where input == value {
        if reads(id, index, value) { result.append(QuantizationPlacement.Reader(node: id, input: index)) }
      }
    }
    return result
  }

  private func reads(_ id: NodeID, _ index: Int, _ value: ValueID) -> Bool {
    let node = graph[id]
    guard node.region == .main, node.domain.isEmpty else { return false }
    if productNodes.contains(id) { return index == 0 }
    if moved(id).contains(index) {
      return node.outputs.contains { output in output.map { parents[$0] != nil } ?? false }
    }
    if options.intermediate == .all {
      return node.type == "Add" || node.type == "Mul" || node.type == "GlobalAveragePool"
    }
    return images.contains(value) && Self.passing.contains(node.type)
  }
}
