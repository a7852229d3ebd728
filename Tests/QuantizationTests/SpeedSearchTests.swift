import GraphIR
import Tensors
import TestSupport
import Testing

@testable import Cameo

/// What stays float for being slower, with a clock that the test sets.
@Suite struct SpeedSearchTests {
  /// A float model takes 10 ms; as integers product 0 takes 1 of its 4, product 1 takes `second` of its 6.
  private static func search(second: Double, timed: @escaping ([String]) -> Double) -> SpeedSearch {
    var kept: [String] = []
    return SpeedSearch(
      compare: { _ in SpeedComparison(floatMilliseconds: 10, milliseconds: timed(kept), threads: 1) },
      costs: { _ in [NodeID(0): (4, 1), NodeID(1): (6, second)] }, names: [NodeID(0): "a", NodeID(1): "b"],
      quantize: { names in
        kept = names.keys.sorted()
        return Model(graph: Graph())
      }, progress: nil)
  }

  @Test func aFasterModelIsLeftAsItIs() throws {
    let found = try Self.search(second: 9) { $0.isEmpty ? 9.9 : 1 }.kept(from: Model(graph: Graph()))
    #expect(found.kept.isEmpty && found.speed.milliseconds == 9.9)
  }

  @Test func whatIsSlowerStaysFloatWithBothTimes() throws {
    let found = try Self.search(second: 11) { $0 == ["b"] ? 7 : 12 }.kept(from: Model(graph: Graph()))
    #expect(found.kept.keys.sorted() == ["b"] && found.speed.milliseconds == 7 && found.speed.ratio > 1)
    #expect(found.kept["b"]?.contains("11.0 ms, float 6.00 ms") == true, "\(found.kept)")
  }

  /// Conversions that belong to no product count for all of them.
  @Test func conversionsAreSharedOut() throws {
    let found = try Self.search(second: 5) { $0 == ["a", "b"] ? 10 : 14 }.kept(from: Model(graph: Graph()))
    #expect(found.kept.keys.sorted() == ["a", "b"] && found.speed.milliseconds == 10)
  }

  @Test func nothingIsKeptWhereThatHelpsNothing() throws {
    let found = try Self.search(second: 11) { $0.isEmpty ? 12 : 13 }.kept(from: Model(graph: Graph()))
    #expect(found.kept.isEmpty && found.speed.ratio < 1)
  }
}
