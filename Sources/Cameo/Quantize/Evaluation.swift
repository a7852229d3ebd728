public import GraphIR
public import InferenceRuntime
import Operators
import PassKit
public import Quantization
import Tensors

/// Samples that a quantized model is compared with the float model on.
///
/// The float model's outputs are computed once and kept, up to `keptBytes`; those of further samples are computed again each time.
public final class Evaluation {
  /// Sizes that the first sample gives to the inputs' symbols.
  public private(set) var bindings: [String: Int] = [:]
  /// The first sample, for comparisons of speed.
  public private(set) var example: CalibrationSample?
  private static let keptBytes = 256 << 20
  let set: CalibrationSet
  /// Samples that are read at most.
  let limit: Int?
  private let session: SessionOptions
  private let outputs: [String]
  /// Of the first samples.
  private var expected: [[String: Tensor]] = []
  /// What computes the others.
  private var float: Session?
  private var labels: [[Int]] = []
  public var samples: Int { labels.count }
  private let floatTop1: Double?

  /// Runs `model`, optimized for this machine, over `set`. An array `label` or `labels` beside the inputs counts top-1.
  public init(_ model: Model, _ set: CalibrationSet, limit: Int? = nil, session: SessionOptions) throws {
    self.set = set
    self.limit = limit
    self.session = session
    outputs = model.graph.outputs.filter { model.graph[$0].type?.dataType?.isFloatingPoint ?? true }.map {
      model.graph[$0].name
    }
    let (_, runner) = try Evaluation.prepared(model, session)
    var counted = Top1()
    var bindings: [String: Int] = [:]
    var expected: [[String: Tensor]] = []
    var labels: [[Int]] = []
    var example: CalibrationSample?
    var bytes = 0
    let outputs = outputs
    try set.forEach(limit: limit) { sample in
      if labels.isEmpty { (example, bindings) = (sample, model.symbolSizes(sample.inputs)) }
      let found = try Evaluation.outputs(outputs, of: runner, sample)
      bytes += found.values.reduce(0) { $0 + $1.byteCount }
      if bytes <= Self.keptBytes || expected.isEmpty { expected.append(found) }
      labels.append(try (sample.others["label"] ?? sample.others["labels"])?.ints() ?? [])
      if let logits = outputs.first.flatMap({ found[$0] }) { try counted.count(logits, labels[labels.count - 1]) }
    }
    if expected.count < labels.count { float = runner }
    self.example = example
    self.bindings = bindings
    self.expected = expected
    self.labels = labels
    floatTop1 = counted.share
  }

  private static func outputs(
    _ names: [String], of session: Session, _ sample: CalibrationSample
  ) throws -> [String: Tensor] {
    let found = try within(sample.name) { try session.run(values: sample.inputs) }
    return found.compactMapValues(\.tensor).filter { names.contains($0.key) }
  }

  /// The model and a session as `cameo run` would make them.
  static func prepared(_ model: Model, _ options: SessionOptions) throws -> (Model, Session) {
    let optimized = try optimized(model)
    return (optimized, try Session(optimized, providers: Providers.all(), options: options))
  }

  /// As far as a model is optimized for running here.
  static func optimized(_ model: Model) throws -> Model {
    var settings = OptimizationOptions()
    settings.level = 3
    return try Optimizer(options: settings, verification: nil).optimize(model).model
  }

  /// The model's outputs over the samples, the first `most` of them, against the float model's. `isAsStored`: it is run node by node,
  /// as it is stored, not optimized for this machine: each result is rounded to its type.
  public func accuracy(of model: Model, most: Int? = nil, isAsStored: Bool = false) throws -> Accuracy {
    let runner =
      try isAsStored
      ? Session(model, providers: Providers.all(), options: session) : Evaluation.prepared(model, session).1
    let limit = [most, self.limit].compactMap { $0 }.min()
    var sums: [String: OutputSums] = [:]
    var counted = Top1()
    var index = 0
    try set.forEach(limit: limit) { sample in
      let found = try Evaluation.outputs(outputs, of: runner, sample)
      let reference =
        index < expected.count
        ? expected[index] : try float.map { try Evaluation.outputs(outputs, of: $0, sample) } ?? [:]
      for name in outputs {
        guard let a = reference[name], let b = found[name] else { continue }
        try sums[name, default: OutputSums()].add(a, b)
      }
      if let logits = outputs.first.flatMap({ found[$0] }) { try counted.count(logits, labels[index]) }
      index += 1
    }
    return Accuracy(
      samples: index, outputs: outputs.compactMap { name in sums[name].map { $0.result(name) } }, floatTop1: floatTop1,
      top1: counted.share)
  }
}
