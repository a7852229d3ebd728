import Foundation
import TestSupport
import Testing

/// Mutated node tests: a result or a clear error, never a trap or a hang. `CAMEO_FULL=1` takes every node test.
@Suite struct NegativeAuditTests {
  @Test(.timeLimit(.minutes(60 * Repository.patience)))
  func mutatedNodeTestsAreRefusedInWords() throws {
    guard NodeData.isThere() else { return }
    let runner = try Repository.product("audit-runner").path
    let result = try Command.run([runner] + [NodeData.folder] + (Repository.isFull ? ["--all"] : []))
    print(result.output)
    #expect(result.status == 0, "\(result.output)")
  }
}
