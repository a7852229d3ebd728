import ArgumentParser
import Cameo
import PassKit
import Quantization
import Tensors

/// How values' ranges are found.
enum MethodName: String, ExpressibleByArgument, CaseIterable {
  case minmax, moving, percentile, entropy, mse
}

/// Integer types by their short names.
enum IntegerName: String, ExpressibleByArgument, CaseIterable {
  case u8, s8, u16, s16, u4, s4

  var type: DataType {
    switch self {
    case .u8: .uint8
    case .s8: .int8
    case .u16: .uint16
    case .s16: .int16
    case .u4: .uint4
    case .s4: .int4
    }
  }
}

/// `0.8`, or `auto`.
enum SmoothingArgument: ExpressibleByArgument {
  case alpha(Float)
  case auto

  init?(argument: String) {
    if argument == "auto" {
      self = .auto
    } else if let alpha = Float(argument), (0...1).contains(alpha) {
      self = .alpha(alpha)
    } else {
      return nil
    }
  }

  var smoothing: StaticQuantizer.Smoothing {
    switch self {
    case .alpha(let alpha): .alpha(alpha)
    case .auto: .searched
    }
  }
}

extension QuantizationRun.Format: ExpressibleByArgument {}
extension StaticQuantizationOptions.Intermediate: ExpressibleByArgument {}
extension Accuracy.Measure: ExpressibleByArgument {}

/// Static quantization.
struct StaticArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Samples: a folder of .npz, .npy or test_data_set_N, or one .npz with samples along the first axis.",
      valueName: "dir|file"))
  var calibration: String?
  @Option(help: ArgumentHelp("Read so many samples at most.", valueName: "n")) var samples: Int?
  @Option(help: ArgumentHelp("How ranges are found (default: mse).", valueName: "method")) var method: MethodName = .mse
  @Option(help: ArgumentHelp("The share kept by --method percentile (default: 99.999).", valueName: "percent"))
  var percentile = 99.999
  @Option(help: ArgumentHelp("u8 (default), s8, u16 or s16.", valueName: "type")) var activations: IntegerName = .u8
  @Option(help: ArgumentHelp("s8 (default), u8, s4 or u4.", valueName: "type")) var weights: IntegerName = .s8
  @Flag(inversion: .prefixedNo, help: "One scale for each output channel of the weights.") var perChannel = true
  @Flag(help: "One scale for a whole weight.") var perTensor = false
  @Flag(help: "Zero points in the middle for activations, too.") var symmetric = false
  @Option(help: ArgumentHelp("qdq (default) or qoperator.", valueName: "format")) var format: QuantizationRun.Format =
    .qdq
  @Option(
    help: ArgumentHelp("needed (default): what products read; all: every product's result, too.", valueName: "which"))
  var intermediate: StaticQuantizationOptions.Intermediate?
  @Option(
    help: ArgumentHelp("A node, by name, or an operator, by type, that stays float. Repeatable.", valueName: "node|op"))
  var exclude: [String] = []
  @Option(
    help: ArgumentHelp(
      "Ranges from a file that --save-calibration wrote; edited ones win. Repeatable.", valueName: "file"))
  var calibrationCache: [String] = []
  @Option(help: ArgumentHelp("Write the ranges and histograms to a file.", valueName: "file")) var saveCalibration:
    String?

  func validate() throws {
    guard [.u8, .s8, .u16, .s16].contains(activations) else {
      throw ValidationError("--activations is u8, s8, u16 or s16")
    }
    guard [.u8, .s8, .u4, .s4].contains(weights) else { throw ValidationError("--weights is s8, u8, s4 or u4") }
    guard percentile > 50, percentile <= 100 else { throw ValidationError("--percentile is above 50 and at most 100") }
  }

  var rangeMethod: RangeMethod {
    switch method {
    case .minmax: .minmax
    case .moving: .moving(momentum: 0.1)
    case .percentile: .percentile(percentile)
    case .entropy: .entropy
    case .mse: .mse
    }
  }

  func apply(to run: inout QuantizationRun, _ accuracy: AccuracyArguments) throws {
    run.options.activations = activations.type
    run.options.weights = weights.type
    run.options.isPerChannel = perChannel && !perTensor
    run.options.isSymmetric = symmetric
    run.options.excluded = Set(exclude)
    if let intermediate { run.options.intermediate = intermediate }
    run.format = format
    run.method = rangeMethod
    run.samples = samples
    run.calibrationPath = calibration
    run.cachePaths = calibrationCache
  }
}

