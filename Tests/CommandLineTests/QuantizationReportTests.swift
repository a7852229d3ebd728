import Cameo
import Foundation
import PassKit
import Quantization
import Tensors
import Testing

@Suite struct QuantizationReportTests {
  private static func report() throws -> QuantizationReport {
    var report = QuantizationReport(model: "a<b>|model.onnx")
    report.output = "out.onnx"
    report.settings = ["uint8 data", "entropy"]
    report.samples = 12
    (report.bytesBefore, report.bytesAfter) = (4096, 1024)
    report.coverage = .init(integerNodes: 3, nodes: 4, integerMultiplyAdds: 2_000_000, multiplyAdds: 2_100_000)
    var histogram = try Histogram(bins: 256)
    try histogram.add(try .of((0..<1000).map { Float($0) / 100 } + [-1], .float))
    let scheme = try QuantizationScheme(.uint8, isSymmetric: false)
    report.values = [
      .init(
        name: "x & y", observed: ValueRange(-1, 9.99),
        parameters: try QuantizationParameters(ValueRange(-1, 8), scheme),
        histogram: histogram),
      .init(name: "z", observed: ValueRange(0, 0), parameters: try QuantizationParameters(ValueRange(0, 0), scheme)),
    ]
    report.layers = [
      .init(name: "fine", ownSQNR: 40, outputSQNR: 35, isInteger: true),
      .init(name: "coarse", ownSQNR: nil, outputSQNR: 12.5, isInteger: false),
      .init(name: "exact", ownSQNR: .infinity, outputSQNR: .infinity, isInteger: true),
    ]
    report.exceptions = [
      .init(nodes: ["n1"], type: "MatMul", reason: "rare"), .init(nodes: ["n2"], type: "Conv", reason: "two values"),
      .init(nodes: ["n3"], type: "Conv", reason: "two values"),
    ]
    return report
  }

  @Test func theJSONFormHasEveryFigure() throws {
    let text = ReportWriter.text(try Self.report(), .json)
    let json = try Array(text.utf8).withUnsafeBytes { try JSON(parsing: $0) }
    #expect(json["coverage"]?["integer"]?.int == 3 && json["samples"]?.int == 12)
    let values = try #require(json["values"]?.array)
    #expect(values.count == 2 && values[0]["name"]?.string == "x & y" && values[0]["zero_point"]?.int == 28)
    // 800 ... 999 hundredths lie beyond 8.
    #expect(abs((values[0]["clipped"]?.number ?? 0) - 0.199) < 0.01)
    #expect((values[0]["sqnr_db"]?.number ?? 0) > 15 && (values[0]["sqnr_db"]?.number ?? 99) < 25)
    #expect(values[1]["sqnr_db"]?.number == nil)
    #expect(json["layers"]?.array?.compactMap { $0["node"]?.string } == ["coarse", "fine", "exact"])
    #expect(json["float"]?.array?.count == 3)
  }

  @Test func theMarkdownFormHasATableForEachSection() throws {
    let text = ReportWriter.text(try Self.report(), .markdown)
    #expect(text.contains("| products | 3 | 4 | 75 % |"))
    #expect(text.contains("a\\<b\\>\\|model.onnx"))
    #expect(text.contains("| coarse | 12.5 | – | float |"))
    #expect(text.contains("- two values: `n2`, `n3`"))
    let order = ["## Coverage", "## Values", "## Sensitivity", "## What stayed float"].compactMap {
      text.range(of: $0)?.lowerBound
    }
    #expect(order.count == 4 && order == order.sorted())
  }

  @Test func thePageIsSelfContainedAndEscaped() throws {
    let page = ReportWriter.text(try Self.report(), .html)
    #expect(page.hasPrefix("<!DOCTYPE html>") && !page.contains("<script") && !page.contains("http"))
    #expect(page.contains("a&lt;b&gt;|model.onnx") && page.contains("x &amp; y") && !page.contains("a<b>"))
    // Clipped columns have a colour of their own; the value that was never anything but 0 has no picture.
    #expect(page.contains("fill:var(--bad)"))
    #expect(page.components(separatedBy: "aria-label=\"histogram of").count == 2)
    for tag in ["svg", "div", "section", "g", "details"] {
      #expect(
        page.components(separatedBy: "<\(tag)>").count + page.components(separatedBy: "<\(tag) ").count - 2
          == page.components(separatedBy: "</\(tag)>").count - 1, "\(tag)")
    }
  }
}
