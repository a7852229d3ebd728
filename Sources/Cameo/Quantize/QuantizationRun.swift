public import GraphIR
public import InferenceRuntime
import ONNXFormat
import Operators
public import PassKit
import Passes
public import Quantization
public import Tensors

/// A quantization from a float model to a model to be written, with what it costs: what `cameo quantize` does.
public struct QuantizationRun {
  public enum Format: String, Sendable, CaseIterable {
    /// QuantizeLinear and DequantizeLinear around float operators.
    case qdq
    /// QLinearConv and QLinearMatMul.
    case qoperator
  }

  public enum Form: Sendable {
    case statically
    case dynamic(includesConvolutions: Bool)
    /// The `sensitiveShare` of the weights' numbers whose products suffer most takes 8 bits.
    case weights(WeightOnlyOptions, sensitiveShare: Double)
    /// float16 or bfloat16; nodes by name and operators by type stay float32.
    case floats(FloatConversionOptions, keeping: Set<String>)
    /// Nothing beyond `pruning`.
    case none
  }

  /// Which weights become 0, or go.
  public enum Pruning: Sendable {
    case layers(Double)
    case whole(Double)
    case twoOfFour
    case channels(Double)
  }

  public var form = Form.statically
  public var pruning: Pruning?
  public var options = StaticQuantizationOptions()
  public var method = RangeMethod.mse
  public var format = Format.qdq
  public var smoothing: StaticQuantizer.Smoothing?
  public var equalizes = false
  public var outlierThreshold: Float?
  public var correctsBias = false
  /// Samples that are read at most.
  public var samples: Int?
  public var calibrationPath: String?
  public var cachePaths: [String] = []
  public var evaluationPath: String?
  /// The most that the accuracy may drop: points of top-1 where the evaluation has labels, else 1 - cosine.
  public var accuracyDrop: Double?
  /// How the model is optimized before: 0 to 2.
  public var level = 2
  public var target = OptimizationOptions.Target.onnx
  public var opset: Int?
  public var threads = 0
  public var bindings: [String: Dim] = [:]

  private let source: Model
  private let progress: ((String) -> Void)?

  public init(_ source: Model, progress: ((String) -> Void)? = nil) {
    self.source = source
    self.progress = progress
  }

  public struct Result {
    public var model: Model
    public var coverage: IntegerCoverage
    /// Outputs of the quantized against the float model.
    public var accuracy: Accuracy?
    /// What `accuracyDrop` is held against.
    public var drop: Double? { accuracy?.drop }
    /// Products that stay float, in words, each with its reason.
    public var exceptions: [(node: String, reason: String)] = []
    public var nearMisses: [NearMiss] = []
    /// Weights that were written in fewer bits.
    public var weights: [QuantizedWeight] = []
    /// Ranges and histograms, to be saved.
    public var cache: CalibrationCache?
    public var pruned: PruningJournal?
    public var floats: FloatConversionJournal?
    /// What each product costs when it alone is quantized; empty where nobody asked.
    public var ranking: [SensitivityRanking.Entry] = []
    public var bytesBefore = 0
    public var bytesAfter = 0
    public var samples = 0
  }

  public func run() throws -> Result {
    let float = try optimized()
    let (model, pruned) = try prune(float)
    var session = SessionOptions()
    session.threads = threads
    session.pool = ThreadPool(threads: threads)
    let evaluation = try (evaluationPath ?? calibrationPath).map {
      try Evaluation(float, CalibrationSet(path: $0, model: float), limit: samples, session: session)
    }
    var result: Result
    switch form {
    case .statically: result = try quantizedStatically(model, evaluation, session)
    case .dynamic(let includesConvolutions):
      let (quantized, report) = try Self.apply(
        [DynamicQuantization(options, includesConvolutions: includesConvolutions)], model)
      result = try finish(quantized, evaluation)
      result.nearMisses = report.nearMisses
      result.exceptions = report.nearMisses.map { ($0.node, $0.reason) }
    case .weights(let options, let share): result = try quantizedWeights(model, options, share, evaluation, session)
    case .floats(let options, let kept): result = try converted(model, options, kept, evaluation)
    case .none: result = try finish(model, evaluation)
    }
    result.pruned = pruned
    result.bytesBefore = float.graph.constantBytes
    result.bytesAfter = result.model.graph.constantBytes
    return result
  }

  private func prune(_ model: Model) throws -> (Model, PruningJournal?) {
    guard let pruning else { return (model, nil) }
    let journal = PruningJournal()
    let pass: any Pass =
      switch pruning {
      case .layers(let share): try MagnitudePruning(.layers(sparsity: share), journal: journal)
      case .whole(let share): try MagnitudePruning(.whole(sparsity: share), journal: journal)
      case .twoOfFour: try MagnitudePruning(.twoOfFour, journal: journal)
      case .channels(let share): try ChannelPruning(fraction: share, multiple: 8, journal: journal)
      }
    return (try Self.apply([pass], model).model, journal)
  }

  private func converted(
    _ model: Model, _ options: FloatConversionOptions, _ kept: Set<String>, _ evaluation: Evaluation?
  ) throws -> Result {
    var options = options
    let graph = model.graph
    for id in graph.allNodes where kept.contains(graph[id].name) { options.keptNodes.insert(id) }
    options.keptOperators.formUnion(kept)
    let journal = FloatConversionJournal()
    var result = try finish(try Self.apply([FloatConversion(options, journal: journal)], model).model, evaluation)
    result.floats = journal
    result.exceptions = journal.keptNodes.map { ($0.node, $0.reason) }
    return result
  }

