import GraphIR
import Tensors

/// Gradient: the derivatives of one tensor of the graph with respect to others. Import replaces it by what computes them
/// (`GradientExpansion`); a node that is still there could not be replaced.
struct Gradient: Operator {
  let name = GradientExpansion.name

  func infer(_ context: inout InferenceContext) throws {
    for index in context.node.outputs.indices { context.set(index, context.dataType(index), context.shape(index)) }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let reason = context.node.metadata.first { $0.key == GradientExpansion.reasonKey }?.value
    throw CameoError.unsupported(reason ?? "a Gradient whose names were not resolved at import")
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Gradient(), to: $0) })
