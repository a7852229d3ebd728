import CKernels
import CPUProvider
import GraphIR
import InferenceRuntime
import Tensors
import Testing

/// Products in bfloat16: exact factors give float32's results; others an error that the format explains.
@Suite struct Bfloat16Tests {
  static let cases: [KernelCase] = [
    KernelCase("MatMul", [.f(7, 33), .w(33, 50)]), KernelCase("MatMul", [.f(1, 300), .w(300, 129)]),
    KernelCase("MatMul", [.f(2, 300), .w(300, 31)]), KernelCase("MatMul", [.f(4, 1), .w(1, 9)]),
    KernelCase("MatMul", [.f(2, 5, 64), .w(64, 300)]), KernelCase("MatMul", [.f(130, 700), .w(700, 260)]),
    KernelCase("MatMul", [.f(40), .w(40, 3)]), KernelCase("MatMul", [.f(6, 40), .w(40)]),
    KernelCase("MatMul", [.f(290, 1100), .w(1100, 33)]),
    KernelCase("Gemm", [.f(20, 9), .w(31, 20), .w(9, 1)], ["transA": .int(1), "transB": .int(1)]),
    KernelCase("Gemm", [.f(1, 80), .w(31, 80), .w(31)], ["transB": .int(1), "alpha": .float(0.5), "beta": .float(2)]),
    KernelCase("Gemm", [.f(5, 300), .w(300, 31), .f(5, 31)]), KernelCase("Gemm", [.f(5, 300), .w(300, 31), .w(1)]),
    KernelCase(
      "FusedMatMul", [.f(3, 8, 300), .w(300, 70), .w(70)], ["activation": .string("Gelu")], domain: "ai.cameo"),
    KernelCase.channelsLastConv([1, 5, 7, 3], [4, 3, 1, 1]),
    KernelCase.channelsLastConv([2, 5, 7, 33], [70, 33, 1, 1], ["activation": .string("HardSwish")]),
    KernelCase.channelsLastConv([1, 9, 9, 16], [16, 16, 1, 1], bias: false, ["strides": .ints([2, 2])]),
    KernelCase.channelsLastConv(
      [2, 13, 9, 5], [7, 5, 3, 3], residual: [2, 13, 9, 7], ["pads": .ints([1, 1, 1, 1])]),
    KernelCase.channelsLastConv(
      [1, 6, 7, 70], [40, 70, 3, 3], residual: [1, 6, 7, 40],
      ["pads": .ints([1, 1, 1, 1]), "activation": .string("Relu")]),
    KernelCase.channelsLastConv([1, 5, 5, 512], [48, 512, 1, 1]),
    KernelCase.channelsLastConv(
      [1, 23, 31, 3], [24, 3, 7, 7], ["pads": .ints([3, 3, 3, 3]), "strides": .ints([2, 2])]),
    KernelCase.channelsLastConv(
      [1, 11, 12, 6], [20, 6, 3, 2], ["pads": .ints([0, 2, 3, 1]), "dilations": .ints([2, 3])]),
    KernelCase.channelsLastConv([2, 9, 8, 12], [48, 4, 3, 3], ["group": .int(3), "pads": .ints([1, 1, 1, 1])]),
    KernelCase.channelsLastConv([2, 9, 8, 9], [6, 3, 3, 3], ["group": .int(3), "pads": .ints([1, 1, 1, 1])]),
    KernelCase.channelsLastConv([1, 3, 5, 6, 4], [5, 4, 2, 3, 3], ["pads": .ints([1, 1, 1, 0, 1, 1])]),
    KernelCase.channelsLastConv([1, 40, 41, 20], [33, 20, 3, 3], ["pads": .ints([1, 1, 1, 1])]),
    KernelCase.channelsLastConv([1, 2, 2, 3], [4, 3, 5, 5], ["pads": .ints([4, 4, 4, 4])]),
  ]

  @Test(arguments: cases) func exactFactorsGiveFloatResults(_ item: KernelCase) throws {
    for threads in [1, 3] {
      try item.run(threads, precision: .bf16, named: CPUProvider.bfloat16Kernel)
    }
  }

