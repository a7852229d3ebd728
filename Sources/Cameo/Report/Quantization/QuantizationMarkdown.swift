import Quantization

/// The report as Markdown: tables and lists, no pictures.
enum QuantizationMarkdown {
  static func text(_ report: QuantizationReport) -> String {
    var lines = ["# \(ReportMarkdown.escape(report.model))", ""]
    if !report.output.isEmpty { lines += ["Written to `\(ReportMarkdown.code(report.output))`.", ""] }
    if !report.settings.isEmpty {
      lines += [
        report.settings.map(ReportMarkdown.escape).joined(separator: ", ") + "; \(report.samples) samples.", "",
      ]
    }
    if let before = report.bytesBefore, let after = report.bytesAfter {
      lines += ["Weights: \(Figures.bytes(before)) → \(Figures.bytes(after)) (\(Figures.change(before, after))).", ""]
    }
    if let coverage = report.coverage {
      lines += [
        "## Coverage", "", "| | integer | all | share |", "|---|---:|---:|---:|",
        row("products", coverage.integerNodes, coverage.nodes),
        row("products in the source", coverage.integerSourceNodes, coverage.sourceNodes),
        row("multiply-adds", coverage.integerMultiplyAdds, coverage.multiplyAdds), "",
      ]
    }
    if let narrow = report.narrow { lines += ["Narrow: \(narrow.summary).", ""] }
    if let held = report.held { lines += ["Error: \(held.summary).", ""] }
    if let speed = report.speed { lines += ["Speed: \(speed.summary).", ""] }
    if let accuracy = report.accuracy { lines += self.accuracy(accuracy) }
    if !report.values.isEmpty {
      lines += [
        "## Values", "", "| value | read by | type | observed | kept | clipped | SQNR dB |",
        "|---|---|---|---:|---:|---:|---:|",
      ]
      lines += report.values.map { value in
        "| \(ReportMarkdown.escape(value.name)) | \(value.readers.map(ReportMarkdown.escape).joined(separator: ", ")) | "
          + "\(value.parameters.type.name) | \(ends(value.observed)) | "
          + "\(ends(value.parameters.range)) | \(value.clippedShare.map(Figures.share) ?? "–") | "
          + "\(value.sqnrDecibel.map { Figures.fixed($0, 1) } ?? "–") |"
      }
      lines.append("")
    }
    lines += weights(report) + pruned(report)
    if !report.layers.isEmpty {
      lines += [
        "## Sensitivity", "", "Each node quantized alone, the most sensitive first.", "",
        "| node | SQNR of the outputs, dB | of its own result, dB | |", "|---|---:|---:|---|",
      ]
      lines += report.rankedLayers.map {
        "| \(ReportMarkdown.escape($0.name)) | \(Figures.fixed($0.outputSQNR, 1)) | "
          + "\($0.ownSQNR.map { Figures.fixed($0, 1) } ?? "–") | \($0.isInteger ? "" : "float") |"
      }
      lines.append("")
    }
    if !report.exceptions.isEmpty {
      lines += ["## What stayed float", ""]
      for group in report.exceptionGroups {
        lines.append(
          "- \(ReportMarkdown.escape(group.reason)): \(group.nodes.map { "`\(ReportMarkdown.code($0))`" }.joined(separator: ", "))"
        )
      }
      lines.append("")
    }
    return lines.joined(separator: "\n")
  }

  private static func weights(_ report: QuantizationReport) -> [String] {
    if report.weights.isEmpty { return [] }
    var lines = [
      "## Weights", "", "| node | format | bytes | SQNR dB | error of its result |", "|---|---|---:|---:|---:|",
    ]
    lines += report.weights.map { weight in
      "| \(ReportMarkdown.escape(weight.label)) | \(weight.format.text) | \(Figures.bytes(weight.bytesBefore)) → "
        + "\(Figures.bytes(weight.bytesAfter)) | \(Figures.fixed(weight.signalToNoise, 1)) | "
        + "\(weight.relativeOutputError.map(Figures.share) ?? "–") |"
    }
    return lines + [""]
  }

  private static func pruned(_ report: QuantizationReport) -> [String] {
    var lines: [String] = []
    if !report.prunedWeights.isEmpty {
      lines += ["## Pruned", "", "| node | numbers | zeros | kept of the squares |", "|---|---:|---:|---:|"]
      lines += report.prunedWeights.map {
        "| \(ReportMarkdown.escape($0.label)) | \(Figures.count($0.elements)) | "
          + "\(Figures.share(Double($0.zeros) / Double(max($0.elements, 1)))) | \(Figures.share($0.keptEnergy)) |"
      }
      lines.append("")
    }
    if !report.removedChannels.isEmpty {
      lines += ["## Removed channels", "", "| node | before | after |", "|---|---:|---:|"]
      lines += report.removedChannels.map { "| \(ReportMarkdown.escape($0.label)) | \($0.before) | \($0.after) |" }
      lines.append("")
    }
    return lines
  }

  private static func row(_ name: String, _ part: Int, _ all: Int) -> String {
    "| \(name) | \(Figures.count(part)) | \(Figures.count(all)) | \(all == 0 ? "–" : Figures.share(Double(part) / Double(all))) |"
  }

  private static func ends(_ range: ValueRange) -> String {
    "\(Figures.short(Double(range.minimum))) … \(Figures.short(Double(range.maximum)))"
  }

  private static func accuracy(_ accuracy: Accuracy) -> [String] {
    var lines = ["## Accuracy", "", "Against the float model, over \(accuracy.samples) samples.", ""]
    if let before = accuracy.floatTop1, let after = accuracy.top1 {
      lines += ["Top-1: \(Figures.share(before)) → \(Figures.share(after)).", ""]
    }
    lines += [
      "| output | cosine | least cosine | SQNR dB | max rel | argmax agrees |", "|---|---:|---:|---:|---:|---:|",
    ]
    lines += accuracy.outputs.map {
      "| \(ReportMarkdown.escape($0.name)) | \(Figures.fixed($0.cosine, 5)) | \(Figures.fixed($0.leastCosine, 5)) | "
        + "\(Figures.fixed($0.sqnrDecibel, 1)) | \(Figures.short($0.maxRel)) | \(Figures.share($0.argmaxAgreement)) |"
    }
    return lines + [""]
  }
}
