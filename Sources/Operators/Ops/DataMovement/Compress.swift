import GraphIR
import Tensors

/// Compress: the slices along `axis` (elements of the flattened input where it is left out) whose condition holds.
struct Compress: Operator {
  let name = OperatorName("Compress")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    let count: Dim
    if let condition = context.tensor(1) {
      count = Dim(try ElementwiseMaps.truths(condition).filter { $0 }.count)
    } else {
      count = context.unknownDim()
    }
    guard let axis = try context.attributes.optionalInt("axis") else { return context.set(0, type, [count]) }
    guard var shape = context.shape(0) else { return context.set(0, type, nil) }
    shape[try Axes.normalize(axis, rank: shape.count)] = count
    context.set(0, type, shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    var data = try context.tensor(0)
    let condition = try context.tensor(1)
    guard condition.rank == 1 else {
      throw CameoError.badInput("the condition has rank \(condition.rank), 1 was expected")
    }
    let axis: Int
    if let given = try context.attributes.optionalInt("axis") {
      axis = try Axes.normalize(given, rank: data.rank)
    } else {
      data = try data.reshaped([data.count])
      axis = 0
    }
    let truths = try ElementwiseMaps.truths(condition)
    let kept = truths.indices.filter { truths[$0] }
    if let last = kept.last, last >= data.shape[axis] {
      throw CameoError.badInput("index \(last) lies outside dimension \(axis) of length \(data.shape[axis])")
    }
    var shape = data.shape
    shape[axis] = kept.count
    let inner = try Tensor.elementCount(shape[(axis + 1)...])
    let outer = try Tensor.elementCount(shape[..<axis])
    var out = try ElementBuffer(data.dataType, shape)
    for row in 0..<outer {
      for (number, index) in kept.enumerated() {
        out.copy(
          data, from: (row * data.shape[axis] + index) * inner, count: inner, to: (row * kept.count + number) * inner)
      }
    }
    return [.tensor(try out.finish())]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Compress(), to: $0) })