  @Test(arguments: cases) func sameBitsForEveryThreadCount(_ item: KernelCase) throws {
    let one = try item.run(1, precision: .bf16)
    for threads in [2, 5] {
      let many = try item.run(threads, precision: .bf16)
      for (name, tensor) in one { #expect(many[name]?.isIdentical(to: tensor) == true) }
    }
  }

  /// Two products, of which the session keeps some float32: 1 + 2^-10 is 1 in bfloat16, 64 (1 + 2^-10) is 64.
  @Test(arguments: [([], 4096), ([0], 4096), ([1], 4096), ([0, 1], 4100)] as [([Int], Float)])
  func exactNodesComputeInFloat32(_ exact: [Int], _ expected: Float) throws {
    let ones = (0..<4096).map { _ in "1" }.joined(separator: ", ")
    let model = Model(
      graph: try ONNXText.parseGraph(
        """
        g (float[8, 64] x) => (float[8, 64] h, float[8, 64] y) <float[64, 64] w = {\(ones)}> {
          h = MatMul (x, w) y = MatMul (h, w)
        }
        """))
    let input = try Tensor.of([Float](repeating: 1 + 0x1p-10, count: 512), .float, shape: [8, 64])
    var options = SessionOptions()
    options.precision = .bf16
    let products = model.graph.allNodes.map { $0 }
    options.exactNodes = Set(exact.map { products[$0] })
    let found = try Session(model, providers: [CPUProvider()], options: options).run(["x": input])
    #expect(try found["h"]?.elements(as: Float.self)[0] == (exact.contains(0) ? 64.0625 : 64))
    #expect(try found["y"]?.elements(as: Float.self)[9] == expected)
  }

  /// 1 + 2^-10 is 1 in bfloat16.
  @Test func autoIsBfloat16WhereThatIsTheFasterType() throws {
    let ones = (0..<4096).map { _ in "1" }.joined(separator: ", ")
    let text = "g (float[8, 64] x) => (float[8, 64] y) <float[64, 64] w = {\(ones)}> { y = MatMul (x, w) }"
    let input = try Tensor.of([Float](repeating: 1 + 0x1p-10, count: 512), .float, shape: [8, 64])
    for (precision, sum) in [(Precision.fp32, 64.0625), (.bf16, 64), (.auto, ck_bf16_is_fast() ? 64 : 64.0625)] {
      var options = SessionOptions()
      options.threads = 1
      options.precision = precision
      let session = try Session(
        Model(graph: try ONNXText.parseGraph(text)), providers: [CPUProvider()], options: options)
      let result = try #require(try session.run(["x": input])["y"])
      #expect(try result.elements(as: Float.self) == [Float](repeating: Float(sum), count: 512), "\(precision)")
    }
  }

  /// A pool between a product and what reads float32: it is short on both sides or on none.
  @Test func aPoolBeforeWhatReadsFloatsRuns() throws {
    let text = """
      g (float[1, 6, 6, 64] x) => (float[1, 3, 3, 64] y, float[1, 3, 3, 64] z) <float[64, 64, 1, 1] w = {\((0..<4096).map { "\($0 % 3)" }.joined(separator: ", "))}> {
        c = ai.cameo.ChannelsLastConv (x, w)
        p = ai.cameo.ChannelsLastMaxPool <kernel_shape = [2, 2], strides = [2, 2]> (c)
        y = Neg (p)
        z = ai.cameo.ChannelsLastConv (p, w)
      }
      """
    let input = try Tensor.of((0..<2304).map { Float($0 % 5) }, .float, shape: [1, 6, 6, 64])
    func run(_ precision: Precision) throws -> [String: Tensor] {
      var options = SessionOptions()
      options.threads = 1
      options.precision = precision
      let session = try Session(
        Model(graph: try ONNXText.parseGraph(text)), providers: [CPUProvider()], options: options)
      return try session.run(["x": input])
    }
    let (expected, found) = (try run(.fp32), try run(.bf16))
    for name in ["y", "z"] {
      let (a, b) = (try #require(expected[name]), try #require(found[name]))
      let (x, y) = (try a.elements(as: Float.self), try b.elements(as: Float.self))
      let most = x.map(abs).max() ?? 0
      #expect(zip(x, y).allSatisfy { abs($0 - $1) <= most / 128 }, "\(name)")
    }
  }

  private static func product(_ x: [Float], _ weights: [Float], _ precision: Precision) throws -> [Float] {
    let k = x.count
    var graph = Graph()
    let input = graph.addValue(name: "x", type: .tensor(.float, [1, Dim(k)]))
    graph.addInput(input)
    let w = graph.addConstant(try .of(weights, .float, shape: [k, weights.count / k]), name: "w")
    let y = graph.addValue(name: "y")
    graph.addNode(OperatorName("MatMul"), inputs: [input, w], outputs: [y])
    graph.setOutputs([y])
    var options = SessionOptions()
    options.threads = 1
    options.precision = precision
    let session = try Session(Model(graph: graph), providers: [CPUProvider()], options: options)
    return try #require(session.run(["x": .of(x, .float, shape: [1, k])])["y"]).elements(as: Float.self)
  }

  /// Both factors carry 8 bits: the result differs from float32's, by at most 2^-8 of the sum of magnitudes.
  @Test func roundsBothFactors() throws {
    let x = (0..<64).map { 1 + Float($0) / 1000 }
    let weights = (0..<64).map { 1 - Float($0) / 3000 }
    let exact = try Self.product(x, weights, .fp32)[0]
    let rounded = try Self.product(x, weights, .bf16)[0]
    #expect(rounded != exact)
    #expect((rounded - exact).magnitude <= exact / 256)
  }

  @Test func keepsNaNAndInfinity() throws {
    let weights: [Float] = [1, .infinity, 0, .nan, 2, -.infinity, 3, 0]
    let y = try Self.product([1, 2], weights, .bf16)
    #expect(y[0] == 5)
    #expect(y[1].isNaN)
    #expect(y[2] == 6)
    #expect(y[3].isNaN)
    // Rounding a large NaN payload must not carry into the sign, nor a large number become NaN.
    let large = try Self.product([.greatestFiniteMagnitude, 0], [1, 0, 0, 1], .bf16)
    #expect(large[0] == .infinity)
    #expect(large[1].isNaN)
    #expect(try Self.product([Float(bitPattern: 0x7fff_ffff), 0], [1, 1], .bf16)[0].isNaN)
  }

  @Test func aProviderWithoutThePrecisionIsRefusedByName() throws {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float, [1]))
    graph.addInput(x)
    graph.setOutputs([x])
    for (precision, providers) in [(Precision.fp16, [CPUProvider()]), (.tf32, [CPUProvider()]), (.bf16, [])] {
      var options = SessionOptions()
      options.precision = precision
      let error = #expect(throws: CameoError.self) {
        _ = try Session(Model(graph: graph), providers: providers, options: options)
      }
      #expect("\(try #require(error))".contains("precision \(precision.rawValue)"))
    }
  }

  // MARK: Values stored in bfloat16

  private static func values(_ count: Int, _ seed: Int) -> [Float] {
    (0..<count).map { Float((($0 + seed) &* 2_654_435_761) >> 7 & 255) / 128 - 1 }
  }

  private static func weights(_ graph: inout Graph, _ shape: [Int]) throws -> ValueID {
    let count = shape.reduce(1, *)
    return graph.addConstant(
      try .of(values(count, count).map { $0 / Float(shape[1]) }, .float, shape: shape), name: "w\(count)")
  }

  /// The largest difference from float32's results relative to the largest of them, and the kernels.
  private static func difference(_ graph: Graph, _ x: Tensor, _ threads: Int) throws -> (Float, [String], Int) {
    var results: [[Float]] = []
    var kernels: [String] = []
    var peak = 0
    for precision in [Precision.fp32, .bf16] {
      var options = SessionOptions()
      options.threads = threads
      options.precision = precision
      let session = try Session(Model(graph: graph), providers: [CPUProvider()], options: options)
      results.append(try #require(session.run(["x": x])["y"]).elements(as: Float.self))
      kernels = session.plans.flatMap(\.assignments).map(\.kernel)
      peak = session.plans.map(\.memory.peakBytes).max() ?? 0
    }
    let scale = results[0].map(\.magnitude).max() ?? 1
    return ((zip(results[0], results[1]).map { ($0 - $1).magnitude }.max() ?? .infinity) / scale, kernels, peak)
  }

  /// MatMul, Reshape, MatMul: the value between them takes two bytes an element.
  @Test(arguments: [1, 3]) func aValueBetweenProductsIsStoredInBfloat16(_ threads: Int) throws {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float, [40, 64]))
    graph.addInput(x)
    let (a, b, y) = (graph.addValue(name: "a"), graph.addValue(name: "b"), graph.addValue(name: "y"))
    graph.addNode(
      OperatorName("FusedMatMul", domain: "ai.cameo"), inputs: [x, try Self.weights(&graph, [64, 96])], outputs: [a],
      attributes: [NamedAttribute("activation", .string("Relu"))])
    let shape = graph.addConstant(try .ints([20, 192], shape: [2]), name: "shape")
    graph.addNode(OperatorName("Reshape"), inputs: [a, shape], outputs: [b])
    graph.addNode(OperatorName("MatMul"), inputs: [b, try Self.weights(&graph, [192, 33])], outputs: [y])
    graph.setOutputs([y])
    let (error, kernels, peak) = try Self.difference(
      graph, try .of(Self.values(40 * 64, 3), .float, shape: [40, 64]), threads)
    #expect(error > 0 && error < 0.01)
    #expect(kernels.count == 2 && kernels.allSatisfy { $0.contains(CPUProvider.bfloat16Kernel) })
    // The rounded rows of x and the value between, at two bytes an element and 64 bytes of rounding each.
    #expect(peak <= 40 * 96 * 2 + 40 * 64 * 2 + 128)
  }

  /// A bottleneck: three convolutions, the last over the residual, which other readers keep in float32.
  @Test(arguments: [1, 3]) func aChainOfConvolutionsStaysNearFloat32(_ threads: Int) throws {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float, [2, 9, 10, 64]))
    graph.addInput(x)
    func conv(_ input: ValueID, _ shape: [Int], residual: ValueID? = nil, _ name: String) throws -> ValueID {
      let out = graph.addValue(name: name)
      graph.addNode(
        OperatorName("ChannelsLastConv", domain: "ai.cameo"),
        inputs: [input, try Self.weights(&graph, shape), nil, residual], outputs: [out],
        attributes: [
          NamedAttribute("activation", .string("Relu")),
          NamedAttribute("pads", .ints([Int64](repeating: Int64(shape[2] / 2), count: 4))),
        ])
      return out
    }
    let start = try conv(x, [64, 64, 1, 1], "start")
    let narrow = try conv(start, [32, 64, 1, 1], "narrow")
    let wide = try conv(narrow, [34, 32, 3, 3], "wide")
    let back = try conv(wide, [64, 34, 1, 1], residual: start, "back")
    _ = try conv(back, [8, 64, 1, 1], "y")
    graph.setOutputs([graph.allValues.first { graph[$0].name == "y" }!])
    let (error, kernels, _) = try Self.difference(
      graph, try .of(Self.values(2 * 90 * 64, 5), .float, shape: [2, 9, 10, 64]), threads)
    #expect(error > 0 && error < 0.02)
    #expect(kernels.count == 5 && kernels.allSatisfy { $0.contains(CPUProvider.bfloat16Kernel) })
  }

  /// Taps that are steps of the product, kernel rows that are, and rows written out; the image's channels last or first.
  @Test(
    arguments: [
      ([1, 9, 10, 64], [40, 64, 3, 3], [1, 1], [1, 1], 1), ([2, 15, 14, 32], [33, 32, 3, 3], [2, 2], [1, 1], 1),
      ([1, 12, 13, 32], [16, 32, 1, 1], [2, 2], [1, 1], 1), ([1, 20, 21, 32], [8, 32, 3, 3], [1, 2], [2, 3], 1),
      ([1, 14, 20, 18], [24, 18, 5, 5], [2, 1], [1, 1], 1), ([1, 9, 8, 96], [48, 32, 3, 3], [1, 1], [1, 1], 3),
      ([1, 4, 3, 32], [16, 32, 5, 5], [1, 1], [1, 1], 1), ([2, 3, 40, 41], [64, 3, 7, 7], [2, 2], [1, 1], 0),
      ([1, 1, 12, 13], [16, 1, 3, 3], [1, 1], [1, 1], 0), ([2, 4, 9, 8], [24, 4, 1, 1], [1, 1], [1, 1], 0),
    ], [1, 3])
  func aConvolutionStaysNearFloat32(
    _ item: (x: [Int], w: [Int], strides: [Int64], dilations: [Int64], groups: Int), _ threads: Int
  ) throws {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float, item.x.map { Dim($0) }))
    graph.addInput(x)
    let y = graph.addValue(name: "y")
    let pads = zip(item.w[2...], item.dilations).map { Int64($0 / 2) * $1 }
    graph.addNode(
      OperatorName("ChannelsLastConv", domain: "ai.cameo"), inputs: [x, try Self.weights(&graph, item.w)], outputs: [y],
      attributes: [
        NamedAttribute("channels_first", .int(item.groups == 0 ? 1 : 0)),
        NamedAttribute("group", .int(Int64(max(1, item.groups)))), NamedAttribute("pads", .ints(pads + pads)),
        NamedAttribute("strides", .ints(item.strides)), NamedAttribute("dilations", .ints(item.dilations)),
      ])
    graph.setOutputs([y])
    let image = try Tensor.of(Self.values(item.x.reduce(1, *), 5), .float, shape: item.x)
    let (error, kernels, _) = try Self.difference(graph, image, threads)
    // Where weights are divided by a power of two all factors are exact.
    #expect(item.w[1].nonzeroBitCount == 1 ? error < 1e-5 : error > 0 && error < 0.01)
    #expect(kernels.count == 1 && kernels[0].contains(CPUProvider.bfloat16Kernel))
  }

  /// A value that something else reads, or that the caller sees, keeps float32.
  @Test func aValueWithAnotherReaderKeepsFloat32() throws {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float, [4, 32]))
    graph.addInput(x)
    let (a, y, z) = (graph.addValue(name: "a"), graph.addValue(name: "y"), graph.addValue(name: "z"))
    graph.addNode(OperatorName("MatMul"), inputs: [x, try Self.weights(&graph, [32, 32])], outputs: [a])
    graph.addNode(OperatorName("MatMul"), inputs: [a, try Self.weights(&graph, [32, 7])], outputs: [z])
    graph.addNode(OperatorName("Softplus"), inputs: [a], outputs: [y])
    graph.setOutputs([y, z, a])
    // Inputs on the grid: a is exact then.
    let (error, _, _) = try Self.difference(
      graph, try .of(Self.values(128, 1).map { ($0 * 4).rounded() / 4 }, .float, shape: [4, 32]), 1)
    #expect(error < 1e-5)
  }

  /// What normalizations and SwiGLU give to a product is rounded there and then.
  @Test(arguments: ["LayerNormalization", "RMSNormalization", "SwiGLU"], [1, 3])
  func aResultThatOnlyAProductReadsIsStoredInBfloat16(_ name: String, _ threads: Int) throws {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float, [300, 96]))
    graph.addInput(x)
    let (a, y) = (graph.addValue(name: "a"), graph.addValue(name: "y"))
    let scale = graph.addConstant(try .of(Self.values(96, 7), .float, shape: [96]), name: "scale")
    graph.addNode(OperatorName(name), inputs: [x, name == "SwiGLU" ? x : scale], outputs: [a])
    graph.addNode(OperatorName("MatMul"), inputs: [a, try Self.weights(&graph, [96, 40])], outputs: [y])
    graph.setOutputs([y])
    let (error, kernels, peak) = try Self.difference(
      graph, try .of(Self.values(300 * 96, 3), .float, shape: [300, 96]), threads)
    #expect(error > 0 && error < 0.01)
    #expect(kernels.count == 2 && kernels[1].contains(CPUProvider.bfloat16Kernel))
    // Two bytes an element, and scratch of the threads.
    #expect(peak <= 300 * 96 * 2 + threads * 16384 + 128)
  }
}
