import GraphIR
import Tensors

/// Upsample, withdrawn by opset 10: a Resize with asymmetric coordinates.
struct Upsample: Operator {
  let name = OperatorName("Upsample")
  let traits: OperatorTraits = .retired

  func infer(_ context: inout InferenceContext) throws { try Resize().infer(&context) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    throw CameoError.unsupported("Upsample is Resize since opset 10")
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 7 {
      // height_scale and width_scale of [N, C, H, W].
      guard case .float(let height) = graph[node]["height_scale"], case .float(let width) = graph[node]["width_scale"]
      else {
        throw CameoError.badInput("height_scale or width_scale is missing")
      }
      graph.setAttribute("height_scale", of: node, to: nil)
      graph.setAttribute("width_scale", of: node, to: nil)
      graph.insertInput(graph.emitConstant(try Tensor.of([1, 1, height, width], .float), like: node), of: node, at: 1)
    } else if version < 9 {
      try graph.moveAttributeToInput("scales", of: node, at: 1, as: .float)
    }
    if case .string("bilinear") = graph[node]["mode"] { graph.setAttribute("mode", of: node, to: .string("linear")) }
    Resize.upgradeScales(&graph, node)
    graph.setOperator(OperatorName("Resize"), of: node)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Upsample(), to: $0) })
