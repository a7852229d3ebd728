import Tensors

/// Rounding of intermediate results to float16 and bfloat16.
///
/// Operators that the standard defines by a function body round after each of its steps there; results in these types follow
/// it, so that they are those of the body (and of onnx's own data) to the last bits. Wider types are left alone.
struct NarrowRounding: Sendable {
  private enum Width { case none, half, brain }
  private let width: Width

  init(_ type: DataType) {
    width = type == .float16 ? .half : type == .bfloat16 ? .brain : .none
  }

  var isActive: Bool { width != .none }

  @inline(__always) func callAsFunction(_ value: Double) -> Double {
    switch width {
    case .none: value
    case .half: Double(SmallFloats.float(fromHalf: SmallFloats.half(from: Float(value))))
    case .brain: Double(SmallFloats.float(fromBFloat16: SmallFloats.bfloat16(from: Float(value))))
    }
  }
}
