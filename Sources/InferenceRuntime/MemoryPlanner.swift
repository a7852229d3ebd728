import Tensors

/// How a plan uses its arena, in bytes.
public struct MemoryReport: Sendable {
  /// One stretch of the arena with the steps (inclusive) between which it is taken.
  public struct Block: Sendable {
    public let label: String
    public let offset: Int
    public let size: Int
    public let first: Int
    public let last: Int
    public let isScratch: Bool
  }

  /// Size of the arena.
  public let peakBytes: Int
  /// Sum of all tensors that are computed, before any sharing; scratch included.
  public let sumBytes: Int
  /// The largest sum of blocks that live at one step: no arena for this order of steps is smaller.
  public let lowerBound: Int
  public let scratchBytes: Int
  public let blocks: [Block]

  static let empty = MemoryReport(peakBytes: 0, sumBytes: 0, lowerBound: 0, scratchBytes: 0, blocks: [])
}

/// Gives blocks with lifetimes their places in one arena.
///
/// Greedy by several orders, lowest feasible place first (Pisarchyk and Lee, "Efficient memory management for deep neural
/// net inference", 2020: greedy by size), the best result wins; O(n^2) for n blocks each.
enum MemoryPlanner {
  struct Block {
    var size: Int
    var first: Int
    var last: Int
  }

  static let alignment = 64

  static func aligned(_ size: Int, to alignment: Int = alignment) -> Int {
    (max(size, 1) + alignment - 1) / alignment * alignment
  }

  /// The largest sum of live sizes over all steps.
  static func lowerBound(_ blocks: [Block]) -> Int {
    guard let last = blocks.map(\.last).max() else { return 0 }
    var change = [Int](repeating: 0, count: last + 2)
    for block in blocks {
      change[block.first] += aligned(block.size)
      change[block.last + 1] -= aligned(block.size)
    }
    var live = 0
    var most = 0
    for delta in change {
      live += delta
      most = max(most, live)
    }
    return most
  }

  /// Offsets by block, and the arena's size.
  static func place(_ blocks: [Block]) -> (offsets: [Int], peak: Int) {
    if blocks.isEmpty { return ([], 0) }
    let bound = lowerBound(blocks)
    func duration(_ i: Int) -> Int { blocks[i].last - blocks[i].first + 1 }
    let indices = Array(blocks.indices)
    let orders: [(Int, Int) -> Bool] = [
      { (blocks[$0].size, duration($0), -$0) > (blocks[$1].size, duration($1), -$1) },
      { (blocks[$0].first, -blocks[$0].size, $0) < (blocks[$1].first, -blocks[$1].size, $1) },
      { (blocks[$0].size * duration($0), -$0) > (blocks[$1].size * duration($1), -$1) },
      { (duration($0), blocks[$0].size, -$0) > (duration($1), blocks[$1].size, -$1) },
      { (blocks[$0].last, blocks[$0].size, $0) > (blocks[$1].last, blocks[$1].size, $1) },
    ]
    var best: (offsets: [Int], peak: Int) = ([], Int.max)
    var bestOrder: [Int] = []
    for order in orders {
      let sorted = indices.sorted(by: order)
      let result = place(blocks, in: sorted)
      if result.peak < best.peak { (best, bestOrder) = (result, sorted) }
      if best.peak == bound { return best }
    }
    // Local search: whatever stands highest is placed earlier. Deterministic, bounded.
    var order = bestOrder
    var rounds = max(4, min(64, 2_000_000 / (blocks.count * blocks.count)))
    while rounds > 0 && best.peak > bound {
      rounds -= 1
      let result = place(blocks, in: order)
      if result.peak < best.peak { best = result }
      guard
        let top = order.indices.max(by: { a, b in
          result.offsets[order[a]] + blocks[order[a]].size < result.offsets[order[b]] + blocks[order[b]].size
        }), top > 0
      else { break }
      let moved = order.remove(at: top)
      order.insert(moved, at: rounds % 2 == 0 ? top / 2 : 0)
    }
    return best
  }

  private static func place(_ blocks: [Block], in order: [Int]) -> (offsets: [Int], peak: Int) {
    var offsets = [Int](repeating: 0, count: blocks.count)
    var placed: [Int] = []
    placed.reserveCapacity(blocks.count)
    var peak = 0
    var conflicts: [(Int, Int)] = []
    for index in order {
      let block = blocks[index]
      let size = aligned(block.size)
      conflicts.removeAll(keepingCapacity: true)
      for other in placed where blocks[other].first <= block.last && blocks[other].last >= block.first {
        conflicts.append((offsets[other], offsets[other] + aligned(blocks[other].size)))
      }
      conflicts.sort { $0.0 < $1.0 }
      // Best fit: the smallest gap that holds it, else on top.
      var cursor = 0
      var found = -1
      var foundGap = Int.max
      for (start, end) in conflicts {
        if start > cursor, start - cursor >= size, start - cursor < foundGap {
          found = cursor
          foundGap = start - cursor
        }
        cursor = max(cursor, end)
      }
      offsets[index] = found >= 0 ? found : cursor
      peak = max(peak, offsets[index] + size)
      placed.append(index)
    }
    return (offsets, peak)
  }
}
