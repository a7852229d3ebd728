public import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How far tensors are from those that were expected, over any number of pairs: the sums that `Closeness` is made of.
public struct DifferenceSums: Sendable {
  public private(set) var count = 0
  private var peak = 0.0
  private var maxAbs = 0.0
  private var signal = 0.0
  private var noise = 0.0
  private var dot = 0.0
  private var other = 0.0
  private var isComparable = true

  public init() {}

  /// Adds a pair. False, and a closeness of nothing from then on, where types or shapes differ, for strings, and where only one is NaN or
  /// an infinity. A position where both are NaN, or both the same infinity, is equal. O(elements).
  @discardableResult public mutating func add(_ expected: Tensor, _ found: Tensor) -> Bool {
    guard expected.shape == found.shape, expected.dataType == found.dataType, expected.dataType != .string,
      let a = try? ElementView<Double>(expected), let b = try? ElementView<Double>(found)
    else {
      isComparable = false
      return false
    }
    count += a.count
    for index in 0..<a.count {
      let x = a[index]
      let y = b[index]
      if x == y || (x.isNaN && y.isNaN) {
        if x.isFinite {
          peak = max(peak, x.magnitude)
          signal += x * x
          other += x * x
          dot += x * x
        }
        continue
      }
      if !x.isFinite || !y.isFinite {
        isComparable = false
        return false
      }
      let difference = (x - y).magnitude
      maxAbs = max(maxAbs, difference)
      peak = max(peak, x.magnitude)
      signal += x * x
      other += y * y
      dot += x * y
      noise += difference * difference
    }
    return true
  }

  /// Takes over another's pairs.
  public mutating func merge(_ other: DifferenceSums) {
    count += other.count
    peak = max(peak, other.peak)
    maxAbs = max(maxAbs, other.maxAbs)
    signal += other.signal
    noise += other.noise
    dot += other.dot
    self.other += other.other
    isComparable = isComparable && other.isComparable
  }

  /// Of all pairs as one tensor.
  public var closeness: Closeness {
    var result = Closeness()
    guard isComparable else { return Closeness.different }
    if maxAbs == 0 { return result }
    result.maxAbs = maxAbs
    result.maxRel = peak > 0 ? maxAbs / peak : .infinity
    result.rmse = (noise / Double(max(count, 1))).squareRoot()
    result.sqnrDecibel = Closeness.decibel(signal: signal, noise: noise)
    result.cosine = signal > 0 && other > 0 ? dot / (signal.squareRoot() * other.squareRoot()) : 0
    return result
  }
}

extension Closeness {
  /// 10 log10(signal / noise) of two sums of squares; infinity without noise.
  public static func decibel(signal: Double, noise: Double) -> Double {
    noise > 0 && signal > 0 ? 10 * log10(signal / noise) : noise > 0 ? -.infinity : .infinity
  }
}
