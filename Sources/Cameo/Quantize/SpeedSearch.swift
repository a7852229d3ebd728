import GraphIR
import InferenceRuntime
import Quantization

/// Leaves products float that cost more as integers, where the whole model would be slower than the float one.
///
/// A model that is faster is left as it is: what it holds then does not depend on the clock.
struct SpeedSearch {
  /// Times a model beside the float one.
  let compare: (Model) throws -> SpeedComparison
  /// Milliseconds of the products in the float model and in the one given, on so many threads.
  let costs: (Model, Int) throws -> [NodeID: (float: Double, quantized: Double)]
  /// The products that may stay float, by the name of the result.
  let names: [NodeID: String]
  /// The model with the named results made in float.
  let quantize: ([String: String]) throws -> Model
  let progress: ((String) -> Void)?

  /// `nodes` of `model`: the products that may stay float.
  static func of(
    _ nodes: [NodeID], in model: Model, _ measurement: SpeedMeasurement, progress: ((String) -> Void)?,
    quantize: @escaping ([String: String]) throws -> Model
  ) -> SpeedSearch {
    let origins = Dictionary(uniqueKeysWithValues: nodes.map { ($0, model.graph[$0].origins) })
    return SpeedSearch(
      compare: measurement.compare, costs: { try measurement.costs($0, of: origins, threads: $1) },
      names: Dictionary(
        uniqueKeysWithValues: nodes.map { node in
          (node, model.graph[node].output(0).map { model.graph[$0].name } ?? "")
        }),
      quantize: quantize, progress: progress)
  }

  /// Slower than this, and nothing better is found: every product stays float. What is nearer may be the clock's noise.
  private static let leastRatio = 0.97

  /// What has to stay float, by the name of its result, with the reason for the report; and how fast the model is then: what counts is the
  /// number of threads that gains least. At most six models are timed.
  func kept(from model: Model) throws -> (kept: [String: String], speed: SpeedComparison) {
    progress?("timing")
    let first = try compare(model)
    let worst = first.least
    guard worst.ratio < 1, !names.isEmpty else { return ([:], first) }
    progress?("looking for what is slower as integers")
    let costs = try costs(model, worst.threads)
    // What stands for no product (conversions between floats and integers) is shared by all.
    let shared = max(0, worst.milliseconds - costs.values.reduce(0) { $0 + $1.quantized })
    let each = shared / Double(names.count)
    var best: (kept: [String: String], speed: SpeedComparison) = ([:], first)
    var tried = 0
    for extra in [0, each, 2 * each, 4 * each] {
      let slower = costs.filter { $0.value.quantized + extra > $0.value.float }
      // The more it has to carry, the more products stay float.
      if slower.count == tried || slower.count == costs.count { continue }
      tried = slower.count
      var kept: [String: String] = [:]
      for (node, cost) in slower { kept[names[node] ?? ""] = Self.reason(cost.float, cost.quantized + extra) }
      progress?("timing with \(kept.count) products in float")
      let speed = try compare(try quantize(kept))
      if speed.least.ratio > best.speed.least.ratio { best = (kept, speed) }
    }
    guard best.speed.least.ratio < Self.leastRatio else { return best }
    let ratio = Figures.fixed(1 / best.speed.least.ratio, 2)
    let reason = "with the products that gain most as integers a run takes \(ratio) times the float model's time here"
    let all = Dictionary(names.values.map { ($0, reason) }, uniquingKeysWith: { a, _ in a })
    return (all, try compare(try quantize(all)))
  }

  private static func reason(_ float: Double, _ quantized: Double) -> String {
    "it is no faster as an integer product here (\(Figures.milliseconds(quantized)), float \(Figures.milliseconds(float)))"
  }
}
