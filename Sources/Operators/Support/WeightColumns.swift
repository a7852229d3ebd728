internal import CKernels
import Tensors

/// Transposed weights that are written only where somebody reads them as such.
public enum WeightColumns {
  /// Below this many bytes a copy costs nothing.
  public static let leastBytes = 1 << 16

  /// The matrix [k, n] whose columns are the rows of matrices [n_i, k].
  public static func of(_ rows: [Tensor]) throws -> Tensor {
    try Tensor.columns(of: rows) { out, rows in
      let (width, total) = (rows[0].dataType.bitWidth / 8, rows.reduce(0) { $0 + $1.shape[0] })
      var first = 0
      for part in rows {
        let (n, k) = (part.shape[0], part.shape[1])
        ck_transpose_matrix(out + first * width, total, part.baseAddress, k, k, n, width)
        first += n
      }
    }
  }

  /// Transpose of a constant matrix, where it is worth it.
  public static func transposed(_ matrix: Tensor) throws -> Tensor? {
    guard matrix.rank == 2, matrix.dataType != .string, [8, 16, 32, 64].contains(matrix.dataType.bitWidth),
      matrix.byteCount >= leastBytes
    else { return nil }
    return try of([matrix])
  }
}
