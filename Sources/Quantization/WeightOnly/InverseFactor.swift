internal import CKernels
import Tensors

/// U upper triangular with (H + damping)^-1 = U^T U, for a symmetric matrix H.
///
/// H = R R^T with R upper triangular is a Cholesky factorisation from the last row on, and then U = R^-1: one
/// factorisation and one triangular inverse, in double, in panels of rows whose products are shared by the threads.
/// O(n^3 * 2 / 3).
enum InverseFactor {
  private static let panel = 64

  /// [n, n] row-major; below the diagonal are zeros. Throws `.badInput` where H is not positive definite whatever is
  /// added.
  static func upper(_ matrix: [Float], size n: Int, damping: Double) throws -> [Float] {
    let mean = (0..<n).reduce(0.0) { $0 + Double(matrix[$1 * n + $1]) } / Double(max(1, n))
    guard mean.isFinite, matrix.allSatisfy(\.isFinite) else {
      throw CameoError.badInput("activations that are not finite: their products cannot be inverted")
    }
    let unit = mean > 0 ? mean : 1
    var added = damping * unit
    for _ in 0..<6 {
      // Reversed in both axes, so that the factor of the last rows comes first.
      var lower = [Double](repeating: 0, count: n * n)
      for i in 0..<n {
        for j in 0...i { lower[i * n + j] = Double(matrix[(n - 1 - i) * n + (n - 1 - j)]) }
        lower[i * n + i] += added
      }
      if factorize(&lower, n) { return reversed(inverse(ofLower: lower, n), n) }
      added = max(added * 10, 1e-8 * unit)
    }
    throw CameoError.badInput("the products of the activations are not positive definite")
  }

  /// L with A = L L^T in the lower triangle. False where a pivot is not positive.
  private static func factorize(_ a: inout [Double], _ n: Int) -> Bool {
    a.withUnsafeMutableBufferPointer { a in
      for first in stride(from: 0, to: n, by: panel) {
        let last = min(n, first + panel)
        guard factorizeDiagonal(a, n, first, last) else { return false }
        solvePanel(a, n, first, last)
        update(a, n, first, last)
      }
      return true
    }
  }

  private static func factorizeDiagonal(
    _ a: UnsafeMutableBufferPointer<Double>, _ n: Int, _ first: Int, _ last: Int
  ) -> Bool {
    for j in first..<last {
      var pivot = a[j * n + j]
      for p in first..<j { pivot -= a[j * n + p] * a[j * n + p] }
      guard pivot > 0, pivot.isFinite else { return false }
      let root = pivot.squareRoot()
      a[j * n + j] = root
      for i in j + 1..<max(j + 1, last) {
        var sum = a[i * n + j]
        for p in first..<j { sum -= a[i * n + p] * a[j * n + p] }
        a[i * n + j] = sum / root
      }
    }
    return true
  }

  /// Rows below the diagonal block: X L^T = A.
  private static func solvePanel(
    _ a: UnsafeMutableBufferPointer<Double>, _ n: Int, _ first: Int, _ last: Int
  ) {
    nonisolated(unsafe) let a = a
    ParallelRows.run(n - last, grain: 32) { rows in
      for i in rows.lowerBound + last..<rows.upperBound + last {
        for j in first..<last {
          var sum = a[i * n + j]
          for p in first..<j { sum -= a[i * n + p] * a[j * n + p] }
          a[i * n + j] = sum / a[j * n + j]
        }
      }
    }
  }

  /// A -= P P^T in the rest of the lower triangle, P the panel just solved.
  private static func update(_ a: UnsafeMutableBufferPointer<Double>, _ n: Int, _ first: Int, _ last: Int) {
    guard let base = a.baseAddress else { return }
    nonisolated(unsafe) let memory = base
    ParallelRows.run(n - last, grain: panel) { rows in
      let (begin, end) = (rows.lowerBound + last, rows.upperBound + last)
      let width = end - last
      withUnsafeTemporaryAllocation(of: Double.self, capacity: rows.count * width) { product in
        guard let out = product.baseAddress else { return }
        ck_contract_f64(
          out, width, 1, memory + begin * n + first, n, 1, memory + last * n + first, 1, n, width, last - first, 0,
          rows.count)
        for i in begin..<end {
          for j in last...i { memory[i * n + j] -= product[(i - begin) * width + j - last] }
        }
      }
    }
  }

  /// The inverse of a lower triangular matrix, by panels of rows: X_i = -L_ii^-1 (L_i,<i X_<i), X_ii = L_ii^-1.
  private static func inverse(ofLower l: [Double], _ n: Int) -> [Double] {
    var x = [Double](repeating: 0, count: n * n)
    l.withUnsafeBufferPointer { l in
      x.withUnsafeMutableBufferPointer { x in
        guard let left = l.baseAddress, let right = x.baseAddress else { return }
        nonisolated(unsafe) let (a, b) = (left, right)
        for first in stride(from: 0, to: n, by: panel) {
          let last = min(n, first + panel)
          // Columns are independent of each other.
          ParallelRows.run(last, grain: panel) { columns in
            if columns.lowerBound < first {
              let (begin, width) = (columns.lowerBound, min(columns.upperBound, first) - columns.lowerBound)
              ck_contract_f64(
                b + first * n + begin, n, 1, a + first * n, n, 1, b + begin, n, 1, width, first, 0, last - first)
              for i in first..<last { for j in begin..<begin + width { b[i * n + j] = -b[i * n + j] } }
            }
            for j in columns where j >= first { b[j * n + j] = 1 }
            for i in first..<last {
              for p in first..<i {
                let factor = a[i * n + p]
                for j in columns { b[i * n + j] -= factor * b[p * n + j] }
              }
              let scale = 1 / a[i * n + i]
              for j in columns { b[i * n + j] *= scale }
            }
          }
        }
      }
    }
    return x
  }

  /// Reversed in both axes, as floats.
  private static func reversed(_ a: [Double], _ n: Int) -> [Float] {
    var result = [Float](repeating: 0, count: n * n)
    for i in 0..<n {
      for j in i..<n { result[i * n + j] = Float(a[(n - 1 - i) * n + (n - 1 - j)]) }
    }
    return result
  }
}
