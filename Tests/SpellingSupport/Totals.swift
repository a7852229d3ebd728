/// Counts by axis value, over all seeds of a family.
public struct SpellingTotals: Sendable {
  public struct Count: Sendable {
    public var drawn = 0
    public var good = 0
  }
  public private(set) var seeds = Count()
  private var axes: [String: [String: Count]] = [:]
  private var items: [String: Count] = [:]
  private var problems: [String: Int] = [:]

  public init() {}

  public mutating func note(_ spelling: Spelling, _ outcome: SpellingOutcome) {
    let isGood = outcome.failures.isEmpty
    seeds.drawn += 1
    if isGood { seeds.good += 1 }
    for axis in spelling.axes {
      axes[axis.axis, default: [:]][axis.value, default: Count()].drawn += 1
      if isGood { axes[axis.axis, default: [:]][axis.value, default: Count()].good += 1 }
    }
    for expectation in spelling.expectations { items[expectation.name, default: Count()].drawn += 1 }
    for name in outcome.met { items[name, default: Count()].good += 1 }
    for failure in outcome.failures where !spelling.expectations.contains(where: { $0.name == failure.item }) {
      problems[failure.item, default: 0] += 1
    }
  }

  /// Axis values with good / drawn.
  public var text: String {
    var lines = ["\(seeds.good) of \(seeds.drawn) as expected"]
    func line(_ name: String, _ counts: [String: Count]) -> String {
      let sorted = counts.sorted { (Int($0.key) ?? 0, $0.key) < (Int($1.key) ?? 0, $1.key) }
      return "  \(name): " + sorted.map { "\($0.key) \($0.value.good)/\($0.value.drawn)" }.joined(separator: ", ")
    }
    lines.append(line("expected", items))
    if !problems.isEmpty {
      lines.append(
        "  problems: " + problems.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
    }
    for (axis, counts) in axes.sorted(by: { $0.key < $1.key }) { lines.append(line(axis, counts)) }
    return lines.joined(separator: "\n")
  }
}
