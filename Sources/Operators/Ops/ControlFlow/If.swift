import GraphIR
import Tensors

/// If: one of two bodies without inputs; both see the values around them.
struct If: Operator {
  let name = OperatorName("If")
  let traits: OperatorTraits = .controlFlow

  func infer(_ context: inout InferenceContext) throws {
    let then = try context.attributes.region("then_branch")
    let other = try context.attributes.region("else_branch")
    if let condition = context.tensor(0), condition.count == 1 {
      let isTrue = try condition.scalar(as: Double.self) != 0
      // The branch not taken may be wrong for these very inputs.
      _ = try? context.infer(body: isTrue ? other : then, inputs: [])
      for (index, facts) in try context.infer(body: isTrue ? then : other, inputs: []).enumerated() {
        context.set(index, facts)
      }
      return
    }
    let first = try context.infer(body: then, inputs: [])
    let second = try context.infer(body: other, inputs: [])
    guard first.count == second.count else {
      throw CameoError.badInput("the branches have \(first.count) and \(second.count) outputs")
    }
    for (index, (a, b)) in zip(first, second).enumerated() {
      context.set(
        index, ValueFacts(type: context.merged(a.type, b.type), symbols: a.symbols == b.symbols ? a.symbols : nil))
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let condition = try context.tensor(0)
    guard condition.count == 1 else { throw CameoError.badInput("the condition has \(condition.count) elements") }
    let isTrue = try condition.scalar(as: Double.self) != 0
    return try context.run(body: context.attributes.region(isTrue ? "then_branch" : "else_branch"), inputs: [])
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(If(), to: $0) })
