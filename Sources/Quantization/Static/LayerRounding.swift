import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Rounds the weights of integer products so that the products' results, not the weights, stay close: GPTQ (`OptimalRounding`) with the
/// second moments of the data, or of the patches that a convolution's filters multiply.
///
/// A filter's numbers rounded one by one may shift all its results by the same amount where the data has a large mean (a depthwise filter
/// whose taps cancel out, over a bright background); this keeps such sums. One scale an output channel, signed types.
struct LayerRounding {
  /// The most that the moments of the products that are observed together may take; there are as many runs over the samples as that needs.
  static let portionBytes = 256 << 20
  /// The widest product whose moments are kept: they take 64 MiB.
  static let greatestDepth = 4096
  /// Samples that are read at most: moments need few.
  static let samples = 128
  let model: Model
  let format: WeightFormat

  /// nil for types that are rounded to nearest.
  init?(_ model: Model, _ options: StaticQuantizationOptions) throws {
    guard options.isPerChannel, options.weights == .int8 || options.weights == .int4 else { return nil }
    self.model = model
    var format = try WeightFormat(options.weights == .int8 ? .int8 : .int4, groupSize: nil)
    format.isBalanced = true
    self.format = format
  }

  /// What is observed for one product.
  private struct Job {
    let product: QuantizationPlacement.Product
    let observer: any ValueObserver
    let groups: Int
    let depth: Int
    var bytes: Int { groups * depth * depth * MemoryLayout<Float>.stride }
  }

  /// The codes of each product's weights, by node; those of shared and of very wide weights are left to be rounded to nearest.
  func codes(
    of products: [QuantizationPlacement.Product],
    observing: ([ValueID: [any ValueObserver]]) throws -> Void
  ) throws -> [NodeID: WeightCodes] {
    var result: [NodeID: WeightCodes] = [:]
    var portion: [Job] = []
    func finish() throws {
      guard !portion.isEmpty else { return }
      try observing(Dictionary(grouping: portion, by: \.product.data).mapValues { $0.map(\.observer) })
      for job in portion {
        result[job.product.node] = try within(model.graph.describe(job.product.node)) { try round(job) }
      }
      portion = []
    }
    for product in products {
      guard let job = try job(product) else { continue }
      if portion.reduce(0, { $0 + $1.bytes }) + job.bytes > Self.portionBytes { try finish() }
      portion.append(job)
    }
    try finish()
    return result
  }

  private func job(_ product: QuantizationPlacement.Product) throws -> Job? {
    let graph = model.graph
    guard let weights = graph.constant(product.weights), graph[product.weights].uses.count == 1 else { return nil }
    if graph[product.node].is("Conv") {
      let reader = AttributeReader(graph[product.node])
      guard let window = try PatchGramObserver.Window(reader, weights: weights.shape) else { return nil }
      let depth = weights.shape[1...].reduce(1, *)
      guard depth <= Self.greatestDepth, weights.shape[0] % window.groups == 0 else { return nil }
      return Job(product: product, observer: PatchGramObserver(window), groups: window.groups, depth: depth)
    }
    guard weights.rank == 2 else { return nil }
    let depth = weights.shape[1 - product.channelAxis]
    guard depth <= Self.greatestDepth else { return nil }
    return Job(product: product, observer: GramObserver(), groups: 1, depth: depth)
  }

  /// nil where nothing was seen.
  private func round(_ job: Job) throws -> WeightCodes? {
    guard let weights = model.graph.constant(job.product.weights) else { return nil }
    let isTransposed = weights.rank == 2 && job.product.channelAxis == 1
    let whole: WeightMatrix =
      weights.rank == 2
      ? try WeightMatrix.of(weights, isTransposed: isTransposed)
      : WeightMatrix(type: .float, depth: job.depth, values: try weights.elements(as: Float.self))
    guard whole.hasOnlyFiniteNumbers, whole.depth == job.depth else { return nil }
    let rows = whole.rows / job.groups
    var codes: [Int64] = []
    var scales: [Float] = []
    for group in 0..<job.groups {
      let gram: [Float]
      switch job.observer {
      case let patches as PatchGramObserver where patches.count > 0: gram = patches.gram(group)
      case let product as GramObserver where product.count > 0: gram = product.gram
      default: return nil
      }
      let part = WeightMatrix(
        type: .float, depth: job.depth,
        values: Array(whole.values[group * rows * job.depth..<(group + 1) * rows * job.depth]))
      let rounded = try OptimalRounding.quantize(part, format, gram: gram, OptimalRounding.Options())
      scales += rounded.blocks.map { $0.scale > 0 ? $0.scale : 1 }
      codes += rounded.codes.map { Int64(Int8(bitPattern: $0)) }
    }
    if isTransposed {
      let (rows, depth) = (whole.rows, job.depth)
      codes = (0..<depth * rows).map { codes[$0 % rows * depth + $0 / rows] }
    }
    weights.releasePages()
    weights.deferredRows?.forEach { $0.releasePages() }
    return try WeightCodes(codes, scales, like: weights, as: format.codeType, axis: job.product.channelAxis)
  }
}
