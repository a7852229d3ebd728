import GraphIR
import Tensors

/// CastLike: the elements of input 0 as the type of input 1.
struct CastLike: Operator {
  let name = OperatorName("CastLike")
  let traits: OperatorTraits = []

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(1)
    // A constant's cast is known as soon as the other's type is.
    if let type, let tensor = context.facts(0)?.constant?.tensor, tensor.count <= ValueFacts.symbolLimit,
      let cast = try? ElementCasts.cast(tensor, to: type, ElementCasts.rules(context.attributes))
    {
      return context.set(0, ValueFacts(constant: .tensor(cast)))
    }
    context.set(0, type, context.shape(0), symbols: type.flatMap { ElementCasts.symbols(context, to: $0) })
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let type = try context.tensor(1).dataType
    return [.tensor(try ElementCasts.cast(try context.tensor(0), to: type, ElementCasts.rules(context.attributes)))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(CastLike(), to: $0) })
