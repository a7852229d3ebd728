import Foundation
import TestSupport

/// Which guards of the passes a breaker or a case reaches: each refusal's sentence as the source has it, the flaws that expect it,
/// and the cases that do.
///
/// A sentence in the file of a pass counts as expected where a case of that pass or a flaw does, one in a file that several passes
/// share where any case does, and so where the pass has no file of its own.
public struct GuardCoverage: Sendable {
  public struct Line: Sendable {
    public let sentence: String
    /// `Passes/Fusion/FusePad.swift`.
    public let file: String
    /// `break-attention cappedTwice`.
    public fileprivate(set) var flaws: [String] = []
    /// `FuseAttention: two soft caps`.
    public fileprivate(set) var cases: [String] = []

    public var isExpected: Bool { !flaws.isEmpty || !cases.isEmpty }
  }

  /// In the order of the files.
  public let lines: [Line]
  /// Flaws around attention that state no guard's whole sentence: `break-attention cappedTwice`.
  public let strays: [String]

  /// The breakers whose flaws each state a guard's whole sentence; those of the rules' spellings state what patterns say, too.
  private static let breakers = ["break-attention", "break-rope"]

  /// The files of the passes, those that hold rule texts among them.
  private static func files() throws -> [String] {
    let root = "Passes"
    let folders = try FileManager.default.contentsOfDirectory(atPath: Repository.root.appending(path: root).path)
    return try folders.sorted().filter { !$0.contains(".") && $0 != "Examples" }.flatMap { folder in
      let path = "\(root)/\(folder)"
      return try FileManager.default.contentsOfDirectory(atPath: Repository.root.appending(path: path).path)
        .filter { $0.hasSuffix(".swift") }.sorted().map { "\(path)/\($0)" }
    }
  }

  public init() throws {
    var lines: [Line] = []
    var patterns: [SentencePattern] = []
    /// The pass whose file it is; nil where several share it.
    var owners: [String?] = []
    var files: Set<String> = []
    let names = Set(try RewriteCase.passes())
    for file in try Self.files() {
      let name = String(file.split(separator: "/").last?.dropLast(".swift".count) ?? "")
      files.insert(name)
      var seen: Set<String> = []
      for sentence in try GuardSource.sentences(of: file) where seen.insert(sentence).inserted {
        lines.append(Line(sentence: sentence, file: file))
        patterns.append(SentencePattern(sentence))
        owners.append(names.contains(name) ? name : nil)
      }
    }
    /// The guards that say it: those that give the most of it.
    func guards(_ sentence: String, of pass: String?) -> [Int] {
      let found = patterns.indices.filter { index in
        (pass.map { !files.contains($0) } ?? true || owners[index] == nil || owners[index] == pass)
          && patterns[index].matches(sentence)
      }
      let weight = found.map { patterns[$0].weight }.max()
      return found.filter { patterns[$0].weight == weight }
    }
    var strays: [String] = []
    for flaw in Spellings.flaws where Self.breakers.contains(flaw.family) {
      for sentence in flaw.sentences {
        let found = guards(sentence, of: nil)
        for index in found { lines[index].flaws.append("\(flaw.family) \(flaw.name)") }
        if found.isEmpty { strays.append("\(flaw.family) \(flaw.name)") }
      }
    }
    for item in names.sorted().flatMap(RewriteCase.of) {
      guard let sentence = item.sentence else { continue }
      for index in guards(sentence, of: item.pass) { lines[index].cases.append("\(item)") }
    }
    self.lines = lines
    self.strays = strays
  }
}
