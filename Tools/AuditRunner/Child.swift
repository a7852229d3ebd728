import AuditSupport
import Foundation
import ONNXFormat
import Tensors

/// Runs every mutation of some tests. The parent reads "case", then stages, then what is complained of, then "end"; what is
/// missing tells where it died.
/// `addressSpace` is in GiB; 0: no limit.
func runChild(
  _ folder: String, _ names: [String], skipping: Int, accepted: String?, refused: String?, addressSpace: Int
) {
  if addressSpace > 0 {
    var limit = rlimit(rlim_cur: rlim_t(addressSpace) << 30, rlim_max: rlim_t(addressSpace) << 30)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  }
  var core = rlimit(rlim_cur: 0, rlim_max: 0)
  setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core)
  MemoryBudget.shared.limit = 128 << 20
  let audit = NegativeAudit()
  for (position, name) in names.enumerated() {
    guard let test = try? NodeTest(folder: folder, name: name) else { continue }
    for (index, mutation) in Mutator.mutations(of: test).enumerated() where position > 0 || index >= skipping {
      say("case \(name) \(index) \(mutation.text)")
      alarm(20)
      let outcome = audit.outcome(test, mutation) { say("stage \($0)") }
      alarm(0)
      if let message = outcome.message { say("message \(outcome.stage) \(message)") }
      for complaint in outcome.complaints { say("complaint \(complaint)") }
      if let accepted, outcome.message == nil { keep(test, mutation, "\(accepted)/\(name).\(index).onnx") }
      if let refused, outcome.stage == "infer" { keep(test, mutation, "\(refused)/\(name).\(index).onnx") }
      say("end")
    }
  }
}

/// Writes a mutation as a model whose outputs say nothing but their element types; what cannot be written is left out.
private func keep(_ test: NodeTest, _ mutation: Mutation, _ path: String) {
  var model = test.model
  model.graph = mutation.graph
  for output in model.graph.outputs {
    if case .tensor(let type?, _)? = model.graph[output].type { model.graph.setType(.tensor(type, nil), of: output) }
  }
  model.documentation = mutation.text
  guard let bytes = try? ONNXExporter.serialize(model) else { return }
  try? Data(bytes).write(to: URL(fileURLWithPath: path))
}
