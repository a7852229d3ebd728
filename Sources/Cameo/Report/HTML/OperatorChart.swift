/// How often each operator occurs before and after, as paired bars.
enum OperatorChart {
  private static let shown = 26

  static func svg(before: [String: Int], after: [String: Int]) -> String {
    var rows = Set(before.keys).union(after.keys).map { ($0, before[$0] ?? 0, after[$0] ?? 0) }
      .sorted { (-max($0.1, $0.2), $0.0) < (-max($1.1, $1.2), $1.0) }
    if rows.count > shown {
      let rest = rows[(shown - 1)...]
      rows = Array(rows[..<(shown - 1)])
      rows.append(("\(rest.count) others", rest.map(\.1).reduce(0, +), rest.map(\.2).reduce(0, +)))
    }
    let most = max(1, rows.map { max($0.1, $0.2) }.max() ?? 1)
    let labelWidth = min(260.0, Double(rows.map(\.0.count).max() ?? 0) * 7.6 + 14)
    let width = 1100.0
    let barWidth = width - labelWidth - 130
    let rowHeight = 28.0
    let height = Double(rows.count) * rowHeight + 4
    var out =
      "<svg viewBox=\"0 0 \(HTMLText.pixels(width)) \(HTMLText.pixels(height))\" width=\"\(HTMLText.pixels(width))\" "
      + "height=\"\(HTMLText.pixels(height))\" role=\"img\" aria-label=\"operators before and after\">"
    for (index, row) in rows.enumerated() {
      let y = Double(index) * rowHeight + 3
      func bar(_ count: Int, _ top: Double, _ color: String) -> String {
        let length = count == 0 ? 0 : max(2, barWidth * Double(count) / Double(most))
        return
          "<rect x=\"\(HTMLText.pixels(labelWidth))\" y=\"\(HTMLText.pixels(top))\" width=\"\(HTMLText.pixels(length))\" height=\"9\" rx=\"2\" style=\"fill:var(\(color))\"/>"
      }
      let end = labelWidth + barWidth * Double(max(row.1, row.2)) / Double(most)
      let isNew = row.1 == 0
      let change = row.1 == row.2 ? "\(row.1)" : "\(row.1) → \(row.2)"
      out +=
        "<g><title>\(HTMLText.escape(row.0)): \(row.1) before, \(row.2) after</title>"
        + "<text x=\"\(HTMLText.pixels(labelWidth - 10))\" y=\"\(HTMLText.pixels(y + 14))\" text-anchor=\"end\""
        + (isNew ? " style=\"fill:var(--accent);font-weight:600\"" : "") + ">"
        + "\(HTMLText.escape(SubgraphLayout.elided(row.0, 34)))</text>" + bar(row.1, y, "--before")
        + bar(row.2, y + 10, "--accent")
        + "<text x=\"\(HTMLText.pixels(end + 8))\" y=\"\(HTMLText.pixels(y + 14))\""
        + (row.1 == row.2 ? " class=\"d\"" : "") + ">\(change)</text></g>"
    }
    return out + "</svg>"
  }
}
