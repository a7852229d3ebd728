import Foundation
import TestSupport

/// Which guards of the passes around attention a breaker or a case reaches: each refusal's sentence as the source has it, the flaws
/// that expect it, and the cases of these passes that do.
public struct GuardCoverage: Sendable {
  public struct Line: Sendable {
    public let sentence: String
    public let file: String
    /// `break-attention cappedTwice`.
    public let flaws: [String]
    /// `FuseAttention: two soft caps`.
    public let cases: [String]
  }

  /// In the order of the files.
  public let lines: [Line]
  /// Flaws that state no guard's whole sentence: `break-attention cappedTwice`.
  public let strays: [String]

  /// What explains itself to candidates of attention: the files, the passes whose cases count, the breakers that do.
  private static let folder = "Passes/Attention"
  private static let others = [
    "Passes/Canonical/LowerEinsum.swift", "Passes/Fusion/FuseSoftmax.swift",
    "Passes/Microsoft/UseMultiHeadAttention.swift",
  ]
  private static let passes = [
    "FuseAttention", "FuseRotaryEmbedding", "AbsorbScale", "ReduceMask", "ShareKeyHeads", "AbsorbCache", "PackHeads",
    "LowerEinsum", "FuseSoftmax", "UseMultiHeadAttention",
  ]
  private static let breakers = ["break-attention", "break-rope"]

  public init() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Repository.root.appending(path: Self.folder).path)
    let files = names.filter { $0.hasSuffix(".swift") }.sorted().map { Self.folder + "/" + $0 } + Self.others
    var order: [String] = []
    var places: [String: String] = [:]
    for file in files {
      for sentence in try GuardSource.sentences(of: file) where places[sentence] == nil {
        order.append(sentence)
        places[sentence] = file
      }
    }
    let patterns = order.map { SentencePattern($0) }
    /// The guards that say it: those that give the most of it.
    func guards(_ sentence: String) -> [String] {
      let found = patterns.filter { $0.matches(sentence) }
      let weight = found.map(\.weight).max()
      return found.filter { $0.weight == weight }.map(\.text)
    }
    var flaws: [String: [String]] = [:]
    var strays: [String] = []
    for flaw in Spellings.flaws where Self.breakers.contains(flaw.family) {
      for sentence in flaw.sentences {
        let found = guards(sentence)
        for text in found { flaws[text, default: []].append("\(flaw.family) \(flaw.name)") }
        if found.isEmpty { strays.append("\(flaw.family) \(flaw.name)") }
      }
    }
    var cases: [String: [String]] = [:]
    for item in Self.passes.flatMap(RewriteCase.of) {
      guard case .unchanged(let sentence?) = item.expectation else { continue }
      for text in guards(sentence) { cases[text, default: []].append("\(item)") }
    }
    lines = order.map {
      Line(sentence: $0, file: places[$0] ?? "", flaws: flaws[$0] ?? [], cases: cases[$0] ?? [])
    }
    self.strays = strays
  }
}
