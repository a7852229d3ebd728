import GraphIR
import InferenceRuntime
import Operators
import Quantization
import Tensors

/// Finds the products that have to stay float for the accuracy to drop by no more than asked for.
///
/// Products are ranked by what quantizing each alone does to the outputs. The fewest at the head of the ranking that suffice are found by
/// halving; then those that save the most multiply-adds are given back as long as the drop allows it. log2(n) + `returns` evaluations.
struct AccuracySearch {
  /// How many products are tried to be given back.
  private static let returns = 16
  let quantizer: StaticQuantizer
  let calibrated: StaticQuantizer.Calibrated
  let evaluation: Evaluation
  let measure: Accuracy.Measure
  let session: SessionOptions
  let format: (Model) throws -> Model
  let progress: ((String) -> Void)?

  /// The products by falling cost.
  func ranking(over set: CalibrationSet) throws -> [SensitivityRanking.Entry] {
    let nodes = calibrated.placement.products.map(\.node)
    let names = Dictionary(uniqueKeysWithValues: nodes.map { ($0, calibrated.resultName($0)) })
    return try SensitivityRanking(calibrated.model, providers: Providers.all(), options: session).rank(
      nodes, over: set, progress: { progress?("ranking \($0) of \($1)") }
    ) { node in
      let others = names.filter { $0.key != node }.values
      return try quantizer.quantize(
        calibrated,
        keepingFloat: Dictionary(others.map { ($0, "it is not the one looked at") }, uniquingKeysWith: { a, _ in a })
      ).model
    }
  }

  /// What stays float, by the name of its result, with the reason for the report.
  func kept(drop limit: Double, _ ranking: [SensitivityRanking.Entry]) throws -> [String: String] {
    func reason(_ entry: SensitivityRanking.Entry) -> String {
      let loss = (entry.outputs.sqnrDecibel * 10).rounded() / 10
      return "quantized alone it leaves \(loss) dB at the outputs: kept for the accuracy asked for"
    }
    func drop(_ entries: [SensitivityRanking.Entry]) throws -> Double {
      progress?("comparing with \(entries.count) products in float")
      let float = Dictionary(entries.map { ($0.value, reason($0)) }, uniquingKeysWith: { a, _ in a })
      let model = try quantizer.quantize(calibrated, keepingFloat: float).model
      return try evaluation.accuracy(of: try format(model)).drop(by: measure) ?? 0
    }
    // Invariant: `low` products in float are not enough, `high` are (all of them, whatever that gives).
    var (low, high) = (0, ranking.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if try drop(Array(ranking[..<middle])) <= limit { high = middle } else { low = middle }
    }
    var chosen = Array(ranking[..<high])
    let sizes = try multiplyAdds()
    for entry in chosen.sorted(by: { sizes[$0.node] ?? 0 > sizes[$1.node] ?? 0 }).prefix(Self.returns)
    where chosen.count > 1 {
      let rest = chosen.filter { $0.node != entry.node }
      if try drop(rest) <= limit { chosen = rest }
    }
    return Dictionary(chosen.map { ($0.value, reason($0)) }, uniquingKeysWith: { a, _ in a })
  }

  /// Of the products, for the first sample's shapes.
  private func multiplyAdds() throws -> [NodeID: Int] {
    let graph = calibrated.model.graph
    var settings = ShapeInference.Options()
    settings.isLenient = true
    settings.bindings = evaluation.bindings.mapValues { Dim($0) }
    let inference = ShapeInference(graph, functions: calibrated.model.functions, options: settings)
    try inference.run()
    var sizes: [NodeID: Int] = [:]
    for product in calibrated.placement.products {
      let node = graph[product.node]
      let shapes = { (values: [ValueID?]) in values.map { $0.flatMap { inference[$0].shape } } }
      sizes[product.node] =
        Contraction.multiplyAdds(node, inputs: shapes(node.inputs), outputs: shapes(node.outputs))?.value
    }
    return sizes
  }
}
