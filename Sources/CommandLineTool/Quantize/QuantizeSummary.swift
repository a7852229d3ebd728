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
  let report: QuantizationReport

  init(source: String, output: String, _ result: QuantizationRun.Result, _ written: ONNXExporter.Summary) {
    self.source = source
    self.output = output
    self.result = result
    self.written = written
    report = QuantizationReport(result, model: source, output: output, opset: written.opset)
  }

  var text: String {
    var lines = [
      Console.styled("\(source) -> \(output)", .bold)
        + " (opset \(written.opset), \(Figures.bytes(written.byteCount + (written.externalByteCount ?? 0))))",
      "  weights   \(Figures.bytes(result.bytesBefore)) -> \(Figures.bytes(result.bytesAfter)) "
        + "(\(Figures.change(result.bytesBefore, result.bytesAfter)))",
    ]
    if report.coverage != nil { lines.append("  integer   \(result.coverage.summary)") }
    if let accuracy = result.accuracy {
      for output in accuracy.outputs {
        lines.append(
          "  \(output.name)  cosine \(Figures.fixed(output.cosine, 5)) (least \(Figures.fixed(output.leastCosine, 5))), SQNR "
            + "\(Figures.fixed(output.sqnrDecibel, 1)) dB, max rel \(Figures.short(output.maxRel)), argmax agrees \(Figures.fixed(output.argmaxAgreement * 100, 2)) %"
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
    if let held = result.held { lines.append("  error     \(held.summary)") }
    if let narrow = result.narrow { lines.append("  narrow    \(narrow.summary)") }
    if let floats = result.floats {
      lines.append("  converted \(floats.convertedNodes) nodes, \(floats.keptNodes.count) stay float32:")
      let reasons = Dictionary(grouping: floats.keptNodes, by: \.reason).mapValues(\.count).sorted {
        ($1.value, $0.key) < ($0.value, $1.key)
      }
      for (reason, count) in reasons.prefix(8) { lines.append("            \(count)  \(reason)") }
      let others = reasons.dropFirst(8)
      if !others.isEmpty {
        lines.append(
          "            \(others.reduce(0) { $0 + $1.value })  for \(others.count) other reasons, which --report lists")
      }
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
    if let speed = result.speed { lines.append("  speed     \(speed.summary)") }
    lines += floats
    return lines.joined(separator: "\n")
  }

  /// The products that stay float, by reason.
  private var floats: [String] {
    if report.coverage == nil { return [] }
    let floats = result.coverage.products.filter { !$0.isInteger }
    if floats.isEmpty { return [] }
    let groups = Dictionary(grouping: floats, by: { $0.reason ?? "" }).sorted { $0.value.count > $1.value.count }
    return ["  float     \(floats.count) products:"]
      + groups.map { reason, members in
        let names = members.flatMap(\.names)
        let shown = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
        return "            \(members.count)  \(reason): \(shown)"
      }
  }
}
