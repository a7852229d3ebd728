/// The numbers that a value takes, or those of them that quantization is to keep.
public struct ValueRange: Sendable, Hashable {
  public var minimum: Float
  public var maximum: Float

  public init(_ minimum: Float, _ maximum: Float) {
    self.minimum = minimum
    self.maximum = maximum
  }

  /// The greatest distance from zero.
  public var magnitude: Float { max(minimum.magnitude, maximum.magnitude) }

  public func union(_ other: ValueRange) -> ValueRange {
    ValueRange(min(minimum, other.minimum), max(maximum, other.maximum))
  }
}
