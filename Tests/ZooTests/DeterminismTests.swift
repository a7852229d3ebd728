import CPUProvider
import Cameo
import GraphIR
import InferenceRuntime
import ONNXFormat
import Tensors
import TestSupport
import Testing

/// Same input, same bits: from run to run, and whatever the number of threads.
@Suite(.serialized) struct DeterminismTests {
  private static let names = ["silero_vad", "mobilenet_v3", "minilm", "ppocr4_rec"]

  @Test(arguments: Zoo.present.filter { names.contains($0.name) })
  func bitsDoNotDependOnThreads(_ entry: Zoo.Model) throws {
    let model = try ONNXImporter.load(path: Zoo.path(entry.path)).optimized(level: 3)
    let set = try #require(entry.smallest.first)
    let inputs = try Zoo.tensors(set.inputs)
    var first: [String: Tensor] = [:]
    for threads in [2, 2, 1, 3] {
      var options = SessionOptions()
      options.threads = threads
      let session = try Session(model, providers: [CPUProvider()], options: options)
      for _ in 0..<2 {
        let results = try session.run(inputs)
        if first.isEmpty { first = results }
        for (name, tensor) in results {
          #expect(first[name]?.isIdentical(to: tensor) == true, "\(entry.name), \(threads) threads: \(name)")
        }
      }
    }
  }
}
