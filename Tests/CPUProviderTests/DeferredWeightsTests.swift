import GraphIR
import Operators
import Testing

@testable import CPUProvider
@testable import InferenceRuntime
@testable import Tensors

/// Products over transposed weights read the rows; the matrix itself is never written.
@Suite struct DeferredWeightsTests {
  private final class Writes: Sendable {
    private let count = Mutex(0)
    func add() { count.withLock { $0 += 1 } }
    var value: Int { count.withLock { $0 } }
  }

  private static func values(_ count: Int, _ seed: Int) -> [Float] {
    (0..<count).map { Float((($0 + seed) &* 2_654_435_761) >> 7 & 255) / 128 - 1 }
  }

  /// `rows` of each part; the product of 5 rows of 96 with them all.
  private static func results(_ rows: [Int], _ precision: Precision) throws -> (
    deferred: [Float], plain: [Float], writes: Int
  ) {
    let parts = try rows.enumerated().map { index, n in
      try Tensor.of(values(n * 96, index), .float, shape: [n, 96])
    }
    let writes = Writes()
    let whole = try WeightColumns.of(parts)
    let deferred = try Tensor.columns(of: parts) { out, _ in
      writes.add()
      out.copyMemory(from: whole.baseAddress, byteCount: whole.byteCount)
    }
    let plain = try Tensor.of(whole.elements(as: Float.self), .float, shape: whole.shape)
    let x = try Tensor.of(values(5 * 96, 7), .float, shape: [5, 96])
    let outputs = try [deferred, plain].map { weights in
      var graph = Graph()
      let (input, y) = (graph.addValue(name: "x", type: .tensor(.float, [5, 96])), graph.addValue(name: "y"))
      graph.addInput(input)
      graph.addNode(OperatorName("MatMul"), inputs: [input, graph.addConstant(weights, name: "w")], outputs: [y])
      graph.setOutputs([y])
      var options = SessionOptions()
      options.precision = precision
      let session = try Session(Model(graph: graph), providers: [CPUProvider()], options: options)
      return try #require(session.run(["x": x])["y"]).elements(as: Float.self)
    }
    return (outputs[0], outputs[1], writes.value)
  }

  @Test(arguments: [Precision.fp32, .bf16])
  func wholePanelsArePackedFromTheRows(_ precision: Precision) throws {
    let found = try Self.results([64, 128, 40], precision)
    #expect(found.deferred == found.plain)
    #expect(found.writes == (GemmPlan.usesBlas && precision == .fp32 ? 1 : 0))
  }

  /// A part that begins inside a panel: the matrix is written after all.
  @Test(arguments: [Precision.fp32, .bf16])
  func partsOfOtherWidthsGiveTheSame(_ precision: Precision) throws {
    let found = try Self.results([20, 50, 7], precision)
    #expect(found.deferred == found.plain && found.writes == 1)
  }
}
