public import Tensors

/// How far a value is from the one that was expected.
public struct Closeness: Sendable {
  /// max |a - b|
  public var maxAbs = 0.0
  /// max |a - b| / max |a|, with a the expected value; infinity where shapes or types differ or only one is NaN.
  public var maxRel = 0.0
  /// sqrt(mean((a - b)^2))
  public var rmse = 0.0
  /// 10 log10(sum a^2 / sum (a - b)^2)
  public var sqnrDecibel = Double.infinity
  public var cosine = 1.0

  public init() {}

  private static var different: Closeness {
    var result = Closeness()
    result.maxAbs = .infinity
    result.maxRel = .infinity
    result.rmse = .infinity
    result.sqnrDecibel = -.infinity
    result.cosine = 0
    return result
  }

  /// Compares two values of any kind. A position where both are NaN, or both the same infinity, is equal.
  public static func between(_ expected: Value, _ found: Value) -> Closeness {
    switch (expected, found) {
    case (.tensor(let a), .tensor(let b)): return between(a, b)
    case (.sequence(let a), .sequence(let b)) where a.count == b.count:
      return zip(a, b).map { between($0, $1) }.max { $0.maxRel < $1.maxRel } ?? Closeness()
    case (.optional(let a?), .optional(let b?)): return between(a, b)
    case (.optional(nil), .optional(nil)): return Closeness()
    case (.map(let a), .map(let b)):
      guard let values = b.values(inOrderOf: a.keys), values.count == a.values.count else { return different }
      return zip(a.values, values).map { between($0, $1) }.max { $0.maxRel < $1.maxRel } ?? Closeness()
    case (.sparse(let a), .sparse(let b)) where a.shape == b.shape && a.indices.isIdentical(to: b.indices):
      return between(a.values, b.values)
    default: return different
    }
  }

  public static func between(_ expected: Tensor, _ found: Tensor) -> Closeness {
    guard expected.shape == found.shape, expected.dataType == found.dataType else { return different }
    if expected.dataType == .string { return expected.strings == found.strings ? Closeness() : different }
    guard let a = try? ElementView<Double>(expected), let b = try? ElementView<Double>(found) else { return different }
    var result = Closeness()
    var peak = 0.0, signal = 0.0, noise = 0.0, dot = 0.0, other = 0.0
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
      if !x.isFinite || !y.isFinite { return different }
      let difference = (x - y).magnitude
      result.maxAbs = max(result.maxAbs, difference)
      peak = max(peak, x.magnitude)
      signal += x * x
      other += y * y
      dot += x * y
      noise += difference * difference
    }
    if result.maxAbs == 0 { return result }
    result.maxRel = peak > 0 ? result.maxAbs / peak : .infinity
    result.rmse = (noise / Double(max(a.count, 1))).squareRoot()
    result.sqnrDecibel =
      noise > 0 && signal > 0 ? 10 * logarithm10(signal / noise) : (noise > 0 ? -.infinity : .infinity)
    result.cosine = signal > 0 && other > 0 ? dot / (signal.squareRoot() * other.squareRoot()) : 0
    return result
  }
}
