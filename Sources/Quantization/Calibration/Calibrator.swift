public import GraphIR
public import InferenceRuntime
import Tensors

/// Runs a float model over a calibration set and shows its values to observers.
///
/// A value is observed in the run's own memory right after the step that makes it, so memory does not grow with the number of values
/// observed, with the samples or with their shapes: the model, one plan's buffers (`SessionOptions.planCacheLimit` of them where shapes
/// differ, at most 4), one sample, and what the observers hold.
public final class Calibrator {
  private let model: Model
  private let providers: [any ExecutionProvider]
  private let options: SessionOptions
  /// Values of the last run that no sample came past: those of branches not taken.
  public private(set) var unseen: [ValueID] = []

  /// `model` as it is about to be quantized: observers name its values. Its `options.taps` are set by `run`.
  public init(_ model: Model, providers: [any ExecutionProvider], options: SessionOptions = SessionOptions()) {
    self.model = model
    self.providers = providers
    var options = options
    options.planCacheLimit = min(options.planCacheLimit, 4)
    self.options = options
  }

  /// Shows each value to its observers, for at most `limit` samples; the number of samples.
  ///
  /// A constant is shown once. `progress` is called after each sample with the number done and, where it is known, of all. Throws
  /// `.badInput` where there is no sample or a value is never computed, and what a run or an observer throws, with the names of the
  /// sample and the value.
  @discardableResult public func run(
    _ observers: [ValueID: [any ValueObserver]], over set: CalibrationSet, limit: Int? = nil,
    progress: ((Int, Int?) -> Void)? = nil
  ) throws -> Int {
    let graph = model.graph
    var unseen = Set(observers.keys)
    for value in observers.keys.sorted() {
      guard Int(value.index) < graph.valueCapacity, graph.allValues.contains(value) else {
        throw CameoError(.invariant, "\(value) is no value of the model")
      }
      guard let constant = graph.constant(value), graph.producer(value) == nil, !graph.inputs.contains(value) else {
        continue
      }
      try within("value \(graph[value].name)") { for one in observers[value] ?? [] { try one.observe(constant) } }
      unseen.remove(value)
    }
    var options = options
    options.taps = unseen
    let session = try Session(model, providers: providers, options: options)
    let total = set.count.map { min($0, limit ?? $0) } ?? nil
    var done = 0
    try set.forEach(limit: limit) { sample in
      try within(sample.name) {
        _ = try session.run(values: sample.inputs) { value, tensor in
          unseen.remove(value)
          try within("value \(graph[value].name)") { for one in observers[value] ?? [] { try one.observe(tensor) } }
        }
      }
      done += 1
      progress?(done, total)
    }
    guard done > 0 else { throw CameoError.badInput("the calibration set has no sample") }
    if let missing = unseen.sorted().first(where: { graph[$0].region == .main }) {
      throw CameoError.badInput("value \(graph[missing].name) is not computed in any run")
    }
    self.unseen = unseen.sorted()
    return done
  }
}
