import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// com.microsoft.QLinearSoftmax: softmax of quantized scores, quantized. `opset` is that of the Softmax it stands for: below 13
/// all axes from `axis` on are one.
///
/// As ONNX Runtime computes it: exponentials from a table of floats, their sum in float, 1 / y_scale rounded down, the
/// quotient rounded to even before the zero point is added. The result saturates on both sides; ONNX Runtime 1.31 wraps an
/// int8 result past 127.
struct QLinearSoftmax: Operator {
  let name = OperatorName("QLinearSoftmax", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QLinearSoftmax 1 5 5 1 1
    a axis int=-1
    a opset int!
    i X T
    i X_scale tensor(float)
    i? x_zero_point T
    i y_scale tensor(float)
    i y_zero_point T
    o Y T
    c T tensor(*):uint8,int8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    try Quantized.require(context, 0, Quantized.eightBit)
    for input in 1...4 { try Quantized.requireScalar(context, input) }
    _ = try context.attributes.int("opset")
    if let shape = context.shape(0) { _ = try axis(context.attributes, rank: shape.count) }
    context.set(0, context.dataType(0), context.shape(0))
  }

  private func axis(_ attributes: AttributeReader, rank: Int) throws -> Int {
    let fallback = try attributes.int("opset") < 13 ? 1 : -1
    return try Axes.normalize(attributes.has("axis") ? attributes.int("axis") : fallback, rank: rank)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try Quantized.tensor(context, 0)
    let from = try QuantizedScale(context, scale: 1, zero: 2, of: x.dataType)
    let to = try QuantizedScale(context, scale: 3, zero: 4, of: x.dataType)
    let axis = try axis(context.attributes, rank: x.rank)
    if x.isEmpty { return [.tensor(x)] }
    if try context.attributes.int("opset") < 13 {
      return [.tensor(try softmax(x, length: x.shape[axis...].reduce(1, *), from, to))]
    }
    guard axis != x.rank - 1 else { return [.tensor(try softmax(x, length: x.shape[axis], from, to))] }
    var swap = Array(0..<x.rank)
    swap.swapAt(axis, x.rank - 1)
    let moved = try LastChannels.transpose(x, swap)
    return [.tensor(try LastChannels.transpose(try softmax(moved, length: x.shape[axis], from, to), swap))]
  }

  /// Softmax of rows of `length`.
  private func softmax(_ x: Tensor, length: Int, _ from: QuantizedScale, _ to: QuantizedScale) throws -> Tensor {
    let isSigned = x.dataType == .int8
    let range: ClosedRange<Int64> = isSigned ? -128...127 : 0...255
    // exp((distance below the row's maximum) * scale), shifted up so far that a row's sum stays finite.
    let room = max(0, log(Double(Float.greatestFiniteMagnitude / Float(length))) - 5) / Double(from.scale)
    let table = (0..<256).map { Float(exp((room - Double($0)) * Double(from.scale))) }
    let levels = (1 / to.scale).rounded(.down)
    return try Tensor.makeRaw(x.dataType, x.shape) { out in
      x.withUnsafeBytes { source in
        let flip: UInt8 = isSigned ? 0x80 : 0
        nonisolated(unsafe) let (source, out) = (source, out)
        NNParallel.ranges(x.count / length, grain: max(1, (1 << 14) / length)) { rows in
          for row in rows {
            let places = row * length..<(row + 1) * length
            // Codes in ascending order: the sign bit of int8 turned.
            var top: UInt8 = 0
            for i in places { top = max(top, source[i] ^ flip) }
            var sum: Float = 0
            for i in places { sum += table[Int(top - (source[i] ^ flip))] }
            for i in places {
              let share = (table[Int(top - (source[i] ^ flip))] * levels / sum).rounded(.toNearestOrEven)
              let whole = share.isNaN ? 0 : Int64(min(max(share, 0), 0x1p40))
              out[i] = UInt8(truncatingIfNeeded: min(max(whole + Int64(to.zero), range.lowerBound), range.upperBound))
            }
          }
        }
      }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QLinearSoftmax(), to: $0) })
