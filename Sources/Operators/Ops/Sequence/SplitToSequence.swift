import GraphIR
import Tensors

/// SplitToSequence: cuts a tensor along an axis: into parts of one size, of given sizes, or into single items.
struct SplitToSequence: Operator {
  let name = OperatorName("SplitToSequence")

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    guard var shape = context.shape(0) else { return context.set(0, ValueFacts(type: .sequence(.tensor(type, nil)))) }
    let axis = try context.normalize(axis: context.attributes.int("axis", default: 0), rank: shape.count)
    if !context.hasInput(1) {
      if try context.attributes.int("keepdims", default: 1) != 0 { shape[axis] = 1 } else { shape.remove(at: axis) }
    } else if let sizes = context.symbols(1), let first = sizes.first, sizes.allSatisfy({ $0 == first }),
      context.rank(1) == 1 || shape[axis].modulo(first).value == 0
    {
      shape[axis] = first
    } else {
      shape[axis] = context.unknownDim()
    }
    context.set(0, ValueFacts(type: .sequence(.tensor(type, shape))))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    var axis = try context.attributes.int("axis", default: 0)
    if axis < 0 { axis += x.rank }
    guard axis >= 0, axis < x.rank else { throw CameoError.badInput("axis \(axis) lies outside \(x)") }
    let size = x.shape[axis]
    guard let split = try context.optionalTensor(1) else {
      let keeps = try context.attributes.int("keepdims", default: 1) != 0
      return [
        .sequence(
          try (0..<size).map { index in
            .tensor(try keeps ? NNStack.slice(x, axis: axis, index..<index + 1) : NNStack.item(x, axis: axis, index))
          })
      ]
    }
    var lengths = try split.ints()
    if split.rank == 0 {
      guard let length = lengths.first, length > 0 else {
        throw CameoError.badInput("split is \(lengths), a positive length was expected")
      }
      lengths = stride(from: 0, to: size, by: length).map { min(length, size - $0) }
    }
    var start = 0
    var parts: [Value] = []
    for length in lengths {
      guard length >= 0, length <= size - start else {
        throw CameoError.badInput("split is \(lengths), parts whose sum is the axis' length \(size) were expected")
      }
      parts.append(.tensor(try NNStack.slice(x, axis: axis, start..<start + length)))
      start += length
    }
    guard start == size else {
      throw CameoError.badInput("split is \(lengths), parts whose sum is the axis' length \(size) were expected")
    }
    return [.sequence(parts)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SplitToSequence(), to: $0) })
