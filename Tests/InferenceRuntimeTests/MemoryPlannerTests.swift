import Tensors
import Testing

@testable import InferenceRuntime

@Suite struct MemoryPlannerTests {
  /// Blocks that live at one time never overlap; the peak covers all and is no smaller than the bound.
  @Test(arguments: 0..<40)
  func blocksNeverOverlap(_ seed: Int) {
    var state = UInt64(seed) &* 2_862_933_555_777_941_757 &+ 3_037_000_493
    func random(_ limit: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % limit
    }
    let blocks = (0..<random(60) + 1).map { _ in
      let first = random(40)
      return MemoryPlanner.Block(size: random(10_000), first: first, last: first + random(8))
    }
    let (offsets, peak) = MemoryPlanner.place(blocks)
    for i in blocks.indices {
      #expect(offsets[i] % MemoryPlanner.alignment == 0)
      #expect(offsets[i] + blocks[i].size <= peak)
      for j in 0..<i where blocks[i].first <= blocks[j].last && blocks[j].first <= blocks[i].last {
        #expect(
          offsets[i] + blocks[i].size <= offsets[j] || offsets[j] + blocks[j].size <= offsets[i],
          "blocks \(i) and \(j) overlap")
      }
    }
    #expect(peak >= MemoryPlanner.lowerBound(blocks))
    #expect(Double(peak) <= 1.5 * Double(MemoryPlanner.lowerBound(blocks)))
  }

  @Test func aChainNeedsTwoBlocks() {
    let blocks = (0..<50).map { MemoryPlanner.Block(size: 1024, first: $0, last: $0 + 1) }
    #expect(MemoryPlanner.place(blocks).peak == 2048)
    #expect(MemoryPlanner.lowerBound(blocks) == 2048)
  }

  @Test func nothing() { #expect(MemoryPlanner.place([]).peak == 0) }
}