  /// The float model as it is quantized.
  private func optimized() throws -> Model {
    var settings = OptimizationOptions()
    settings.level = level
    settings.maximumOpset = opset
    settings.bindings = bindings
    progress?("optimizing")
    return try Optimizer(options: settings, verification: nil).optimize(source).model
  }

  private func quantizedStatically(_ model: Model, _ evaluation: Evaluation?, _ session: SessionOptions) throws
    -> Result
  {
    guard let calibrationPath else { throw CameoError.badInput("static quantization needs samples") }
    var quantizer = StaticQuantizer(providers: Providers.all(), session: session)
    quantizer.options = options
    if format == .qoperator || target == .ort { quantizer.options.intermediate = .all }
    quantizer.method = method
    quantizer.smoothing = smoothing
    quantizer.equalizes = equalizes
    quantizer.outlierThreshold = outlierThreshold
    quantizer.correctsBias = correctsBias
    quantizer.limit = samples
    for path in cachePaths {
      let read = try within("file \(path)") { try CalibrationCache(contentsOf: path) }
      if quantizer.cache == nil {
        quantizer.cache = read
      } else {
        try within("file \(path)") { try quantizer.cache?.merge(read) }
      }
    }
    let told = progress
    quantizer.progress = { what, done, all in told?("\(what) \(done)" + (all.map { " of \($0)" } ?? "")) }
    let calibrated = try quantizer.calibrate(model, over: CalibrationSet(path: calibrationPath, model: model))
    var (quantized, placement) = try quantizer.quantize(calibrated)
    var result = try finish(try formatted(quantized), evaluation)
    if let accuracyDrop, let evaluation, let drop = result.drop, drop > accuracyDrop {
      let search = AccuracySearch(
        quantizer: quantizer, calibrated: calibrated, evaluation: evaluation, session: session, format: formatted,
        progress: progress)
      let (kept, ranking) = try search.kept(
        drop: accuracyDrop, over: CalibrationSet(path: calibrationPath, model: model))
      (quantized, placement) = try quantizer.quantize(calibrated, keepingFloat: kept)
      result = try finish(try formatted(quantized), evaluation)
      result.ranking = ranking
    }
    result.cache = calibrated.cache
    result.nearMisses = calibrated.nearMisses
    let graph = calibrated.model.graph
    result.exceptions = placement.exceptions.map { (graph.describe($0.node), $0.reason) }
    return result
  }

  private func quantizedWeights(
    _ model: Model, _ options: WeightOnlyOptions, _ share: Double, _ evaluation: Evaluation?, _ session: SessionOptions
  ) throws -> Result {
    var options = options
    let observers = try WeightOnlyQuantizer(options).observers(for: model.graph)
    if !observers.isEmpty {
      guard let calibrationPath else { throw CameoError.badInput("\(options.algorithm.rawValue) needs samples") }
      let told = progress
      try Calibrator(model, providers: Providers.all(), options: session).run(
        observers, over: CalibrationSet(path: calibrationPath, model: model), limit: samples
      ) { done, all in told?("observing \(done)" + (all.map { " of \($0)" } ?? "")) }
    }
    let statistics = WeightOnlyQuantizer.statistics(observers)
    progress?("quantizing weights")
    if share > 0 {
      let journal = WeightOnlyJournal()
      _ = try Self.apply([WeightOnlyQuantizer(options, statistics: statistics, journal: journal)], model, target)
      let wide = try WeightFormat(.int8, groupSize: options.format.groupSize)
      for node in Self.mostSensitive(journal.weights, share: share) { options.overrides[node] = .format(wide) }
    }
    let journal = WeightOnlyJournal()
    let (quantized, report) = try Self.apply(
      [WeightOnlyQuantizer(options, statistics: statistics, journal: journal)], model, target)
    var result = try finish(quantized, evaluation)
    result.weights = journal.weights
    result.exceptions = report.nearMisses.map { ($0.node, $0.reason) }
    return result
  }

  /// The nodes whose weights lose most, up to that share of all numbers.
  private static func mostSensitive(_ weights: [QuantizedWeight], share: Double) -> [NodeID] {
    func size(_ weight: QuantizedWeight) -> Double { Double(weight.rows) * Double(weight.depth) }
    func loss(_ weight: QuantizedWeight) -> Double { weight.relativeOutputError ?? -weight.signalToNoise }
    var left = weights.reduce(0) { $0 + size($1) } * share
    var chosen: [NodeID] = []
    for weight in weights.sorted(by: { loss($0) > loss($1) }) where size(weight) <= left {
      left -= size(weight)
      chosen.append(weight.node)
    }
    return chosen
  }

  private func formatted(_ model: Model) throws -> Model {
    switch (format, target) {
    case (.qoperator, _): return try Self.apply([FuseQuantizedProducts.qlinear], model).model
    default: return model
    }
  }

  private func finish(_ model: Model, _ evaluation: Evaluation?) throws -> Result {
    progress?("comparing")
    let accuracy = try evaluation?.accuracy(of: model)
    return Result(
      model: model, coverage: try IntegerCoverage(model, bindings: evaluation?.bindings ?? [:]), accuracy: accuracy)
  }

  static func apply(
    _ passes: [any Pass], _ model: Model, _ target: OptimizationOptions.Target = .onnx
  ) throws -> (model: Model, report: OptimizationReport) {
    var options = OptimizationOptions()
    options.target = target
    options.maximumOpset = ONNXImporter.newestOpset
    let done = try PassManager(stages: [PassManager.Stage(passes, rounds: 1)], options: options).run(model)
    if let failure = done.report.failures.first { throw CameoError.unsupported(failure) }
    return done
  }
}
