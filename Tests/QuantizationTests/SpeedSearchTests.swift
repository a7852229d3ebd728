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
      compare: { _ in
        SpeedComparison(main: SpeedComparison.Timing(floatMilliseconds: 10, milliseconds: timed(kept), threads: 1))
      },
      costs: { _, _ in [NodeID(0): (4, 1), NodeID(1): (6, second)] }, names: [NodeID(0): "a", NodeID(1): "b"],
      quantize: { names in
        kept = names.keys.sorted()
        return Model(graph: Graph())
      }, progress: nil)
  }

  @Test func aFasterModelIsLeftAsItIs() throws {
    let found = try Self.search(second: 9) { $0.isEmpty ? 9.9 : 1 }.kept(from: Model(graph: Graph()))
    #expect(found.kept.isEmpty && found.speed.main.milliseconds == 9.9)
  }

  @Test func whatIsSlowerStaysFloatWithBothTimes() throws {
    let found = try Self.search(second: 11) { $0 == ["b"] ? 7 : 12 }.kept(from: Model(graph: Graph()))
    #expect(found.kept.keys.sorted() == ["b"] && found.speed.main.milliseconds == 7 && found.speed.main.ratio > 1)
    #expect(found.kept["b"]?.contains("11.0 ms, float 6.00 ms") == true, "\(found.kept)")
  }

  /// Conversions that belong to no product count for all of them.
  @Test func conversionsAreSharedOut() throws {
    let found = try Self.search(second: 5) { $0 == ["a", "b"] ? 10 : 14 }.kept(from: Model(graph: Graph()))
    #expect(found.kept.keys.sorted() == ["a", "b"] && found.speed.main.milliseconds == 10)
  }

  @Test func allStaysFloatWhereNoPartOfItGains() throws {
    let found = try Self.search(second: 11) { $0.isEmpty ? 12 : $0 == ["b"] ? 13 : 10 }.kept(
      from: Model(graph: Graph()))
    #expect(found.kept.keys.sorted() == ["a", "b"] && found.speed.main.ratio == 1)
    #expect(found.kept["a"]?.contains("1.20 times the float model's time") == true, "\(found.kept)")
  }

  /// 2 % are within what a clock says of the same model twice.
  @Test func aHairSlowerIsLeftAsItIs() throws {
    let found = try Self.search(second: 11) { $0.isEmpty ? 10.2 : 13 }.kept(from: Model(graph: Graph()))
    #expect(found.kept.isEmpty && found.speed.main.milliseconds == 10.2)
  }

  /// Two threads gain, one loses: what is slower on one thread stays float.
  @Test func theNumberOfThreadsThatGainsLeastDecides() throws {
    var asked: [Int] = []
    var kept: [String] = []
    let search = SpeedSearch(
      compare: { _ in
        SpeedComparison(
          main: SpeedComparison.Timing(floatMilliseconds: 10, milliseconds: 8, threads: 2),
          others: [SpeedComparison.Timing(floatMilliseconds: 18, milliseconds: kept == ["b"] ? 17 : 20, threads: 1)])
      },
      costs: { _, threads in
        asked.append(threads)
        return [NodeID(0): (8, 6), NodeID(1): (10, 14)]
      }, names: [NodeID(0): "a", NodeID(1): "b"],
      quantize: { names in
        kept = names.keys.sorted()
        return Model(graph: Graph())
      }, progress: nil)
    let found = try search.kept(from: Model(graph: Graph()))
    #expect(asked == [1] && found.kept.keys.sorted() == ["b"])
    #expect(
      found.speed.summary
        == "1.25 times as fast as the float model (10.0 ms -> 8.00 ms, 2 threads; 18.0 ms -> 17.0 ms, 1 thread)")
  }

  @Test func aLossIsNamedWithItsThreads() {
    let speed = SpeedComparison(
      main: SpeedComparison.Timing(floatMilliseconds: 10, milliseconds: 8, threads: 2),
      others: [SpeedComparison.Timing(floatMilliseconds: 18, milliseconds: 27, threads: 1)])
    #expect(speed.summary.hasPrefix("SLOWER than the float model on 1 thread: 1.50 times its time (10.0 ms -> 8.00 ms"))
  }
}
