import GraphIR
import Tensors

/// Shape: the dimensions `start` ..< `end` of the input, int64.
struct Shape: Operator {
  let name = OperatorName("Shape")

  private func range(_ attributes: AttributeReader, rank: Int) throws -> Range<Int> {
    func clamp(_ axis: Int) -> Int { min(max(axis < 0 ? axis + rank : axis, 0), rank) }
    let start = clamp(try attributes.int("start", default: 0))
    return start..<max(start, clamp(try attributes.int("end", default: rank)))
  }

  func infer(_ context: inout InferenceContext) throws {
    guard let shape = context.shape(0) else {
      let length = context.unknownDim()
      return context.set(0, .int64, [length])
    }
    let dims = Array(shape[try range(context.attributes, rank: shape.count)])
    context.set(0, .int64, [Dim(dims.count)], symbols: dims)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let shape = try context.tensor(0).shape
    return [.tensor(try .ints(Array(shape[try range(context.attributes, rank: shape.count)])))]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 15 else { return }
    let start = graph[node]["start"]
    let end = graph[node]["end"]
    if start == nil && end == nil { return }
    graph.setAttribute("start", of: node, to: nil)
    graph.setAttribute("end", of: node, to: nil)
    guard let output = graph[node].output(0) else { return }
    // Shape, then Slice over what was asked for.
    let whole = graph.addValue(name: graph.freshName("shape"), in: graph[node].region)
    graph.rebindOutput(0, of: node, to: whole)
    func bound(_ attribute: Attribute?, _ fallback: Int64) throws -> Tensor {
      if case .int(let value) = attribute { return try .of([value], .int64) }
      return try .of([fallback], .int64)
    }
    let starts = graph.emitConstant(try bound(start, 0), like: node)
    let ends = graph.emitConstant(try bound(end, Int64(Int32.max)), like: node)
    graph.addNode(
      OperatorName("Slice"), inputs: [whole, starts, ends], outputs: [output], origins: graph[node].origins,
      in: graph[node].region)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Shape(), to: $0) })
