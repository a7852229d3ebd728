import GraphIR
import Tensors

/// Concat: the inputs one after the other along `axis`.
struct Concat: Operator {
  let name = OperatorName("Concat")
  let traits: OperatorTraits = []

  func infer(_ context: inout InferenceContext) throws {
    guard !context.inputs.isEmpty else { throw CameoError.badInput("at least one input is needed") }
    let indices = Array(context.inputs.indices)
    let type = try context.commonType(indices)
    let given = try context.attributes.int("axis")
    let shapes = indices.map { context.shape($0) }
    guard let first = shapes.lazy.compactMap({ $0 }).first else { return context.set(0, type, nil) }
    let axis = try Axes.normalize(given, rank: first.count)
    var result = first
    var length: Dim? = 0
    for (index, shape) in shapes.enumerated() {
      guard let shape else {
        length = nil
        continue
      }
      guard shape.count == first.count else {
        throw CameoError.badInput("input \(index) has rank \(shape.count), the others have \(first.count)")
      }
      for other in shape.indices where other != axis {
        result[other] = try context.unify(result[other], shape[other], "dimension \(other) of input \(index)")
      }
      length = length.map { $0 + shape[axis] }
    }
    result[axis] = length ?? context.unknownDim()
    var symbols: [Dim]?
    if first.count == 1 {
      let parts = indices.map { context.symbols($0) }
      if parts.allSatisfy({ $0 != nil }) { symbols = parts.flatMap { $0 ?? [] } }
    }
    context.set(0, type, result, symbols: symbols)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let parts = try context.inputs.indices.map { try context.tensor($0) }
    guard let first = parts.first else { throw CameoError.badInput("at least one input is needed") }
    let axis = try Axes.normalize(try context.attributes.int("axis"), rank: first.rank)
    var shape = first.shape
    shape[axis] = 0
    for (index, part) in parts.enumerated() {
      guard part.dataType == first.dataType else {
        throw CameoError.badInput(
          "inputs 0 and \(index) must agree in type, \(first.dataType) and \(part.dataType) are there")
      }
      guard part.rank == first.rank,
        shape.indices.allSatisfy({ $0 == axis || part.shape[$0] == first.shape[$0] })
      else {
        throw CameoError.badInput(
          "input \(index) of shape \(part.shape) does not fit \(first.shape) along axis \(axis)")
      }
      shape[axis] += part.shape[axis]
      guard shape[axis] < 1 << 56 else { throw CameoError.limit("the result's axis \(axis) is too long") }
    }
    if parts.count == 1 { return [.tensor(first)] }
    let outer = try Tensor.elementCount(shape[..<axis])
    let inner = try Tensor.elementCount(shape[(axis + 1)...])
    var out = try ElementBuffer(first.dataType, shape)
    var start = 0
    for part in parts {
      let run = part.shape[axis] * inner
      for row in 0..<outer { out.copy(part, from: row * run, count: run, to: row * shape[axis] * inner + start) }
      start += run
    }
    return [.tensor(try out.finish())]
  }

  /// Version 1 has a default axis, 1.
  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 4, graph[node]["axis"] == nil { graph.setAttribute("axis", of: node, to: .int(1)) }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 11 {
      try graph.countAxisFromFront(node, rank: graph.rank(graph[node].output(0)) ?? graph.rank(graph[node].input(0)))
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Concat(), to: $0) })
