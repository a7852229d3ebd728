/// Text in columns. The last column is not padded.
struct Table {
  enum Alignment { case left, right }

  private let alignments: [Alignment]
  private var rows: [[String]] = []
  private let header: [String]

  /// `columns`: headings; a leading ">" aligns the column to the right.
  init(_ columns: [String] = [], alignments: [Alignment]? = nil) {
    header = columns.map { $0.hasPrefix(">") ? String($0.dropFirst()) : $0 }
    self.alignments = alignments ?? columns.map { $0.hasPrefix(">") ? .right : .left }
  }

  mutating func add(_ cells: String...) { rows.append(cells) }
  mutating func add(_ cells: [String]) { rows.append(cells) }
  var isEmpty: Bool { rows.isEmpty }

  func text(indent: Int = 2) -> String {
    let hasHeader = header.contains { !$0.isEmpty }
    let all = (hasHeader ? [header] : []) + rows
    let columns = all.map(\.count).max() ?? 0
    var widths = [Int](repeating: 0, count: columns)
    for row in all { for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) } }
    var lines: [String] = []
    for (number, row) in all.enumerated() {
      var line = String(repeating: " ", count: indent)
      for (index, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[index] - cell.count)
        let isRight = index < alignments.count && alignments[index] == .right
        let isLast = index == row.count - 1
        let shown = number == 0 && hasHeader ? Console.styled(cell, .dim) : cell
        line += isRight ? padding + shown : isLast ? shown : shown + padding
        if !isLast { line += "  " }
      }
      while line.last == " " { line.removeLast() }
      lines.append(line)
    }
    return lines.joined(separator: "\n")
  }
}