/// What keeps the accuracy up, and what measures it.
struct AccuracyArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp("Move outliers of a product's data to its weights: 0 to 1, or auto.", valueName: "alpha"))
  var smoothQuant: SmoothingArgument?
  @Flag(help: "Round weights for their products' results to stay close (GPTQ), not each to the nearest integer.")
  var gptq = false
  @Flag(help: "Correct biases for the mean of what rounding weights takes away.") var biasCorrection = false
  @Flag(help: "Even out channels between convolutions first.") var equalize = false
  @Option(
    help: ArgumentHelp("Multiply channels in float that are so many times larger than the median.", valueName: "times"))
  var outliers: Float?
  @Option(
    help: ArgumentHelp(
      "Keep so many of the most sensitive products float (with --precision: nodes float32) that the accuracy drops by no more: points of top-1 (0.5) where --evaluate has labels, else 1 - cosine (0.01), or what --accuracy-measure says.",
      valueName: "drop"))
  var accuracyDrop: Double?
  @Option(
    help: ArgumentHelp(
      "auto (default), cosine, argmax: points of the rows whose greatest number stands elsewhere (2), or max: the greatest max|a-b| / max|a| of an output and a sample (0.02).",
      valueName: "measure"))
  var accuracyMeasure: Accuracy.Measure = .automatic
  @Option(
    help: ArgumentHelp(
      "Samples to compare with the float model on; an array `label` (or `labels`) counts top-1. Default: the calibration set.",
      valueName: "dir|file"))
  var evaluate: String?
  @Flag(help: "Quantize each product alone and rank them by what that costs, for the report.") var sensitivity = false

  func apply(to run: inout QuantizationRun) throws {
    run.smoothing = smoothQuant?.smoothing
    run.correctsBias = biasCorrection
    run.roundsByData = gptq
    run.equalizes = equalize
    run.outlierThreshold = outliers
    run.accuracyDrop = accuracyDrop
    run.accuracyMeasure = accuracyMeasure
    run.evaluationPath = evaluate
    run.ranksLayers = sensitivity
  }
}

/// `32`, or `channel`.
enum GroupSize: ExpressibleByArgument {
  case size(Int)
  case channel

  init?(argument: String) {
    if argument == "channel" {
      self = .channel
    } else if let size = Int(argument), WeightFormat.groupSizes.contains(size) {
      self = .size(size)
    } else {
      return nil
    }
  }

  var value: Int? { if case .size(let size) = self { size } else { nil } }
}

extension WeightFormat.Encoding: ExpressibleByArgument {}
extension WeightAlgorithm: ExpressibleByArgument {}

/// What `--precision` converts to.
enum FloatName: String, ExpressibleByArgument, CaseIterable {
  case fp16, bf16

  var type: DataType { self == .fp16 ? .float16 : .bfloat16 }
}

/// `0.5`, `whole:0.5`, `2:4` or `channels:0.25`.
struct PruningArgument: ExpressibleByArgument {
  let pruning: QuantizationRun.Pruning

  init?(argument: String) {
    let parts = argument.split(separator: ":", maxSplits: 1).map(String.init)
    func share(_ text: String) -> Double? { Double(text).flatMap { (0..<1).contains($0) ? $0 : nil } }
    switch (parts.count, parts.first) {
    case (1, let text?): guard let share = share(text) else { return nil }; pruning = .layers(share)
    case (2, "2") where parts[1] == "4": pruning = .twoOfFour
    case (2, "whole"): guard let share = share(parts[1]) else { return nil }; pruning = .whole(share)
    case (2, "channels"): guard let share = share(parts[1]) else { return nil }; pruning = .channels(share)
    default: return nil
    }
  }
}

