import PassKit

/// The report as Markdown: tables and lists, no pictures.
enum ReportMarkdown {
  static func text(_ document: ReportDocument) -> String {
    let report = document.report
    var lines = ["# \(escape(document.title))", ""]
    lines.append("| | before | after | change |")
    lines.append("|---|---:|---:|---:|")
    lines.append(
      "| nodes | \(report.nodesBefore) | \(report.nodesAfter) | \(Figures.change(report.nodesBefore, report.nodesAfter)) |"
    )
    lines.append(
      "| weights | \(Figures.bytes(report.bytesBefore)) | \(Figures.bytes(report.bytesAfter)) | "
        + "\(Figures.change(report.bytesBefore, report.bytesAfter)) |")
    lines.append("")
    lines.append("Level \(report.level), target `\(report.target)`, \(Figures.milliseconds(report.milliseconds)).")
    if let verification = report.verification {
      lines.append(
        (verification.passed ? "Verified" : "**Not verified**")
          + ": max\\|a-b\\| / max\\|a\\| \(Figures.short(verification.maxRel)), allowed \(Figures.short(verification.tolerance)), "
          + "\(verification.cases.count) input sets.")
      if let culprit = verification.culprit { lines.append("Left out because it changes the result: `\(culprit)`.") }
    }
    for failure in report.failures { lines += ["", "> \(escape(failure))"] }

    let names = Set(report.operatorsBefore.keys).union(report.operatorsAfter.keys)
    let rows = names.map { ($0, report.operatorsBefore[$0] ?? 0, report.operatorsAfter[$0] ?? 0) }
      .sorted { (-max($0.1, $0.2), $0.0) < (-max($1.1, $1.2), $1.0) }
    lines += ["", "## Operators", "", "| operator | before | after |", "|---|---:|---:|"]
    lines += rows.map { "| \($0.0) | \($0.1) | \($0.2) |" }

    if !report.fusions.isEmpty {
      lines += ["", "## Fusions", ""]
      for group in document.fusionGroups {
        let before = group.example.before.map(\.type).joined(separator: ", ")
        let after = group.example.after.map(\.type).joined(separator: ", ")
        lines += ["### \(group.operatorName) × \(group.members.count) (\(group.pass): \(escape(group.rule)))", ""]
        if !before.isEmpty { lines += ["\(before) → \(after)", ""] }
        for member in group.members.prefix(200) {
          lines.append(
            "- `\(code(member.node))` from \(member.origins.prefix(24).map { "`\(code($0))`" }.joined(separator: ", "))"
              + (member.origins.count > 24 ? " and \(member.origins.count - 24) more" : ""))
        }
        if group.members.count > 200 { lines.append("- and \(group.members.count - 200) more") }
        lines.append("")
      }
    }
    if !report.nearMisses.isEmpty {
      lines += ["## Near misses", "", "| rule | reason | times | nodes |", "|---|---|---:|---|"]
      for group in document.missGroups {
        let nodes = group.members.prefix(4).map { escape($0.node) }.joined(separator: "; ")
        lines.append(
          "| \(escape(group.rule)) | \(escape(group.reason)) | \(group.members.count) | "
            + "\(nodes)\(group.members.count > 4 ? "; …" : "") |")
      }
      lines.append("")
    }
    lines += ["## Passes", "", "| pass | applied | nodes after | ms |", "|---|---:|---:|---:|"]
    lines += report.passes.map {
      "| \($0.name) | \($0.applied) | \($0.nodesAfter) | \(Figures.fixed($0.milliseconds, 2)) |"
    }
    if let memory = document.memory {
      lines += [
        "", "## Memory", "",
        "Arena \(Figures.bytes(memory.peakBytes)); lower bound \(Figures.bytes(memory.lowerBound)); without sharing "
          + "\(Figures.bytes(memory.sumBytes)).",
      ]
    }
    if let verification = report.verification, !verification.outputs.isEmpty {
      lines += ["", "## Verification", "", "| output | max abs | max rel |", "|---|---:|---:|"]
      lines += verification.outputs.map {
        "| \(escape($0.name)) | \(Figures.short($0.maxAbs)) | \(Figures.short($0.maxRel)) |"
      }
      lines += [""] + verification.cases.map { "- \(escape($0))" }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  static func escape(_ text: String) -> String {
    var out = ""
    for character in text {
      switch character {
      case "|", "*", "_", "`", "[", "]", "<", ">", "\\": out += "\\" + String(character)
      case "\n", "\r": out += " "
      default: out.append(character)
      }
    }
    return out
  }

  static func code(_ text: String) -> String { text.filter { $0 != "`" && !$0.isNewline } }
}
