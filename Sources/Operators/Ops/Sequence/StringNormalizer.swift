import GraphIR
import Tensors

/// StringNormalizer: drops stop words, then changes case.
struct StringNormalizer: Operator {
  let name = OperatorName("StringNormalizer")

  func infer(_ context: inout InferenceContext) throws {
    guard let shape = context.shape(0) else { return context.set(0, .string, nil) }
    guard shape.count == 1 || shape.count == 2 else {
      throw CameoError.badInput("input 0 (X) has rank \(shape.count), 1 or 2 was expected")
    }
    let hasStops = try context.attributes.optionalStrings("stopwords").map { !$0.isEmpty } ?? false
    context.set(0, .string, hasStops ? Array(shape.dropLast()) + [context.unknownDim()] : shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard x.rank == 1 || x.rank == 2 && x.shape[0] == 1 else {
      throw CameoError.badInput("input 0 (X) is \(x), the shape [C] or [1, C] was expected")
    }
    let action = try context.attributes.string("case_change_action", default: "NONE")
    guard ["NONE", "LOWER", "UPPER"].contains(action) else {
      throw CameoError.badInput("attribute case_change_action is \(action); NONE, LOWER or UPPER was expected")
    }
    let isSensitive = try context.attributes.bool("is_case_sensitive")
    let stops = try context.attributes.optionalStrings("stopwords") ?? []
    let words = Set(isSensitive ? stops : stops.map { $0.lowercased() })
    var kept = x.strings.filter { !words.contains(isSensitive ? $0 : $0.lowercased()) }
    if action == "LOWER" { kept = kept.map { $0.lowercased() } }
    if action == "UPPER" { kept = kept.map { $0.uppercased() } }
    if kept.isEmpty { kept = [""] }
    return [.tensor(try Tensor(strings: kept, shape: x.rank == 2 ? [1, kept.count] : [kept.count]))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(StringNormalizer(), to: $0) })
