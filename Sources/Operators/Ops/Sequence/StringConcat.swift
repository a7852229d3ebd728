import GraphIR
import Tensors

/// StringConcat: joins two string tensors element by element, broadcasting.
struct StringConcat: Operator {
  let name = OperatorName("StringConcat")

  func infer(_ context: inout InferenceContext) throws { context.set(0, .string, try context.broadcastInputs()) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(0)
    let b = try context.tensor(1)
    guard a.dataType == .string, b.dataType == .string else {
      throw CameoError.badInput("input 0 is no tensor of strings, which was expected")
    }
    let shape = try Broadcast.shape(a.shape, b.shape)
    let x = NNContraction.offsets(of: a.shape, to: shape, size: 1)
    let y = NNContraction.offsets(of: b.shape, to: shape, size: 1)
    return [.tensor(try Tensor(strings: x.indices.map { a.strings[x[$0]] + b.strings[y[$0]] }, shape: shape))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(StringConcat(), to: $0) })
