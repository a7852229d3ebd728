import Foundation
import TestSupport
import Testing

/// Mutated node tests: a result or a clear error, never a trap or a hang. `CAMEO_FULL=1` takes every node test.
@Suite struct NegativeAuditTests {
  @Test(.timeLimit(.minutes(Repository.isFull ? 60 : 8))) func mutatedNodeTestsAreRefusedInWords() throws {
    guard NodeData.isThere() else { return }
    let runner = try Repository.product("audit-runner")
    let process = Process()
    process.executableURL = runner
    process.arguments = [NodeData.folder] + (Repository.isFull ? ["--all"] : [])
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    print(output)
    #expect(process.terminationStatus == 0, "\(output)")
  }
}
