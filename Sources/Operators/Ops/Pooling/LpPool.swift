internal import CKernels
import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// LpPool: (sum |x|^p)^(1/p) of each window; padding counts as zero.
struct LpPool: Operator {
  let name = OperatorName("LpPool")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, context.dataType(0), try NNPooling.shape(context))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let geometry = try NNPooling.geometry(context, x)
    let p = try context.attributes.int("p", default: 2)
    let result = try NNPooling.evaluate(x, geometry) { out, input, window, planes in
      var window = window
      ck_lppool_f32(out, input, &window, Float(p), planes.lowerBound, planes.upperBound)
    } double: { input, position in
      var sum = 0.0
      geometry.forEachTap(position) { _, index in if index >= 0 { sum += pow(abs(input[index]), Double(p)) } }
      return pow(sum, 1 / Double(p))
    }
    return [.tensor(result)]
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 2 else { return }
    if graph[node]["auto_pad"] == nil, graph[node]["kernel_shape"] == nil {
      throw CameoError.badInput("attribute kernel_shape is missing")
    }
    try NNVersions.floatToInt("p", of: node, in: &graph)
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 18 {
      NNPooling.dropPlainDilations(&graph, node)
      try NNPooling.lowerCeilMode(&graph, node)
    }
    if version < 2 { NNVersions.intToFloat("p", of: node, in: &graph) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(LpPool(), to: $0) })
