import PassKit
import Quantization
import Tensors

extension QuantizationRun {
  /// How the model is quantized, in a few words each, for the report.
  var settings: [String] {
    let before = pruning.map { [$0.summary] } ?? []
    switch form {
    case .statically:
      var words = [
        "static", "\(options.activations) data\(options.isSymmetric ? ", symmetric" : "")",
        "\(options.weights) weights per \(options.isPerChannel ? "channel" : "tensor")", "ranges by \(method.summary)",
        "\(format.rawValue)",
      ]
      if equalizes { words.append("channels equalized") }
      switch smoothing {
      case .alpha(let alpha)?: words.append("SmoothQuant \(Figures.short(Double(alpha)))")
      case .searched?: words.append("SmoothQuant, alpha searched")
      case nil: break
      }
      if let outlierThreshold {
        words.append("outliers above \(Figures.short(Double(outlierThreshold))) medians in float")
      }
      if roundsByData { words.append("weights rounded by GPTQ") }
      if correctsBias { words.append("biases corrected") }
      return before + words
    case .dynamic:
      return before + ["dynamic", "\(options.weights) weights per \(options.isPerChannel ? "channel" : "tensor")"]
    case .weights(let options, let share):
      let wide = share > 0 ? ["\(Figures.short(share * 100)) % of the weights int8"] : []
      return before + ["weights only", options.format.text, options.algorithm.rawValue] + wide
    case .floats(let options, _): return before + ["computes in \(options.type)"]
    case .none: return before
    }
  }
}

extension QuantizationRun.Form {
  /// True where products are to multiply integers.
  var multipliesIntegers: Bool {
    switch self {
    case .statically, .dynamic: true
    case .weights, .floats, .none: false
    }
  }
}

extension QuantizationRun.Pruning {
  var summary: String {
    switch self {
    case .layers(let share): "\(Figures.share(share)) of each weight pruned"
    case .whole(let share): "\(Figures.share(share)) of all weights pruned"
    case .twoOfFour: "2:4 pruned"
    case .channels(let share): "\(Figures.share(share)) of the channels pruned"
    }
  }
}

extension RangeMethod {
  var summary: String {
    switch self {
    case .minmax: "minmax"
    case .moving(let momentum): "moving averages (\(momentum))"
    case .percentile(let percent): "percentile \(percent)"
    case .entropy: "entropy"
    case .mse: "mse"
    }
  }
}

extension QuantizationReport.Exception {
  init(_ miss: NearMiss) {
    self.init(nodes: miss.originNames.isEmpty ? [miss.node] : miss.originNames, type: "", reason: miss.reason)
  }
}

extension QuantizationReport {
  /// What a run did with `model`, written to `output`.
  public init(_ result: QuantizationRun.Result, model: String, output: String = "", opset: Int? = nil) {
    self.init(model: model)
    self.output = output
    self.opset = opset
    settings = result.settings
    samples = result.samples
    (bytesBefore, bytesAfter) = (result.bytesBefore, result.bytesAfter)
    if result.form.multipliesIntegers {
      let coverage = result.coverage
      self.coverage = Coverage(
        integerNodes: coverage.integerCount, nodes: coverage.products.count,
        integerSourceNodes: coverage.integerSourceCount, sourceNodes: coverage.sourceCount,
        integerMultiplyAdds: coverage.integerMultiplyAdds, multiplyAdds: coverage.multiplyAdds)
      exceptions = coverage.products.filter { !$0.isInteger }.map {
        Exception(nodes: $0.names, type: $0.type, reason: $0.reason ?? "")
      }
    }
    let counted = Set(exceptions.flatMap(\.nodes))
    exceptions += result.exceptions.filter { !$0.nodes.contains(where: counted.contains) }
    accuracy = result.accuracy
    values = result.values
    layers = result.layers
    weights = result.weights
    prunedWeights = result.pruned?.weights ?? []
    removedChannels = result.pruned?.channels ?? []
    convertedNodes = result.floats?.convertedNodes
    (narrow, held) = (result.narrow, result.held)
    speed = result.speed
  }
}
