import Tensors

extension AttentionLaunch {
  /// What a multiprocessor of capability 8.6 or 8.9 lacks: 102 KiB of shared memory for a block.
  private static let plenty = 102 << 10

  /// Bytes from row to row of K and of V in shared memory.
  private static func pitches(_ problem: AttentionProblem, _ head: Int, _ headV: Int) -> (k: Int, v: Int) {
    let bytes = problem.element.bytes
    return (head * bytes + (bytes == 4 ? 32 : 16), headV * bytes + 16)
  }

  static func portable(
    _ problem: AttentionProblem, _ device: AttentionDevice, _ head: Int, _ headV: Int
  ) -> AttentionLaunch? {
    let width = max(head, headV)
    let hasBias = problem.bias != nil
    let isPlenty = device.sharedBytes >= plenty
    let tile: (rowTiles: Int, keys: Int) =
      if problem.element != .float32 {
        width <= 64
          ? (2, hasBias ? 64 : 128)
          : width <= 128 ? (hasBias ? 1 : 2, 64) : (1, hasBias || !isPlenty ? 32 : 64)
      } else {
        width <= 64 ? (2, 32) : width <= 128 ? (hasBias || !isPlenty ? 1 : 2, 32) : (1, 16)
      }
    let warps = 4
    let rows = 16 * tile.rowTiles * warps
    let pitch = pitches(problem, head, headV)
    let bytes = (rows + tile.keys) * pitch.k + tile.keys * pitch.v
    let blocks = ceilDivide(problem.queries, rows)
    guard bytes <= device.sharedBytes, problem.heads <= 65535, problem.batch <= 65535 else { return nil }
    var macros = problem.macros(head: head, headV: headV)
    macros["COPY_BYTES"] = problem.copyBytes
    macros["WARPS"] = warps
    macros["ROW_TILES"] = tile.rowTiles
    macros["KEYS"] = tile.keys
    return AttentionLaunch(
      kernels: .portable, macros: macros, architecture: nil, grid: LaunchSize(blocks, problem.heads, problem.batch),
      threads: 32 * warps, sharedBytes: bytes)
  }

  static func decode(
    _ problem: AttentionProblem, _ device: AttentionDevice, _ head: Int, _ headV: Int
  ) -> AttentionLaunch? {
    let isNarrow = problem.element != .float32
    let rows = problem.group * problem.queries
    let rowWarps = rows <= 16 ? 1 : rows <= 32 ? 2 : 4
    var warps = rowWarps == 2 ? 4 : 8
    var keys = isNarrow ? (rowWarps == 1 ? 16 : 64) : rowWarps == 1 ? 8 : 32
    var stages = isNarrow && rowWarps == 1 ? 3 : 2
    let pitch = pitches(problem, head, headV)
    func bytes() -> Int {
      max(
        16 * rowWarps * pitch.k + warps / rowWarps * stages * keys * (pitch.k + pitch.v), warps * 16 * (headV + 6) * 4)
    }
    while bytes() > device.sharedBytes {
      if stages > 2 {
        stages -= 1
      } else if warps > rowWarps {
        warps /= 2
      } else {
        keys /= 2
        guard keys % (isNarrow ? 16 : 8) == 0, keys > 0 else { return nil }
      }
    }
    let blocks = ceilDivide(rows, 16 * rowWarps)
    let keyHeads = problem.heads / problem.group
    guard keyHeads <= 65535, problem.batch <= 65535 else { return nil }
    // All blocks are on the device at once, by shared memory, threads and registers. Few keys are not worth joining parts.
    let resident = max(
      1, min(device.sharedBytes / (bytes() + 1024), 2048 / (32 * warps), 65536 / (32 * warps * 168)))
    let least = 2 * warps / rowWarps * keys
    var splits = device.multiprocessors * resident / max(1, blocks * keyHeads * problem.batch)
    splits = problem.keys <= 512 ? 1 : max(1, min(splits, ceilDivide(problem.keys, least), 512))
    let splitKeys = roundUp(ceilDivide(problem.keys, splits), keys)
    splits = max(1, ceilDivide(problem.keys, splitKeys))
    var macros = problem.macros(head: head, headV: headV)
    macros["COPY_BYTES"] = problem.copyBytes
    macros["ROW_WARPS"] = rowWarps
    macros["WARPS"] = warps
    macros["KEYS"] = keys
    macros["STAGES"] = stages
    let sums = problem.batch * problem.heads * problem.queries * splits * (problem.valueSize + 2)
    return AttentionLaunch(
      kernels: .decode, macros: macros, architecture: nil, grid: LaunchSize(splits * blocks, keyHeads, problem.batch),
      threads: 32 * warps, sharedBytes: bytes(), splits: splits, splitKeys: splitKeys,
      partialBytes: splits > 1 ? sums * 4 : 0)
  }
}
