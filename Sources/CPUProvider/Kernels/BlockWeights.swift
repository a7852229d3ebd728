internal import CKernels
import InferenceRuntime
import Operators
import Tensors

/// Constant weights of few bits packed for `ck_nbits_run`, once a session.
final class BlockWeights: @unchecked Sendable {
  private let storage: TensorStorage
  private let book: Floats?
  let form: ck_nbits
  let panels: Int

  init(_ request: KernelRequest, _ source: BlockSource) throws {
    book = source.book.map(Floats.init)
    let zeros = source.zeros.flatMap { BlockWeights.isMiddle($0.tensor, source) ? nil : $0 }
    let kind =
      zeros.map { $0.tensor.dataType == .float ? CK_NBITS_FLOAT_ZEROS : CK_NBITS_INT8_ZEROS } ?? CK_NBITS_NO_ZEROS
    var form = ck_nbits(
      k: source.k, n: source.n, bits: Int32(source.bits), zeros: kind.rawValue, group: source.group, book: nil,
      has_halves: false)
    form.book = book.map { UnsafePointer($0.base) }
    let scales = try ElementView<Float>(source.scales.tensor)
    form.has_halves = withExtendedLifetime(scales) { ck_nbits_are_halves(scales.base, source.scales.tensor.count) }
    self.form = form
    panels = (source.n + Int(CK_NBITS_COLUMNS) - 1) / Int(CK_NBITS_COLUMNS)
    // What else than the codes is packed is part of the form's name.
    let others = BlockWeights.digest(source.scales.tensor, zeros?.tensor)
    let name =
      "nbits \(source.k) by \(source.n), \(source.bits) bits, groups of \(source.group), \(kind.rawValue) "
      + "\(source.codes.alongK) \(source.codes.alongN) \(source.isSigned) \(source.isHighFirst), "
      + "scales\(form.has_halves ? " in 16 bits" : "") and zeros \(others)"
    let panels = panels
    storage = try request.packed(source.codes.tensor, name, byteCount: ck_nbits_packed_bytes(&form)) { target in
      withExtendedLifetime((scales, zeros?.tensor)) {
        var from = ck_nbits_source(
          codes: source.codes.tensor.baseAddress.assumingMemoryBound(to: UInt8.self), code_k: source.codes.alongK,
          code_n: source.codes.alongN, is_signed: source.isSigned, high_first: source.isHighFirst,
          scales: scales.base, scale_k: source.scales.alongK, scale_n: source.scales.alongN, zero_points: nil,
          zero_k: 0, zero_n: 0, zero_bits: Int32(source.bits))
        if let zeros {
          from.zero_points = zeros.tensor.baseAddress
          (from.zero_k, from.zero_n) = (zeros.alongK, zeros.alongN)
        }
        var form = form
        ck_nbits_pack(target.assumingMemoryBound(to: UInt8.self), &form, &from, 0, panels)
      }
    }
  }

  /// True for integers that are all what the codes are counted from without zero points.
  private static func isMiddle(_ zeros: Tensor, _ source: BlockSource) -> Bool {
    guard zeros.dataType != .float else { return false }
    let middle: UInt8 = source.isSigned ? 0 : 1 << UInt8(source.bits - 1)
    let byte: UInt8 = source.bits == 8 ? middle : source.bits == 4 ? middle * 0x11 : middle * 0x55
    return zeros.withUnsafeBytes { bytes in bytes.allSatisfy { $0 == byte } }
  }

  /// A digest of bytes that withstands chance.
  private static func digest(_ tensors: Tensor?...) -> UInt64 {
    var value: UInt64 = 0x9e37_79b9_7f4a_7c15
    for tensor in tensors {
      tensor?.withUnsafeBytes { bytes in
        for place in stride(from: 0, to: bytes.count & ~7, by: 8) {
          value = (value ^ bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)) &* 0xff51_afd7_ed55_8ccd
          value ^= value >> 32
        }
        for byte in bytes[(bytes.count & ~7)...] { value = (value ^ UInt64(byte)) &* 0xff51_afd7_ed55_8ccd }
      }
      value ^= value >> 29
    }
    return value
  }

  var base: UnsafePointer<UInt8> { UnsafePointer(storage.base.assumingMemoryBound(to: UInt8.self)) }
  var panelBytes: Int { storage.byteCount / max(1, panels) }
}
