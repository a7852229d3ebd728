import Quantization

/// The report as one self-contained page: no scripts, nothing fetched.
enum QuantizationHTML {
  static func page(_ report: QuantizationReport) -> String {
    var body = header(report)
    if let accuracy = report.accuracy, !accuracy.outputs.isEmpty {
      body += HTMLPage.section(
        "Accuracy", "Outputs against the float model's, over \(accuracy.samples) samples.", outputs(accuracy))
    }
    if !report.weights.isEmpty {
      body += HTMLPage.section(
        "Weights",
        "In fewer bits, those that lose most first; the error of a product's result where its data was observed.",
        weights(report.weights))
    }
    if !report.prunedWeights.isEmpty || !report.removedChannels.isEmpty {
      body += HTMLPage.section("Pruned", "Numbers that are 0 now, and channels that are gone.", pruned(report))
    }
    if !report.layers.isEmpty {
      body += HTMLPage.section(
        "Sensitivity",
        "Signal to noise in dB when one node alone is quantized: at the model's outputs and at the node's own result. The most sensitive first.",
        "<div class=\"panel\">" + key + SensitivityChart.svg(report.rankedLayers) + "</div>")
    }
    if !report.values.isEmpty {
      body += HTMLPage.section(
        "Values",
        "What is kept in integers. The picture shows how often numbers occur (logarithmic), shaded the range that the codes reach; what lies outside is clipped.",
        "<div class=\"cards\">" + report.values.map(card).joined() + "</div>")
    }
    if !report.exceptions.isEmpty {
      body += HTMLPage.section("What stayed float", "Each with its reason.", exceptions(report))
    }
    body += "<footer>Written by cameo \(CameoVersion.current).</footer>"
    return HTMLPage.page(title: "\(report.model): quantized", body)
  }

  private static let key =
    "<div class=\"key\"><span><i class=\"b\" style=\"background:var(--accent)\"></i>outputs</span>"
    + "<span><i class=\"b\" style=\"background:var(--before)\"></i>own result</span></div>"

  private static func header(_ report: QuantizationReport) -> String {
    var out = "<h1>\(HTMLText.escape(report.model))</h1>"
    out +=
      "<p class=\"sub\">\(HTMLText.escape((report.settings + (report.samples > 0 ? ["\(report.samples) samples"] : [])).joined(separator: " · ")))</p>"
    if !report.output.isEmpty { out += "<p class=\"sub mono\">→ \(HTMLText.escape(report.output))</p>" }
    out += "<div class=\"tiles\">"
    if let coverage = report.coverage, coverage.nodes > 0 {
      out += HTMLPage.tile(
        "integer products", Figures.share(Double(coverage.integerNodes) / Double(coverage.nodes)),
        "\(coverage.integerNodes) of \(coverage.nodes)"
          + (coverage.sourceNodes == coverage.nodes
            ? "" : ", \(coverage.integerSourceNodes) of \(coverage.sourceNodes) in the source"))
      if coverage.multiplyAdds > 0 {
        out += HTMLPage.tile(
          "integer multiply-adds", Figures.share(Double(coverage.integerMultiplyAdds) / Double(coverage.multiplyAdds)),
          "\(Figures.count(coverage.integerMultiplyAdds)) of \(Figures.count(coverage.multiplyAdds))")
      }
    }
    if let narrow = report.narrow, narrow.products > 0 {
      out += HTMLPage.tile(
        "narrow products", Figures.share(Double(narrow.narrowProducts) / Double(narrow.products)), narrow.summary)
    }
    if let held = report.held { out += HTMLPage.tile("error", Figures.short(held.after), held.summary) }
    if let before = report.bytesBefore, let after = report.bytesAfter {
      out += HTMLPage.tile(
        "weights", "<small>\(Figures.bytes(before)) →</small> \(Figures.bytes(after))", Figures.change(before, after))
    }
    if let speed = report.speed {
      out += HTMLPage.tile(
        "speed",
        "<small>\(Figures.milliseconds(speed.main.floatMilliseconds)) →</small> "
          + Figures.milliseconds(speed.main.milliseconds),
        ([speed.main] + speed.others).map {
          "\(Figures.fixed($0.ratio, 2)) × the float model, \($0.place)"
        }.joined(separator: "; "))
    }
    if let accuracy = report.accuracy {
      if let before = accuracy.floatTop1, let after = accuracy.top1 {
        out += HTMLPage.tile(
          "top-1", "<small>\(Figures.share(before)) →</small> \(Figures.share(after))", "\(accuracy.samples) samples")
      } else if let worst = accuracy.outputs.min(by: { $0.cosine < $1.cosine }) {
        out += HTMLPage.tile("cosine", Figures.fixed(worst.cosine, 5), "output \(worst.name)")
      }
    }
    return out + "</div>"
  }

