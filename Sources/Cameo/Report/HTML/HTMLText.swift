/// Text and numbers as HTML and SVG write them.
enum HTMLText {
  /// Safe in element content and in double-quoted attributes. Control characters, which no page may hold, become spaces.
  static func escape(_ text: String) -> String {
    var out = ""
    out.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      case "'": out += "&#39;"
      case "\n", "\t": out.unicodeScalars.append(scalar)
      case _ where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || scalar.value & 0xfffe == 0xfffe:
        out += " "
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }

  /// A coordinate with at most one place behind the point.
  static func pixels(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    if tenths % 10 == 0 { return String(tenths / 10) }
    let magnitude = tenths.magnitude
    return (tenths < 0 ? "-" : "") + "\(magnitude / 10).\(magnitude % 10)"
  }

  /// Names that share a folder, said once: `/model/layers.0/ (MatMul, Add)`. HTML.
  static func names(_ names: [String], limit: Int) -> String {
    var order: [String] = []
    var folders: [String: [String]] = [:]
    for name in names.prefix(limit) {
      let cut = name.utf8.lastIndex(of: UInt8(ascii: "/")).map { name.utf8.index(after: $0) } ?? name.startIndex
      let folder = String(name[..<cut])
      if folders[folder] == nil { order.append(folder) }
      folders[folder, default: []].append(String(name[cut...]))
    }
    var parts = order.map { folder -> String in
      let members = (folders[folder] ?? []).map { "<code>\(escape($0))</code>" }.joined(separator: " ")
      return folder.isEmpty ? members : "<span class=\"f\">\(escape(folder))</span>\(members)"
    }
    if names.count > limit { parts.append("<span class=\"f\">and \(names.count - limit) more</span>") }
    return parts.joined(separator: " ")
  }
}
