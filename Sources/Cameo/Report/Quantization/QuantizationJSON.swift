import PassKit
import Quantization

/// The report for programs: everything but the histograms' pictures.
enum QuantizationJSON {
  static func document(_ report: QuantizationReport) -> JSON {
    .object([
      ("model", .string(report.model)), ("output", .string(report.output)), ("settings", JSON(report.settings)),
      ("samples", .int(report.samples)), ("bytes_before", JSON(report.bytesBefore)),
      ("bytes_after", JSON(report.bytesAfter)),
      (
        "coverage",
        report.coverage.map {
          .object([
            ("products", .int($0.nodes)), ("integer", .int($0.integerNodes)), ("multiply_adds", .int($0.multiplyAdds)),
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
        .array(report.exceptions.map { .object([("node", .string($0.node)), ("reason", .string($0.reason))]) })
      ),
    ])
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
              ("sqnr_db", .double($0.sqnrDecibel)), ("argmax_agreement", .double($0.argmaxAgreement)),
            ])
          })
      ),
    ])
  }

  private static func value(_ value: QuantizationReport.Value) -> JSON {
    func ends(_ range: ValueRange) -> JSON { .array([.double(Double(range.minimum)), .double(Double(range.maximum))]) }
    return .object([
      ("name", .string(value.name)), ("type", .string(value.parameters.type.name)),
      ("scale", .double(Double(value.parameters.scale))), ("zero_point", .int(value.parameters.zeroPoint)),
      ("observed", ends(value.observed)), ("range", ends(value.parameters.range)),
      ("clipped", JSON(value.clippedShare)), ("sqnr_db", JSON(value.sqnrDecibel)),
    ])
  }
}
