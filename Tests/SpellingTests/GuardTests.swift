import SpellingSupport
import TestSupport
import Testing

/// Each guard's own sentence is expected somewhere, and is said there.
@Suite struct GuardTests {
  static let flaws = Spellings.flaws

  /// What UseIntegerProducts would say in words that no graph draws out of it: an error inside `try?`, a node without a result.
  static let silent: Set<String> = ["its bias is dequantized from computed integers", "its result is not there"]

  /// A new guard needs a case of its pass, around attention rather a flaw in Breakers+Attention.swift or Breakers+Rotation.swift.
  @Test func everyGuardIsReached() throws {
    let coverage = try GuardCoverage()
    #expect(coverage.lines.count > 350, "the sentences are not found in the source")
    let silent = Set(coverage.lines.filter { !$0.isExpected }.map(\.sentence)).intersection(Self.silent)
    #expect(silent == Self.silent, "these are reached now, or gone")
    for line in coverage.lines where !line.isExpected && !Self.silent.contains(line.sentence) {
      Issue.record("no flaw and no case expects \"\(line.sentence)\" of \(line.file)")
    }
    #expect(coverage.strays.isEmpty, "no guard says what these expect")
  }

  /// Each flaw three times, whatever the seeds of `SpellingTests` draw.
  @Test(arguments: flaws)
  func aFlawIsRefusedInItsGuardsWords(_ flaw: Spellings.FlawName) throws {
    let wanted = Repository.isFull ? 30 : 3
    var drawn = 0
    for seed in UInt64(1)...UInt64(4 * wanted) where drawn < wanted {
      guard let spelling = try Spellings.make(flaw.family, seed: seed, forced: ["flaw": flaw.name]) else { continue }
      drawn += 1
      let outcome = SpellingCheck().run(spelling)
      for failure in outcome.failures {
        Issue.record("\(flaw), seed \(seed): \(failure.item): \(failure.detail)\n  \(outcome.nearMisses)")
      }
    }
    #expect(drawn == wanted, "\(flaw) does not fit what it is drawn with")
  }

  @Test func aSentenceIsReadWhole() throws {
    let coverage = try GuardCoverage()
    let sentences = Set(coverage.lines.map(\.sentence))
    #expect(sentences.contains("the scores pass two Tanh"))
    // Interpolated, joined by +, one of two, and of a function that makes the refusal.
    #expect(sentences.contains("* key heads are repeated * times, * value heads * times"))
    #expect(
      sentences.contains(
        "what Attention reads depends on the shape of its keys and values joined with the cache, which is not known from the parts"
      ))
    #expect(sentences.contains("masked scores are set to *, which scores may reach"))
    #expect(sentences.contains("* elements of * turn, pairs need an even number"))
    // Of a rule text.
    #expect(sentences.contains("LpNormalization runs over one axis, the norm over *"))
  }

  @Test func aStarStandsForWhatVaries() {
    let pattern = SentencePattern("the * of * is 2, * is 1")
    #expect(pattern.matches("the size of x is 2, the size of y is 1"))
    #expect(pattern.isPart(of: "here the size of x is 2, that of y is 1, too"))
    #expect(!pattern.matches("the size of x is 2, the size of y is 1 too"))
    #expect(!pattern.matches("the size of x is 1, the size of y is 2"))
    #expect(!SentencePattern("the scores").matches("the scores pass"))
    #expect(!SentencePattern("the a*a").matches("the a"))
  }
}
