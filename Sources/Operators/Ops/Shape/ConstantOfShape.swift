import GraphIR
import Tensors

/// ConstantOfShape: a tensor of the shape that input 0 holds, filled with the one element of `value` (float 0 unless given).
struct ConstantOfShape: Operator {
  let name = OperatorName("ConstantOfShape")

  private func value(_ attributes: AttributeReader) throws -> Tensor {
    guard let value = try attributes.tensor("value") else { return try .scalar(Float(0), .float) }
    guard value.count == 1 else {
      throw CameoError.badInput("attribute value has \(value.count) elements, 1 was expected")
    }
    return value
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.requireList(0)
    let value = try value(context.attributes)
    guard let shape = context.symbols(0) else {
      guard let rank = context.length(0) else { return context.set(0, value.dataType, nil) }
      return context.set(0, value.dataType, context.unknownShape(rank: rank))
    }
    if let bad = shape.first(where: { ($0.value ?? 0) < 0 }) {
      throw CameoError.badInput("the shape holds \(bad), 0 or more was expected")
    }
    var symbols: [Dim]?
    let concrete = shape.compactMap(\.value)
    if value.dataType.isInteger || value.dataType == .bool, concrete.count == shape.count,
      let count = try? Tensor.elementCount(concrete), count <= ValueFacts.symbolLimit, let fill = try value.ints().first
    {
      symbols = [Dim](repeating: Dim(fill), count: count)
    }
    context.set(0, value.dataType, shape, symbols: symbols)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let shape = try context.tensor(0).ints()
    if let bad = shape.first(where: { $0 < 0 }) {
      throw CameoError.badInput("the shape holds \(bad), 0 or more was expected")
    }
    let value = try value(context.attributes)
    return [.tensor(try DataMovement.strided(try value.reshaped([]), shape, strides: shape.map { _ in 0 }))]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    try ElementCasts.require(try value(AttributeReader(graph[node])).dataType, from: name, version)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ConstantOfShape(), to: $0) })
