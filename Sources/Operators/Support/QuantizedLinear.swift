internal import CKernels
import GraphIR
import Tensors

/// Fast forms of QuantizeLinear and DequantizeLinear between float32 and 16-, 8- and 4-bit integers; the results are those of the
/// general forms, bit by bit.
enum QuantizedLinear {
  /// nil where the general form has to do it. `scale` and `zero` fit `x` (`NNQuantizationLayout` has checked).
  static func quantize(_ x: Tensor, _ scale: Tensor, _ zero: Tensor?, _ type: DataType, axis: Int, blockSize: Int)
    throws
    -> Tensor?
  {
    let is16 = type == .int16 || type == .uint16
    guard x.dataType == .float, scale.dataType == .float, is16 || Quantized.isEightBit(type), blockSize == 0 else {
      return nil
    }
    let (channels, inner) = rows(x.shape, scale, axis: axis)
    let (values, scales) = (try ElementView<Float>(x), try ElementView<Float>(scale))
    return try Tensor.makeRaw(type, x.shape) { raw in
      guard let out = raw.baseAddress, raw.count > 0 else { return }
      withExtendedLifetime((values, scales, zero)) {
        forEachRow(x.count, channels, inner) { start, channels, inner, range in
          let (to, from, points) = (out + start * (is16 ? 2 : 1), values.base + start, zero?.baseAddress)
          if is16 {
            ck_quantize_i16(
              to, type == .int16, from, scales.base, points, channels, inner, range.lowerBound, range.upperBound)
          } else if type == .int8 {
            ck_quantize_s8(
              to.assumingMemoryBound(to: Int8.self), from, scales.base, points?.assumingMemoryBound(to: Int8.self),
              channels, inner, range.lowerBound, range.upperBound)
          } else {
            ck_quantize_u8(
              to.assumingMemoryBound(to: UInt8.self), from, scales.base, points?.assumingMemoryBound(to: UInt8.self),
              channels, inner, range.lowerBound, range.upperBound)
          }
        }
      }
    }
  }

  /// nil where the general form has to do it.
  static func dequantize(
    _ given: Tensor, _ scale: Tensor, _ zero: Tensor?, _ type: DataType, axis: Int, blockSize: Int
  ) throws -> Tensor? {
    guard type == .float, scale.dataType == .float else { return nil }
    if given.dataType == .int16 || given.dataType == .uint16, blockSize == 0 || scale.count == 1 {
      return try dequantize16(given, scale, zero, axis: axis)
    }
    guard let x = try widened(given), let points = try zero.map({ try widened($0) }) ?? .some(nil) else { return nil }
    let scales = try ElementView<Float>(scale)
    let isSigned = x.dataType == .int8
    if blockSize > 0 && scale.count > 1 {
      return try blocks(x, scale, scales, points, axis: axis, blockSize: blockSize)
    }
    let (channels, inner) = rows(x.shape, scale, axis: axis)
    return try Tensor.makeRaw(.float, x.shape) { raw in
      guard let out = raw.baseAddress?.assumingMemoryBound(to: Float.self), raw.count > 0 else { return }
      withExtendedLifetime((x, scales, points)) {
        if inner == 1 && channels > 1 {
          return NNParallel.ranges(x.count / channels, grain: max(1, (1 << 16) / channels)) { rows in
            ck_dequantize_columns(
              out, x.baseAddress, isSigned, scales.base, points?.baseAddress, channels, rows.lowerBound,
              rows.upperBound)
          }
        }
        forEachRow(x.count, channels, inner) { start, channels, inner, range in
          dequantizeRows(
            out + start, x.baseAddress + start, isSigned, scales.base, points?.baseAddress, channels, inner, range)
        }
      }
    }
  }

  private static func dequantize16(_ x: Tensor, _ scale: Tensor, _ zero: Tensor?, axis: Int) throws -> Tensor {
    let (channels, inner) = rows(x.shape, scale, axis: axis)
    let scales = try ElementView<Float>(scale)
    return try Tensor.makeRaw(.float, x.shape) { raw in
      guard let out = raw.baseAddress?.assumingMemoryBound(to: Float.self), raw.count > 0 else { return }
      withExtendedLifetime((x, scales, zero)) {
        forEachRow(x.count, channels, inner) { start, channels, inner, range in
          ck_dequantize_i16(
            out + start, x.baseAddress + 2 * start, x.dataType == .int16, scales.base, zero?.baseAddress, channels,
            inner, range.lowerBound, range.upperBound)
        }
      }
    }
  }

