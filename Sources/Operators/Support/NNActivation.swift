import GraphIR
import Tensors

/// An activation: a `UnaryOperator` whose first versions carried `consumed_inputs`.
struct NNActivation: Operator {
  let name: OperatorName
  let traits: OperatorTraits = .elementwise
  private let unary: UnaryOperator

  init(
    _ name: String, float: @escaping @Sendable (AttributeReader) throws -> (Double) -> Double,
    integer: (@Sendable (AttributeReader) throws -> (Int64) -> Int64)? = nil
  ) {
    self.name = OperatorName(name)
    unary = UnaryOperator(name, float: float, integer: integer)
  }

  func infer(_ context: inout InferenceContext) throws { try unary.infer(&context) }
  func evaluate(_ context: EvaluationContext) throws -> [Value?] { try unary.evaluate(context) }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 6 else { return }
    graph.setAttribute("consumed_inputs", of: node, to: nil)
    // Selu's defaults had fewer digits.
    if name.name == "Selu" {
      if graph[node]["alpha"] == nil { graph.setAttribute("alpha", of: node, to: .float(1.6732)) }
      if graph[node]["gamma"] == nil { graph.setAttribute("gamma", of: node, to: .float(1.0507)) }
    }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 6, name.name == "Selu" else { return }
    if graph[node]["alpha"] == nil { graph.setAttribute("alpha", of: node, to: .float(1.67326319217681884765625)) }
    if graph[node]["gamma"] == nil { graph.setAttribute("gamma", of: node, to: .float(1.05070102214813232421875)) }
  }
}
