import PassKit
import Quantization

/// The report for programs: everything but the histograms' pictures.
enum QuantizationJSON {
  static func document(_ report: QuantizationReport) -> JSON {
    .object([
      ("model", .string(report.model)), ("output", .string(report.output)), ("opset", JSON(report.opset)),
      ("settings", JSON(report.settings)),
      ("samples", .int(report.samples)), ("bytes_before", JSON(report.bytesBefore)),
      ("bytes_after", JSON(report.bytesAfter)),
      (
        "coverage",
        report.coverage.map {
          .object([
            ("products", .int($0.nodes)), ("integer", .int($0.integerNodes)),
            ("source_products", .int($0.sourceNodes)), ("source_integer", .int($0.integerSourceNodes)),
            ("multiply_adds", .int($0.multiplyAdds)),
            ("integer_multiply_adds", .int($0.integerMultiplyAdds)),
          ])
        } ?? .null
      ),
      ("accuracy", report.accuracy.map(accuracy) ?? .null), ("values", .array(report.values.map(value))),
      (
        "layers",
        .array(
          report.rankedLayers.map {
            .object([
              ("node", .string($0.name)), ("own_sqnr_db", JSON($0.ownSQNR)), ("output_sqnr_db", .double($0.outputSQNR)),
              ("integer", .bool($0.isInteger)),
            ])
          })
      ),
      (
        "float",
        .array(
          report.exceptions.map {
            .object([("nodes", JSON($0.nodes)), ("operator", .string($0.type)), ("reason", .string($0.reason))])
          })
      ),
      ("weights", .array(report.weights.map(weight))), ("pruned", pruned(report)),
      ("converted_nodes", JSON(report.convertedNodes)), ("narrow", report.narrow.map(narrow) ?? .null),
      ("held", report.held.map(held) ?? .null), ("speed", report.speed.map(speed) ?? .null),
    ])
  }

  private static func narrow(_ narrow: FloatCoverage) -> JSON {
    .object([
      ("products", .int(narrow.products)), ("narrow", .int(narrow.narrowProducts)),
      ("multiply_adds", .int(narrow.multiplyAdds)), ("narrow_multiply_adds", .int(narrow.narrowMultiplyAdds)),
    ])
  }

  private static func held(_ held: HeldAccuracy) -> JSON {
    .object([
      ("measure", .string(held.measure.rawValue)), ("limit", .double(held.limit)), ("before", .double(held.before)),
      ("after", .double(held.after)), ("models", .int(held.sessions)),
    ])
  }

  private static func speed(_ speed: SpeedComparison) -> JSON {
    .object(timing(speed.main) + [("others", .array(speed.others.map { .object(timing($0)) }))])
  }

  private static func timing(_ timing: SpeedComparison.Timing) -> [(String, JSON)] {
    [
      ("float_ms", .double(timing.floatMilliseconds)), ("ms", .double(timing.milliseconds)),
      ("threads", .int(timing.threads)),
    ]
  }

  private static func weight(_ weight: QuantizedWeight) -> JSON {
    .object([
      ("node", .string(weight.label)), ("format", .string(weight.format.text)),
      ("bytes_before", .int(weight.bytesBefore)),
      ("bytes_after", .int(weight.bytesAfter)), ("sqnr_db", .double(weight.signalToNoise)),
      ("relative_output_error", JSON(weight.relativeOutputError)),
    ])
  }

  private static func pruned(_ report: QuantizationReport) -> JSON {
    let weights = report.prunedWeights.map { weight -> JSON in
      .object([
        ("node", .string(weight.label)), ("numbers", .int(weight.elements)), ("zeros", .int(weight.zeros)),
        ("kept_energy", .double(weight.keptEnergy)),
      ])
    }
    let channels = report.removedChannels.map { removed -> JSON in
      .object([
        ("node", .string(removed.label)), ("before", .int(removed.before)), ("after", .int(removed.after)),
        ("readers", JSON(removed.readers)),
      ])
    }
    return weights.isEmpty && channels.isEmpty
      ? .null : .object([("weights", .array(weights)), ("channels", .array(channels))])
  }

  private static func accuracy(_ accuracy: Accuracy) -> JSON {
    .object([
      ("samples", .int(accuracy.samples)), ("float_top1", JSON(accuracy.floatTop1)), ("top1", JSON(accuracy.top1)),
      (
        "outputs",
        .array(
          accuracy.outputs.map {
            .object([
              ("name", .string($0.name)), ("cosine", .double($0.cosine)), ("least_cosine", .double($0.leastCosine)),
              ("sqnr_db", .double($0.sqnrDecibel)), ("max_rel", .double($0.maxRel)),
              ("argmax_agreement", .double($0.argmaxAgreement)),
            ])
          })
      ),
    ])
  }

  private static func value(_ value: QuantizationReport.Value) -> JSON {
    func ends(_ range: ValueRange) -> JSON { .array([.double(Double(range.minimum)), .double(Double(range.maximum))]) }
    return .object([
      ("name", .string(value.name)), ("readers", JSON(value.readers)), ("type", .string(value.parameters.type.name)),
      ("scale", .double(Double(value.parameters.scale))), ("zero_point", .int(value.parameters.zeroPoint)),
      ("observed", ends(value.observed)), ("range", ends(value.parameters.range)),
      ("clipped", JSON(value.clippedShare)), ("sqnr_db", JSON(value.sqnrDecibel)),
    ])
  }
}