  private static func dequantizeRows(
    _ out: UnsafeMutablePointer<Float>, _ source: UnsafeRawPointer, _ isSigned: Bool, _ scales: UnsafePointer<Float>,
    _ zeros: UnsafeRawPointer?, _ channels: Int, _ inner: Int, _ range: Range<Int>
  ) {
    if isSigned {
      ck_dequantize_s8(
        out, source.assumingMemoryBound(to: Int8.self), scales, zeros?.assumingMemoryBound(to: Int8.self), channels,
        inner, range.lowerBound, range.upperBound)
    } else {
      ck_dequantize_u8(
        out, source.assumingMemoryBound(to: UInt8.self), scales, zeros?.assumingMemoryBound(to: UInt8.self), channels,
        inner, range.lowerBound, range.upperBound)
    }
  }

  /// Scales [.., blocks, ..] along `axis`.
  private static func blocks(
    _ x: Tensor, _ scale: Tensor, _ scales: ElementView<Float>, _ zero: Tensor?, axis: Int, blockSize: Int
  ) throws -> Tensor? {
    let axis = axis < 0 ? axis + x.rank : axis
    let (length, blocks) = (x.shape[axis], scale.shape[axis])
    let inner = x.shape[(axis + 1)...].reduce(1, *)
    guard inner > 1 || length % blockSize == 0 else { return nil }
    let isSigned = x.dataType == .int8
    return try Tensor.makeRaw(.float, x.shape) { raw in
      guard let out = raw.baseAddress?.assumingMemoryBound(to: Float.self), raw.count > 0 else { return }
      withExtendedLifetime((x, scales, zero)) {
        if inner == 1 {
          return NNParallel.ranges(x.count / blockSize, grain: max(1, (1 << 16) / blockSize)) { range in
            dequantizeRows(
              out, x.baseAddress, isSigned, scales.base, zero?.baseAddress, scale.count, blockSize, range)
          }
        }
        NNParallel.ranges(x.count / (length * inner) * blocks, grain: max(1, (1 << 16) / (blockSize * inner))) {
          range in
          for number in range {
            let first = number / blocks * length + number % blocks * blockSize
            let last = min(first + blockSize, (number / blocks + 1) * length)
            ck_dequantize_columns(
              out, x.baseAddress, isSigned, scales.base + number * inner, zero.map { $0.baseAddress + number * inner },
              inner, first, last)
          }
        }
      }
    }
  }

  /// 8-bit tensors as they are, 4-bit ones a byte a number; nil for other types.
  private static func widened(_ tensor: Tensor) throws -> Tensor? {
    if Quantized.isEightBit(tensor.dataType) { return tensor }
    guard tensor.dataType == .int4 || tensor.dataType == .uint4 else { return nil }
    let isSigned = tensor.dataType == .int4
    return try Tensor.makeRaw(isSigned ? .int8 : .uint8, tensor.shape) { raw in
      guard let out = raw.baseAddress?.assumingMemoryBound(to: UInt8.self), raw.count > 0 else { return }
      tensor.withUnsafeBytes { source in
        guard let from = source.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        // Ranges start at whole bytes.
        NNParallel.ranges((tensor.count + 1) / 2, grain: 1 << 16) { bytes in
          let first = bytes.lowerBound * 2
          ck_widen_i4(out + first, from + bytes.lowerBound, isSigned, min(tensor.count, bytes.upperBound * 2) - first)
        }
      }
    }
  }

  /// Channels and the elements of each that lie together: 1 and all for one scale.
  private static func rows(_ shape: [Int], _ scale: Tensor, axis: Int) -> (channels: Int, inner: Int) {
    if scale.count == 1 { return (1, shape.reduce(1, *)) }
    let axis = axis < 0 ? axis + shape.count : axis
    return (shape[axis], shape[(axis + 1)...].reduce(1, *))
  }

  /// `body(first element, channels, inner, rows)` in pieces; with one channel each piece is one row.
  private static func forEachRow(
    _ count: Int, _ channels: Int, _ inner: Int, _ body: (Int, Int, Int, Range<Int>) -> Void
  ) {
    if channels == 1 {
      NNParallel.ranges(count, grain: 1 << 16) { body($0.lowerBound, 1, $0.count, 0..<1) }
    } else {
      NNParallel.ranges(count / inner, grain: max(1, (1 << 16) / inner)) { body(0, channels, inner, $0) }
    }
  }

  /// uint8 with the scale and zero point that cover the elements and zero; the scale is 1 where all are zero.
  static func dynamic(_ x: Tensor) throws -> (codes: Tensor, scale: Float, zero: UInt8) {
    let values = try ElementView<Float>(x)
    var (low, high): (Float, Float) = (0, 0)
    ck_range_f32(&low, &high, values.base, values.count)
    let scale = low == high ? 1 : (high - low) / 255
    let point = min(max(-low / scale, 0), 255).rounded(.toNearestOrEven)
    let zero = point.isNaN ? 0 : UInt8(point)
    let codes = try quantize(
      x.converted(to: .float), .scalar(scale, .float), .scalar(Int64(zero), .uint8), .uint8, axis: 0, blockSize: 0)
    guard let codes else { throw CameoError.badInput("\(x) cannot be quantized") }
    return (codes, scale, zero)
  }
}
