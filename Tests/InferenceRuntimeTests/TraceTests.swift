import Foundation
import GraphIR
import Testing

@testable import InferenceRuntime

@Suite struct TraceTests {
  private func event(_ label: String, _ provider: String, _ start: UInt64, _ end: UInt64) -> Profile.Event {
    Profile.Event(
      label: label, operatorName: OperatorName("Neg"), origins: Origins(), provider: provider, kernel: "k", work: nil,
      start: start, end: end)
  }

  private func trace(_ runs: [[Profile.Event]]) throws -> [[String: Any]] {
    let profile = Profile(Model(graph: Graph()))
    for run in runs { profile.add(run) }
    let document = try JSONSerialization.jsonObject(with: Data(profile.traceJSON().utf8)) as? [String: Any]
    return try #require(document?["traceEvents"] as? [[String: Any]])
  }

  private func times(_ events: [[String: Any]], _ name: String) throws -> [Double] {
    let found = try #require(events.first { $0["name"] as? String == name })
    return [try #require(found["ts"] as? Double), try #require(found["dur"] as? Double)]
  }

  @Test func stepsLieWithinOrBehindEachOther() throws {
    // A body's steps are noted in front of the step that runs the body.
    let found = try trace([
      [
        event("first", "cuda", 91_000, 150_001), event("body one", "cpu", 150_000, 200_000),
        event("body two", "cpu", 199_999, 300_000), event("whole", "cpu", 100_000, 500_000),
        event("second", "cuda", 150_000, 160_000),
      ]
    ])
    #expect(try times(found, "whole") == [9, 400])
    #expect(try times(found, "body one") == [59, 50])
    #expect(try times(found, "body two") == [109, 100])
    #expect(try times(found, "first") == [0, 59.001])
    #expect(try times(found, "second") == [59.001, 9.999])
  }

  @Test func runsAndProvidersHaveTracksOfTheirOwn() throws {
    let found = try trace([
      [event("a", "cpu", 10, 20), event("b", "cuda", 12, 30)], [event("c", "cuda", 40, 50)],
    ])
    let titles = found.filter { $0["ph"] as? String == "M" }.map { ($0["args"] as? [String: Any])?["name"] as? String }
    #expect(titles == ["run 1", "cpu", "cuda", "run 2", "cuda"])
    let tracks = found.filter { $0["ph"] as? String == "X" }.map { [$0["pid"] as? Int, $0["tid"] as? Int] }
    #expect(tracks == [[1, 1], [1, 2], [2, 1]])
  }

  @Test func aProfileOfNoRunIsAnEmptyTrace() throws { #expect(try trace([]).isEmpty) }
}
