import GraphIR
import Tensors

/// EyeLike: a matrix of the input's shape with ones on diagonal `k`.
struct EyeLike: Operator {
  let name = OperatorName("EyeLike")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 2...2, of: 0)
    context.set(0, try context.attributes.dataType("dtype") ?? context.dataType(0), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let input = try context.tensor(0)
    guard input.rank == 2 else { throw CameoError.badInput("input 0 has rank \(input.rank), 2 was expected") }
    let diagonal = try context.attributes.int("k", default: 0)
    let type = try context.attributes.dataType("dtype") ?? input.dataType
    let (rows, columns) = (input.shape[0], input.shape[1])
    return [
      .tensor(
        try Tensor.make(type, input.shape, as: Float.self) { out in
          for row in 0..<rows {
            let (column, overflow) = row.addingReportingOverflow(diagonal)
            if !overflow, column >= 0, column < columns { out[row * columns + column] = 1 }
          }
        })
    ]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if let type = try AttributeReader(graph[node]).dataType("dtype") {
      try ElementCasts.require(type, from: name, version)
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(EyeLike(), to: $0) })
