internal import CKernels
import InferenceRuntime
import Tensors

extension KernelRequest {
  /// Whether products are to be computed in bfloat16. `auto`: where the processor has instructions for it.
  var usesBfloat16: Bool {
    precision == .bf16 || precision == .auto && ck_bf16_kernel() != Int32(CK_BF16_WIDENED.rawValue)
  }
}

/// How a product in bfloat16 is cut into tiles for threads. The left side is rounded beforehand, for all of them at once.
struct Bfloat16Tiles {
  let rows: Int
  let columns: Int
  let rowTiles: Int
  let columnTiles: Int
  var count: Int { rowTiles * columnTiles }

  /// Each tile reads its rows and its columns; with many columns it is cheaper to cut those.
  init(m: Int, n: Int, k: Int, threads: Int, others: Int = 1) {
    let (unit, width) = (32, Int(CK_BF16_COLUMNS))
    // A tile's work is worth a thread: 2^19 multiplications, or 2^16 weights to read.
    let most = (2 * threads + others - 1) / others
    let wanted = threads == 1 ? 1 : min(max(1, max((m * n * k) >> 19, (n * k) >> 16)), most)
    let columnParts = min(wanted, max(1, n / 128))
    columns = (n + columnParts * width - 1) / (columnParts * width) * width
    let rowParts = min((wanted + columnParts - 1) / columnParts, max(1, m / unit))
    rows = rowParts == 1 ? m : (m + rowParts * unit - 1) / (rowParts * unit) * unit
    columnTiles = (n + columns - 1) / columns
    rowTiles = (m + rows - 1) / rows
  }
}

/// A product with a fixed right side whose factors are rounded to bfloat16: weights when the session prepares, the left side at the
/// begin of the step. Sums, bias and activation are float32.
enum Bfloat16Product {
  /// nil where the session keeps float32, or the product is none of this kind.
  static func make(_ plan: GemmPlan, _ request: KernelRequest, biasValues: Floats?) throws -> PreparedKernel? {
    guard request.usesBfloat16, let weights = request.input(1)?.constant, weights.count == plan.k * plan.n else {
      return nil
    }
    let (m, n, k) = (plan.m, plan.n, plan.k)
    var (bias, values) = (plan.bias, biasValues)
    if bias == .one {
      guard let one = try values.map({ $0.base[0] }) ?? request.constantFloats(2)?.first else { return nil }
      (bias, values) = (.columns, Floats([Float](repeating: one, count: n)))
    }
    let packed = try request.packed(weights, "bf16 b \(k) \((plan.bRow, plan.bColumn))") {
      let made = try TensorStorage(byteCount: ck_bf16_packed_size(k, n) * 2, zeroed: false)
      withExtendedLifetime(weights) {
        ck_bf16_pack_b(
          made.base.assumingMemoryBound(to: UInt16.self), weights.baseAddress.assumingMemoryBound(to: Float.self),
          plan.bRow, plan.bColumn, k, n, 0, (n + Int(CK_BF16_COLUMNS) - 1) / Int(CK_BF16_COLUMNS))
      }
      return made
    }
    let tiles = Bfloat16Tiles(m: m, n: n, k: k, threads: request.threads)
    let (pitch, depth) = (ck_bf16_pitch(k), (k + Int(CK_BF16_DEPTH) - 1) / Int(CK_BF16_DEPTH) * Int(CK_BF16_DEPTH))
    let round = RangeKernel.Phase(count: m, grain: max(1, 65536 / k)) { call, begin, end, _ in
      ck_bf16_rows(
        call.scratch.assumingMemoryBound(to: UInt16.self), pitch, depth, call.input(0, Float.self), plan.aRow,
        plan.aColumn, k, begin, end)
    }
    let (fixed, kind, owned) = (plan, bias, values)
    let multiply = RangeKernel.Phase(count: tiles.count, grain: 1) { call, begin, end, _ in
      var epilogue = ck_gemm_epilogue()
      epilogue.alpha = fixed.alpha
      epilogue.act = fixed.activation
      if let values = owned.map({ UnsafePointer($0.base) }) ?? call.optional(2, Float.self) {
        switch kind {
        case .columns: epilogue.bias_col = values
        case .rows: epilogue.bias_row = values
        case .matrix:
          epilogue.residual = values
          epilogue.residual_stride = n
        case .none, .one: break
        }
      }
      for tile in begin..<end {
        let (row, column) = (tile / tiles.columnTiles * tiles.rows, tile % tiles.columnTiles * tiles.columns)
        ck_bf16_gemm(
          call.output(0, Float.self), fixed.ldc, call.scratch.assumingMemoryBound(to: UInt16.self), pitch,
          packed.base.assumingMemoryBound(to: UInt16.self), m, k, row, min(m, row + tiles.rows), column,
          min(n, column + tiles.columns), &epilogue)
      }
    }
    return PreparedKernel(
      RangeKernel("\(m == 1 ? "gemv" : "gemm") (\(String(cString: ck_bf16_name())))", phases: [round, multiply]),
      scratchBytes: aligned((m + Int(CK_BF16_ROWS_BEYOND)) * pitch * 2))
  }
}
