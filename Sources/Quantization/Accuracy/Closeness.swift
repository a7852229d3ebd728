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

  static var different: Closeness {
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
    if expected.dataType == .string {
      return expected.shape == found.shape && expected.isIdentical(to: found) ? Closeness() : different
    }
    var sums = DifferenceSums()
    return sums.add(expected, found) ? sums.closeness : different
  }
}
