import GraphIR
import Tensors

/// ArrayFeatureExtractor: the elements of the last axis that the indices name, in their order.
///
/// The last axis gets as many elements as there are indices, whatever their shape. A vector becomes [1, indices], as in ONNX
/// Runtime and `onnx.reference`. Indices are 0-based; a negative one is an error.
struct ArrayFeatureExtractor: Operator {
  let name = OperatorName("ArrayFeatureExtractor", domain: "ai.onnx.ml")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 1...Int.max, of: 0)
    guard let shape = context.shape(0) else { return context.set(0, context.dataType(0), nil) }
    let count = context.shape(1).map { $0.reduce(Dim(1)) { $0 * $1 } } ?? context.unknownDim()
    context.set(0, context.dataType(0), (shape.count == 1 ? [1] : Array(shape.dropLast())) + [count])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let indices = try context.tensor(1)
    guard let width = x.shape.last else { throw CameoError.badInput("the input is a scalar, [.., F] was expected") }
    guard indices.dataType == .int64 else {
      throw CameoError.badInput("the indices are \(indices), int64 was expected")
    }
    let places = try indices.ints()
    for place in places where place < 0 || place >= width {
      throw CameoError.badInput("index \(place) lies outside \(width) features")
    }
    let shape = (x.rank == 1 ? [1] : Array(x.shape.dropLast())) + [places.count]
    guard let rows = try? Tensor.elementCount(shape.dropLast()) else {
      throw CameoError.limit("the shape \(shape) overflows")
    }
    var out = try ElementBuffer(x.dataType, shape)
    if !places.isEmpty {
      for row in 0..<rows {
        for (column, place) in places.enumerated() {
          out.copy(x, from: row * width + place, count: 1, to: row * places.count + column)
        }
      }
    }
    return [.tensor(try out.finish())]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ArrayFeatureExtractor(), to: $0) })
