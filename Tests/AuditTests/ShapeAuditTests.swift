import AuditSupport
import Tensors
import Testing

/// What inference says of every node test's outputs: with actual shapes, with symbols in their place, and with constants for
/// what a shape depends on.
@Suite struct ShapeAuditTests {
  /// Operators whose outputs may be open, and why: contents that are no shape decide.
  static let openOperators = [
    "NonZero": "it counts elements", "Unique": "it counts elements", "Compress": "it counts true elements",
    "StringSplit": "the longest split decides", "StringNormalizer": "it drops words",
    "NonMaxSuppression": "it counts boxes", "ImageDecoder": "the size is in the image",
    "Loop": "the body's condition ends it, and states change size", "Scan": "broadcasting may make a state grow",
    "GatherND": "a dimension of the indices decides the rank",
  ]

  /// Tests of other operators that may be open, and why.
  static let openTests = [
    "_not_larger": "sizes under an aspect ratio are rounded products of quotients",
    "_not_smaller": "sizes under an aspect ratio are rounded products of quotients",
    "center_crop_pad": "a function body that slices between bounds of unknown sign",
  ]

  @Test func inferredShapesAreThoseOfTheData() throws {
    guard NodeData.isThere() else { return }
    var unknown: [String: Int] = [:]
    var count = 0
    for name in NodeData.names {
      let test: NodeTest
      do { test = try NodeTest(folder: NodeData.folder, name: name) } catch let error as CameoError {
        // Whether every operator is there is the conformance run's question.
        #expect(error.kind == .unsupported, "\(name): \(error)")
        unknown[error.reason, default: 0] += 1
        continue
      }
      for mode in ShapeAudit.Mode.allCases {
        count += 1
        do {
          for finding in try ShapeAudit.findings(test, mode) where isFault(finding) {
            Issue.record("\(finding)")
          }
        } catch { Issue.record("\(name) (\(mode.rawValue)): \(error)") }
      }
    }
    for (reason, tests) in unknown.sorted(by: { $0.key < $1.key }) { print("not audited: \(tests) tests, \(reason)") }
    print("shape audit: \(count) inferences of \(NodeData.names.count) tests")
    #expect(count > 0)
  }

  /// Wrong always; open where nothing that a shape depends on is hidden.
  private func isFault(_ finding: ShapeAudit.Finding) -> Bool {
    if finding.isWrong { return true }
    switch finding.mode {
    case .shapes, .fresh, .shared: return false
    default:
      return finding.operators.isDisjoint(with: Self.openOperators.keys)
        && !Self.openTests.keys.contains(where: finding.test.contains)
    }
  }
}
