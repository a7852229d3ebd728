import Tensors

/// Class probabilities from those of all pairs of classes.
///
/// Source: T.-F. Wu, C.-J. Lin, R. C. Weng, "Probability estimates for multi-class classification by pairwise coupling"
/// (JMLR 2004), the second method, as in LIBSVM. `onnx.reference` 1.23 sets the matrix up differently; ONNX Runtime as here.
enum MLPairwise {
  /// `pairs` [count, count] holds the probability of i against j; the result goes to `out` [count]. `matrix` is scratch of the
  /// same size as `pairs`.
  static func couple(
    _ pairs: UnsafePointer<Double>, _ count: Int, matrix q: UnsafeMutablePointer<Double>,
    into out: UnsafeMutablePointer<Double>
  ) {
    for i in 0..<count {
      var diagonal = 0.0
      for j in 0..<count where j != i {
        diagonal += pairs[j * count + i] * pairs[j * count + i]
        q[i * count + j] = -pairs[j * count + i] * pairs[i * count + j]
      }
      q[i * count + i] = diagonal
      out[i] = 1 / Double(count)
    }
    var product = [Double](repeating: 0, count: count)
    for _ in 0..<100 {
      var total = 0.0
      for i in 0..<count {
        product[i] = 0
        for j in 0..<count { product[i] += q[i * count + j] * out[j] }
        total += out[i] * product[i]
      }
      let error = product.reduce(0) { max($0, ($1 - total).magnitude) }
      if error < 0.005 / Double(count) { return }
      for i in 0..<count {
        let step = (total - product[i]) / q[i * count + i]
        out[i] += step
        total = (total + step * (step * q[i * count + i] + 2 * product[i])) / (1 + step) / (1 + step)
        for j in 0..<count {
          product[j] = (product[j] + step * q[i * count + j]) / (1 + step)
          out[j] /= 1 + step
        }
      }
    }
  }
}
