import CPUProvider
import GraphIR
import Tensors
import TestSupport
import Testing

@testable import InferenceRuntime

/// Operators of float16 and bfloat16 in float32 kernels.
@Suite struct WidenedKernelTests {
  /// Multiples of 1 / `unit` around 0.
  private static func numbers(_ count: Int, period: Int, unit: Double) -> [Double] {
    var numbers: [Double] = []
    for index in 0..<count {
      let place = index * 31 % period - period / 2
      numbers.append(Double(place) / unit)
    }
    return numbers
  }

  private static func weights(_ graph: inout Graph, _ type: DataType, _ shape: [Int]) throws -> ValueID {
    let values = numbers(shape.reduce(1, *), period: 41, unit: 64)
    return graph.addConstant(try Tensor.of(values, type, shape: shape), name: "w\(shape)")
  }

  /// Conv, HardSwish, pooling, MatMul and Softmax.
  private static func graph(_ type: DataType) throws -> Graph {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(type, [2, 8, 9, 9]))
    graph.addInput(x)
    func add(_ name: String, _ inputs: [ValueID], _ result: String, _ attributes: [NamedAttribute] = []) -> ValueID {
      let out = graph.addValue(name: result)
      graph.addNode(OperatorName(name), inputs: inputs, outputs: [out], attributes: attributes)
      return out
    }
    let (filters, bias) = (try weights(&graph, type, [6, 8, 3, 3]), try weights(&graph, type, [6]))
    let right = try weights(&graph, type, [6, 5])
    let pads = NamedAttribute("pads", .ints([1, 1, 1, 1]))
    let conv = add("Conv", [x, filters, bias], "conv", [pads])
    let active = add("HardSwish", [conv], "active")
    let pooled = add("GlobalAveragePool", [active], "pooled")
    let rows = add("Flatten", [pooled], "rows")
    let product = add("MatMul", [rows, right], "product")
    let y = add("Softmax", [product], "y")
    graph.setOutputs([y, active])
    return graph
  }

  @Test(arguments: [DataType.float16, .bfloat16], [1, 3])
  func float32KernelsRunNarrowFloats(_ type: DataType, _ threads: Int) throws {
    let x = try Tensor.of(Self.numbers(2 * 8 * 81, period: 97, unit: 32), type, shape: [2, 8, 9, 9])
    var results: [[[Double]]] = []
    var kernels: [String] = []
    for provider in [CPUProvider(), ReferenceProvider()] as [any ExecutionProvider] {
      var options = SessionOptions()
      options.threads = threads
      let session = try Session(Model(graph: try Self.graph(type)), providers: [provider], options: options)
      let outputs = try session.run(["x": x])
      #expect(outputs["y"]?.dataType == type)
      results.append(try ["y", "active"].map { try #require(outputs[$0]).elements(as: Double.self) })
      if provider is CPUProvider { kernels = session.plans.flatMap(\.assignments).map(\.kernel) }
    }
    #expect(kernels.filter { $0.hasSuffix(", widened") }.count == 5, "\(kernels)")
    // Each of at most five results is rounded once, to the nearest or its neighbour.
    let ulp = type == .float16 ? 0x1p-10 : 0x1p-7
    for (a, b) in zip(results[0], results[1]) {
      let scale = b.map(\.magnitude).max() ?? 1
      let furthest = zip(a, b).map { (x: Double, y: Double) in (x - y).magnitude }.max() ?? 0
      #expect(furthest <= 2 * ulp * scale)
    }
  }

  /// QuantizeLinear divides in the operand's own type: what it rounds to shows.
  @Test func whatShowsItsOwnRoundingIsNotWidened() throws {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float16, [4]))
    graph.addInput(x)
    let scale = graph.addConstant(try Tensor.of([0.1], .float16, shape: []), name: "scale")
    let y = graph.addValue(name: "y")
    graph.addNode(OperatorName("QuantizeLinear"), inputs: [x, scale], outputs: [y])
    graph.setOutputs([y])
    let session = try Session(Model(graph: graph), providers: [CPUProvider()])
    _ = try session.run(["x": try Tensor.of([0.25, 1, 2, 3], .float16, shape: [4])])
    #expect(session.plans.flatMap(\.assignments).allSatisfy { !$0.kernel.hasSuffix(", widened") })
  }
}
