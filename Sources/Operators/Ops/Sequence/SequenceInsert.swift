import GraphIR
import Tensors

struct SequenceInsert: Operator {
  let name = OperatorName("SequenceInsert")

  func infer(_ context: inout InferenceContext) throws {
    if let held = NNSequence.elementType(context.type(0))?.dataType, let type = context.dataType(1), held != type {
      throw CameoError.badInput("input 1 (tensor) is \(type), but the sequence holds \(held)")
    }
    let element = context.merged(NNSequence.elementType(context.type(0)), context.type(1))
    context.set(
      0,
      ValueFacts(type: element.map { .sequence($0) } ?? context.type(1)?.dataType.map { .sequence(.tensor($0, nil)) }))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    var elements = try NNSequence.elements(context.value(0))
    let place = try context.optionalTensor(2).map {
      try NNSequence.position($0, count: elements.count, isInsertion: true)
    }
    elements.insert(try context.value(1), at: place ?? elements.count)
    return [.sequence(elements)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceInsert(), to: $0) })
