public import GraphIR
public import InferenceRuntime
import ONNXFormat
import Operators
public import PassKit
import Tensors

/// Static quantization from a float model and samples to a model with QuantizeLinear and DequantizeLinear.
///
/// The model should be optimized before (BatchNormalization folded, attention fused): what is quantized is the graph as it is given.
/// The samples are run once for the ranges, and once more before that where SmoothQuant or the outlier split ask for the channels'.
public struct StaticQuantizer {
  /// Which division between data and weights SmoothQuant chooses.
  public enum Smoothing: Sendable, Equatable {
    case alpha(Float)
    /// The alpha with the least expected error, for each value.
    case searched
  }

  public var options = StaticQuantizationOptions()
  public var method = RangeMethod.mse
  public var smoothing: Smoothing?
  public var equalizes = false
  /// Channels whose magnitude is more than this many times the median one's are multiplied in float.
  public var outlierThreshold: Float?
  public var correctsBias = false
  /// Weights are rounded for the products' results to stay close, not each to the nearest code: see `LayerRounding`. The samples run once
  /// more, or as often as the data's second moments do not fit into memory together.
  public var roundsByData = false
  /// Samples that are read at most.
  public var limit: Int?
  public var progress: ((_ what: String, _ done: Int, _ all: Int?) -> Void)?
  /// Ranges that are known already: values that it names are not observed. Of the model as it is after smoothing and splitting.
  public var cache: CalibrationCache?
  private let providers: [any ExecutionProvider]
  private let session: SessionOptions

  public init(providers: [any ExecutionProvider], session: SessionOptions = SessionOptions()) {
    self.providers = providers
    self.session = session
  }

  /// A float model as it is right before integers come in, with the ranges that were observed in it.
  public struct Calibrated {
    public let model: Model
    public let placement: QuantizationPlacement
    /// The passes' refusals: what was not smoothed, equalized or split, and why.
    public let nearMisses: [NearMiss]
    /// Everything that was observed, by value name.
    public let cache: CalibrationCache
    let ranges: [ValueID: ValueRange]
    let means: [ValueID: [Float]]
    let rounded: [NodeID: WeightCodes]
    /// Products that stay float beside those that the caller named.
    let kept: [String: String]

    /// The name of the value that a product makes.
    public func resultName(_ node: NodeID) -> String {
      model.graph[node].output(0).map { model.graph[$0].name } ?? ""
    }
  }

  /// A model with QuantizeLinear and DequantizeLinear.
  public struct Quantized {
    public let model: Model
    public let placement: QuantizationPlacement
    /// By the group of a placed value.
    public let parameters: [QuantizationParameters]
  }

  /// Prepares and observes: everything that does not depend on which products are quantized in the end.
  public func calibrate(_ source: Model, over set: CalibrationSet) throws -> Calibrated {
    var model = source
    var misses: [NearMiss] = []
    var options = options
    if equalizes { misses += try run([CrossLayerEqualization()], on: &model) }
    if smoothing != nil || outlierThreshold != nil {
      let placement = try QuantizationPlacement(try context(model), options)
      let moments = try observeMoments(model, placement, set)
      // The split first: what is taken out needs no smoothing.
      if let outlierThreshold {
        let journal = OutlierJournal()
        misses += try run([OutlierSplit(placement, moments, threshold: outlierThreshold, journal: journal)], on: &model)
        for result in journal.results { options.kept[result] = "it multiplies outlying channels" }
      } else if let smoothing {
        var alpha: Float?
        if case .alpha(let given) = smoothing { alpha = given }
        misses += try run([SmoothQuant(placement, moments, alpha: alpha)], on: &model)
      }
    }
    let placement = try QuantizationPlacement(try context(model), options)
    var observers: [ValueID: [any ValueObserver]] = [:]
    var ranges: [ValueID: any RangeEstimator] = [:]
    var means: [ValueID: ChannelMoments] = [:]
    var cache = try knownRanges(of: model)
    for value in placement.values where cache.entries[model.graph[value.value].name] == nil {
      let observer = try method.makeObserver()
      ranges[value.value] = observer
      observers[value.value, default: []].append(observer)
    }
    if correctsBias {
      for product in placement.products where means[product.data] == nil {
        let moments = ChannelMoments(axis: model.graph[product.node].is("Conv") ? 1 : -1)
        means[product.data] = moments
        observers[product.data, default: []].append(moments)
      }
    }
    if !observers.isEmpty {
      cache.samples += try Calibrator(model, providers: providers, options: session).run(
        observers, over: set, limit: limit
      ) { progress?("calibrating", $0, $1) }
    }
    let rounded = try roundsByData ? roundedWeights(model, placement, set) : [:]
    let scheme = try QuantizationScheme(options.activations, isSymmetric: options.isSymmetric)
    var found: [ValueID: ValueRange] = [:]
    for value in placement.values {
      let name = model.graph[value.value].name
      if let observer = ranges[value.value] { cache.note(name, observer, scheme: scheme) }
      found[value.value] = cache.entries[name]?.range(method, for: scheme)
    }
    return Calibrated(
      model: model, placement: placement, nearMisses: misses, cache: cache, ranges: found,
      means: means.compactMapValues { $0.summary?.mean }, rounded: rounded, kept: options.kept)
  }

