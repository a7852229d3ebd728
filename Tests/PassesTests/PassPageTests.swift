import Foundation
import Passes
import TestSupport
import Testing

/// docs/passes.md and what `cameo passes NAME` prints follow from the passes and their cases.
@Suite struct PassPageTests {
  private static let files = (page: "docs/passes.md", source: "Passes/PassCatalogue.generated.swift")

  private static func source(_ text: String) -> String {
    let quotes = "\"\"\""
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "    " + $0 }
    return """
      /// The pages of the built-in passes: the text of docs/passes.md, written with it by the test PassPageTests.
      public enum PassCatalogue {
        /// The part about one pass, without its heading; nil for a pass that is not built in.
        public static func page(_ name: String) -> String? {
          guard let start = text.firstRange(of: "\\n### \\(name)\\n\\n")?.upperBound else { return nil }
          let rest = text[start...]
          let end = rest.firstRange(of: "\\n\\n##")?.lowerBound ?? rest.index(before: rest.endIndex)
          return String(rest[..<end])
        }

        static let text = #\(quotes)
      \(lines.joined(separator: "\n"))
          \(quotes)#
      }

      """
  }

  @Test func pagesAreUpToDate() throws {
    let text = try PassPages.text()
    for (path, wanted) in [(Self.files.page, text), (Self.files.source, Self.source(text))] {
      let file = Repository.root.appending(path: path)
      if ProcessInfo.processInfo.environment["CAMEO_WRITE"] == "1" { try Data(wanted.utf8).write(to: file) }
      let found = try String(contentsOf: file, encoding: .utf8)
      #expect(found == wanted, "\(path) is out of date: CAMEO_WRITE=1 swift test --filter PassPageTests writes it")
    }
  }

  @Test(arguments: Pipelines.all.map(\.name))
  func everyPassHasAPage(_ name: String) throws {
    let page = try #require(PassCatalogue.page(name))
    let changes = !CaseTests.explaining.contains(name)
    #expect((page.contains("before") && page.contains("after")) == changes && page.contains("Left alone:"))
    #expect(!page.contains("stage: ?"))
  }
}
