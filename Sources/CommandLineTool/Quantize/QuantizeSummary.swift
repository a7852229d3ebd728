import Cameo
import ONNXFormat
import PassKit
import Quantization
import Tensors

/// What `cameo quantize` prints.
struct QuantizeSummary {
  private let source: String
  private let output: String
  private let result: QuantizationRun.Result
  private let written: ONNXExporter.Summary

  init(source: String, output: String, _ result: QuantizationRun.Result, _ written: ONNXExporter.Summary) {
    self.source = source
    self.output = output
    self.result = result
    self.written = written
  }

  var text: String {
    var lines = [
      Console.styled("\(source) -> \(output)", .bold)
        + " (opset \(written.opset), \(Figures.bytes(written.byteCount + (written.externalByteCount ?? 0))))",
      "  weights   \(Figures.bytes(result.bytesBefore)) -> \(Figures.bytes(result.bytesAfter)) "
        + "(\(Figures.change(result.bytesBefore, result.bytesAfter)))",
    ]
    if isIntegerForm { lines.append("  integer   \(result.coverage.summary)") }
    if let accuracy = result.accuracy {
      for output in accuracy.outputs {
        lines.append(
          "  \(output.name)  cosine \(Figures.fixed(output.cosine, 5)) (least \(Figures.fixed(output.leastCosine, 5))), SQNR "
            + "\(Figures.fixed(output.sqnrDecibel, 1)) dB, argmax agrees \(Figures.fixed(output.argmaxAgreement * 100, 2)) %"
        )
      }
      if let before = accuracy.floatTop1, let after = accuracy.top1 {
        lines.append("  top-1     \(Figures.fixed(before * 100, 2)) % -> \(Figures.fixed(after * 100, 2)) %")
      }
      lines.append("            over \(accuracy.samples) samples")
    }
    if !result.weights.isEmpty {
      let formats = Dictionary(grouping: result.weights, by: { $0.format.text }).mapValues(\.count)
      let text = formats.sorted { $0.value > $1.value }.map { "\($0.value) as \($0.key)" }.joined(separator: "; ")
      lines.append("  narrow    \(result.weights.count) weights: \(text)")
    }
    if let floats = result.floats {
      lines.append("  converted \(floats.convertedNodes) nodes, \(floats.keptNodes.count) stay float32:")
      let reasons = Dictionary(grouping: floats.keptNodes, by: \.reason).sorted { $0.value.count > $1.value.count }
      for (reason, nodes) in reasons.prefix(8) { lines.append("            \(nodes.count)  \(reason)") }
    }
    if let pruned = result.pruned {
      let (zeros, all) = pruned.weights.reduce((0, 0)) { ($0.0 + $1.zeros, $0.1 + $1.elements) }
      if all > 0 {
        lines.append(
          "  pruned    \(Figures.fixed(Double(zeros) / Double(all) * 100, 1)) % of \(Figures.count(all)) numbers")
      }
      let (before, after) = pruned.channels.reduce((0, 0)) { ($0.0 + $1.before, $0.1 + $1.after) }
      if before > 0 { lines.append("  pruned    \(before - after) of \(before) channels") }
    }
    let floats = !isIntegerForm ? [] : result.coverage.products.filter { !$0.isInteger }
    if !floats.isEmpty {
      lines.append("  float     \(floats.count) products:")
      for (reason, members) in Dictionary(grouping: floats, by: { $0.reason ?? "" }).sorted(by: {
        $0.value.count > $1.value.count
      }) {
        let names = members.flatMap(\.names)
        let shown = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
        lines.append("            \(members.count)  \(reason): \(shown)")
      }
    }
    return lines.joined(separator: "\n")
  }

  /// True where products were to become integer products.
  private var isIntegerForm: Bool {
    result.weights.isEmpty && result.floats == nil && result.coverage.integerCount > 0
      || result.pruned == nil && result.weights.isEmpty && result.floats == nil
  }

  var json: JSON {
    let coverage = result.coverage
    return .object([
      ("model", .string(source)), ("output", .string(output)), ("opset", .int(written.opset)),
      ("bytes_before", .int(result.bytesBefore)), ("bytes_after", .int(result.bytesAfter)),
      (
        "coverage",
        .object([
          ("products", .int(coverage.products.count)), ("integer", .int(coverage.integerCount)),
          ("multiply_adds", .int(coverage.multiplyAdds)), ("integer_multiply_adds", .int(coverage.integerMultiplyAdds)),
        ])
      ),
      (
        "float",
        .array(
          coverage.products.filter { !$0.isInteger }.map {
            .object([("nodes", JSON($0.names)), ("operator", .string($0.type)), ("reason", JSON($0.reason))])
          })
      ),
      ("accuracy", result.accuracy.map(accuracy) ?? .null),
    ])
  }

  private func accuracy(_ accuracy: Accuracy) -> JSON {
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

  /// FILE.json, else text.
  func write(to path: String) throws {
    try ReportWriter.writeFile(path.hasSuffix(".json") ? json.text() : text, to: path)
  }
}
