import GraphIR
import InferenceRuntime
import Operators
import PassKit
import Passes
import Quantization
import Tensors

/// Weight-only quantization and pruning.
extension QuantizationRun {
  func prune(_ model: Model) throws -> (Model, PruningJournal?) {
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

  func quantizedWeights(
    _ model: Model, _ options: WeightOnlyOptions, _ share: Double, _ setting: Setting
  ) throws -> Result {
    var options = options
    let observers = try WeightOnlyQuantizer(options).observers(for: model.graph)
    if !observers.isEmpty {
      guard let calibrationPath else { throw CameoError.badInput("\(options.algorithm.rawValue) needs samples") }
      let told = progress
      try Calibrator(model, providers: Providers.all(), options: setting.session).run(
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
    var result = try finish(quantized, setting)
    result.weights = journal.weights
    result.nearMisses = report.nearMisses
    result.exceptions = report.nearMisses.map(QuantizationReport.Exception.init)
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
}
