import SpellingSupport
import TestSupport
import Testing

/// Seeded spellings of what exporters write: each is optimized and held against what is computed, `CAMEO_FULL=1` takes 2 000 a
/// family. `spelling-runner --family F --seed N --count 1` shows one.
@Suite struct SpellingTests {
  private static let count = Repository.isFull ? 2000 : 150

  @Test(.timeLimit(.minutes(60 * Repository.patience)), arguments: Spellings.families)
  func spellingsAreSeenThrough(family: String) throws {
    try check(family)
  }

  @Test(.timeLimit(.minutes(60 * Repository.patience)), arguments: Spellings.breakers)
  func brokenSpellingsAreRefusedInWords(family: String) throws {
    try check(family)
  }

  @Test func aSeedIsTheSameModelEachTime() throws {
    for family in Spellings.families + Spellings.breakers {
      #expect(try Spellings.make(family, seed: 5)?.bytes == Spellings.make(family, seed: 5)?.bytes)
    }
  }

  /// The check is one: a spelling that says another thing than it computes, and one with other numbers, do not pass.
  @Test func whatIsNotThereIsMissed() throws {
    let spelling = try #require(
      try (UInt64(1)...20).compactMap { try Spellings.make("norm", seed: $0, forced: ["root": "divSqrt"], plain: 100) }
        .first)
    #expect(SpellingCheck().run(spelling).failures.isEmpty)
    var check = SpellingCheck()
    check.options.disabled = ["FuseLayerNormalization", "FuseRMSNormalization"]
    #expect(!check.run(spelling).failures.isEmpty)
  }

  private func check(_ family: String) throws {
    var totals = SpellingTotals()
    var unsupported = Unsupported()
    var excused = 0
    var problems: [String] = []
    for seed in 1...UInt64(Self.count) {
      guard let spelling = try Spellings.make(family, seed: seed) else { continue }
      let outcome = SpellingCheck().run(spelling)
      totals.note(spelling, outcome)
      let rest = unsupported.unexcused(spelling, outcome)
      if rest.isEmpty {
        if !outcome.failures.isEmpty { excused += 1 }
        continue
      }
      let what = rest.map { "\($0.item): \($0.detail)" }.joined(separator: "; ")
      let axes = spelling.axes.map { "\($0.axis)=\($0.value)" }.joined(separator: " ")
      problems.append("seed \(seed): \(what)\n  \(axes)\n  \(outcome.nearMisses.joined(separator: " | "))")
    }
    print("\(family): \(totals.text)\n  \(excused) excused by Unsupported.swift")
    let stale = unsupported.stale(family)
    if !stale.isEmpty { print("  lines that excused nothing: \(stale.joined(separator: "; "))") }
    #expect(totals.seeds.good >= Unsupported.floors[family] ?? 0, "\(family) was seen through more often once")
    #expect(totals.seeds.drawn * 10 >= Self.count * 9, "too few seeds fit together")
    #expect(problems.isEmpty, "\(problems.count) of \(family):\n\(problems.prefix(10).joined(separator: "\n"))")
  }
}