  /// The quantized model. Products whose result `float` names stay float, each for the reason given.
  public func quantize(
    _ calibrated: Calibrated, keepingFloat float: [String: String] = [:]
  ) throws -> Quantized {
    var options = options
    options.kept = calibrated.kept.merging(float) { a, _ in a }
    var model = calibrated.model
    let context = try context(model)
    let placement = float.isEmpty ? calibrated.placement : try QuantizationPlacement(context, options)
    let scheme = try QuantizationScheme(options.activations, isSymmetric: options.isSymmetric)
    let groups = (placement.values.map(\.group).max() ?? -1) + 1
    var ranges = [ValueRange?](repeating: nil, count: groups)
    for value in placement.values {
      guard let range = calibrated.ranges[value.value] else { continue }
      ranges[value.group] = ranges[value.group].map { $0.union(range) } ?? range
    }
    let parameters = try ranges.map { try QuantizationParameters($0 ?? ValueRange(0, 0), scheme) }
    _ = try run(
      [InsertQuantization(placement, parameters, options, means: calibrated.means, rounded: calibrated.rounded)],
      on: &model)
    return Quantized(model: model, placement: placement, parameters: parameters)
  }

  /// The caller's ranges, if they are of this model.
  private func knownRanges(of model: Model) throws -> CalibrationCache {
    let fingerprint = model.calibrationFingerprint
    guard let cache else { return CalibrationCache(fingerprint: fingerprint) }
    guard cache.fingerprint == fingerprint else {
      throw CameoError.badInput(
        "the calibration is of another model (\(cache.fingerprint), not \(fingerprint)): other weights, options or version"
      )
    }
    return cache
  }

  private func observeMoments(
    _ model: Model, _ placement: QuantizationPlacement, _ set: CalibrationSet
  ) throws -> [ValueID: ChannelSummary] {
    var moments: [ValueID: ChannelMoments] = [:]
    for product in placement.products where moments[product.data] == nil {
      let isImage = model.graph[product.node].is("Conv")
      // The split is of matrices only.
      if isImage && outlierThreshold != nil { continue }
      moments[product.data] = ChannelMoments(axis: isImage ? 1 : -1)
    }
    guard !moments.isEmpty else { return [:] }
    try Calibrator(model, providers: providers, options: session).run(
      moments.mapValues { [$0] }, over: set, limit: limit
    ) { progress?("looking at channels", $0, $1) }
    return moments.compactMapValues(\.summary)
  }

  private func roundedWeights(
    _ model: Model, _ placement: QuantizationPlacement, _ set: CalibrationSet
  ) throws -> [NodeID: WeightCodes] {
    guard let rounding = try LayerRounding(model, options) else { return [:] }
    return try rounding.codes(of: placement.products) { observers in
      try Calibrator(model, providers: providers, options: session).run(
        observers, over: set, limit: min(limit ?? .max, LayerRounding.samples)
      ) { progress?("looking at products", $0, $1) }
    }
  }

  private func context(_ model: Model) throws -> PassContext {
    PassContext(
      graph: model.graph, functions: model.functions, options: OptimizationOptions(), sourceOpset: model.opsets[""] ?? 0
    )
  }

  private func run(_ passes: [any Pass], on model: inout Model) throws -> [NearMiss] {
    let (result, report) = try PassManager(stages: [PassManager.Stage(passes)], options: OptimizationOptions()).run(
      model)
    if let failure = report.failures.first { throw CameoError(.invariant, failure) }
    model = result
    return report.nearMisses
  }
}