/// Forms other than static.
struct FormArguments: ParsableArguments {
  @Flag(help: "Quantize the data of products in each run, by its own range.") var dynamic = false
  @Flag(help: "With --dynamic: convolutions, too.") var convolutions = false
  @Option(
    help: ArgumentHelp(
      "Only the weights: \(WeightFormat.Encoding.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "type")
  )
  var weightOnly: WeightFormat.Encoding?
  @Option(
    help: ArgumentHelp(
      "Numbers that share a scale: \(WeightFormat.groupSizes.map(String.init).joined(separator: ", ")), or channel (default: 32).",
      valueName: "n"))
  var groupSize = GroupSize.size(32)
  @Option(
    help: ArgumentHelp(
      "\(WeightAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")) (default: rtn; awq and gptq need --calibration).",
      valueName: "name"))
  var algorithm = WeightAlgorithm.roundToNearest
  @Flag(help: "A zero point for each block (always with hqq and unsigned types).") var affine = false
  @Flag(help: "Tables that Gather takes rows from, too.") var embeddings = false
  @Flag(help: "nf4 and fp4: the scales in 8 bits.") var doubleQuantization = false
  @Option(
    help: ArgumentHelp(
      "The share of the weights, in percent, that is int8 instead: the most sensitive ones.", valueName: "percent"))
  var sensitiveInt8: Double?
  @Option(help: ArgumentHelp("Let the model compute in fp16 or bf16.", valueName: "type")) var precision: FloatName?
  @Option(
    help: ArgumentHelp(
      "With --precision: a node, by name, or an operator, by type, that stays float32. Repeatable.",
      valueName: "node|op"))
  var keep: [String] = []
  @Flag(
    help: "With --precision: constants beyond the type's range are clamped, instead of their nodes staying float32.")
  var clamp = false
  @Option(
    help: ArgumentHelp(
      "Set the smallest weights to 0 first: a share of each weight (0.5), of all together (whole:0.5), 2:4, or take out channels (channels:0.25).",
      valueName: "what"))
  var prune: PruningArgument?

  func validate() throws {
    if let sensitiveInt8, !(0...100).contains(sensitiveInt8) { throw ValidationError("--sensitive-int8 is 0 to 100") }
  }

  func apply(to run: inout QuantizationRun) throws {
    run.pruning = prune?.pruning
    if dynamic { run.form = .dynamic(includesConvolutions: convolutions) }
    if let precision {
      var options = try FloatConversionOptions(precision.type)
      if clamp { options.overflow = .clamp }
      run.form = .floats(options, keeping: Set(keep))
    }
    guard let weightOnly else { return }
    let isAffine = affine || algorithm == .hqq
    let format = try WeightFormat(
      weightOnly, groupSize: groupSize.value, scheme: isAffine ? .affine : nil, quantizesScales: doubleQuantization)
    var options = WeightOnlyOptions(format)
    options.algorithm = algorithm
    options.searchesClipping = algorithm == .roundToNearest && weightOnly != .int8 && weightOnly != .uint8
    if embeddings {
      options.embeddingFormat = try WeightFormat(weightOnly, groupSize: groupSize.value, scheme: affine ? .affine : nil)
    }
    run.form = .weights(options, sensitiveShare: (sensitiveInt8 ?? 0) / 100)
  }
}

/// What is written, and where it may run.
struct QuantizedFileArguments: ParsableArguments {
  @Option(help: ArgumentHelp("0 to 2: how the model is optimized before (default: 2).", valueName: "level")) var level =
    2
  @Option(help: ArgumentHelp("onnx: standard operators only (default); ort: also com.microsoft.", valueName: "target"))
  var target: OptimizationOptions.Target = .onnx
  @Option(
    help: ArgumentHelp("The opset of the result (default: the source's, raised only as far as needed).", valueName: "n")
  )
  var opset: Int?
  @Option(help: ArgumentHelp("Threads that run the samples (default: one a core).", valueName: "n")) var threads = 0
  @Flag(help: "Do not time the result against the float model, and leave no product float for being slower.")
  var noTiming = false
  @Option(help: ArgumentHelp("Write a report: FILE.html, .json or .md. Repeatable.", valueName: "file")) var report:
    [String] = []
  @Flag(help: "Write the tensors beside the file, to OUT.data.") var externalData = false
  @OptionGroup var dims: DimArguments

  func validate() throws {
    guard (0...2).contains(level) else { throw ValidationError("--level is 0 to 2") }
    for path in report where (try? ReportFormat(path: path)) == nil {
      throw ValidationError("--report is FILE.html, FILE.json or FILE.md, not \(path)")
    }
  }
}
