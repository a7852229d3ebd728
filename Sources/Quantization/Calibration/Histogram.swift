internal import CKernels
public import Tensors

/// How often a value's numbers fall into bins of one width on either side of zero, over any number of samples.
///
/// The width is a power of two, the least with which all magnitudes seen fall into `bins` bins a side; when a greater one comes,
/// neighbours are joined. Binning and joining are exact, so the counts are those that one walk over all numbers with the final width
/// would have found: they depend on neither the order of samples nor how they were divided, and histograms add up exactly. Zeros, which
/// every scheme represents as they are, are counted apart. Memory: 8 bytes a bin, one side or both.
public struct Histogram: Sendable, Hashable {
  /// Bins a side: a power of two.
  public let bins: Int
  /// The width of a bin is 2^exponent.
  public private(set) var exponent = Self.leastExponent
  /// Numbers x > 0 with index * width <= x < (index + 1) * width.
  public private(set) var positive: [UInt64]
  /// The same of -x for x < 0; empty where there was none.
  public private(set) var negative: [UInt64] = []
  public private(set) var zeros: UInt64 = 0
  /// All numbers, zeros included.
  public private(set) var count: UInt64 = 0
  /// Exact ends; nil before a number was seen.
  public private(set) var range: ValueRange?

  public static let defaultBins = 4096
  /// What 2^-exponent can still be said by.
  private static let leastExponent = -120

  /// `bins` is a power of two from 16 to 65536. Throws `.badInput` for others.
  public init(bins: Int = Self.defaultBins) throws {
    guard (16...65536).contains(bins), bins & (bins - 1) == 0 else {
      throw CameoError.badInput("a histogram of \(bins) bins: a power of two from 16 to 65536 is meant")
    }
    self.bins = bins
    positive = [UInt64](repeating: 0, count: bins)
  }

  public var binWidth: Double { Double(sign: .plus, exponent: exponent, significand: 1) }

  /// Adds a tensor's numbers. Throws `.badInput` for NaN and infinities, and then adds nothing. O(elements + bins).
  public mutating func add(_ tensor: Tensor) throws {
    guard tensor.count > 0 else { return }
    let view = try ElementView<Float>(tensor)
    let seen = try NumberSummary.of(view)
    let (sum, overflow) = count.addingReportingOverflow(UInt64(view.count))
    guard !overflow, sum < 1 << 62 else { throw CameoError.limit("a histogram of more than 2^62 numbers") }
    widen(to: Self.exponent(of: seen.range.magnitude, bins))
    if seen.range.minimum < 0 && negative.isEmpty { negative = [UInt64](repeating: 0, count: bins) }
    let scale = Float(sign: .plus, exponent: -exponent, significand: 1)
    var scratch = [UInt32](repeating: 0, count: 4 * bins)
    positive.withUnsafeMutableBufferPointer { up in
      negative.withUnsafeMutableBufferPointer { down in
        scratch.withUnsafeMutableBufferPointer { scratch in
          guard let up = up.baseAddress, let scratch = scratch.baseAddress else { return }
          ck_histogram_f32(up, down.isEmpty ? nil : down.baseAddress, scratch, bins, scale, view.base, view.count)
        }
      }
    }
    zeros += UInt64(seen.zeros)
    count = sum
    range = range?.union(seen.range) ?? seen.range
  }

  /// Adds what another one has counted. Throws `.badInput` where it has another number of bins.
  public mutating func merge(_ other: Histogram) throws {
    guard other.bins == bins else {
      throw CameoError.badInput("histograms of \(bins) and \(other.bins) bins cannot be added")
    }
    guard let added = other.range else { return }
    guard count + other.count < 1 << 62 else { throw CameoError.limit("a histogram of more than 2^62 numbers") }
    var other = other
    widen(to: other.exponent)
    other.widen(to: exponent)
    for index in 0..<bins { positive[index] += other.positive[index] }
    if negative.isEmpty {
      negative = other.negative
    } else {
      for index in other.negative.indices { negative[index] += other.negative[index] }
    }
    zeros += other.zeros
    count += other.count
    range = range?.union(added) ?? added
  }

  /// As a file has it: counts from the bin next to zero on; what is missing is 0. Throws `.badInput` where the parts do not fit each
  /// other.
  public init(
    bins: Int, exponent: Int, positive: [UInt64], negative: [UInt64], zeros: UInt64, range: ValueRange
  ) throws {
    try self.init(bins: bins)
    guard positive.count <= bins, negative.count <= bins, (Self.leastExponent...127).contains(exponent),
      range.minimum.isFinite, range.maximum.isFinite, range.minimum <= range.maximum
    else { throw CameoError.badInput("a histogram's parts do not fit each other") }
    var sum = zeros
    for number in positive + negative {
      let (next, overflow) = sum.addingReportingOverflow(number)
      guard !overflow, next < 1 << 62 else { throw CameoError.limit("a histogram of more than 2^62 numbers") }
      sum = next
    }
    let width = Double(sign: .plus, exponent: exponent, significand: 1)
    func reach(_ counts: [UInt64]) -> Double { Double((counts.lastIndex { $0 > 0 } ?? -1) + 1) * width }
    guard sum > 0, Double(range.maximum) <= reach(positive), Double(-range.minimum) <= reach(negative),
      reach(positive) == 0 || Double(range.maximum) >= reach(positive) - width,
      reach(negative) == 0 || Double(-range.minimum) >= reach(negative) - width
    else { throw CameoError.badInput("a histogram's range does not fit its counts") }
    self.exponent = exponent
    self.positive.replaceSubrange(0..<positive.count, with: positive)
    if negative.contains(where: { $0 > 0 }) {
      self.negative = negative + [UInt64](repeating: 0, count: bins - negative.count)
    }
    self.zeros = zeros
    count = sum
    self.range = range
  }

  /// The least exponent with which `magnitude` falls into one of `bins` bins.
  private static func exponent(of magnitude: Float, _ bins: Int) -> Int {
    magnitude == 0 ? leastExponent : max(leastExponent, Int(magnitude.exponent) + 1 - bins.trailingZeroBitCount)
  }

  /// Joins neighbours until a bin is 2^`target` wide.
  private mutating func widen(to target: Int) {
    guard target > exponent else { return }
    let shift = min(target - exponent, Int.bitWidth - 1)
    exponent = target
    func joined(_ counts: [UInt64]) -> [UInt64] {
      var result = [UInt64](repeating: 0, count: counts.count)
      for (index, number) in counts.enumerated() where number > 0 { result[index >> shift] += number }
      return result
    }
    if zeros < count {
      positive = joined(positive)
      negative = joined(negative)
    }
  }
}
