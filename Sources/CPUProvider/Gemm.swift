internal import CBLAS
internal import CKernels
import InferenceRuntime
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// One float32 matrix product C = act(alpha * op(A) op(B) + bias) of fixed size, cut into tiles for threads.
///
/// A fixed B is packed once (`pack`); a computed one is used as it lies in memory and packed block by block into a thread's
/// scratch. One row is a matrix-vector product.
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

  /// B in panels of `ck_gemm_nr()` columns; nil where it is computed.
  private var packedB: PackedWeights?

  /// B's own memory is not read.
  var isPacked: Bool { packedB != nil }

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

  /// OpenBLAS computes this product.
  private var usesBlas = GemmPlan.usesBlas

  /// Packs B where it is the same in every run.
  mutating func pack(_ operand: Operand?, _ request: KernelRequest) throws {
    guard let weights = operand?.constant, weights.count == k * n, !usesBlas else { return }
    packedB = try PackedWeights(request, weights, k: k, n: n, strides: (bRow, bColumn))
  }

  /// Leaves a product that is large enough to OpenBLAS, or not, as tuning found.
  mutating func chooseEngine(_ request: KernelRequest) {
    guard m > 1, !usesBlas, m * n * k >= 1 << 16, request.isTuned, Blas.isLoaded else { return }
    usesBlas = request.choice("blas", of: 2) == 1
  }

  /// Cuts C into tiles for `threads`, given `others` products that run beside this one. `form`, of `cutForms`: 0 what seems best, 1 the
  /// rows first, 2 half and 3 twice as many tiles, all for packed B.
  mutating func split(threads: Int, others: Int = 1, form: Int = 0) {
    if packedB != nil { return splitPacked(threads, form) }
    rowTile = m
    columnTile = n
    let wanted = others >= 2 * threads || threads == 1 ? 1 : min(max(1, (m * n * k) >> 17), 2 * threads)
    if wanted > 1 {
      // Each tile packs its rows of A and its columns of B again: few wide tiles.
      if n >= m || m < 16 {
        let even = (n + wanted - 1) / wanted
        columnTile = (min(max(256, even), (n + threads - 1) / threads) + 31) & ~31
        if m == 1 { columnTile = (even + 63) & ~63 }
      } else {
        rowTile = max(14, (m + wanted - 1) / wanted + 13) / 14 * 14
      }
    }
    columnTiles = (n + columnTile - 1) / columnTile
    tiles = columnTiles * ((m + rowTile - 1) / rowTile)
  }

  /// Each tile packs its rows of A again, which a hundred columns pay for; each reads its columns of B.
  private mutating func splitPacked(_ threads: Int, _ form: Int) {
    let nr = ck_gemm_nr()
    // The work of a tile is worth a thread: 2^17 multiplications, or 2^15 weights to read.
    let wanted =
      threads == 1
      ? 1
      : min(max(1, max((m * n * k) >> 17, (n * k) >> 15)), form == 2 ? threads : form == 3 ? 4 * threads : 2 * threads)
    let mostRows = max(1, m / ck_gemm_mr())
    let columnParts =
      form == 1 ? (wanted + min(wanted, mostRows) - 1) / min(wanted, mostRows) : min(wanted, max(1, n / 128))
    let unit = m == 1 ? 4 * nr : nr
    columnTile = (n + columnParts * unit - 1) / (columnParts * unit) * unit
    let rowParts = min((wanted + columnParts - 1) / columnParts, mostRows)
    rowTile = rowParts == 1 ? m : (m + rowParts * ck_gemm_mr() - 1) / (rowParts * ck_gemm_mr()) * ck_gemm_mr()
    columnTiles = (n + columnTile - 1) / columnTile
    tiles = columnTiles * ((m + rowTile - 1) / rowTile)
  }

  static let cutForms = 4

  var engine: String { usesBlas ? "gemm (BLAS)" : "gemm" }

  /// OpenBLAS serves where CKernels has no vector tier; its packed kernel is the faster one elsewhere. CAMEO_GEMM=blas asks
  /// for OpenBLAS all the same.
  static let usesBlas: Bool = {
    let isAsked = getenv("CAMEO_GEMM").map { strcmp($0, "blas") == 0 } ?? false
    return (isAsked || ck_isa_tier() == Int32(CK_TIER_GENERIC.rawValue)) && Blas.isLoaded
  }()

  /// Scratch of one thread.
  var scratchBytes: Int {
    if packedB != nil { return aligned(ck_gemm_scratch_bytes(rowTile, aRow, aColumn)) }
    if m == 1 || usesBlas { return 0 }
    let depth = min(k, GemmPlan.depth)
    let nr = ck_gemm_nr()
    let panel = (min(GemmPlan.width, n) + nr - 1) / nr * nr
    return aligned(depth * panel * 4) + aligned(ck_gemm_scratch_bytes(rowTile, aRow, aColumn))
  }

  /// Columns and depth of one packed block.
  static let width = 256
  static let depth = 256

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
    if let packedB, let scratch {
      fixed(m0, rows, n0, columns, a, packedB.base, biasValues, c, scratch)
    } else if m == 1 && aColumn == 1 {
      if bColumn == 1 {
        ck_gemv_cols_f32(c, a, b, bRow, k, n0, n0 + columns)
      } else {
        ck_gemv_rows_f32(c, b, bColumn, a, k, n0, n0 + columns)
      }
      if alpha != 1 { ck_unary_f32(Int32(CK_UNARY_AFFINE.rawValue), c + n0, c + n0, columns, alpha, 0) }
      finish(m0, rows, n0, columns, biasValues, c)
    } else if usesBlas {
      cameo_sgemm(
        aColumn == 1 ? 0 : 1, bColumn == 1 ? 0 : 1, Int64(rows), Int64(columns), Int64(k), alpha,
        a + m0 * aRow, Int64(aColumn == 1 ? aRow : aColumn), b + n0 * bColumn, Int64(bColumn == 1 ? bRow : bColumn), 0,
        c + m0 * ldc + n0, Int64(ldc))
      finish(m0, rows, n0, columns, biasValues, c)
    } else if let scratch {
      packed(m0, rows, n0, columns, a, b, biasValues, c, scratch)
    }
  }

  /// The whole sum at once over weights that are packed.
  private func fixed(
    _ m0: Int, _ rows: Int, _ n0: Int, _ columns: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ biasValues: UnsafePointer<Float>?, _ c: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutableRawPointer
  ) {
    var epilogue = ck_gemm_epilogue()
    epilogue.alpha = alpha
    if bias != .one {
      epilogue.act = activation
      add(biasValues, m0: m0, n0: 0, to: &epilogue)
    }
    ck_gemm_packed_f32(
      c + m0 * ldc, ldc, a + m0 * aRow, aRow, aColumn, b, n, k, 0, rows, n0, n0 + columns, &epilogue, scratch)
    if bias == .one { finish(m0, rows, n0, columns, biasValues, c) }
  }

  /// The bias as an epilogue of a block that begins at row `m0` and column `n0`.
  @inline(__always)
  private func add(_ values: UnsafePointer<Float>?, m0: Int, n0: Int, to epilogue: inout ck_gemm_epilogue) {
    guard let values else { return }
    switch bias {
    case .columns: epilogue.bias_col = values + n0
    case .rows: epilogue.bias_row = values + m0
    case .matrix:
      epilogue.residual = values + m0 * n + n0
      epilogue.residual_stride = n
    case .none, .one: break
    }
  }

  /// Block by block through the packed kernel; the last block of a sum applies bias and activation.
  private func packed(
    _ m0: Int, _ rows: Int, _ n0: Int, _ columns: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ biasValues: UnsafePointer<Float>?, _ c: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutableRawPointer
  ) {
    let panels = scratch.assumingMemoryBound(to: Float.self)
    let nr = ck_gemm_nr()
    let chunk = min(k, GemmPlan.depth)
    let rest = scratch + aligned(chunk * ((min(GemmPlan.width, n) + nr - 1) / nr * nr) * 4)
    let isScalarBias = bias == .one
    var j = n0
    while j < n0 + columns {
      let width = min(GemmPlan.width, n0 + columns - j)
      var p = 0
      repeat {
        let depth = min(chunk, k - p)
        ck_gemm_pack_b(panels, b + p * bRow + j * bColumn, bRow, bColumn, depth, width, 0, (width + nr - 1) / nr)
        var epilogue = ck_gemm_epilogue()
        epilogue.alpha = alpha
        epilogue.beta = p == 0 ? 0 : 1
        if p + depth >= k && !isScalarBias {
          epilogue.act = activation
          add(biasValues, m0: m0, n0: j, to: &epilogue)
        }
        ck_gemm_packed_f32(
          c + m0 * ldc + j, ldc, a + m0 * aRow + p * aColumn, aRow, aColumn, panels, width, depth, 0, rows, 0, width,
          &epilogue, rest)
        p += depth
      } while p < k
      j += width
    }
    if isScalarBias { finish(m0, rows, n0, columns, biasValues, c) }
  }

  @inline(__always)
  private func finish(
    _ m0: Int, _ rows: Int, _ n0: Int, _ columns: Int, _ biasValues: UnsafePointer<Float>?,
    _ c: UnsafeMutablePointer<Float>
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
