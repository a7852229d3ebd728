/// Half-quadratic quantization (Badri & Shaji, "Half-Quadratic Quantization of Large Machine Learning Models", 2023):
/// the zero points of affine blocks that minimise the p-norm, p < 1, of the weight's error, found without data.
///
/// With W_q = round(W / s + z), the problem min |W - s (W_q - z)|_p^p is split: W_e = shrink(W - s (W_q - z), beta)
/// takes the outliers of the error, z = mean(W_q - (W - W_e) / s) is then a mean; beta grows by kappa each round.
enum HalfQuadratic {
  static let exponent: Float = 0.7
  static let firstBeta: Float = 10
  static let kappa: Float = 1.01
  static let rounds = 20

  /// `fractionalZeros`: zero points stay as they come out, for a form that can say them; else they are rounded to
  /// codes, and the rounded block is kept where its error is below that of the block it started from.
  static func quantize(
    _ matrix: WeightMatrix, _ format: WeightFormat, fractionalZeros: Bool
  ) throws -> QuantizedMatrix {
    var result = try QuantizedMatrix(rows: matrix.rows, depth: matrix.depth, format: format, type: matrix.type)
    let grid = CodeGrid(format, scaleType: matrix.type)
    let (groups, size) = (result.groups, result.groupSize)
    RoundToNearest.withRows(of: matrix, &result) { rows, values, codes, blocks in
      for row in rows {
        for group in 0..<groups {
          let first = row * matrix.depth + group * size
          let part = first..<min(first + size, (row + 1) * matrix.depth)
          let block = optimize(grid, UnsafeBufferPointer(rebasing: values[part]), fractionalZeros)
          blocks[row * groups + group] = block
          for index in part { codes[index] = grid.encode(values[index], block) }
        }
      }
    }
    return result
  }

  private static func optimize(
    _ grid: CodeGrid, _ values: UnsafeBufferPointer<Float>, _ fractionalZeros: Bool
  ) -> CodeGrid.Parameters {
    let start = grid.covering(values)
    if start.scale == 0 || values.isEmpty { return start }
    var block = start
    var best = start
    var least = Float.infinity
    var beta = firstBeta
    for _ in 0..<rounds {
      let (zero, error) = step(grid, values, block, beta)
      if error >= least { break }
      (least, best) = (error, block)
      block.zero = zero
      beta *= kappa
    }
    if fractionalZeros { return best }
    // Both neighbours among the codes, and where it began.
    let (low, high) = grid.range
    var chosen = start
    least = deviation(grid, values, start)
    for zero in [best.zero.rounded(.down), best.zero.rounded(.up)] {
      let candidate = CodeGrid.Parameters(scale: start.scale, zero: min(high, max(low, zero)))
      let error = deviation(grid, values, candidate)
      if error < least { (least, chosen) = (error, candidate) }
    }
    return chosen
  }

  /// The next zero point, and the mean magnitude of this one's error.
  private static func step(
    _ grid: CodeGrid, _ values: UnsafeBufferPointer<Float>, _ block: CodeGrid.Parameters, _ beta: Float
  ) -> (zero: Float, error: Float) {
    let inverse = 1 / block.scale
    var (sum, error): (Float, Float) = (0, 0)
    for value in values {
      let level = grid.level(grid.encode(value, block, inverse: inverse))
      let difference = value - (level - block.zero) * block.scale
      let magnitude = difference.magnitude
      error += magnitude
      let shrunk = magnitude == 0 ? 0 : max(0, magnitude - power(magnitude, exponent - 1) / beta)
      let outlier = difference < 0 ? -shrunk : shrunk
      sum += level - (value - outlier) * inverse
    }
    return (sum / Float(values.count), error / Float(values.count))
  }

  /// The p-norm of the error.
  private static func deviation(
    _ grid: CodeGrid, _ values: UnsafeBufferPointer<Float>, _ block: CodeGrid.Parameters
  ) -> Float {
    let inverse = 1 / block.scale
    return values.reduce(0) { sum, value in
      let difference = (value - grid.decode(grid.encode(value, block, inverse: inverse), block)).magnitude
      return difference == 0 ? sum : sum + power(difference, exponent)
    }
  }
}
