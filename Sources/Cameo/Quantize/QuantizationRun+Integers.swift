import GraphIR
import InferenceRuntime
import Operators
import PassKit
import Passes
import Quantization
import Tensors

/// Integer products: static and dynamic quantization.
extension QuantizationRun {
  func quantizedStatically(_ model: Model, _ setting: Setting) throws -> Result {
    guard let calibrationPath else { throw CameoError.badInput("static quantization needs samples") }
    let set = try CalibrationSet(path: calibrationPath, model: model)
    let quantizer = try quantizer(setting.session)
    let calibrated = try quantizer.calibrate(model, over: set)
    MemoryBudget.trim()
    var kept: [String: String] = [:]
    var quantized = try quantizer.quantize(calibrated)
    var result = try compared(try formatted(quantized.model), setting)
    let graph = calibrated.model.graph
    var ranking: [SensitivityRanking.Entry] = []
    if let evaluation = setting.evaluation {
      let search = AccuracySearch(
        quantizer: quantizer, calibrated: calibrated, evaluation: evaluation, measure: accuracyMeasure,
        session: setting.session, format: formatted, progress: progress)
      let isTooFar = accuracyDrop.map { result.drop ?? 0 > $0 } ?? false
      if isTooFar || ranksLayers { ranking = try search.ranking(over: set) }
      if let accuracyDrop, isTooFar { kept = try search.kept(drop: accuracyDrop, ranking) }
    }
    if checksSpeed, let measurement = try setting.measurement() {
      let nodes = quantized.placement.products.map(\.node)
      let search = SpeedSearch.of(nodes, in: calibrated.model, measurement, progress: progress) { slow in
        try formatted(try quantizer.quantize(calibrated, keepingFloat: kept.merging(slow) { a, _ in a }).model)
      }
      if !kept.isEmpty { quantized = try quantizer.quantize(calibrated, keepingFloat: kept) }
      let found = try search.kept(from: try formatted(quantized.model))
      kept.merge(found.kept) { a, _ in a }
      result.speed = found.speed
    }
    if !kept.isEmpty {
      let speed = result.speed
      quantized = try quantizer.quantize(calibrated, keepingFloat: kept)
      result = try compared(try formatted(quantized.model), setting)
      result.speed = speed
    }
    result.cache = calibrated.cache
    result.nearMisses = calibrated.nearMisses
    result.values = quantized.placement.values.compactMap { value in
      let name = graph[value.value].name
      let entry = calibrated.cache.entries[name]
      return QuantizationReport.Value(
        name: name, readers: value.readers.map { calibrated.model.label($0.node) },
        observed: entry?.observed ?? quantized.parameters[value.group].range,
        parameters: quantized.parameters[value.group], histogram: entry?.histogram)
    }
    let integers = Set(quantized.placement.products.map(\.node))
    result.layers = ranking.map { entry in
      QuantizationReport.Layer(
        name: calibrated.model.label(entry.node), ownSQNR: entry.own?.sqnrDecibel,
        outputSQNR: entry.outputs.sqnrDecibel, isInteger: integers.contains(entry.node))
    }
    // What the quantizer was told to leave is said in its words, not in those of the pass that finds floats there.
    result.coverage.explain(quantized.placement.exceptions.map { (graph[$0.node].origins, $0.reason) })
    result.exceptions = quantized.placement.exceptions.map {
      QuantizationReport.Exception(
        nodes: [calibrated.model.label($0.node)], type: graph[$0.node].type, reason: $0.reason)
    }
    return result
  }

  func quantizedDynamically(_ model: Model, _ includesConvolutions: Bool, _ setting: Setting) throws -> Result {
    func quantize(_ kept: [String: String]) throws -> (model: Model, report: OptimizationReport) {
      var options = options
      options.kept.merge(kept) { a, _ in a }
      return try Self.apply([DynamicQuantization(options, includesConvolutions: includesConvolutions)], model)
    }
    var quantized = try quantize([:])
    var speed: SpeedComparison?
    if checksSpeed, let measurement = try setting.measurement() {
      let graph = model.graph
      let nodes = graph.allNodes.filter { ["MatMul", "Gemm", "Conv"].contains(graph[$0].type) }
      let search = SpeedSearch.of(nodes, in: model, measurement, progress: progress) { try quantize($0).model }
      let found = try search.kept(from: quantized.model)
      if !found.kept.isEmpty { quantized = try quantize(found.kept) }
      speed = found.speed
    }
    var result = try compared(quantized.model, setting)
    result.speed = speed
    result.nearMisses = quantized.report.nearMisses
    result.coverage.explain(quantized.report.nearMisses.map { (Origins($0.origins.map { UInt32($0) }), $0.reason) })
    result.exceptions = quantized.report.nearMisses.map(QuantizationReport.Exception.init)
    return result
  }

  private func quantizer(_ session: SessionOptions) throws -> StaticQuantizer {
    var quantizer = StaticQuantizer(providers: Providers.all(), session: session)
    quantizer.options = options
    if format == .qoperator || target == .ort { quantizer.options.intermediate = .all }
    quantizer.method = method
    quantizer.smoothing = smoothing
    quantizer.equalizes = equalizes
    quantizer.outlierThreshold = outlierThreshold
    quantizer.correctsBias = correctsBias
    quantizer.roundsByData = roundsByData
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
    return quantizer
  }

  private func formatted(_ model: Model) throws -> Model {
    switch (format, target) {
    case (.qoperator, _): return try Self.apply([FuseQuantizedProducts.qlinear], model).model
    default: return model
    }
  }
}

extension Model {
  /// The source node that a node stands for, as messages name it: the first of its kind, else the first.
  func label(_ node: NodeID) -> String {
    let origins = graph[node].origins.indices
    let same = origins.first {
      Int($0) < sourceNodes.count && sourceNodes[Int($0)].operatorName == graph[node].operatorName
    }
    return (same ?? origins.first).map { sourceLabel($0) } ?? graph.describe(node)
  }
}
