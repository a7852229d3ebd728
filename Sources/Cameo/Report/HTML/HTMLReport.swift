import PassKit

/// The report as one self-contained page: no scripts, nothing fetched.
enum HTMLReport {
  static func page(_ document: ReportDocument) -> String {
    let report = document.report
    var body = header(document)
    body += HTMLPage.section(
      "Operators", "How often each operator occurs, bodies of control flow included.",
      "<div class=\"panel\"><div class=\"key\"><span><i class=\"b\" style=\"background:var(--before)\"></i>before</span>"
        + "<span><i class=\"b\" style=\"background:var(--accent)\"></i>after</span></div>"
        + OperatorChart.svg(before: report.operatorsBefore, after: report.operatorsAfter) + "</div>")
    let groups = document.fusionGroups
    if groups.isEmpty {
      body += HTMLPage.section("Fusions", "No rule fused anything at this level.", "")
    } else {
      body += HTMLPage.section(
        "Fusions",
        "\(report.fusions.count) fusions in \(groups.count) forms. Fusions that look the same share a card; chains are stacked.",
        key + FusionCards.html(groups))
    }
    body += nearMisses(document)
    body += HTMLPage.section(
      "Passes", "In the order in which they first ran; a pass that changed something ran again.", passes(report))
    if let memory = document.memory { body += memorySection(memory) }
    if let verification = report.verification { body += verificationSection(verification) }
    body +=
      "<footer>Written by cameo \(CameoVersion.current). Level \(report.level), target \(HTMLText.escape(report.target)).</footer>"
    return HTMLPage.page(title: "\(document.title): what cameo did", body)
  }

  private static let key =
    "<div class=\"key\"><span><i class=\"kp\" style=\"background:var(--kp)\"></i>products</span>"
    + "<span><i style=\"background:var(--ks)\"></i>statistics and norms</span>"
    + "<span><i style=\"background:var(--ke)\"></i>element by element</span>"
    + "<span><i style=\"background:var(--km)\"></i>moving and shaping data</span></div>"

  private static func header(_ document: ReportDocument) -> String {
    let report = document.report
    var out = "<h1>\(HTMLText.escape(document.title))</h1>"
    var facts = [
      "level \(report.level)", "target \(report.target)", "optimized in \(Figures.milliseconds(report.milliseconds))",
    ]
    if let opset = document.outputOpset { facts.append("opset \(opset)") }
    if let bytes = document.outputBytes { facts.append("file of \(Figures.bytes(bytes))") }
    out += "<p class=\"sub\">\(HTMLText.escape(facts.joined(separator: " · ")))</p>"
    if !document.output.isEmpty {
      out += "<p class=\"sub mono\">\(HTMLText.escape(report.model)) → \(HTMLText.escape(document.output))</p>"
    }
    out += "<div class=\"tiles\">"
    out += HTMLPage.tile(
      "nodes", "<small>\(report.nodesBefore) →</small> \(report.nodesAfter)",
      Figures.change(report.nodesBefore, report.nodesAfter))
    out += HTMLPage.tile(
      "weights", "<small>\(Figures.bytes(report.bytesBefore)) →</small> \(Figures.bytes(report.bytesAfter))",
      Figures.change(report.bytesBefore, report.bytesAfter))
    let reasons = document.missGroups.count
    out += HTMLPage.tile(
      "fusions", "\(report.fusions.count)",
      report.nearMisses.isEmpty
        ? "no near misses" : "\(report.nearMisses.count) near misses for \(reasons) reason\(reasons == 1 ? "" : "s")")
    if let verification = report.verification {
      let badge =
        verification.passed
        ? "<span class=\"pill good\">verified</span>" : "<span class=\"pill bad\">differs</span>"
      out += HTMLPage.tile(
        "max|a−b| / max|a|", "\(Figures.short(verification.maxRel)) \(badge)",
        "\(verification.cases.count) input sets in \(Figures.milliseconds(verification.milliseconds))")
    } else {
      out += HTMLPage.tile("verification", "<span class=\"pill warn\">not run</span>", "optimized with --no-verify")
    }
    out += "</div>"
    for failure in report.failures { out += "<div class=\"alert\">\(HTMLText.escape(failure))</div>" }
    let fused = document.fusedOperators
    if !fused.isEmpty {
      out += "<div class=\"fused\">"
      for (name, count) in fused { out += "<span class=\"pill\">\(count) × \(HTMLText.escape(name))</span>" }
      out += "</div>"
    }
    return out
  }

