import Quantization
import Tensors
import Testing

@Suite struct HistogramTests {
  /// Deterministic numbers of about a normal distribution.
  static func normal(_ count: Int, seed: UInt64 = 1, scale: Float = 1) -> [Float] {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    func uniform() -> Float {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Float(state >> 40) * 0x1p-24
    }
    return (0..<count).map { _ in (uniform() + uniform() + uniform() + uniform() - 2) * 1.7320508 * scale }
  }

  private static func histogram(_ numbers: [Float]..., bins: Int = 512) throws -> Histogram {
    var histogram = try Histogram(bins: bins)
    for part in numbers { try histogram.add(try .of(part, .float)) }
    return histogram
  }

  private static let signed = try! QuantizationScheme(.int8, isSymmetric: true)
  private static let unsigned = try! QuantizationScheme(.uint8, isSymmetric: false)

  @Test func everyNumberIsInItsBin() throws {
    let numbers: [Float] = [0, -0.0, 1, 1.5, -1, 0.001, -7.75, 3, 3.99, 0]
    let histogram = try Self.histogram(numbers, bins: 16)
    // 7.75 falls into 16 bins of 1/2.
    #expect(histogram.exponent == -1 && histogram.binWidth == 0.5)
    var (positive, negative) = ([UInt64](repeating: 0, count: 16), [UInt64](repeating: 0, count: 16))
    for x in numbers where x != 0 {
      if x > 0 { positive[Int(x * 2)] += 1 } else { negative[Int(-x * 2)] += 1 }
    }
    #expect(histogram.positive == positive && histogram.negative == negative)
    #expect(histogram.zeros == 3 && histogram.count == 10)
    #expect(histogram.range == ValueRange(-7.75, 3.99))
  }

  @Test func countsDependOnNeitherOrderNorParts() throws {
    let small = Self.normal(1000, seed: 3, scale: 1e-4)
    let large = Self.normal(777, seed: 4, scale: 300)
    let zeros = [Float](repeating: 0, count: 99)
    let whole = try Self.histogram(small + zeros + large)
    #expect(try Self.histogram(zeros, small, large) == whole)
    #expect(try Self.histogram(large, [], zeros, small) == whole)
    var merged = try Self.histogram(small)
    try merged.merge(try Self.histogram(zeros))
    try merged.merge(try Self.histogram(large))
    #expect(merged == whole)
    var other = try Self.histogram(large, zeros)
    try other.merge(try Self.histogram(small))
    #expect(other == whole)
    #expect(whole.positive.reduce(0, +) + whole.negative.reduce(0, +) + whole.zeros == 1876)
    #expect(throws: CameoError.self) { try merged.merge(try Self.histogram(small, bins: 64)) }
  }

  @Test func extremeMagnitudes() throws {
    let histogram = try Self.histogram(
      [.greatestFiniteMagnitude, -.leastNonzeroMagnitude, 1], [-.greatestFiniteMagnitude])
    #expect(histogram.count == 4 && histogram.zeros == 0)
    #expect(histogram.negative.last == 1 && histogram.positive.last == 1 && histogram.negative[0] == 1)
    let tiny = try Self.histogram([.leastNonzeroMagnitude, 0x1p-131])
    #expect(tiny.positive.reduce(0, +) == 2)
    for scheme in [Self.signed, Self.unsigned] {
      for method in [RangeMethod.percentile(99.9), .entropy, .mse, .minmax] {
        let range = try #require(histogram.range(method, for: scheme))
        #expect(range.minimum.isFinite && range.maximum.isFinite && range.minimum <= range.maximum)
      }
    }
  }

