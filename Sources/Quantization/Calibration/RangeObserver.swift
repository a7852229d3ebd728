internal import CKernels
public import Tensors

/// The least and the greatest number of a value, absolute or as a moving average over samples.
///
/// Moving average: the first sample's ends, then end = (1 - momentum) * end + momentum * the sample's (Jacob et al., Quantization and
/// Training of Neural Networks, 2018, section 3.1): one outlier among the samples does not set the range, and their order counts.
public final class RangeObserver: ValueObserver {
  public enum Mode: Sendable, Hashable {
    case absolute
    /// 0 < momentum <= 1: the weight of each further sample.
    case movingAverage(momentum: Float)
  }

  public let mode: Mode
  /// nil before a sample with elements was seen.
  public private(set) var range: ValueRange?

  public init(_ mode: Mode = .absolute) { self.mode = mode }

  /// Throws `.badInput` where the value holds NaN or an infinity, or no numbers.
  public func observe(_ tensor: Tensor) throws {
    guard tensor.count > 0 else { return }
    let seen = try NumberSummary(tensor).range
    guard let old = range else { range = seen; return }
    switch mode {
    case .absolute: range = old.union(seen)
    case .movingAverage(let momentum):
      range = ValueRange(
        old.minimum + momentum * (seen.minimum - old.minimum), old.maximum + momentum * (seen.maximum - old.maximum))
    }
  }
}

/// What one walk over a tensor's numbers tells.
struct NumberSummary {
  let range: ValueRange
  let zeros: Int

  /// Throws `.badInput` for numbers that are not finite and for tensors that hold none. O(elements).
  init(_ tensor: Tensor) throws { self = try Self.of(ElementView<Float>(tensor)) }

  private init(range: ValueRange, zeros: Int) {
    self.range = range
    self.zeros = zeros
  }

  static func of(_ view: ElementView<Float>) throws -> NumberSummary {
    guard view.count > 0 else { throw CameoError.badInput("a tensor without elements has no range") }
    var summary = ck_summary()
    ck_summary_f32(&summary, view.base, view.count)
    guard summary.is_finite else { throw CameoError.badInput(notFinite(view)) }
    return NumberSummary(range: ValueRange(summary.minimum, summary.maximum), zeros: summary.zeros)
  }

  private static func notFinite(_ view: ElementView<Float>) -> String {
    let numbers = UnsafeBufferPointer(start: view.base, count: view.count)
    let bad = numbers.reduce(0) { $0 + ($1.isFinite ? 0 : 1) }
    let first = numbers.first { !$0.isFinite } ?? .nan
    return "\(bad) of \(view.count) numbers are not finite, the first is \(first)"
  }
}
