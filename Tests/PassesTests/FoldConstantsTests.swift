import GraphIR
import Operators
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

  /// Weights that an exporter transposes before each product, of three products over one value: nothing is written until the merged weight is
  /// read, and then what the model says.
  @Test func transposedWeightsAreWrittenWhenTheyAreRead() throws {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float, [3, 128]))
    graph.addInput(x)
    var outputs: [ValueID] = []
    for (index, rows) in [256, 192, 128].enumerated() {
      let values = (0..<rows * 128).map { Float(index) + Float($0 % 251) / 256 }
      let weight = graph.addConstant(try .of(values, .float, shape: [rows, 128]), name: "w\(index)")
      let (turned, y) = (graph.addValue(name: "t\(index)"), graph.addValue(name: "y\(index)"))
      graph.addNode(OperatorName("Transpose"), inputs: [weight], outputs: [turned])
      graph.addNode(OperatorName("MatMul"), inputs: [x, turned], outputs: [y])
      outputs.append(y)
    }
    graph.setOutputs(outputs)
    var options = OptimizationOptions()
    options.level = 3
    let result = try PassManager(stages: Pipelines.stages, options: options).run(Model(graph: graph)).model.graph
    #expect(result.operatorCounts == ["MatMul": 1, "Split": 1])
    let product = try #require(result.nodes.first { result[$0].is("MatMul") })
    let merged = try #require(result.constant(result[product].input(1) ?? result.inputs[0]))
    #expect(merged.deferredRows?.map(\.shape) == [[256, 128], [192, 128], [128, 128]])
    let values = try merged.elements(as: Float.self)
    #expect(values.count == 576 * 128)
    // Column 300 is row 44 of the second.
    #expect((0..<128).allSatisfy { values[$0 * 576 + 300] == 1 + Float((44 * 128 + $0) % 251) / 256 })
  }
}
