import Foundation
import TestSupport
import Testing

/// A sample of what `Tools/fuzz` runs by the thousand: mutated models, each under 4 GiB of address space and 10 s.
@Suite struct FuzzTests {
  @Test(.timeLimit(.minutes(3))) func mutatedModels() throws {
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    // swift test runs a helper that loads the bundle; the products lie in the build folder.
    let builds = ["debug", "release"].map { Repository.root.appending(path: ".build/\($0)/fuzz-runner") }
    let candidates = [own.deletingLastPathComponent().appending(path: "fuzz-runner")] + builds
    let runner = try #require(candidates.first { FileManager.default.isExecutableFile(atPath: $0.path) })
    var models: [String] = []
    for folder in [Repository.models, Repository.models.appending(path: "small")] {
      models += try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".onnx") }
        .map { folder.appending(path: $0).path }
    }
    let process = Process()
    process.executableURL = runner
    process.arguments = models + ["--seed", "1", "--count", Repository.isFull ? "10000" : "500"]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    print(output)
    #expect(process.terminationStatus == 0, "\(output)")
  }
}
