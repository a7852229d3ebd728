import GraphIR
import Tensors
import Testing

@Suite struct DimTextTests {
  static let N = Dim.symbol("N")
  static let M = Dim.symbol("M")

  @Test(arguments: [
    3, N, N + 1, N * 2 - M, N * M * M + 3, (N + 1).floorDiv(8), (N + M).ceilDiv(M) * 4, Dim.max(N, M + 1),
    Dim.min(N, 7),
    Dim.max(N.floorDiv(2), M) - 5, N - 1, -N + 2, .symbol("batch-size"), .symbol("batch-size") + N, .symbol("a.b/c:d"),
    .symbol("?3"),
    .symbol("größe") * 2,
  ])
  func readsItsOwnDescription(_ dim: Dim) { #expect(Dim(parsing: dim.description) == dim) }

  @Test func otherSpellings() {
    #expect(Dim(parsing: "2*(N + 1)") == Self.N * 2 + 2)
    #expect(Dim(parsing: "N//2 - -3") == Self.N.floorDiv(2) + 3)
    #expect(
      Dim(parsing: "past_sequence_length + sequence_length")?.symbols == ["past_sequence_length", "sequence_length"])
    #expect(Dim(parsing: "N//0") != nil)
  }

  @Test(arguments: [
    "", " ", "+", "N +", "3x", "f(N)", "floor(N)", "floor(N, 2", "N N", "99999999999999999999", "a b", "N)", "$",
  ])
  func refuses(_ text: String) {
    #expect(Dim(parsing: text) == nil)
    #expect(Dim(parameter: text) == .symbol(text))
  }

  @Test func hostileTexts() {
    for text in [
      String(repeating: "(", count: 4000), String(repeating: "-", count: 4000) + "1",
      String(repeating: "max(a,", count: 600),
      Array(repeating: "(a + b + c)", count: 60).joined(separator: "*"),
      "9223372036854775807*N + 9223372036854775807*N",
      "(0 - 9223372036854775807 - 1)//(0 - 1)", "N//(0 - 9223372036854775807 - 1)",
      "(N*(0 - 9223372036854775807 - 1))//(0-1)",
    ] {
      _ = Dim(parsing: text)
    }
  }
}
