public import GraphIR
import InferenceRuntime
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
  public var roundsByData = false
  /// Samples that are read at most.
  public var samples: Int?
  public var calibrationPath: String?
  public var cachePaths: [String] = []
  public var evaluationPath: String?
  /// The most that the accuracy may drop, counted in `accuracyMeasure`.
  public var accuracyDrop: Double?
  public var accuracyMeasure = Accuracy.Measure.automatic
  /// Whether each product is quantized alone, to rank them by what that costs. One preparation and a few runs for each.
  public var ranksLayers = false
  /// Whether the result is timed against the float model, and parts that are slower stay float where all of it would be.
  public var checksSpeed = true
  /// How the model is optimized before: 0 to 2.
  public var level = 2
  public var target = OptimizationOptions.Target.onnx
  public var opset: Int?
  public var threads = 0
  public var bindings: [String: Dim] = [:]

  let source: Model
  let progress: ((String) -> Void)?

  public init(_ source: Model, progress: ((String) -> Void)? = nil) {
    self.source = source
    self.progress = progress
  }

  public struct Result {
    public let form: Form
    public var model: Model
    public var coverage: IntegerCoverage
    /// How it was quantized, in a few words each.
    public var settings: [String] = []
    /// How fast it runs beside the float model; nil where nobody asked or there is no sample.
    public var speed: SpeedComparison?
    /// Outputs of the quantized against the float model.
    public var accuracy: Accuracy?
    /// What `accuracyDrop` is held against.
    public internal(set) var drop: Double?
    /// Values that are kept in integers.
    public var values: [QuantizationReport.Value] = []
    /// What the quantizer left float, and why. What became of the products of the written file is in `coverage`.
    public var exceptions: [QuantizationReport.Exception] = []
    public var nearMisses: [NearMiss] = []
    /// Weights that were written in fewer bits.
    public var weights: [QuantizedWeight] = []
    /// Ranges and histograms, to be saved.
    public var cache: CalibrationCache?
    public var pruned: PruningJournal?
    public var floats: FloatConversionJournal?
    /// How much computes in the narrower floats.
    public var narrow: FloatCoverage?
    /// What it took to have `accuracyDrop` with narrower floats.
    public internal(set) var held: HeldAccuracy?
    /// What each product costs when it alone is quantized; empty where nobody asked.
    public var layers: [QuantizationReport.Layer] = []
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
    MemoryBudget.trim()
    let setting = Setting(evaluation: evaluation, session: session, float: float)
    var result: Result
    switch form {
    case .statically: result = try quantizedStatically(model, setting)
    case .dynamic(let includesConvolutions): result = try quantizedDynamically(model, includesConvolutions, setting)
    case .weights(let options, let share): result = try quantizedWeights(model, options, share, setting)
    case .floats(let options, let kept): result = try converted(model, options, kept, setting)
    case .none: result = try finish(model, setting)
    }
    result.pruned = pruned
    result.settings = settings
    result.bytesBefore = float.graph.constantBytes
    result.bytesAfter = result.model.graph.constantBytes
    result.samples = evaluation?.samples ?? 0
    return result
  }

  /// What every form is compared on.
  struct Setting {
    let evaluation: Evaluation?
    let session: SessionOptions
    /// Optimized, neither pruned nor quantized.
    let float: Model

    /// nil without a sample.
    func measurement() throws -> SpeedMeasurement? {
      try evaluation?.example.map { try SpeedMeasurement(float, $0, session) }
    }
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

  /// The result of a form that leaves nothing to choose: compared and timed.
  func finish(_ model: Model, _ setting: Setting) throws -> Result {
    var result = try compared(model, setting)
    if checksSpeed, let measurement = try setting.measurement() {
      progress?("timing")
      result.speed = try measurement.compare(model)
    }
    return result
  }

  /// Compared, not timed.
  func compared(_ model: Model, _ setting: Setting) throws -> Result {
    progress?("comparing")
    let coverage = try IntegerCoverage(model, bindings: setting.evaluation?.bindings ?? [:])
    MemoryBudget.trim()
    let accuracy = try setting.evaluation?.accuracy(of: model)
    return Result(
      form: form, model: model, coverage: coverage, accuracy: accuracy,
      drop: accuracy?.drop(by: accuracyMeasure))
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
