import GraphIR
import Tensors

/// GatherND: the slices of `data` that the rows of `indices` name, after `batch_dims` axes that both share.
struct GatherND: Operator {
  let name = OperatorName("GatherND")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    let batch = try context.attributes.int("batch_dims", default: 0)
    guard let data = context.shape(0), let indices = context.shape(1) else { return context.set(0, type, nil) }
    guard batch >= 0, batch < Swift.min(data.count, indices.count) else {
      throw CameoError.badInput(
        "attribute batch_dims is \(batch), less than the ranks \(data.count) and \(indices.count) was expected")
    }
    guard let depth = indices[indices.count - 1].value else { return context.set(0, type, nil) }
    guard depth >= 1, batch + depth <= data.count else {
      throw CameoError.badInput(
        "index rows of \(depth) after \(batch) batch axes do not fit data of rank \(data.count)")
    }
    var result = Array(indices[..<(indices.count - 1)]) + Array(data[(batch + depth)...])
    for axis in 0..<batch { result[axis] = try context.unify(indices[axis], data[axis], "batch axis \(axis)") }
    context.set(0, type, result)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (data, indices) = (try context.tensor(0), try context.tensor(1))
    let shape = try context.outputType(0, by: self).shape
    let batch = try context.attributes.int("batch_dims", default: 0)
    let depth = indices.shape[indices.rank - 1]
    let strides = Tensor.strides(data.shape)
    let inner = try Tensor.elementCount(data.shape[(batch + depth)...])
    let batches = try Tensor.elementCount(indices.shape[..<batch])
    let perBatch = try Tensor.elementCount(indices.shape[batch..<(indices.rank - 1)])
    let dataBatch = try Tensor.elementCount(data.shape[batch...])
    let places = try ElementView<Int64>(indices)
    var out = try ElementBuffer(data.dataType, shape)
    if out.count == 0 { return [.tensor(try out.finish())] }
    for row in 0..<batches * perBatch {
      var start = row / perBatch * dataBatch
      for axis in 0..<depth {
        let index = Int(places[row * depth + axis])
        start += try Gather.place(index, data.shape[batch + axis], batch + axis) * strides[batch + axis]
      }
      out.copy(data, from: start, count: inner, to: row * inner)
    }
    return [.tensor(try out.finish())]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 12, graph[node]["batch_dims"] != nil else { return }
    guard try AttributeReader(graph[node]).int("batch_dims") == 0 else {
      throw CameoError.unsupported("before opset 12 there are no batch_dims")
    }
    graph.setAttribute("batch_dims", of: node, to: nil)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(GatherND(), to: $0) })
