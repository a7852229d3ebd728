import GraphIR
import Tensors

/// MaxUnpool: puts each value where MaxPool's Indices say; the rest is zero.
struct MaxUnpool: Operator {
  let name = OperatorName("MaxUnpool")

  /// Spatial sizes that the window implies.
  private func implied(_ attributes: AttributeReader, _ spatial: [Dim]) throws -> [Dim] {
    let window = try NNWindow(attributes, kernel: nil)
    guard window.rank == spatial.count else {
      throw CameoError.badInput("a window of rank \(window.rank) for \(spatial.count) axes")
    }
    return (0..<window.rank).map { axis in
      (spatial[axis] - 1) * Dim(window.strides[axis])
        + Dim(window.kernel[axis] - window.padsBegin[axis] - window.padsEnd[axis])
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    let x = context.shape(0)
    try context.require(rank: 2...Int.max, of: 0)
    if let x { try context.require(rank: x.count...x.count, of: 1) }
    try context.requireList(2)
    if context.hasInput(2) {
      if let sizes = context.symbols(2) { return context.set(0, context.dataType(0), sizes) }
      return context.set(0, context.dataType(0), x.map { context.unknownShape(rank: $0.count) })
    }
    guard let x else { return context.set(0, context.dataType(0), nil) }
    context.set(0, context.dataType(0), Array(x[..<2]) + (try implied(context.attributes, Array(x[2...]))))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard x.rank >= 2 else { throw CameoError.badInput("input 0 (X) is \(x), [N, C, ..] was expected") }
    let small =
      Array(x.shape[..<2]) + (try implied(context.attributes, x.shape[2...].map { Dim($0) })).map { $0.value ?? 0 }
    let shape = try context.optionalTensor(2)?.ints() ?? small
    guard shape.count == x.rank, zip(shape, small).allSatisfy({ $0 >= $1 && $1 >= 0 }) else {
      throw CameoError.badInput("output_shape \(shape) does not hold \(small)")
    }
    let places = try ElementView<Int64>(context.tensor(1))
    guard places.count == x.count else { throw CameoError.badInput("\(places.count) indices for \(x)") }
    let limit = try Tensor.elementCount(small)
    // Indices are those of the implied shape.
    let strides = Tensor.strides(shape)
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, shape, as: Double.self) { out in
          for i in 0..<x.count {
            guard places[i] >= 0, places[i] < Int64(limit) else {
              throw CameoError.badInput("index \(places[i]) lies outside \(small)")
            }
            var rest = Int(places[i])
            var target = 0
            for axis in stride(from: x.rank - 1, through: 0, by: -1) {
              target += rest % small[axis] * strides[axis]
              rest /= small[axis]
            }
            out[target] = view[i]
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MaxUnpool(), to: $0) })
