import AuditSupport
import Foundation
import TestSupport
import Testing

/// The ONNX backend's node tests in the cache (`Tools/zoo fetch conformance`).
enum NodeData {
  static let folder = Repository.cache.appending(path: "conformance/node").path
  static let names = NodeTest.names(in: folder)

  /// False, said aloud, where nothing was fetched; a failure on a CI machine.
  static func isThere() -> Bool {
    if !names.isEmpty { return true }
    if Repository.isCI { Issue.record("no node tests in \(folder): Tools/zoo fetch conformance") }
    print("skipped: no node tests in \(folder) (Tools/zoo fetch conformance)")
    return false
  }
}
