import PassKit

/// One card for each form of a fusion: before and after drawn, and every place where it was made.
enum FusionCards {
  private static let drawnForms = 48
  /// Text that lists of places may take in the page; beyond it the JSON report has them.
  private static let placeBudget = 700_000

  static func html(_ groups: [ReportDocument.FusionGroup]) -> String {
    var budget = placeBudget
    var out = "<div class=\"cards\">"
    for group in groups.prefix(drawnForms) { out += card(group, &budget) }
    out += "</div>"
    let rest = groups.dropFirst(drawnForms)
    if !rest.isEmpty {
      out += "<div class=\"panel\"><table><tr><th>further forms</th><th>rule</th><th class=\"r\">times</th></tr>"
      for group in rest.prefix(200) {
        out +=
          "<tr><td>\(HTMLText.escape(group.example.before.map(\.type).joined(separator: ", "))) → "
          + "<b>\(HTMLText.escape(group.operatorName))</b></td><td>\(HTMLText.escape(group.rule))</td><td class=\"r\">\(group.members.count)</td></tr>"
      }
      out += "</table></div>"
    }
    return out
  }

  private static func card(_ group: ReportDocument.FusionGroup, _ budget: inout Int) -> String {
    let example = group.example
    let before = SubgraphLayout(example.before)
    let after = SubgraphLayout(example.after)
    let isWide = before.width + after.width > 470
    var out = "<article class=\"card\(isWide ? " wide" : "")\"><header><h3>\(HTMLText.escape(group.operatorName))</h3>"
    out += "<span class=\"pill\">\(group.members.count) ×</span>"
    let by = group.rule == group.pass || group.rule.isEmpty ? group.pass : "\(group.pass) · \(group.rule)"
    out += "<span class=\"by\">\(HTMLText.escape(by))</span></header>"
    out +=
      "<div class=\"duo\"><div><div class=\"cap\">\(count(example.before.count)) before</div>\(SubgraphDrawing.svg(example.before))</div>"
    out += "<div class=\"to\" aria-hidden=\"true\">→</div>"
    out +=
      "<div><div class=\"cap\">\(count(example.after.count)) after</div>\(SubgraphDrawing.svg(example.after))</div></div>"
    out += places(group.members, &budget)
    return out + "</article>"
  }

  private static func count(_ nodes: Int) -> String {
    nodes == 1 ? "1 node" : nodes >= 48 ? "the first 48 nodes" : "\(nodes) nodes"
  }

  private static func places(_ members: [FusionRecord], _ budget: inout Int) -> String {
    var items = ""
    var listed = 0
    for member in members {
      guard budget > 0 else { break }
      let item =
        "<li><span class=\"m mono\">\(HTMLText.escape(member.node))</span>"
        + (member.origins.isEmpty ? "" : "from \(HTMLText.names(member.origins, limit: 60))") + "</li>"
      budget -= item.utf8.count
      items += item
      listed += 1
    }
    if listed < members.count { items += "<li>and \(members.count - listed) more: they are in the JSON report</li>" }
    let title = members.count == 1 ? "where it was made" : "the \(members.count) places"
    return
      "<details><summary>\(title), with the source nodes they stand for</summary><ul class=\"places\">\(items)</ul></details>"
  }
}
