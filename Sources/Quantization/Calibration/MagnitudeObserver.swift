public import Tensors

/// The greatest finite magnitude of a value of float32 over samples. Infinities, NaN and values of other types are passed over.
public final class MagnitudeObserver: ValueObserver {
  /// nil before a finite number was seen.
  public private(set) var greatest: Float?

  public init() {}

  public func observe(_ tensor: Tensor) throws {
    guard tensor.dataType == .float, tensor.count > 0 else { return }
    greatest = max(greatest ?? 0, try (try? NumberSummary(tensor))?.range.magnitude ?? Self.greatestFinite(tensor))
  }

  /// A mask of infinities, for one.
  private static func greatestFinite(_ tensor: Tensor) throws -> Float {
    let view = try ElementView<Float>(tensor)
    let numbers = UnsafeBufferPointer(start: view.base, count: view.count)
    return numbers.reduce(0) { $1.isFinite ? max($0, $1.magnitude) : $0 }
  }
}
