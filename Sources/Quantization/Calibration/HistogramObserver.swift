public import Tensors

/// Counts a value's numbers in a histogram, for ranges that leave out rare ones.
public final class HistogramObserver: ValueObserver {
  public private(set) var histogram: Histogram

  /// Throws `.badInput` where `bins` is no power of two from 16 to 65536.
  public init(bins: Int = Histogram.defaultBins) throws { histogram = try Histogram(bins: bins) }

  /// Throws `.badInput` where the value holds NaN or an infinity.
  public func observe(_ tensor: Tensor) throws { try histogram.add(tensor) }
}
