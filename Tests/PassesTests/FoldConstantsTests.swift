import GraphIR
import PassKit
import Passes
import Tensors
import Testing

/// Large constants: what folding a set of nodes adds to the file decides, not each node by itself.
@Suite struct FoldConstantsTests {
  /// The gates of an LSTM, cut from one weight and put together in another order, as exporters write them.
  private func gates(_ rest: String) throws -> (graph: Graph, weight: [Float]) {
    let weight = (0..<768).map { Float($0) }
    let text = """
      g (float[768] x) => (float[768] y, float[768] z)
      <float[768] w = {\(weight.map { "\($0)" }.joined(separator: ", "))}, int64[1] a = {0}, int64[1] b = {256}, int64[1] c = {512},
       int64[1] e = {768}>
      {
        i = Slice (w, a, b) f = Slice (w, b, c) o = Slice (w, c, e)
        g = Concat <axis = 0> (i, o, f)
        y = Mul (x, g)
        \(rest)
      }
      """
    let model = try ONNXText.parseModel(text)
    var options = OptimizationOptions()
    options.level = 1
    return (try PassManager(stages: Pipelines.stages, options: options).run(model).model.graph, weight)
  }

  @Test func slicesOfOneWeightAreFoldedTogether() throws {
    let (graph, weight) = try gates("z = Neg (x)")
    #expect(graph.operatorCounts == ["Mul": 1, "Neg": 1])
    let product = try #require(graph.nodes.first { graph[$0].is("Mul") })
    let folded = try #require(graph.constant(graph[product].input(1) ?? graph.inputs[0]))
    let reordered: [Float] = Array(weight[..<256]) + Array(weight[512...]) + Array(weight[256..<512])
    #expect(try folded.elements(as: Float.self) == reordered)
    #expect(graph.constantBytes == 768 * 4)
  }

  @Test func theyStayWhereTheWeightIsReadElsewhere() throws {
    let (graph, _) = try gates("z = Add (x, w)")
    #expect(graph.operatorCounts == ["Add": 1, "Concat": 1, "Mul": 1, "Slice": 3])
  }
}
