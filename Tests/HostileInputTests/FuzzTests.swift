import Foundation
import TestSupport
import Testing

/// A sample of what `Tools/fuzz` runs by the thousand: mutated models, each under 4 GiB of address space and 10 s.
@Suite struct FuzzTests {
  @Test(.timeLimit(.minutes(60 * Repository.patience))) func mutatedModels() throws {
    var models: [String] = []
    for folder in [Repository.models, Repository.models.appending(path: "small")] {
      models += try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".onnx") }
        .map { folder.appending(path: $0).path }
    }
    let runner = try Repository.product("fuzz-runner").path
    let result = try Command.run([runner] + models + ["--seed", "1", "--count", Repository.isFull ? "10000" : "500"])
    print(result.output)
    #expect(result.status == 0, "\(result.output)")
  }
}
