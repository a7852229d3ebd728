import GraphIR
import Tensors

/// Det: determinants of square matrices, by elimination with partial pivoting in double.
struct Det: Operator {
  let name = OperatorName("Det")

  func infer(_ context: inout InferenceContext) throws {
    guard let shape = context.shape(0) else { return context.set(0, context.dataType(0), nil) }
    guard shape.count >= 2 else {
      throw CameoError.badInput("input 0 (X) has rank \(shape.count), 2 or more was expected")
    }
    _ = try context.unify(shape[shape.count - 1], shape[shape.count - 2], "sides of the matrix")
    context.set(0, context.dataType(0), Array(shape.dropLast(2)))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard x.rank >= 2, x.shape[x.rank - 1] == x.shape[x.rank - 2] else { throw CameoError.badInput("Det of \(x)") }
    let n = x.shape[x.rank - 1]
    let view = try ElementView<Double>(x)
    let shape = Array(x.shape.dropLast(2))
    return [
      .tensor(
        try Tensor.make(x.dataType, shape, as: Double.self) { out in
          for item in 0..<shape.reduce(1, *) {
            var matrix = (0..<n * n).map { view[item * n * n + $0] }
            var result = 1.0
            for column in 0..<n {
              guard let pivot = (column..<n).max(by: { abs(matrix[$0 * n + column]) < abs(matrix[$1 * n + column]) })
              else { break }
              if matrix[pivot * n + column] == 0 { result = 0; break }
              if pivot != column {
                for j in 0..<n { matrix.swapAt(pivot * n + j, column * n + j) }
                result = -result
              }
              result *= matrix[column * n + column]
              for row in column + 1..<max(n, column + 1) {
                let factor = matrix[row * n + column] / matrix[column * n + column]
                for j in column..<n { matrix[row * n + j] -= factor * matrix[column * n + j] }
              }
            }
            out[item] = result
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Det(), to: $0) })
