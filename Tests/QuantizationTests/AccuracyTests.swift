import GraphIR
import InferenceRuntime
import Operators
import Quantization
import Tensors
import Testing

@Suite struct AccuracyTests {
  @Test func sumsOverPairsAreThoseOfOneTensor() throws {
    let a = HistogramTests.normal(50, seed: 11)
    let b = zip(a, HistogramTests.normal(50, seed: 12)).map { $0 + $1 * 0.01 }
    let whole = Closeness.between(try Tensor.of(a, .float), try Tensor.of(b, .float))
    var sums = DifferenceSums()
    for part in [0..<20, 20..<50] {
      #expect(sums.add(try .of(Array(a[part]), .float), try .of(Array(b[part]), .float)))
    }
    #expect(abs(sums.closeness.sqnrDecibel - whole.sqnrDecibel) < 1e-9 && sums.closeness.maxRel == whole.maxRel)
    #expect(abs(whole.sqnrDecibel - 40) < 2 && whole.cosine > 0.9999)
    #expect(!sums.add(try .of([Float(1)], .float), try .of([Float.nan], .float)))
    #expect(sums.closeness.maxRel == .infinity && sums.closeness.cosine == 0)
  }

  /// The quantized form of one product: its data rounded to steps of `step`.
  private static func variant(_ step: [Float]) throws -> Model {
    func rounded(_ name: String, _ step: Float) -> String {
      step == 0
        ? "\(name)q = Identity (\(name))"
        : "\(name)i = QuantizeLinear (\(name), s\(name), z) \(name)q = DequantizeLinear (\(name)i, s\(name), z)"
    }
    return Model(
      graph: try ONNXText.parseGraph(
        """
        g (float[N, 4] x) => (float[N, 2] y) <float[4, 4] w = {1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7},
          int16 z = {0}, float[4, 2] v = {1,-1,2,-2,1,1,0,3}, float sx = {\(step[0] == 0 ? 1 : step[0])}, float sh = {\(step[1] == 0 ? 1 : step[1])}> {
          \(rounded("x", step[0]))
          h = MatMul (xq, w)
          \(rounded("h", step[1]))
          y = MatMul (hq, v)
        }
        """))
  }

  @Test func nodesThatCostMostComeFirst() throws {
    let model = try Self.variant([0, 0])
    let nodes = model.graph.nodes.filter { model.graph[$0].is("MatMul") }
    let set = CalibrationSet(
      try (0..<6).map { ["x": try Tensor.of(HistogramTests.normal(8, seed: UInt64($0) + 1), .float, shape: [2, 4])] })
    for keptBytes in [64 << 20, 1] {
      var ranking = SensitivityRanking(model, providers: [ReferenceProvider()])
      ranking.samples = 3
      ranking.keptBytes = keptBytes
      var steps: [Int] = []
      let entries = try ranking.rank(nodes + [nodes[0]], over: set, progress: { steps += [$0, $1] }) { node in
        // The second product's data take the coarser steps; the third node cannot be quantized.
        steps.count == 4 ? nil : try Self.variant(node == nodes[0] ? [0.01, 0] : [0, 5])
      }
      #expect(steps == [1, 3, 2, 3, 3, 3])
      #expect(entries.map(\.node) == [nodes[1], nodes[0]] && entries.map(\.value) == ["y", "h"])
      let (coarse, fine) = (entries[0], entries[1])
      #expect(coarse.outputs.sqnrDecibel < 30 && fine.outputs.sqnrDecibel > 40)
      // The last product's own result is the output.
      #expect(coarse.own?.sqnrDecibel == coarse.outputs.sqnrDecibel)
      #expect((fine.own?.sqnrDecibel ?? 0) > 40 && fine.own?.maxAbs != 0)
    }
  }
}
