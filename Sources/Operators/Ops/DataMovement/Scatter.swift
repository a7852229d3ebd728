import GraphIR
import Tensors

/// Scatter (opsets 9 and 10): ScatterElements under its first name.
struct Scatter: Operator {
  let name = OperatorName("Scatter")
  let traits: OperatorTraits = .retired

  func infer(_ context: inout InferenceContext) throws { try ScatterElements().infer(&context) }
  func evaluate(_ context: EvaluationContext) throws -> [Value?] { try ScatterElements().evaluate(context) }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    graph.setOperator(OperatorName("ScatterElements"), of: node)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Scatter(), to: $0) })
