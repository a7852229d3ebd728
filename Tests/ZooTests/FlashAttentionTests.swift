import CPUProvider
import Cameo
import GraphIR
import InferenceRuntime
import ONNXFormat
import PassKit
import Tensors
import TestSupport
import Testing

/// A fused attention counts only if the flash kernel ran for it.
@Suite(.serialized) struct FlashAttentionTests {
  @Test(arguments: Zoo.present)
  func everyAttentionRunsAsFlashAttention(_ entry: Zoo.Model) throws {
    let source = try ONNXImporter.load(path: Zoo.path(entry.path))
    for level in 2...3 {
      let model = try source.optimized(level: level)
      let attentions = model.graph.allNodes.filter { model.graph[$0].operatorName == OperatorName("Attention") }
      guard !attentions.isEmpty else { continue }
      for set in entry.smallest {
        let session = try Session(model, providers: [CPUProvider()])
        _ = try session.run(values: try Zoo.tensors(set.inputs).mapValues { .tensor($0) })
        let steps = session.plans.flatMap(\.assignments).filter { $0.operatorName == OperatorName("Attention") }
        #expect(steps.count >= attentions.count, "\(entry.name) level \(level)")
        for step in steps { #expect(step.kernel == "flash", "\(entry.name) level \(level): \(step.refusals)") }
      }
    }
  }
}
