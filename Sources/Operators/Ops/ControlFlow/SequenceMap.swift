import GraphIR
import Tensors

/// SequenceMap: a body on each element of a sequence; further sequences give their elements, tensors stay.
struct SequenceMap: Operator {
  let name = OperatorName("SequenceMap")
  let traits: OperatorTraits = .controlFlow

  func infer(_ context: inout InferenceContext) throws {
    let body = try context.attributes.region("body")
    let inputs = context.inputs.enumerated().map { index, facts -> ValueFacts in
      if let element = NNSequence.elementType(facts?.type) {
        // Elements may differ in size.
        return ValueFacts(type: element)
      }
      return index == 0 ? .unknown : facts ?? .unknown
    }
    for (index, facts) in try context.infer(body: body, inputs: inputs).enumerated() {
      context.set(index, ValueFacts(type: facts.type.map { .sequence($0) }))
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let body = try context.attributes.region("body")
    let elements = try NNSequence.elements(context.value(0))
    var results = [[Value]](repeating: [], count: context.node.outputs.count)
    for index in elements.indices {
      let arguments: [Value?] = try context.inputs.map { value in
        guard case .sequence(let items) = value else { return value }
        guard items.count == elements.count else {
          throw CameoError.badInput(
            "the sequences have \(elements.count) and \(items.count) elements, equal numbers were expected")
        }
        return items[index]
      }
      let outputs = try context.run(body: body, inputs: arguments)
      guard outputs.count >= results.count else { throw CameoError.badInput("the body has \(outputs.count) outputs") }
      for place in results.indices { results[place].append(outputs[place]) }
    }
    return results.map { .sequence($0) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceMap(), to: $0) })