  private static func nearMisses(_ document: ReportDocument) -> String {
    let groups = document.missGroups
    guard !groups.isEmpty else {
      return HTMLPage.section("Near misses", "None: no rule was stopped by a guard.", "")
    }
    var budget = 300_000
    var out = "<div class=\"panel miss\">"
    for group in groups.prefix(120) {
      out +=
        "<details><summary><span class=\"c\">\(group.members.count) ×</span><span class=\"w\">\(HTMLText.escape(group.reason))</span>"
        + "<span class=\"by\">\(HTMLText.escape(group.pass)) · \(HTMLText.escape(group.rule))</span></summary><ul class=\"places\">"
      var listed = 0
      for miss in group.members {
        guard budget > 0 else { break }
        var item = "<li><span class=\"m mono\">\(HTMLText.escape(miss.node))</span>"
        if let obstacle = miss.obstacle, obstacle != miss.node { item += "stopped at \(HTMLText.escape(obstacle)) " }
        if !miss.originNames.isEmpty { item += "from \(HTMLText.names(miss.originNames, limit: 30))" }
        item += "</li>"
        budget -= item.utf8.count
        out += item
        listed += 1
      }
      if listed < group.members.count {
        out += "<li>and \(group.members.count - listed) more: they are in the JSON report</li>"
      }
      out += "</ul></details>"
    }
    out += "</div>"
    if groups.count > 120 {
      out += "<p class=\"hint\">and \(groups.count - 120) further reasons, in the JSON report</p>"
    }
    return HTMLPage.section(
      "Near misses", "What almost fused, and what stood in the way. Open a line for the nodes.", out)
  }

  private static func passes(_ report: OptimizationReport) -> String {
    let slowest = max(report.passes.map(\.milliseconds).max() ?? 0, 0.001)
    var out =
      "<div class=\"panel\"><table><tr><th>pass</th><th class=\"r\">changes</th><th class=\"r\">nodes after its last run</th><th class=\"r\">time</th>"
      + "<th style=\"width:34%\"></th></tr>"
    for pass in report.passes {
      let z = pass.applied == 0 ? " z" : ""
      out +=
        "<tr><td class=\"\(z)\">\(HTMLText.escape(pass.name))</td><td class=\"r\(z)\">\(pass.applied)</td><td class=\"r\(z)\">\(pass.nodesAfter)</td>"
        + "<td class=\"r\(z)\">\(Figures.milliseconds(pass.milliseconds))</td>"
        + "<td><div class=\"bar\" style=\"width:\(HTMLText.pixels(100 * pass.milliseconds / slowest))%\"></div></td></tr>"
    }
    return out + "</table></div>"
  }

  private static func memorySection(_ memory: MemoryTimeline) -> String {
    let over = memory.lowerBound > 0 ? Double(memory.peakBytes) / Double(memory.lowerBound) : 1
    let hint =
      "The arena that holds every intermediate of one run"
      + (memory.signature.isEmpty ? "" : " for \(memory.signature)")
      + ": each rectangle is a buffer, from the step that writes it to the last that reads it, at its place. The line is what lives; "
      + "the dashed one the lower bound."
    var out = "<div class=\"tiles\" style=\"margin:0 0 12px\">"
    out += HTMLPage.tile("arena", Figures.bytes(memory.peakBytes), "\(Figures.fixed(over, 2)) × the lower bound")
    out += HTMLPage.tile("lower bound", Figures.bytes(memory.lowerBound), "largest sum of live buffers")
    out += HTMLPage.tile(
      "without sharing", Figures.bytes(memory.sumBytes),
      memory.peakBytes > 0 ? "\(Figures.fixed(Double(memory.sumBytes) / Double(memory.peakBytes), 1)) × the arena" : "")
    out +=
      "</div><div class=\"panel\"><div class=\"key\" style=\"margin-bottom:6px\">"
      + "<span><i class=\"b\" style=\"background:var(--kp);opacity:.55\"></i>tensors</span>"
      + "<span><i class=\"b\" style=\"background:var(--scratch)\"></i>scratch</span></div>"
      + MemoryPicture.svg(memory) + "</div>"
    return HTMLPage.section("Memory of a run", hint, out)
  }

  private static func verificationSection(_ verification: VerificationRecord) -> String {
    var out =
      "<div class=\"panel\"><table><tr><th>output</th><th class=\"r\">max |a−b|</th><th class=\"r\">max|a−b| / max|a|</th></tr>"
    let worst = verification.outputs.sorted { $0.maxRel > $1.maxRel }
    for output in worst.prefix(40) {
      let z = output.maxRel > output.allowed ?? verification.tolerance ? " style=\"color:var(--bad)\"" : ""
      out +=
        "<tr><td class=\"mono\"\(z)>\(HTMLText.escape(output.name))</td><td class=\"r\"\(z)>\(Figures.short(output.maxAbs))</td>"
        + "<td class=\"r\"\(z)>\(Figures.short(output.maxRel))</td></tr>"
    }
    out += "</table>"
    if worst.count > 40 { out += "<p class=\"hint\">and \(worst.count - 40) outputs that differ less</p>" }
    out += "</div>"
    if !verification.cases.isEmpty {
      out += "<div class=\"panel\"><b>Input sets</b><ul class=\"places\" style=\"padding:6px 0 0\">"
      for entry in verification.cases { out += "<li>\(HTMLText.escape(entry))</li>" }
      out += "</ul></div>"
    }
    let hint =
      "Source and result ran on the same seeded inputs through the portable evaluation; allowed is \(Figures.short(verification.tolerance)) per output."
      + (verification.outputs.compactMap(\.allowed).max().map {
        " The source quantizes: where float32's own rounding changes an output by more, four times that, at most \(Figures.short($0))."
      } ?? "")
      + (verification.culprit.map { " Left out because it changes the result: \($0)." } ?? "")
    return HTMLPage.section("Verification", hint, out)
  }
}
