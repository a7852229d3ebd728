import Quantization

/// What each node costs when it alone is quantized, as paired bars of signal-to-noise ratios.
enum SensitivityChart {
  private static let shown = 60

  static func svg(_ layers: [QuantizationReport.Layer]) -> String {
    let rows = layers.prefix(shown)
    let width = 1100.0
    let labelWidth = 330.0
    let barWidth = width - labelWidth - 150
    let rowHeight = 24.0
    let finite = rows.flatMap { [$0.outputSQNR, $0.ownSQNR ?? 0] }.filter(\.isFinite)
    let most = max(1, finite.max() ?? 1)
    var out =
      "<svg viewBox=\"0 0 \(HTMLText.pixels(width)) \(HTMLText.pixels(Double(rows.count) * rowHeight + 4))\" "
      + "width=\"\(HTMLText.pixels(width))\" role=\"img\" aria-label=\"sensitivity of each node\">"
    for (index, layer) in rows.enumerated() {
      let y = Double(index) * rowHeight + 3
      func bar(_ decibel: Double, _ top: Double, _ color: String) -> String {
        let length = max(2, barWidth * min(max(decibel, 0), most) / most)
        return
          "<rect x=\"\(HTMLText.pixels(labelWidth))\" y=\"\(HTMLText.pixels(top))\" width=\"\(HTMLText.pixels(length))\" "
          + "height=\"8\" rx=\"2\" style=\"fill:var(\(color))\"/>"
      }
      let label = layer.isInteger ? layer.name : layer.name + " (float)"
      out +=
        "<g><title>\(HTMLText.escape(layer.name))</title><text x=\"\(HTMLText.pixels(labelWidth - 10))\" "
        + "y=\"\(HTMLText.pixels(y + 12))\" text-anchor=\"end\">\(HTMLText.escape(SubgraphLayout.elided(label, 42)))</text>"
        + bar(layer.outputSQNR, y, "--accent") + (layer.ownSQNR.map { bar($0, y + 9, "--before") } ?? "")
        + "<text class=\"d\" x=\"\(HTMLText.pixels(width))\" y=\"\(HTMLText.pixels(y + 12))\" text-anchor=\"end\">"
        + "\(decibels(layer.outputSQNR)) / \(layer.ownSQNR.map(decibels) ?? "–")</text></g>"
    }
    out += "</svg>"
    if layers.count > shown {
      out += "<p class=\"sub\">and \(layers.count - shown) less sensitive ones: they are in the JSON report</p>"
    }
    return out
  }

  private static func decibels(_ value: Double) -> String { value.isFinite ? Figures.fixed(value, 1) + " dB" : "exact" }
}
