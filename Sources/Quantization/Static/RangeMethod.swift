import Tensors

/// How the range that the codes are spread over is chosen from what was observed.
public enum RangeMethod: Sendable, Hashable {
  case minmax
  /// Ends averaged over samples; 0 < momentum <= 1.
  case moving(momentum: Float)

  func makeObserver() -> RangeObserver {
    switch self {
    case .minmax: RangeObserver()
    case .moving(let momentum): RangeObserver(.movingAverage(momentum: momentum))
    }
  }
}
