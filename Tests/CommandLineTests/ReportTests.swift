import Foundation
import Testing

@testable import Cameo
@testable import PassKit

/// Reports are well-formed, self-contained, safe against odd names, and stay small for big models.
@Suite struct ReportTests {
  private func node(_ type: String, _ name: String, _ inputs: [String], _ outputs: [String], constants: [Int] = [])
    -> SubgraphNode
  {
    var node = SubgraphNode(
      type: type, name: name, inputs: inputs, outputs: outputs, attributes: ["axis=-1"], origins: [])
    node.constantInputs = constants
    return node
  }

  private func document(fusions: Int, forms: Int = 3, hostile: String = "") -> ReportDocument {
    var report = OptimizationReport()
    report.model = "some/\(hostile)model.onnx"
    report.nodesBefore = 10_000
    report.nodesAfter = 4_000
    report.operatorsBefore = ["Add": 100, "Erf\(hostile)": 20]
    report.operatorsAfter = ["Add": 80, "Gelu": 20]
    report.passes = [PassRecord(name: "FuseGelu\(hostile)", applied: fusions, milliseconds: 3, nodesAfter: 4_000)]
    for index in 0..<fusions {
      let stem = "/model/layers.\(index)/mlp/\(hostile)"
      var before = [
        node("Div", "\(stem)Div", ["x", "1.4142135"], ["d"], constants: [1]), node("Erf", "\(stem)Erf", ["d"], ["e"]),
        node("Add", "\(stem)Add", ["e", "1.0"], ["a"], constants: [1]), node("Mul", "\(stem)Mul", ["x", "a"], ["m"]),
      ]
      for extra in 0..<(index % forms) { before.append(node("Cast", "c\(extra)", ["m"], ["q\(extra)"])) }
      report.fusions.append(
        FusionRecord(
          pass: "FuseGelu", rule: "Gelu", operatorName: "Gelu", node: "\(stem)out",
          origins: (0..<40).map { "\(stem)a_rather_long_name_of_a_node_\($0)" }, before: before,
          after: [node("Gelu", "", ["x"], ["m"])]))
      var miss = NearMiss(
        rule: "Gelu", node: "\(stem)Mul", reason: "the constant is \(index % 5)", obstacle: "\(stem)Add", origins: [],
        place: Int32(index), key: Int32(index), reach: 1)
      miss.pass = "FuseGelu"
      miss.originNames = ["\(stem)Mul"]
      report.nearMisses.append(miss)
    }
    report.verification = VerificationRecord(
      passed: true, tolerance: 1e-3, cases: ["seed 1, b=2"],
      outputs: [.init(name: "logits\(hostile)", maxAbs: 1e-6, maxRel: 1e-7)],
      milliseconds: 12)
    let blocks = (0..<fusions).map {
      MemoryTimeline.Block(
        label: "v\($0)\(hostile)", offset: $0 % 7 * 4096, size: 4096, first: $0, last: $0 + 3, isScratch: $0 % 5 == 0)
    }
    return ReportDocument(
      report, output: "out.onnx",
      memory: MemoryTimeline(peakBytes: 7 * 4096, sumBytes: fusions * 4096, lowerBound: 4 * 4096, blocks: blocks))
  }

