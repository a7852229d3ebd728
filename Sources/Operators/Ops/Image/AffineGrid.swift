import GraphIR
import Tensors

/// AffineGrid: the grid for GridSample that an affine map of the output's places gives.
struct AffineGrid: Operator {
  let name = OperatorName("AffineGrid")

  func infer(_ context: inout InferenceContext) throws {
    try context.requireList(1)
    if let size = context.symbols(1) {
      guard size.count == 4 || size.count == 5 else { throw CameoError.badInput("size has \(size.count) elements") }
      return context.set(0, context.dataType(0), [size[0]] + size[2...] + [Dim(size.count - 2)])
    }
    guard let length = context.shape(1)?.first?.value, length == 4 || length == 5 else {
      return context.set(0, context.dataType(0), nil)
    }
    context.set(0, context.dataType(0), context.unknownShape(rank: length - 1) + [Dim(length - 2)])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let theta = try context.tensor(0)
    let size = try context.tensor(1).ints()
    guard size.count == 4 || size.count == 5, theta.shape == [size[0], size.count - 2, size.count - 1] else {
      throw CameoError.badInput(
        "theta \(theta) and size \(size) do not fit: [N, 2, 3] with 4 sizes or [N, 3, 4] with 5 was expected")
    }
    let rank = size.count - 2
    let sizes = Array(size[2...])
    let aligns = try context.attributes.bool("align_corners")
    let matrix = try ElementView<Double>(theta)
    let positions = try Tensor.elementCount(sizes)
    return [
      .tensor(
        try Tensor.make(theta.dataType, [size[0]] + sizes + [rank], as: Double.self) { out in
          for position in 0..<positions {
            // Coordinates, fastest axis first, then 1.
            var place: [Double] = []
            var rest = position
            for axis in stride(from: rank - 1, through: 0, by: -1) {
              let index = Double(rest % sizes[axis])
              rest /= sizes[axis]
              let n = Double(sizes[axis])
              place.append(aligns ? (n == 1 ? -1 : -1 + 2 * index / (n - 1)) : -1 + (2 * index + 1) / n)
            }
            place.append(1)
            for item in 0..<size[0] {
              for row in 0..<rank {
                var sum = 0.0
                for column in 0...rank { sum += matrix[(item * rank + row) * (rank + 1) + column] * place[column] }
                out[(item * positions + position) * rank + row] = sum
              }
            }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(AffineGrid(), to: $0) })
