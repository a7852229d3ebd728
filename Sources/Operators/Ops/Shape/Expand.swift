import GraphIR
import Tensors

/// Expand: the input broadcast with a shape (both ways: a 1 in the shape keeps the input's dimension).
struct Expand: Operator {
  let name = OperatorName("Expand")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    try context.requireList(1)
    let type = context.dataType(0)
    guard let target = context.symbols(1) else {
      guard let shape = context.shape(0), let length = context.length(1) else { return context.set(0, type, nil) }
      var result = context.unknownShape(rank: max(shape.count, length))
      // A length above 1 stays whatever the target says.
      for (axis, dim) in shape.enumerated() where dim.value ?? 0 > 1 { result[result.count - shape.count + axis] = dim }
      return context.set(0, type, result)
    }
    if let bad = target.first(where: { ($0.value ?? 0) < 0 }) {
      throw CameoError.badInput("the shape holds \(bad), 0 or more was expected")
    }
    guard let shape = context.shape(0) else { return context.set(0, type, nil) }
    let result = try context.broadcast(shape, target)
    var symbols: [Dim]?
    if let own = context.facts(0)?.symbols, let from = context.type(0)?.concreteShape {
      let concrete = result.compactMap(\.value)
      if concrete.count == result.count, let count = try? Tensor.elementCount(concrete), count <= ValueFacts.symbolLimit
      {
        symbols = SymbolicContents.indices(concrete, from, []).map { own[$0.0] }
      }
    }
    context.set(0, type, result, symbols: symbols)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let target = try context.tensor(1).ints()
    if let bad = target.first(where: { $0 < 0 }) {
      throw CameoError.badInput("the shape holds \(bad), 0 or more was expected")
    }
    let shape = try Broadcast.shape(data.shape, target)
    if shape == data.shape { return [.tensor(data)] }
    return [.tensor(try DataMovement.strided(data, shape, strides: Broadcast.strides(of: data.shape, to: shape)))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Expand(), to: $0) })
