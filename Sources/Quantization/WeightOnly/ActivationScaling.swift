internal import CKernels
import Tensors

/// AWQ (Lin et al., "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration", 2023): input
/// channels that carry large activations are scaled up before the weight is rounded, and down in front of the product.
///
/// s = mean|x|^alpha, over sqrt(max s * min s); alpha in 0, 0.05 ... 0.95 is what leaves the least squared error in the
/// outputs of all layers that read x. That error is exact: with D the weights' error and H the mean of x x^T it is the
/// sum of d H d^T over the rows d of D.
enum ActivationScaling {
  static let steps = 20
  /// Rows of a weight that a trial looks at, evenly spread.
  static let sampledRows = 128

  /// What the channels are multiplied with in the weights; nil where no scaling is best. `gram` [depth, depth],
  /// `magnitudes` [depth]: mean |x|.
  static func factors(
    _ matrices: [(matrix: WeightMatrix, format: WeightFormat)], gram: [Float], magnitudes: [Float]
  ) throws -> [Float]? {
    guard let depth = matrices.first?.matrix.depth, gram.count == depth * depth, magnitudes.count == depth else {
      throw CameoError.badInput("the activations that were observed have another depth than the weight")
    }
    let samples = matrices.map { ($0.matrix.sampled(sampledRows), $0.format) }
    var best: [Float]?
    var least = Double.infinity
    for step in 0..<steps {
      let factors = candidate(magnitudes, exponent: Float(step) / Float(steps))
      var sum = 0.0
      for (matrix, format) in samples { sum += try loss(matrix, format, factors, gram) }
      if sum < least { (least, best) = (sum, step == 0 ? nil : factors) }
    }
    return best
  }

  private static func candidate(_ magnitudes: [Float], exponent: Float) -> [Float] {
    let raw = magnitudes.map { max(1e-4, power($0, exponent)) }
    let norm = ((raw.max() ?? 1) * (raw.min() ?? 1)).squareRoot()
    return raw.map { norm > 0 ? $0 / norm : 1 }
  }

  private static func loss(
    _ matrix: WeightMatrix, _ format: WeightFormat, _ factors: [Float], _ gram: [Float]
  ) throws -> Double {
    let scaled = matrix.scaled(by: factors)
    var errors = try RoundToNearest.quantize(scaled, format, searches: false).dequantized()
    let depth = matrix.depth
    errors.withUnsafeMutableBufferPointer { errors in
      for row in 0..<matrix.rows {
        for index in 0..<depth {
          let place = row * depth + index
          errors[place] = errors[place] / factors[index] - matrix.values[place]
        }
      }
    }
    return OutputError.squared(errors, rows: matrix.rows, depth: depth, gram: gram)
  }
}

/// What the error of a weight costs its layer's output.
enum OutputError {
  /// The mean over the inputs x of |D x|^2: the sum of d H d^T over the rows d of `errors`, H the mean of x x^T.
  static func squared(_ errors: [Float], rows: Int, depth: Int, gram: [Float]) -> Double {
    let grain = 16
    var sums = [Double](repeating: 0, count: (rows + grain - 1) / grain)
    errors.withUnsafeBufferPointer { errors in
      gram.withUnsafeBufferPointer { gram in
        sums.withUnsafeMutableBufferPointer { sums in
          guard let weights = errors.baseAddress, let moments = gram.baseAddress else { return }
          nonisolated(unsafe) let (left, right, sums) = (weights, moments, sums)
          ParallelRows.run(rows, grain: grain) { part in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: part.count * depth) { product in
              guard let out = product.baseAddress else { return }
              let base = left + part.lowerBound * depth
              ck_contract_f32(out, depth, 1, base, depth, 1, right, depth, 1, depth, depth, 0, part.count)
              var sum = 0.0
              for index in 0..<part.count * depth { sum += Double(out[index] * base[index]) }
              sums[part.lowerBound / grain] = sum
            }
          }
        }
      }
    }
    return sums.reduce(0, +)
  }
}

extension WeightMatrix {
  /// At most `count` rows, evenly spread.
  func sampled(_ count: Int) -> WeightMatrix {
    if rows <= count { return self }
    var picked: [Float] = []
    picked.reserveCapacity(count * depth)
    for index in 0..<count {
      let row = index * rows / count
      picked += values[row * depth..<(row + 1) * depth]
    }
    return WeightMatrix(type: type, depth: depth, values: picked)
  }

  /// Each input channel times its factor.
  func scaled(by factors: [Float]) -> WeightMatrix {
    var copy = self
    copy.values.withUnsafeMutableBufferPointer { values in
      for row in 0..<rows {
        for index in 0..<depth { values[row * depth + index] *= factors[index] }
      }
    }
    return copy
  }
}
