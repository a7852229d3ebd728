import Cameo

/// A graph difference as a person reads it: what went with `-`, what stands for it with `+`.
enum DifferenceText {
  static func text(_ difference: GraphDifference, from source: String, to result: String) -> String {
    var lines = [
      Console.styled("--- \(source)", .red), Console.styled("+++ \(result)", .green),
      "\(difference.kept) nodes as they were, \(difference.removed) gone, \(difference.added) new",
    ]
    for hunk in difference.hunks {
      let first = (hunk.removed.first ?? hunk.added.first)?.name ?? ""
      let place = hunk.count == 1 ? "@@ \(first)" : "@@ \(hunk.count) times, first at \(first)"
      lines.append(Console.styled(place, .cyan))
      lines += hunk.removed.map { Console.styled("- " + $0.statement, .red) }
      lines += hunk.added.map { Console.styled("+ " + $0.statement, .green) }
    }
    return lines.joined(separator: "\n")
  }
}
