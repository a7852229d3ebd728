public import Tensors

/// What a value's channels look like: for each index of one axis, over all samples.
public struct ChannelSummary: Sendable {
  /// Never above, never below 0.
  public let least: [Float]
  public let greatest: [Float]
  public let mean: [Float]
  public let meanSquare: [Float]
  /// mean |x|
  public let meanMagnitude: [Float]

  public var channels: Int { least.count }
  public var magnitude: [Float] { zip(least, greatest).map { max(-$0, $1) } }
}

/// Finds least, greatest, mean, mean magnitude and mean square of each index of one axis. SmoothQuant and the search for outliers read
/// the extremes, bias correction the mean, AWQ the mean magnitude. Memory: five numbers a channel.
public final class ChannelMoments: ValueObserver {
  /// The axis that counts channels; negative from the end.
  public let axis: Int
  private var least: [Float] = []
  private var greatest: [Float] = []
  private var sums: [Double] = []
  private var magnitudes: [Double] = []
  private var squares: [Double] = []
  /// Numbers seen of each channel.
  public private(set) var count = 0

  public init(axis: Int) { self.axis = axis }

  /// nil before a number was seen.
  public var summary: ChannelSummary? {
    guard count > 0 else { return nil }
    return ChannelSummary(
      least: least, greatest: greatest, mean: sums.map { Float($0 / Double(count)) },
      meanSquare: squares.map { Float($0 / Double(count)) },
      meanMagnitude: magnitudes.map { Float($0 / Double(count)) })
  }

  public func observe(_ tensor: Tensor) throws {
    let place = axis < 0 ? axis + tensor.rank : axis
    guard tensor.dataType.isFloatingPoint, (0..<tensor.rank).contains(place) else {
      throw CameoError.badInput("\(tensor) has no channels of floats along axis \(axis)")
    }
    let channels = tensor.shape[place]
    if least.isEmpty {
      least = [Float](repeating: 0, count: channels)
      greatest = least
      sums = [Double](repeating: 0, count: channels)
      squares = sums
      magnitudes = sums
    }
    guard channels == least.count else {
      throw CameoError.badInput("a value has \(channels) channels, it had \(least.count) before")
    }
    guard tensor.count > 0 else { return }
    let inner = tensor.shape[(place + 1)...].reduce(1, *)
    let outer = tensor.count / (channels * inner)
    let view = try ElementView<Float>(tensor)
    for o in 0..<outer {
      for c in 0..<channels {
        let start = (o * channels + c) * inner
        var (low, high): (Float, Float) = (least[c], greatest[c])
        var (sum, square, magnitude) = (0.0, 0.0, 0.0)
        for index in start..<start + inner {
          let x = view[index]
          low = min(low, x)
          high = max(high, x)
          sum += Double(x)
          magnitude += Double(x.magnitude)
          square += Double(x) * Double(x)
        }
        guard square.isFinite else { throw CameoError.badInput("a value holds numbers that are not finite") }
        (least[c], greatest[c]) = (low, high)
        sums[c] += sum
        magnitudes[c] += magnitude
        squares[c] += square
      }
    }
    count += outer * inner
  }
}