  @Test func numbersThatAreNotFiniteAreRefusedAndAddNothing() throws {
    var histogram = try Self.histogram([1, 2])
    let before = histogram
    for bad in [Float.nan, .infinity, -.infinity] {
      for count in [1, 40] {
        let error = #expect(throws: CameoError.self) {
          try histogram.add(try .of([Float](repeating: 1, count: count) + [bad], .float))
        }
        #expect(error?.reason == "1 of \(count + 1) numbers are not finite, the first is \(bad)")
      }
    }
    #expect(histogram == before)
    #expect(throws: CameoError.self) { try Histogram(bins: 100) }
  }

  @Test func otherTypesAreCountedAsFloats() throws {
    var histogram = try Histogram(bins: 16)
    try histogram.add(try Tensor.of([1, 2, -3] as [Float], .float16))
    try histogram.add(try Tensor.of([Int64(5)], .int64))
    #expect(histogram.range == ValueRange(-3, 5) && histogram.count == 4)
  }

  // MARK: Ranges

  @Test func percentilesLeaveOutTheirShare() throws {
    let numbers = (1...1000).map { Float($0) }
    let one = try Self.histogram(numbers + [Float](repeating: 0, count: 5000), bins: 4096)
    // Zeros do not count: 99 % of 1 ... 1000.
    #expect(abs(try #require(one.percentile(99, for: Self.unsigned)).maximum - 990) <= 1)
    #expect(one.percentile(99, for: Self.unsigned)?.minimum == 0)
    #expect(one.percentile(100, for: Self.unsigned) == ValueRange(0, 1000))
    let two = try Self.histogram(numbers + numbers.map { -$0 / 10 }, bins: 4096)
    // Of 2000 numbers 10 beyond either end; symmetric, 20 beyond in magnitude, all of them positive.
    let affine = try #require(two.percentile(99, for: Self.unsigned))
    #expect(abs(affine.maximum - 990) <= 1 && abs(affine.minimum + 99) <= 0.5)
    let symmetric = try #require(two.percentile(99, for: Self.signed))
    #expect(abs(symmetric.maximum - 980) <= 1 && symmetric.minimum == -100)
    #expect(try Histogram().percentile(99, for: Self.signed) == nil)
    #expect(try Self.histogram([0, 0]).percentile(99, for: Self.signed) == ValueRange(0, 0))
  }

  /// The error that the chosen range has on the numbers themselves is within 2 % of the best of 400 ranges.
  @Test(arguments: [true, false]) func leastErrorIsTheBestOfAllRanges(isSymmetric: Bool) throws {
    let scheme = try QuantizationScheme(.int8, isSymmetric: isSymmetric)
    let numbers = Self.normal(4000, seed: 9) + [19, -6, 21, -5]
    let histogram = try Self.histogram(numbers, bins: 1024)
    func error(_ range: ValueRange) throws -> Double {
      let parameters = try QuantizationParameters(range, scheme)
      return numbers.reduce(0) { sum, x in
        let difference = Double(x - parameters.rounded(x))
        return sum + difference * difference
      }
    }
    let chosen = try #require(histogram.leastError(for: scheme))
    let found = try error(chosen)
    var best = Double.infinity
    for low in 1...20 {
      for high in 1...20 {
        best = min(best, try error(ValueRange(-6 * Float(low) / 20, 21 * Float(high) / 20)))
      }
    }
    #expect(found <= best * 1.02)
    let whole = try error(ValueRange(-6, 21))
    #expect(chosen.maximum < 21.1 && found < whole * 1.0001)
    // What the histogram thinks the error is.
    let estimate = histogram.squaredError(try QuantizationParameters(chosen, scheme))
    #expect(abs(estimate / found - 1) < 0.05)
  }

  /// A value with one outlier far out: minmax spends nearly all codes on nothing, entropy and least error do not.
  @Test func outliersAreCut() throws {
    let numbers = Self.normal(20000, seed: 5)
    let bulk = numbers.map(abs).max() ?? 0
    for outlier: Float in [30, -30] {
      let histogram = try Self.histogram(numbers + [outlier], bins: 4096)
      for scheme in [Self.signed, Self.unsigned] {
        let entropy = try #require(histogram.entropy(for: scheme))
        #expect(entropy.magnitude < 12, "\(entropy)")
        #expect(entropy.magnitude > bulk * 0.6, "\(entropy)")
        let error = try #require(histogram.leastError(for: scheme))
        #expect(error.magnitude < 31)
        #expect(histogram.range(.minmax, for: scheme)?.magnitude == 30)
      }
    }
  }

  /// One-sided and two-sided values of the same shape are cut at the same place by a scheme that gives them the same steps.
  @Test func entropyTreatsSidesAlike() throws {
    let numbers = Self.normal(20000, seed: 6).map { $0 * $0 * $0 }
    let two = try Self.histogram(numbers + numbers.map { -$0 }, bins: 2048)
    let one = try Self.histogram(numbers.map(abs), bins: 2048)
    let a = try #require(two.entropy(for: Self.signed))
    let b = try #require(one.entropy(for: Self.signed))
    #expect(a.minimum == -a.maximum && b.minimum >= 0)
    #expect(abs(a.maximum - b.maximum) < 1e-6)
    // All below zero is the mirror image of all above.
    let mirrored = try Self.histogram(numbers.map { -abs($0) }, bins: 2048)
    let c = try #require(mirrored.entropy(for: Self.unsigned))
    let d = try #require(one.entropy(for: Self.unsigned))
    #expect(c.minimum == -d.maximum)
    // More codes than bins: nothing to gain.
    #expect(try one.entropy(for: QuantizationScheme(.uint16, isSymmetric: false)) == one.range)
  }

  @Test func clippedSharesAndEnergy() throws {
    let numbers = (0..<1000).map { Float($0) / 100 + 0.005 }
    let histogram = try Self.histogram(numbers, bins: 4096)
    let parameters = try QuantizationParameters(ValueRange(0, 8), Self.unsigned)
    #expect(abs(histogram.clippedShare(parameters) - 0.2) < 0.005)
    let energy = numbers.reduce(0.0) { $0 + Double($1) * Double($1) }
    #expect(abs(histogram.energy / energy - 1) < 1e-3)
  }

  @Test func estimatorsGiveWhatTheirMethodSays() throws {
    let tensor = try Tensor.of(Self.normal(500) + [9], .float)
    var histogram = try Histogram()
    try histogram.add(tensor)
    for method in [RangeMethod.minmax, .moving(momentum: 0.5), .percentile(99), .entropy, .mse] {
      let estimator = try method.makeObserver()
      #expect(estimator.range(for: Self.signed) == nil)
      try estimator.observe(tensor)
      #expect(estimator.range(for: Self.signed) == histogram.range(method, for: Self.signed))
    }
  }
}
