internal import CKernels
import GraphIR
import Tensors

/// AveragePool: the mean of each window, of its part inside the input unless `count_include_pad`.
struct AveragePool: Operator {
  let name = OperatorName("AveragePool")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, context.dataType(0), try NNPooling.shape(context))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let geometry = try NNPooling.geometry(context, x)
    let countsPadding = try context.attributes.bool("count_include_pad")
    let result = try NNPooling.evaluate(x, geometry) { out, input, window, planes in
      var window = window
      ck_avgpool_f32(out, input, &window, countsPadding, planes.lowerBound, planes.upperBound)
    } double: { input, position in
      var sum = 0.0
      var count = 0.0
      geometry.forEachTap(position) { tap, index in
        if index >= 0 { sum += input[index] }
        if index >= 0 || countsPadding && geometry.isInsidePadding(position, tap) { count += 1 }
      }
      return sum / count
    }
    return [.tensor(result)]
  }

  /// Opsets 1 to 6 count no padding and 1 to 9 know no ceil_mode. What is to count then becomes zeros of a Pad; what the
  /// last windows reach past it is padding that does not count.
  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 19 { NNPooling.dropPlainDilations(&graph, node) }
    guard version < 10 else { return }
    guard try AttributeReader(graph[node]).bool("count_include_pad") else {
      graph.setAttribute("count_include_pad", of: node, to: nil)
      return try NNPooling.lowerCeilMode(&graph, node)
    }
    let window = try NNWindow(AttributeReader(graph[node]), kernel: nil)
    if version >= 7, !window.ceilMode || window.autoPad != .notSet {
      return graph.setAttribute("ceil_mode", of: node, to: nil)
    }
    let padded = try NNPooling.padding(graph, node, rounded: false)
    let reached = try NNPooling.padding(graph, node, rounded: true)
    if version >= 7, reached == padded { return graph.setAttribute("ceil_mode", of: node, to: nil) }
    guard let x = graph[node].input(0) else { throw CameoError.badInput("input 0 is missing") }
    if padded.contains(where: { $0 != 0 }) {
      let rank = padded.count / 2
      let pads = [0, 0] + padded[..<rank] + [0, 0] + padded[rank...]
      let zeros = graph.emit("Pad", [x, graph.emitConstant(try .ints(pads), like: node)], like: node)
      graph.setType(.tensor(graph.dataType(x), nil), of: zeros)
      graph.setInput(0, of: node, to: zeros)
    }
    for name in ["count_include_pad", "ceil_mode", "auto_pad"] { graph.setAttribute(name, of: node, to: nil) }
    NNPooling.setPads(zip(reached, padded).map { $0 - $1 }, of: node, in: &graph)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(AveragePool(), to: $0) })
