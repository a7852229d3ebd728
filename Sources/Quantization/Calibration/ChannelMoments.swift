public import Tensors

/// What a value's channels look like: least, greatest, mean and mean square of each index of one axis, over all samples.
///
/// Memory: four numbers a channel. SmoothQuant and the search for outliers read the extremes, bias correction the mean.
public final class ChannelMoments: ValueObserver {
  /// The axis that counts channels; negative from the end.
  public let axis: Int
  public private(set) var least: [Float] = []
  public private(set) var greatest: [Float] = []
  private var sums: [Double] = []
  private var squares: [Double] = []
  /// Numbers seen of each channel.
  public private(set) var count = 0

  public init(axis: Int) { self.axis = axis }

  public var channels: Int { least.count }
  public var mean: [Float] { sums.map { count == 0 ? 0 : Float($0 / Double(count)) } }
  public var meanSquare: [Float] { squares.map { count == 0 ? 0 : Float($0 / Double(count)) } }
  public var magnitude: [Float] { zip(least, greatest).map { max(-$0, $1) } }

  public func observe(_ tensor: Tensor) throws {
    let place = axis < 0 ? axis + tensor.rank : axis
    guard (0..<tensor.rank).contains(place) else {
      throw CameoError.badInput("a value of shape \(tensor.shape) has no axis \(axis)")
    }
    let channels = tensor.shape[place]
    if least.isEmpty {
      least = [Float](repeating: 0, count: channels)
      greatest = least
      sums = [Double](repeating: 0, count: channels)
      squares = sums
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
        var (sum, square): (Double, Double) = (0, 0)
        for index in start..<start + inner {
          let x = view[index]
          low = min(low, x)
          high = max(high, x)
          sum += Double(x)
          square += Double(x) * Double(x)
        }
        guard square.isFinite else { throw CameoError.badInput("a value holds numbers that are not finite") }
        (least[c], greatest[c]) = (low, high)
        sums[c] += sum
        squares[c] += square
      }
    }
    count += outer * inner
  }
}
