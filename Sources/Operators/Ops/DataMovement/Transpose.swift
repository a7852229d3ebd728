import GraphIR
import Tensors

/// Transpose: axis i of the result is axis `perm[i]` of the input; reversed where `perm` is left out.
struct Transpose: Operator {
  let name = OperatorName("Transpose")
  let traits: OperatorTraits = .dataMovement

  private func permutation(_ attributes: AttributeReader, rank: Int) throws -> [Int] {
    guard let perm = try attributes.optionalInts("perm") else { return (0..<rank).reversed() }
    guard perm.count == rank, Set(perm) == Set(0..<rank) else {
      throw CameoError.badInput("attribute perm is \(perm), a permutation of \(rank) axes was expected")
    }
    return perm
  }

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    guard let shape = context.shape(0) else {
      guard let perm = try context.attributes.optionalInts("perm") else { return context.set(0, type, nil) }
      return context.set(0, type, context.unknownShape(rank: perm.count))
    }
    let perm = try permutation(context.attributes, rank: shape.count)
    context.set(0, type, perm.map { shape[$0] }, symbols: shape.count < 2 ? context.facts(0)?.symbols : nil)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let perm = try permutation(context.attributes, rank: data.rank)
    // Where only axes of length 1 change places the bytes stay.
    let moved = perm.filter { data.shape[$0] != 1 }
    if moved == moved.sorted() { return [.tensor(try data.reshaped(perm.map { data.shape[$0] }))] }
    return [.tensor(try DataMovement.transpose(data, perm))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Transpose(), to: $0) })
