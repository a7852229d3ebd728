import GraphIR
import Tensors

/// Not: logical negation.
struct Not: Operator {
  let name = OperatorName("Not")
  let traits: OperatorTraits = .elementwise

  func infer(_ context: inout InferenceContext) throws {
    var contents: [Dim]?
    if let symbols = context.symbols(0)
      ?? context.tensor(0).flatMap({ $0.count <= ValueFacts.symbolLimit ? try? $0.ints().map { Dim($0) } : nil }),
      symbols.allSatisfy(\.isKnown)
    {
      contents = symbols.map { $0 == 0 ? 1 : 0 }
    }
    context.set(0, .bool, context.shape(0), symbols: contents)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let input = try context.tensor(0)
    let truths = try ElementwiseMaps.truths(input)
    return [.tensor(try Tensor.of(truths.map { !$0 }, .bool, shape: input.shape))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Not(), to: $0) })
