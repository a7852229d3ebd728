import GraphIR
import Tensors

/// ScatterND: a copy of `data` where the slices that the rows of `indices` name are replaced by (or joined with) `updates`.
struct ScatterND: Operator {
  let name = OperatorName("ScatterND")

  func infer(_ context: inout InferenceContext) throws {
    let type = try context.commonType([0, 2])
    if let data = context.shape(0), let indices = context.shape(1) {
      guard let depth = indices.last else { throw CameoError.badInput("indices have rank 0, 1 or more was expected") }
      if let depth = depth.value, depth < 0 || depth > data.count {
        throw CameoError.badInput(
          "the last axis of indices has length \(depth), at most \(data.count), the rank of the data, was expected")
      }
    }
    context.set(0, type, context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (data, indices, updates) = (try context.tensor(0), try context.tensor(1), try context.tensor(2))
    guard let depth = indices.shape.last, depth <= data.rank, indices.dataType.isInteger else {
      throw CameoError.badInput("indices \(indices) do not fit the data \(data)")
    }
    let expected = Array(indices.shape.dropLast()) + Array(data.shape[depth...])
    guard updates.shape == expected else {
      throw CameoError.badInput("updates have the shape \(updates.shape), \(expected) was expected")
    }
    let inner = try Tensor.elementCount(data.shape[depth...])
    let rows = try Tensor.elementCount(indices.shape.dropLast())
    let strides = Tensor.strides(data.shape)
    let places = try ElementView<Int64>(indices)
    let reduction = try ScatterReduction(context.attributes)
    let result = try reduction.apply(data, updates, runs: rows, of: inner) { row in
      var start = 0
      for axis in 0..<depth {
        start += try Gather.place(Int(places[row * depth + axis]), data.shape[axis], axis) * strides[axis]
      }
      return start
    }
    return [.tensor(result)]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    let reduction = try ScatterReduction(AttributeReader(graph[node]))
    if version < 18, reduction == .max || reduction == .min {
      throw CameoError.unsupported("before opset 18 there is no reduction \(reduction.rawValue)")
    }
    guard version < 16 else { return }
    guard reduction == .none else { throw CameoError.unsupported("before opset 16 there is no reduction") }
    graph.setAttribute("reduction", of: node, to: nil)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ScatterND(), to: $0) })
