internal import CKernels
import InferenceRuntime
import Tensors

/// The fixed right side of a float32 product, packed once per session for the instruction set in use.
final class PackedWeights: @unchecked Sendable {
  private let storage: TensorStorage

  /// `strides`: of k and of n in `weights`, in elements.
  init(_ request: KernelRequest, _ weights: Tensor, k: Int, n: Int, strides: (Int, Int)) throws {
    storage = try request.packed(
      weights, "gemm b \(k) \(strides), tier \(ck_isa_tier())", byteCount: ck_gemm_packed_size(k, n) * 4
    ) { target in
      ck_gemm_pack_b(
        target.assumingMemoryBound(to: Float.self), weights.baseAddress.assumingMemoryBound(to: Float.self),
        strides.0, strides.1, k, n, 0, (n + ck_gemm_nr() - 1) / ck_gemm_nr())
    }
  }

  /// Panels of `ck_gemm_nr()` columns, each k x nr.
  var base: UnsafePointer<Float> { UnsafePointer(storage.base.assumingMemoryBound(to: Float.self)) }
}
