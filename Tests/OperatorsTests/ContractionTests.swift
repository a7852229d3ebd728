import GraphIR
import Operators
import Tensors
import Testing

@Suite struct ContractionTests {
  private func count(_ body: String, _ inputs: [[Int]], _ output: [Int]) throws -> Int? {
    let names = inputs.indices.map { "i\($0)" }
    let graph = try ONNXText.parseGraph(
      "g (\(names.map { "float " + $0 }.joined(separator: ", "))) => (float y) { y = \(body) (\(names.joined(separator: ", "))) }"
    )
    let node = try #require(graph.nodes.first.map { graph[$0] })
    #expect(Contraction.isOne(node))
    return Contraction.multiplyAdds(node, inputs: inputs.map { $0.map { Dim($0) } }, outputs: [output.map { Dim($0) }])?
      .value
  }

  @Test func aConvolutionCountsAlikeInBothLayouts() throws {
    let plain = try count("Conv", [[1, 8, 10, 12], [16, 8, 3, 3]], [1, 16, 8, 10])
    #expect(plain == 16 * 8 * 10 * 8 * 9)
    #expect(try count("ai.cameo.ChannelsLastConv", [[1, 10, 12, 8], [16, 8, 3, 3]], [1, 8, 10, 16]) == plain)
    let transposed = try count("ConvTranspose", [[1, 8, 5, 6], [8, 4, 2, 2]], [1, 4, 10, 12])
    #expect(transposed == 8 * 5 * 6 * 4 * 4)
    #expect(
      try count("ai.cameo.ChannelsLastConvTranspose", [[1, 5, 6, 8], [8, 4, 2, 2]], [1, 10, 12, 4]) == transposed)
  }
}
