internal import CBLAS
internal import CKernels
import InferenceRuntime
import Tensors

/// One float32 matrix product C = act(alpha * op(A) op(B) + bias) of fixed size, cut into tiles for threads.
///
/// B is used as it lies in memory: OpenBLAS packs it as it goes. Without OpenBLAS the packed kernel of CKernels runs on
/// panels that each tile packs into its scratch. One row is a matrix-vector product either way.
struct GemmPlan {
  var m: Int
  var n: Int
  var k: Int
  /// Element strides of op(A) and op(B); one of each pair is 1.
  var aRow: Int
  var aColumn: Int
  var bRow: Int
  var bColumn: Int
  /// Row stride of C.
  var ldc: Int
  var alpha: Float = 1
  var activation = ck_activation.none

  private(set) var rowTile = 1
  private(set) var columnTile = 1
  private(set) var tiles = 1
  private var columnTiles = 1

  /// Bias: none, one for each column, one for each row, one for all, or a whole matrix of C's size.
  enum Bias {
    case none, columns, rows, one, matrix
  }
  var bias = Bias.none

  init(m: Int, n: Int, k: Int, transA: Bool, transB: Bool) {
    self.m = m
    self.n = n
    self.k = k
    (aRow, aColumn) = transA ? (1, m) : (k, 1)
    (bRow, bColumn) = transB ? (1, k) : (n, 1)
    ldc = n
  }

  /// Cuts C into tiles for `threads`, given `others` products that run beside this one.
  mutating func split(threads: Int, others: Int = 1) {
    let work = m * n * k
    rowTile = m
    columnTile = n
    let wanted = others >= 2 * threads || threads == 1 ? 1 : min(max(1, work >> 16), 4 * threads / others)
    if wanted > 1 {
      if n >= m || m < 16 {
        columnTile = max(32, (n + wanted - 1) / wanted + 31 & ~31)
      } else {
        rowTile = max(14, (m + wanted - 1) / wanted + 13) / 14 * 14
      }
    }
    columnTiles = (n + columnTile - 1) / columnTile
    tiles = columnTiles * ((m + rowTile - 1) / rowTile)
  }

  private var usesBlas: Bool { Blas.isLoaded }

  /// Scratch of one thread.
  var scratchBytes: Int {
    if m == 1 || usesBlas { return 0 }
    return aligned(min(k, GemmPlan.depth) * GemmPlan.width * 4) + aligned(ck_gemm_scratch_bytes(k))
  }

  /// Columns and depth that one packed block has without OpenBLAS.
  private static let width = 128
  private static let depth = 256

  /// Computes tile `tile`.
  @inline(__always)
  func run(
    _ tile: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ biasValues: UnsafePointer<Float>?,
    _ c: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutableRawPointer?
  ) {
    let m0 = tile / columnTiles * rowTile
    let n0 = tile % columnTiles * columnTile
    let rows = min(rowTile, m - m0)
    let columns = min(columnTile, n - n0)
    if m == 1 && aColumn == 1 {
      if bColumn == 1 {
        ck_gemv_cols_f32(c, a, b, bRow, k, n0, n0 + columns)
      } else {
        ck_gemv_rows_f32(c, b, bColumn, a, k, n0, n0 + columns)
      }
      if alpha != 1 { ck_unary_f32(Int32(CK_UNARY_AFFINE.rawValue), c + n0, c + n0, columns, alpha, 0) }
    } else if usesBlas {
      cameo_sgemm(
        aColumn == 1 ? 0 : 1, bColumn == 1 ? 0 : 1, Int64(rows), Int64(columns), Int64(k), alpha,
        a + m0 * aRow, Int64(aColumn == 1 ? aRow : aColumn), b + n0 * bColumn, Int64(bColumn == 1 ? bRow : bColumn), 0,
        c + m0 * ldc + n0, Int64(ldc))
    } else if let scratch {
      portable(m0, rows, n0, columns, a, b, c, scratch)
    }
    finish(m0, rows, n0, columns, biasValues, c)
  }

  private func portable(
    _ m0: Int, _ rows: Int, _ n0: Int, _ columns: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutableRawPointer
  ) {
    let packed = scratch.assumingMemoryBound(to: Float.self)
    let rest = scratch + aligned(min(k, GemmPlan.depth) * GemmPlan.width * 4)
    let nr = ck_gemm_nr()
    var j = n0
    while j < n0 + columns {
      let width = min(GemmPlan.width, n0 + columns - j)
      var p = 0
      repeat {
        let depth = min(GemmPlan.depth, k - p)
        ck_gemm_pack_b(packed, b + p * bRow + j * bColumn, bRow, bColumn, depth, width, 0, (width + nr - 1) / nr)
        var epilogue = ck_gemm_epilogue()
        epilogue.alpha = alpha
        epilogue.beta = p == 0 ? 0 : 1
        ck_gemm_packed_f32(
          c + m0 * ldc + j, ldc, a + m0 * aRow + p * aColumn, aRow, aColumn, packed, width, depth, 0, rows, 0, width,
          &epilogue, rest)
        p += depth
      } while p < k
      j += width
    }
  }

  @inline(__always)
  private func finish(
    _ m0: Int, _ rows: Int, _ n0: Int, _ columns: Int, _ biasValues: UnsafePointer<Float>?, _ c: UnsafeMutablePointer<Float>
  ) {
    var act = activation
    guard let biasValues, bias != .none else {
      if act.isNone { return }
      for row in m0..<m0 + rows {
        let line = c + row * ldc + n0
        ck_unary_f32(act.op, line, line, columns, act.p0, act.p1)
      }
      return
    }
    let add = Int32(CK_BINARY_ADD.rawValue)
    for row in m0..<m0 + rows {
      let line = c + row * ldc + n0
      let (values, step): (UnsafePointer<Float>, Int) =
        switch bias {
        case .columns: (biasValues + n0, 1)
        case .rows: (biasValues + row, 0)
        case .matrix: (biasValues + row * n + n0, 1)
        default: (biasValues, 0)
        }
      ck_binary_span_f32(add, line, line, 1, values, step, columns, &act)
    }
  }
}