  /// Every tag is closed in order; attributes are quoted; nothing is fetched.
  private func checkPage(_ page: String) throws {
    let void: Set<String> = ["meta", "br", "hr", "img", "!doctype"]
    var open: [String] = []
    var rest = Substring(page)
    while let start = rest.firstIndex(of: "<") {
      let end = try #require(rest[start...].firstIndex(of: ">"), "a tag has no end")
      let tag = rest[rest.index(after: start)..<end]
      #expect(!tag.contains("<"), "a < inside a tag: \(tag.prefix(80))")
      #expect(tag.filter { $0 == "\"" }.count % 2 == 0, "unbalanced quotes: \(tag.prefix(80))")
      if tag.hasPrefix("/") {
        #expect(open.popLast() == String(tag.dropFirst()), "\(tag)")
      } else if !tag.hasSuffix("/") {
        let name = tag.prefix { !$0.isWhitespace }.lowercased()
        if !void.contains(name) { open.append(name) }
      }
      rest = rest[rest.index(after: end)...]
      if open.last == "style" { rest = rest[try #require(rest.range(of: "</style>")).lowerBound...] }
    }
    #expect(open.isEmpty, "left open: \(open)")
    for word in ["<script", "http://", "https://", "src=", "@import", "url(http"] {
      #expect(!page.contains(word), "\(word)")
    }
  }

  @Test func page() throws {
    let page = ReportWriter.text(document(fusions: 7), .html)
    try checkPage(page)
    for part in ["prefers-color-scheme", "@media print", "3 ×", "Memory of a run", "Near misses"] {
      #expect(page.contains(part), "\(part)")
    }
    try checkPage(ReportWriter.text(ReportDocument(OptimizationReport()), .html))
  }

  @Test func hostileNames() throws {
    let hostile = "\"><script>alert('&')</script>\u{1}|\n`]]>"
    let document = document(fusions: 3, hostile: hostile)
    try checkPage(ReportWriter.text(document, .html))
    let json = try JSONSerialization.jsonObject(with: Data(ReportWriter.text(document, .json).utf8)) as? [String: Any]
    #expect((json?["fusions"] as? [[String: Any]])?.first?["node"] as? String == "/model/layers.0/mlp/\(hostile)out")
    #expect(ReportWriter.text(document, .markdown).contains("# "))
  }

  @Test func bigModelsStayReadable() throws {
    let page = ReportWriter.text(document(fusions: 3000, forms: 120), .html)
    #expect(page.utf8.count < 2_000_000)
    try checkPage(page)
    #expect(page.contains("they are in the JSON report"))
    #expect(page.components(separatedBy: "<article").count - 1 <= 48)
  }

  @Test func formats() throws {
    #expect(try ReportFormat(path: "a/b.HTML") == .html)
    #expect(try ReportFormat(path: "x.json") == .json)
    #expect(try ReportFormat(path: "x.md") == .markdown)
    #expect(throws: (any Error).self) { try ReportFormat(path: "report") }
    #expect(throws: (any Error).self) { try ReportFormat(path: "dir.html/report") }
  }

  @Test func jsonText() throws {
    let value = JSON.object([
      ("a", .double(.nan)), ("b", .double(1e-7)), ("c", .double(3)), ("d", .string("\u{7f}\"\\\n\t😀")),
      ("e", .array([])),
      ("f", .array((0..<200).map { .int($0) })), ("g", .object([("x", .null), ("y", .bool(true))])),
    ])
    for indent in [0, 2] {
      let back = try #require(
        try JSONSerialization.jsonObject(with: Data(value.text(indent: indent).utf8)) as? [String: Any])
      #expect(back["a"] is NSNull)
      #expect(back["b"] as? Double == 1e-7)
      #expect(back["c"] as? Int == 3)
      #expect(back["d"] as? String == "\u{7f}\"\\\n\t😀")
      #expect((back["f"] as? [Int])?.count == 200)
    }
    #expect(!value.text(indent: 0).contains("\n"))
  }

  @Test func figures() {
    #expect(Figures.bytes(512) == "512 B")
    #expect(Figures.bytes(1536) == "1.50 KiB")
    #expect(Figures.bytes(3 << 30) == "3.00 GiB")
    #expect(Figures.change(100, 62) == "-38%")
    #expect(Figures.change(0, 3) == "new")
    #expect(Figures.count(4_100_000_000) == "4.1 G")
    #expect(Figures.short(1.234e-7) == "1.2e-07")
  }

  /// Layers run down, boxes of a layer do not overlap, everything lies inside the picture.
  @Test func layout() {
    let nodes = [
      node("MatMul", "a", ["q", "k"], ["s"]), node("Div", "b", ["s", "8.0"], ["t"], constants: [1]),
      node("Add", "c", ["t", "mask"], ["u"]), node("Softmax", "d", ["u"], ["p"]), node("IsNaN", "e", ["p"], ["n"]),
      node("Where", "f", ["n", "0", "p"], ["w"], constants: [1]), node("MatMul", "g", ["w", "v"], ["o"]),
    ]
    let layout = SubgraphLayout(nodes)
    // Div follows MatMul alone: one box. Add reads the mask: a new one.
    #expect(layout.boxes.contains { $0.rows.map(\.type) == ["MatMul", "Div"] })
    #expect(layout.boxes.compactMap(\.input).sorted() == ["k", "mask", "q", "v"])
    for box in layout.boxes {
      #expect(box.x >= 0 && box.y >= 0)
      #expect(box.x + box.width <= layout.width + 0.1)
      #expect(box.y + box.height <= layout.height + 0.1)
      for other in layout.boxes where !(other.x == box.x && other.y == box.y) {
        let apart =
          box.x + box.width <= other.x || other.x + other.width <= box.x || box.y + box.height <= other.y
          || other.y + other.height <= box.y
        #expect(apart)
      }
    }
    for edge in layout.edges { #expect(edge.points.first!.y < edge.points.last!.y) }
  }
}
