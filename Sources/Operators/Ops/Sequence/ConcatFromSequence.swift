import GraphIR
import Tensors

/// ConcatFromSequence: joins the elements along an axis, a new one where `new_axis` is 1.
struct ConcatFromSequence: Operator {
  let name = OperatorName("ConcatFromSequence")

  func infer(_ context: inout InferenceContext) throws {
    guard case .tensor(let type, var shape)? = NNSequence.elementType(context.type(0)) else { return }
    let isNew = try context.attributes.bool("new_axis")
    if let known = shape {
      let axis = try context.normalize(axis: context.attributes.int("axis"), rank: known.count + (isNew ? 1 : 0))
      if isNew { shape?.insert(context.unknownDim(), at: axis) } else { shape?[axis] = context.unknownDim() }
    }
    context.set(0, type, shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let parts = try NNSequence.elements(context.value(0)).map { element in
      guard let tensor = element.tensor else { throw CameoError.badInput("the sequence holds no tensors") }
      return tensor
    }
    guard let first = parts.first else { throw CameoError.badInput("an empty sequence cannot be joined") }
    let isNew = try context.attributes.bool("new_axis")
    var axis = try context.attributes.int("axis")
    if axis < 0 { axis += first.rank + (isNew ? 1 : 0) }
    return [.tensor(try isNew ? NNStack.stack(parts, axis: axis) : NNStack.concatenate(parts, axis: axis))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ConcatFromSequence(), to: $0) })
