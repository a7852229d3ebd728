import GraphIR
import Tensors

/// com.microsoft.Inverse(X): the inverse of each matrix of the last two axes. A singular one is an error.
struct MicrosoftInverse: Operator {
  let name = OperatorName("Inverse", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O Inverse 1 1 1 1 1
    i X T
    o Y T
    c T tensor(*):float16,float,double
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 2...Int.max, of: 0)
    var shape = context.shape(0)
    if let dims = shape {
      let side = try context.unify(dims[dims.count - 2], dims[dims.count - 1], "rows and columns of a matrix")
      shape = Array(dims.dropLast(2)) + [side, side]
    }
    context.set(0, context.dataType(0), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard x.rank >= 2, x.shape[x.rank - 1] == x.shape[x.rank - 2], x.dataType.isFloatingPoint else {
      throw CameoError.badInput("\(x) holds no square matrices")
    }
    let n = x.shape[x.rank - 1]
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, x.shape, as: Double.self) { out in
          let scratch = try NNScratch(max(1, n * n), Double.self)
          for start in stride(from: 0, to: view.count, by: max(1, n * n)) {
            scratch.base.update(from: view.base + start, count: n * n)
            guard MicrosoftInverse.invert(scratch.base, out + start, n) else {
              throw CameoError.badInput("a matrix is singular")
            }
          }
        })
    ]
  }

  /// Gauss-Jordan elimination with row pivots; `a` is used up, `y` comes zeroed. False for a singular matrix.
  private static func invert(_ a: UnsafeMutablePointer<Double>, _ y: UnsafeMutablePointer<Double>, _ n: Int) -> Bool {
    for i in 0..<n { y[i * n + i] = 1 }
    for column in 0..<n {
      var pivot = column
      for row in column..<n where abs(a[row * n + column]) > abs(a[pivot * n + column]) { pivot = row }
      let value = a[pivot * n + column]
      guard value != 0 else { return false }
      for j in 0..<n {
        if pivot != column {
          (a[column * n + j], a[pivot * n + j]) = (a[pivot * n + j], a[column * n + j])
          (y[column * n + j], y[pivot * n + j]) = (y[pivot * n + j], y[column * n + j])
        }
        a[column * n + j] /= value
        y[column * n + j] /= value
      }
      for row in 0..<n where row != column {
        let factor = a[row * n + column]
        if factor == 0 { continue }
        for j in 0..<n {
          a[row * n + j] -= factor * a[column * n + j]
          y[row * n + j] -= factor * y[column * n + j]
        }
      }
    }
    return true
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftInverse(), to: $0) })
