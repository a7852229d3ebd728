internal import CKernels
import GraphIR
import Tensors

/// Scale and zero point of a whole 8-bit tensor.
struct QuantizedScale: Equatable {
  let scale: Float
  let zero: Int32

  /// Reads the inputs at `scale` and `zero`; a zero point that is left out is 0. Throws where one of them has more than one
  /// element, the scale is no float, or the zero point is not of the tensor's type.
  init(_ context: EvaluationContext, scale: Int, zero: Int, of type: DataType) throws {
    self.scale = try QuantizedScale.scalar(context, scale)
    guard let point = try context.optionalTensor(zero) else {
      self.zero = 0
      return
    }
    guard point.dataType == type else {
      throw CameoError.badInput("the zero point (input \(zero)) is \(point.dataType), its tensor \(type)")
    }
    guard point.count == 1 else {
      throw CameoError.badInput("the zero point (input \(zero)) has the shape \(point.shape), one element was expected")
    }
    self.zero = Int32(truncatingIfNeeded: try point.scalar(as: Int64.self))
  }

  init(scale: Float, zero: Int32) {
    self.scale = scale
    self.zero = zero
  }

  /// The one float of input `index`.
  static func scalar(_ context: EvaluationContext, _ index: Int) throws -> Float {
    let tensor = try context.tensor(index)
    guard tensor.dataType == .float, tensor.count == 1 else {
      throw CameoError.badInput("the scale (input \(index)) is \(tensor), one float was expected")
    }
    return try tensor.scalar(as: Float.self)
  }

  /// saturate(round(value / scale) + zero), halves to even; NaN gives the zero point.
  func quantize(_ value: Float, in range: ClosedRange<Int64>) -> Int64 {
    let quotient = (value / scale).rounded(.toNearestOrEven)
    if quotient.isNaN { return Int64(zero) }
    // Clamped before the conversion: nothing that int32 cannot hold survives saturation.
    return min(max(Int64(min(max(quotient, -0x1p40), 0x1p40)) + Int64(zero), range.lowerBound), range.upperBound)
  }
}

/// What is asked of 8-bit inputs.
enum Quantized {
  static func isEightBit(_ type: DataType) -> Bool { type == .int8 || type == .uint8 }

  /// The tensor at `index`. Throws where its type is neither int8 nor uint8.
  static func tensor(_ context: EvaluationContext, _ index: Int) throws -> Tensor {
    let tensor = try context.tensor(index)
    guard isEightBit(tensor.dataType) else {
      throw CameoError.badInput("input \(index) is \(tensor.dataType), int8 or uint8 was expected")
    }
    return tensor
  }

  /// Throws where the type of `input` is known and not among `types`.
  static func require(_ context: InferenceContext, _ input: Int, _ types: Set<DataType>) throws {
    if let type = context.dataType(input), !types.contains(type) {
      throw CameoError.badInput(
        "input \(input) is \(type), \(types.map(\.name).sorted().joined(separator: " or ")) was expected")
    }
  }

  /// Throws where `input` is known to have more than one element.
  static func requireScalar(_ context: InferenceContext, _ input: Int) throws {
    guard let shape = context.type(input)?.concreteShape else { return }
    guard shape.allSatisfy({ $0 == 1 }) else {
      throw CameoError.badInput("input \(input) has the shape \(shape), one element was expected")
    }
  }

  static let eightBit: Set<DataType> = [.int8, .uint8]
}

/// What an element-wise function does to each of the 256 numbers of an 8-bit type.
struct QuantizedTable {
  /// By the input's byte, the output's byte.
  private var codes: [UInt8]

  /// quantize(f(dequantize(x))): the products, `f` and the quotient in float.
  init(from: QuantizedScale, to: QuantizedScale, isSigned: Bool, _ f: (Float) -> Float) {
    let range: ClosedRange<Int64> = isSigned ? -128...127 : 0...255
    codes = (0..<256).map { code in
      let number = isSigned ? Int32(Int8(truncatingIfNeeded: code)) : Int32(code)
      let value = f(from.scale * Float(number - from.zero))
      return UInt8(truncatingIfNeeded: to.quantize(value, in: range))
    }
  }

  /// The tensor with every element looked up; its type stays.
  func apply(to tensor: Tensor) throws -> Tensor {
    try Tensor.makeRaw(tensor.dataType, tensor.shape) { out in
      tensor.withUnsafeBytes { source in write(source, out) }
    }
  }

  /// Looks up each byte of `source` into the first bytes of `out`, which has room for them.
  func write(_ source: UnsafeRawBufferPointer, _ out: UnsafeMutableRawBufferPointer) {
    codes.withUnsafeBufferPointer { codes in
      guard let table = codes.baseAddress, let from = source.baseAddress, let to = out.baseAddress else { return }
      let (input, output) = (from.assumingMemoryBound(to: UInt8.self), to.assumingMemoryBound(to: UInt8.self))
      NNParallel.ranges(source.count, grain: 1 << 18) { range in
        ck_lookup_u8(output + range.lowerBound, input + range.lowerBound, table, range.count)
      }
    }
  }
}
