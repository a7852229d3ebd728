internal import CKernels
import InferenceRuntime
import Tensors

/// Neighbouring columns of a product's right side, as they lie in memory.
struct WeightPart {
  let first: Int
  let count: Int
  let base: UnsafePointer<Float>
  let strides: (Int, Int)

  /// The part's own numbers of those of the whole matrix's panels of `unit` columns that lie in it.
  func forPanels(_ panels: Range<Int>, of unit: Int, _ body: (_ begin: Int, _ end: Int) -> Void) {
    let (start, end) = (first / unit, first / unit + (count + unit - 1) / unit)
    let (low, high) = (max(start, panels.lowerBound), min(end, panels.upperBound))
    if low < high { body(low - start, high - start) }
  }

  /// All of a constant matrix whose steps along k and n are `strides`. Columns that are rows of other matrices are read there, as long
  /// as each of those begins with a whole panel of `unit` columns.
  static func all(of weights: Tensor, k: Int, n: Int, strides: (Int, Int), unit: Int) -> [WeightPart] {
    guard let rows = weights.deferredRows, strides == (n, 1), weights.shape == [k, n],
      rows.dropLast().allSatisfy({ $0.shape[0] % unit == 0 })
    else {
      let base = weights.baseAddress.assumingMemoryBound(to: Float.self)
      return [WeightPart(first: 0, count: n, base: base, strides: strides)]
    }
    var parts: [WeightPart] = []
    for matrix in rows {
      let base = matrix.baseAddress.assumingMemoryBound(to: Float.self)
      let first = parts.last.map { $0.first + $0.count } ?? 0
      parts.append(WeightPart(first: first, count: matrix.shape[0], base: base, strides: (1, k)))
    }
    return parts
  }
}

/// The fixed right side of a float32 product, packed once per session for the instruction set in use.
final class PackedWeights: @unchecked Sendable {
  private let storage: TensorStorage

  /// `strides`: of k and of n in `weights`, in elements.
  init(_ request: KernelRequest, _ weights: Tensor, k: Int, n: Int, strides: (Int, Int)) throws {
    let nr = ck_gemm_nr()
    let matrices = WeightPart.all(of: weights, k: k, n: n, strides: strides, unit: nr)
    storage = try request.packed(
      weights, "gemm b \(k) \(strides), tier \(ck_isa_tier())", byteCount: ck_gemm_packed_size(k, n) * 4,
      parts: (n + nr - 1) / nr
    ) { target, panels in
      for part in matrices {
        part.forPanels(panels, of: nr) { begin, end in
          ck_gemm_pack_b(
            target.assumingMemoryBound(to: Float.self) + part.first * k, part.base, part.strides.0, part.strides.1, k,
            part.count, begin, end)
        }
      }
    }
  }

  /// Panels of `ck_gemm_nr()` columns, each k x nr.
  var base: UnsafePointer<Float> { UnsafePointer(storage.base.assumingMemoryBound(to: Float.self)) }
}
