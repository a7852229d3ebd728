import GraphIR
import Tensors

/// OneHot: a new axis of `depth` elements, `values[1]` where the index points and `values[0]` elsewhere.
struct OneHot: Operator {
  let name = OperatorName("OneHot")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 1...Int.max, of: 0)
    try context.requireList(2)
    let type = context.dataType(2)
    guard var shape = context.shape(0) else { return context.set(0, type, nil) }
    let axis = try Axes.normalize(try context.attributes.int("axis", default: -1), rank: shape.count + 1)
    var depth = context.symbols(1)?.first
    if depth == nil, let tensor = context.tensor(1) { depth = Dim(Int(try tensor.scalar(as: Int64.self))) }
    if let value = depth?.value, value < 0 { throw CameoError.badInput("depth is \(value), 0 or more was expected") }
    shape.insert(depth ?? context.unknownDim(), at: axis)
    context.set(0, type, shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (indices, values) = (try context.tensor(0), try context.tensor(2))
    guard values.count == 2 else { throw CameoError.badInput("values has \(values.count) elements, 2 were expected") }
    let depth = Int(try context.scalar(1, as: Int64.self))
    guard depth >= 0 else { throw CameoError.badInput("depth is \(depth), 0 or more was expected") }
    let axis = try Axes.normalize(try context.attributes.int("axis", default: -1), rank: indices.rank + 1)
    var shape = indices.shape
    shape.insert(depth, at: axis)
    let inner = try Tensor.elementCount(indices.shape[axis...])
    let flat = try values.reshaped([2])
    var out = try ElementBuffer(values.dataType, shape)
    out.copy(flat, from: 0, step: 0, count: out.count, to: 0)
    for (position, given) in try indices.ints().enumerated() {
      let index = given < 0 ? given &+ depth : given
      guard index >= 0, index < depth else { continue }
      let (row, column) = (position / inner, position % inner)
      out.copy(flat, from: 1, count: 1, to: (row * depth + index) * inner + column)
    }
    return [.tensor(try out.finish())]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(OneHot(), to: $0) })
