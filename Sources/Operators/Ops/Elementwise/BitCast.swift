import GraphIR
import Tensors

/// BitCast: the same bytes read as another type of the same width.
struct BitCast: Operator {
  let name = OperatorName("BitCast")
  let traits: OperatorTraits = .elementwise

  private func target(_ attributes: AttributeReader) throws -> DataType {
    guard let type = try attributes.dataType("to") else { throw CameoError.badInput("attribute to is missing") }
    return type
  }

  func infer(_ context: inout InferenceContext) throws {
    let type = try target(context.attributes)
    if let from = context.dataType(0), from == .string || from.bitWidth != type.bitWidth {
      throw CameoError.badInput("\(from) cannot be seen as \(type)")
    }
    context.set(0, type, context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    [.tensor(try context.tensor(0).bitCast(to: try target(context.attributes)))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(BitCast(), to: $0) })
