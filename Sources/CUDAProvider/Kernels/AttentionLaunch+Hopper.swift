import Tensors

extension AttentionLaunch {
  /// Tiles of attention_sm90: warpgroups with 64 query rows each, keys of a tile, tiles of Q.
  private struct Tile {
    var consumers: Int
    var keys: Int
    var queryStages: Int
  }

  private static func tile(_ problem: AttentionProblem, width: Int) -> Tile {
    // By width: without a bias; of two bytes or one; of float32.
    let table: [(width: Int, tiles: [(Int, Int, Int)])] = [
      (64, [(3, 128, 2), (3, 80, 2), (3, 64, 2)]),
      (96, [(3, 96, 2), (2, 128, 2), (2, 96, 2)]),
      (128, [(2, 128, 2), (2, 128, 2), (2, 80, 2)]),
      (192, [(2, 96, 1), (2, 80, 1), (2, 64, 1)]),
      (256, [(2, 80, 1), (2, 64, 1), (2, 48, 1)]),
    ]
    let column = problem.bias.map { $0.kind == .float32 ? 2 : 1 } ?? 0
    let row = table.first { width <= $0.width } ?? table[table.count - 1]
    var tile = Tile(consumers: row.tiles[column].0, keys: row.tiles[column].1, queryStages: row.tiles[column].2)
    if width <= 64, problem.keys <= [208, 176, 128][column], !problem.isLimited {
      (tile.consumers, tile.keys) = (2, max(64, roundUp(problem.keys, 16)))
    }
    return tile
  }

  /// nil where the device, the type, or a layout that tensor maps cannot say stands in the way.
  static func hopper(
    _ problem: AttentionProblem, _ device: AttentionDevice, _ head: Int, _ headV: Int
  ) -> AttentionLaunch? {
    guard device.isHopper, problem.element != .float32, problem.alignment % 16 == 0, isMapped(problem) else {
      return nil
    }
    let width = max(head, headV)
    var tile = tile(problem, width: width)
    func tiles(_ consumers: Int) -> Int {
      ceilDivide(problem.queries, 64 * consumers) * problem.batch * problem.heads
    }
    while tile.consumers > 1 && tiles(tile.consumers) < device.multiprocessors { tile.consumers -= 1 }
    let rows = 64 * tile.consumers
    let count = tiles(tile.consumers)
    let stages = 2
    let bytes =
      1024 + tile.queryStages * rows * width * 2 + stages * tile.keys * (head + headV) * 2
      + 8 * (4 * stages + 2 * tile.queryStages) + 4 * tile.queryStages
    guard bytes <= device.sharedBytes, count <= Int(Int32.max) else { return nil }
    var macros = problem.macros(head: head, headV: headV)
    macros["CONSUMERS"] = tile.consumers
    macros["KEYS"] = tile.keys
    macros["STAGES"] = stages
    macros["Q_STAGES"] = tile.queryStages
    if (problem.isLimited || problem.hasLengths) && count > device.multiprocessors { macros["DYNAMIC"] = 1 }
    let atom = head % 64 == 0 && headV % 64 == 0 ? 64 : 32
    return AttentionLaunch(
      kernels: .sm90, macros: macros, architecture: "sm_90a", grid: LaunchSize(min(count, device.multiprocessors)),
      threads: 128 * (tile.consumers + 1), sharedBytes: bytes, section: section(problem, device),
      boxes: Boxes(width: atom, queries: rows, keys: tile.keys, results: 64))
  }

  /// Heads whose K and V half of the cache holds, where blocks that start together end at different times.
  private static func section(_ problem: AttentionProblem, _ device: AttentionDevice) -> Int {
    guard problem.right != nil else { return 1 }
    let bytes = max(1, problem.keys * (problem.size + problem.valueSize) * 2)
    return max(1, min(device.cacheBytes / 2 / bytes * problem.group, problem.batch * problem.heads))
  }

  /// Strides of tensor maps are multiples of 16 bytes. An axis of extent 1 has none.
  private static func isMapped(_ problem: AttentionProblem) -> Bool {
    func isMapped(_ strides: AttentionProblem.Strides, _ heads: Int, _ rows: Int) -> Bool {
      let steps = [(strides.batch, problem.batch), (strides.head, heads), (strides.row, rows)]
      return steps.allSatisfy { stride, extent in
        extent == 1 || stride > 0 && stride % 8 == 0 && stride < 1 << 38
      }
    }
    let keyHeads = problem.heads / problem.group
    return isMapped(problem.q, problem.heads, problem.queries) && isMapped(problem.k, keyHeads, problem.keys)
      && isMapped(problem.v, keyHeads, problem.keys) && isMapped(problem.o, problem.heads, problem.queries)
  }

  /// Tensor maps of Q, K, V and O.
  static func maps(_ problem: AttentionProblem, _ boxes: Boxes) -> [TensorMap] {
    let keyHeads = problem.heads / problem.group
    let (queries, keys) = (problem.queries, problem.keys)
    let list: [(AttentionProblem.Strides, size: Int, rows: Int, heads: Int, box: Int)] = [
      (problem.q, problem.size, queries, problem.heads, boxes.queries),
      (problem.k, problem.size, keys, keyHeads, boxes.keys),
      (problem.v, problem.valueSize, keys, keyHeads, boxes.keys),
      (problem.o, problem.valueSize, queries, problem.heads, boxes.results),
    ]
    return list.map { strides, size, rows, heads, box in
      func bytes(_ stride: Int, _ extent: Int) -> Int { extent == 1 ? roundUp(max(stride, 8), 8) * 2 : stride * 2 }
      return TensorMap(
        type: problem.element == .float16 ? .float16 : .bfloat16, sizes: [size, rows, heads, problem.batch],
        strides: [bytes(strides.row, rows), bytes(strides.head, heads), bytes(strides.batch, problem.batch)],
        box: [boxes.width, box, 1, 1], swizzleBytes: boxes.width * 2)
    }
  }
}
