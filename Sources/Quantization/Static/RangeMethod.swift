import Tensors

/// How the range that the codes are spread over is chosen from what was observed.
public enum RangeMethod: Sendable, Hashable {
  /// From the least to the greatest number.
  case minmax
  /// Ends averaged over samples; 0 < momentum <= 1.
  case moving(momentum: Float)
  /// So many percent of the numbers other than zero lie inside, see `Histogram.percentile`. 99.9, 99.99 and 99.999 are usual.
  case percentile(Double)
  /// The range that loses least information, see `Histogram.entropy`.
  case entropy
  /// The range with the least mean squared error, see `Histogram.leastError`.
  case mse

  /// What has to look at a value.
  public func makeObserver() throws -> any RangeEstimator {
    switch self {
    case .minmax: RangeObserver()
    case .moving(let momentum): RangeObserver(.movingAverage(momentum: momentum))
    case .percentile, .entropy, .mse: HistogramEstimator(self, try HistogramObserver())
    }
  }
}

/// An observer that knows which range to keep of what it has seen.
public protocol RangeEstimator: ValueObserver {
  /// nil where it has seen no number.
  func range(for scheme: QuantizationScheme) -> ValueRange?
  /// What has been counted; nil where only ends were noted.
  var counted: Histogram? { get }
}

extension RangeObserver: RangeEstimator {
  public func range(for scheme: QuantizationScheme) -> ValueRange? { range }
  public var counted: Histogram? { nil }
}

private final class HistogramEstimator: RangeEstimator {
  private let method: RangeMethod
  private let observer: HistogramObserver

  init(_ method: RangeMethod, _ observer: HistogramObserver) {
    self.method = method
    self.observer = observer
  }

  func observe(_ tensor: Tensor) throws { try observer.observe(tensor) }
  func range(for scheme: QuantizationScheme) -> ValueRange? { observer.histogram.range(method, for: scheme) }
  var counted: Histogram? { observer.histogram }
}
