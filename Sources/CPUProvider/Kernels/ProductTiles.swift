internal import CKernels

/// How a product of bfloat16 or 8-bit numbers is cut into tiles for threads. Each tile reads its rows and its columns once.
struct ProductTiles {
  let rows: Int
  let columns: Int
  let rowTiles: Int
  let columnTiles: Int
  var count: Int { rowTiles * columnTiles }

  /// [m, k] by [k, n], one of `others` such products; `line`: positions of an output line where the rows are those of an image, else 0.
  ///
  /// The longer side is cut. `form`: 0 that, with two tiles a thread, 1 the other side, 2 one tile, 3 four. Without AMX (`isAMX`) a tile takes
  /// several times as long: 0 and 1 are four tiles, of which a thread that others hold up leaves some to the rest, and 3 is two; and rows count
  /// one by one, so that no line of up to 128 positions, nor a pair of short ones, is torn.
  init(m: Int, n: Int, k: Int, line: Int = 0, threads: Int, others: Int = 1, form: Int = 0, isAMX: Bool) {
    let width = Int(CK_BF16_COLUMNS)
    let unit = isAMX ? 32 : line == 0 || line > 128 ? Self.height : line * 2 <= Self.height ? line * 2 : line
    // A tile's work is worth a thread: 2^19 multiplications, or 2^16 weights to read.
    let most = ((isAMX ? [2, 2, 1, 4] : [4, 4, 1, 2])[form] * threads + others - 1) / others
    let wanted = threads == 1 ? 1 : min(max(1, max((m * n * k) >> 19, (n * k) >> 16)), most)
    let (mostRows, mostColumns) = (max(1, m / Self.leastRows), max(1, n / (2 * width)))
    var (rowParts, columnParts) = (1, 1)
    if (m > n) != (form == 1) {
      rowParts = min(wanted, mostRows)
      columnParts = min((wanted + rowParts - 1) / rowParts, mostColumns)
    } else {
      columnParts = min(wanted, mostColumns)
      rowParts = min((wanted + columnParts - 1) / columnParts, mostRows)
    }
    columns = columnParts == 1 ? n : (n + columnParts * width - 1) / (columnParts * width) * width
    rows = rowParts == 1 ? m : (m + rowParts * unit - 1) / (rowParts * unit) * unit
    columnTiles = (n + columns - 1) / columns
    rowTiles = (m + rows - 1) / rows
  }

  /// Rows whose sums AVX512's registers hold.
  private static let height = 14
  private static let leastRows = 64
}
