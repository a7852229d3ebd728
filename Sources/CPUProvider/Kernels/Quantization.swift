internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// QuantizeLinear and DequantizeLinear between float32 and 8-bit integers, by one scale or by one for each index of an axis.
enum QuantizationKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "QuantizeLinear": { try make($0, isQuantize: true) }, "DequantizeLinear": { try make($0, isQuantize: false) },
  ]

  private static func make(_ request: KernelRequest, isQuantize: Bool) throws -> PreparedKernel {
    let (x, scale, y) = (try request.operand(0), try request.operand(1), try request.result())
    let (float, integer) = isQuantize ? (x, y) : (y, x)
    guard float.type == .float, scale.type == .float, integer.type == .uint8 || integer.type == .int8 else {
      throw Refusal("\(x.type) by \(scale.type) to \(y.type)")
    }
    guard try request.attributes.int("block_size", default: 0) == 0,
      try [nil, .float].contains(request.attributes.dataType("precision"))
    else { throw Refusal("blocks, or quotients of another precision") }
    try request.requireCount(2, scale.count)
    let isSigned = integer.type == .int8
    var (channels, inner) = (1, 1)
    if scale.count > 1 {
      let axis = try request.axis("axis", 1, rank: x.rank)
      guard scale.rank == 1, scale.count == x.shape[axis] else { throw Refusal("a scale of \(scale.shape)") }
      (channels, inner) = (scale.count, product(x.shape[(axis + 1)...]))
    }
    let name = isQuantize ? "quantize" : "dequantize"
    if channels == 1 {
      // Any part of the elements is one row.
      return PreparedKernel(
        RangeKernel(name, count: x.count, grain: 1 << 15) { call, begin, end, _ in
          rows(call, isQuantize, isSigned, offset: begin, channels: 1, inner: end - begin, 0, 1)
        })
    }
    if !isQuantize && inner == 1 {
      return PreparedKernel(
        RangeKernel(name, count: x.count / channels, grain: max(1, (1 << 15) / channels)) { call, begin, end, _ in
          ck_dequantize_columns(
            call.output(0, Float.self), call.input(0), isSigned, call.input(1, Float.self),
            call.optional(2, UInt8.self), channels, begin, end)
        })
    }
    return PreparedKernel(
      RangeKernel(name, count: x.count / inner, grain: max(1, (1 << 15) / inner)) { call, begin, end, _ in
        rows(call, isQuantize, isSigned, offset: 0, channels: channels, inner: inner, begin, end)
      })
  }

  @inline(__always) private static func rows(
    _ call: KernelCall, _ isQuantize: Bool, _ isSigned: Bool, offset: Int, channels: Int, inner: Int, _ begin: Int,
    _ end: Int
  ) {
    let scale = call.input(1, Float.self)
    switch (isQuantize, isSigned) {
    case (true, false):
      ck_quantize_u8(
        call.output(0, UInt8.self) + offset, call.input(0, Float.self) + offset, scale, call.optional(2, UInt8.self),
        channels, inner, begin, end)
    case (true, true):
      ck_quantize_s8(
        call.output(0, Int8.self) + offset, call.input(0, Float.self) + offset, scale, call.optional(2, Int8.self),
        channels, inner, begin, end)
    case (false, false):
      ck_dequantize_u8(
        call.output(0, Float.self) + offset, call.input(0, UInt8.self) + offset, scale, call.optional(2, UInt8.self),
        channels, inner, begin, end)
    case (false, true):
      ck_dequantize_s8(
        call.output(0, Float.self) + offset, call.input(0, Int8.self) + offset, scale, call.optional(2, Int8.self),
        channels, inner, begin, end)
    }
  }
}
