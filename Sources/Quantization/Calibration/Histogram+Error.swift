internal import CKernels

extension Histogram {
  /// The range with the least expected squared error after quantization and back: what is lost to rounding inside it and to clipping
  /// outside; nil where nothing was seen. Zeros cost nothing. O(bins) for each of about 100 ends, three times that where both ends move.
  public func leastError(for scheme: QuantizationScheme) -> ValueRange? {
    search(scheme, least: 1) { below, above in
      let kept = ValueRange(Float(-Double(below) * binWidth), Float(Double(above) * binWidth))
      guard let parameters = try? QuantizationParameters(kept, scheme) else { return .infinity }
      return squaredError(parameters)
    }
  }

  /// The sum of squared errors of all numbers with these parameters.
  ///
  /// Numbers are taken to lie in the middle of their bin; where a bin is wider than a code's step, they lose what is lost on average,
  /// step^2 / 12.
  public func squaredError(_ parameters: QuantizationParameters) -> Double {
    let step = Double(parameters.scale)
    let low = Double(parameters.codes.lowerBound - parameters.zeroPoint)
    let high = Double(parameters.codes.upperBound - parameters.zeroPoint)
    func error(_ counts: [UInt64], _ sign: Double) -> Double {
      counts.withUnsafeBufferPointer { counts in
        counts.baseAddress.map { ck_histogram_error($0, counts.count, sign, binWidth, step, low, high) } ?? 0
      }
    }
    return error(positive, 1) + error(negative, -1)
  }

  /// The sum of squares of all numbers, each in the middle of its bin.
  public var energy: Double {
    var sum = 0.0
    for index in 0..<bins {
      let number = positive[index] + (negative.isEmpty ? 0 : negative[index])
      if number > 0 { sum += Double(number) * (Double(index) + 0.5) * (Double(index) + 0.5) }
    }
    return sum * binWidth * binWidth
  }

  /// The share of all numbers that lie outside what the codes reach; a bin counts by its middle.
  public func clippedShare(_ parameters: QuantizationParameters) -> Double {
    guard count > 0 else { return 0 }
    let half = Double(parameters.scale) / 2
    let kept = (Double(parameters.range.minimum) - half)...(Double(parameters.range.maximum) + half)
    var outside: UInt64 = 0
    for index in 0..<bins {
      let x = (Double(index) + 0.5) * binWidth
      if positive[index] > 0 && !kept.contains(x) { outside += positive[index] }
      if !negative.isEmpty, negative[index] > 0, !kept.contains(-x) { outside += negative[index] }
    }
    return Double(outside) / Double(count)
  }
}