  private static func outputs(_ accuracy: Accuracy) -> String {
    table(
      ["output", "cosine", "least of a sample", "SQNR dB", "max rel", "argmax agrees"],
      accuracy.outputs.map {
        [
          $0.name, Figures.fixed($0.cosine, 5), Figures.fixed($0.leastCosine, 5), Figures.fixed($0.sqnrDecibel, 1),
          Figures.short($0.maxRel), Figures.share($0.argmaxAgreement),
        ]
      })
  }

  private static func table(_ heads: [String], _ rows: [[String]]) -> String {
    func row(_ cells: [String], _ tag: String) -> String {
      "<tr>"
        + cells.enumerated().map { "<\(tag)\($0 == 0 ? "" : " class=\"r\"")>\(HTMLText.escape($1))</\(tag)>" }.joined()
        + "</tr>"
    }
    return "<div class=\"panel\"><table>" + row(heads, "th") + rows.map { row($0, "td") }.joined() + "</table></div>"
  }

  private static func weights(_ weights: [QuantizedWeight]) -> String {
    let sorted = weights.sorted { $0.signalToNoise < $1.signalToNoise }
    return table(
      ["node", "format", "before", "after", "SQNR dB", "error of its result"],
      sorted.map {
        [
          $0.label, $0.format.text, Figures.bytes($0.bytesBefore), Figures.bytes($0.bytesAfter),
          Figures.fixed($0.signalToNoise, 1), $0.relativeOutputError.map(Figures.share) ?? "–",
        ]
      })
  }

  private static func pruned(_ report: QuantizationReport) -> String {
    var out = ""
    if !report.prunedWeights.isEmpty {
      out += table(
        ["node", "numbers", "zeros", "kept of the squares"],
        report.prunedWeights.map {
          [
            $0.label, Figures.count($0.elements), Figures.share(Double($0.zeros) / Double(max($0.elements, 1))),
            Figures.share($0.keptEnergy),
          ]
        })
    }
    if !report.removedChannels.isEmpty {
      out += table(
        ["node", "channels", "left"], report.removedChannels.map { [$0.label, "\($0.before)", "\($0.after)"] })
    }
    return out
  }

  private static func card(_ value: QuantizationReport.Value) -> String {
    let kept = value.parameters.range
    var facts = ["scale \(Figures.short(Double(value.parameters.scale)))", "zero point \(value.parameters.zeroPoint)"]
    if let sqnr = value.sqnrDecibel { facts.append("SQNR \(Figures.fixed(sqnr, 1)) dB") }
    if let clipped = value.clippedShare { facts.append("clipped \(Figures.share(clipped))") }
    func ends(_ range: ValueRange) -> String {
      "\(Figures.short(Double(range.minimum))) … \(Figures.short(Double(range.maximum)))"
    }
    return "<div class=\"card\"><header><h3 class=\"mono\">\(HTMLText.escape(value.name))</h3>"
      + "<span class=\"by\">\(value.parameters.type.name)</span></header><div class=\"panel\" style=\"border:0;margin:0\">"
      + HistogramPicture.svg(value)
      + "<p class=\"sub\">\(readers(value))observed \(ends(value.observed)), kept \(ends(kept))<br>\(facts.joined(separator: " · "))</p></div></div>"
  }

  private static func readers(_ value: QuantizationReport.Value) -> String {
    if value.readers.isEmpty { return "" }
    let shown = value.readers.prefix(3).map { "<code>\(HTMLText.escape($0))</code>" }.joined(separator: ", ")
    return "read by \(shown)\(value.readers.count > 3 ? " and \(value.readers.count - 3) more" : "")<br>"
  }

  private static func exceptions(_ report: QuantizationReport) -> String {
    var out = "<div class=\"panel miss\">"
    for group in report.exceptionGroups {
      out +=
        "<details><summary><span class=\"c\">\(group.nodes.count) ×</span><span class=\"w\">\(HTMLText.escape(group.reason))</span>"
      out += "</summary><ul class=\"places\">"
      out += group.nodes.map { "<li><span class=\"mono\">\(HTMLText.escape($0))</span></li>" }.joined()
      out += "</ul></details>"
    }
    return out + "</div>"
  }
}
