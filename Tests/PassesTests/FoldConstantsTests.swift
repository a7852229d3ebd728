import GraphIR
import PassKit
import Passes
import Tensors
import Testing

/// Large constants: what folding a set of nodes adds to the file decides, not each node by itself.
@Suite struct FoldConstantsTests {
  /// The gates of an LSTM, cut from one weight and put together in another order, as exporters write them.
  private func gates(_ rest: String) throws -> (graph: Graph, weight: [Float]) {
    let weight = (0..<1200).map { Float($0) }
    let text = """
      g (float[1200] x) => (float[1200] y, float[1200] z)
      <float[1200] w = {\(weight.map { "\($0)" }.joined(separator: ", "))}, int64[1] a = {0}, int64[1] b = {400}, int64[1] c = {800},
       int64[1] e = {1200}>
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
    let reordered: [Float] = Array(weight[..<400]) + Array(weight[800...]) + Array(weight[400..<800])
    #expect(try folded.elements(as: Float.self) == reordered)
    #expect(graph.constantBytes == 1200 * 4)
  }

  @Test func theyStayWhereTheWeightIsReadElsewhere() throws {
    let (graph, _) = try gates("z = Add (x, w)")
    #expect(graph.operatorCounts == ["Add": 1, "Concat": 1, "Mul": 1, "Slice": 3])
  }
}
