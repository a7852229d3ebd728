import GraphIR
import Tensors
import Testing

@testable import Operators

/// One operator under differentiation: statements that compute `h` from inputs, and the inputs with their ranges.
struct DerivativeCase: Sendable, CustomTestStringConvertible {
  struct Input: Sendable {
    let name: String
    let shape: [Int]
    let range: ClosedRange<Double>
    /// Differentiated, or only fed.
    var isActive = true
  }

  let statements: String
  let inputs: [Input]

  init(_ statements: String, _ inputs: [Input]) {
    self.statements = statements
    self.inputs = inputs
  }

  /// One input x.
  init(_ statements: String, _ shape: [Int], _ range: ClosedRange<Double> = -2...2) {
    self.init(statements, [Input(name: "x", shape: shape, range: range)])
  }

  var testDescription: String { statements }

  /// y is the sum of the squares of h, so that every element of h has a gradient of its own. `order` 2: the gradient of the sum
  /// of the squares of the first gradient.
  private func graph(isSymbolic: Bool, order: Int) throws -> Graph {
    let active = inputs.filter(\.isActive).map(\.name)
    let rest = inputs.filter { !$0.isActive }.map(\.name)
    let declared = inputs.map { input in
      let dims = input.shape.enumerated().map { axis, length in
        isSymbolic && length != 1 ? "\(input.name)_\(axis)" : "\(length)"
      }
      return "double\(dims.isEmpty ? "" : "[\(dims.joined(separator: ","))]") \(input.name)"
    }
    func quoted(_ names: [String]) -> String { "[" + names.map { "\"\($0)\"" }.joined(separator: ", ") + "]" }
    func gradient(_ results: [String], of y: String) -> String {
      let zs = rest.isEmpty ? "" : "zs = \(quoted(rest)), "
      return """
        \(results.joined(separator: ", ")) = ai.onnx.preview.training.Gradient
          <xs = \(quoted(active)), \(zs)y = "\(y)"> (\((active + rest).joined(separator: ", ")))

        """
    }
    var body = statements + "\ny = ReduceSumSquare <keepdims = 0> (h)\n"
    body += gradient(active.map { "d_\($0)" }, of: "y")
    var outputs = ["y"] + active.map { "d_\($0)" }
    if order == 2 {
      body += active.map { "s_\($0) = ReduceSumSquare <keepdims = 0> (d_\($0))\n" }.joined()
      body += "z = Sum (\(active.map { "s_\($0)" }.joined(separator: ", ")))\n"
      body += gradient(active.map { "e_\($0)" }, of: "z")
      outputs = ["z"] + active.map { "e_\($0)" }
    }
    let text = """
      g (\(declared.joined(separator: ", "))) => (\(outputs.map { "double[] \($0)" }.joined(separator: ", "))) {
      \(body)}
      """
    var graph = try ONNXText.parseGraph(text)
    try GradientExpansion.bind(&graph)
    try GradientExpansion.expand(&graph)
    #expect(graph.allNodes.allSatisfy { !graph[$0].operatorName.description.hasSuffix("Gradient") }, "\(self)")
    return graph
  }

  private func values() throws -> [[Double]] {
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    return inputs.map { input in
      (0..<input.shape.reduce(1, *)).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let unit = Double(state >> 11) / Double(1 << 53)
        return input.range.lowerBound + unit * (input.range.upperBound - input.range.lowerBound)
      }
    }
  }

  /// Holds every element of every gradient against the central difference.
  func check(isSymbolic: Bool, order: Int = 1) throws {
    let graph = try graph(isSymbolic: isSymbolic, order: order)
    var points = try values()
    func run() throws -> [Tensor] {
      let tensors = try zip(points, inputs).map { Value.tensor(try Tensor.of($0, .double, shape: $1.shape)) }
      return try GraphEvaluator(graph).run(tensors).map { try #require($0.tensor) }
    }
    let gradients = try run().dropFirst().map { try $0.elements(as: Double.self) }
    let active = inputs.indices.filter { inputs[$0].isActive }
    let step = 1e-5
    for (place, input) in active.enumerated() {
      try #require(gradients[place].count == points[input].count, "\(self)")
      for index in points[input].indices {
        let kept = points[input][index]
        points[input][index] = kept + step
        let above = try run()[0].scalar(as: Double.self)
        points[input][index] = kept - step
        let below = try run()[0].scalar(as: Double.self)
        points[input][index] = kept
        let expected = (above - below) / (2 * step)
        let found = gradients[place][index]
        let bound: Double = 1e-6 + 1e-6 * abs(expected) + 1e-9 * abs(above)
        #expect(
          abs(found - expected) <= bound,
          "\(self): d\(inputs[input].name)[\(index)] is \(found), the difference quotient \(expected)")
      }
    }
  }

  /// The operators of the forward part.
  var operators: [OperatorName] {
    get throws {
      let text =
        "g (\(inputs.map { "double[] \($0.name)" }.joined(separator: ", "))) => (double[] h) {\n\(statements)\n}"
      let graph = try ONNXText.parseGraph(text)
      return graph.allNodes.map { graph[$0].operatorName }
    }
  }
}

private typealias Case = DerivativeCase

/// Every derivative rule against central differences in double.
@Suite struct GradientRuleTests {
  private static let unary: [DerivativeCase] = [
    Case("h = Abs (x)", [2, 3]), Case("h = Neg (x)", [3]), Case("h = Exp (x)", [2, 2]),
    Case("h = Log (x)", [3], 0.5...2),
    Case("h = Sqrt (x)", [3], 0.5...2), Case("h = Reciprocal (x)", [3], 0.5...2), Case("h = Sin (x)", [3]),
    Case("h = Cos (x)", [3]), Case("h = Tan (x)", [3], -1...1), Case("h = Asin (x)", [3], -0.8...0.8),
    Case("h = Acos (x)", [3], -0.8...0.8), Case("h = Atan (x)", [3]), Case("h = Sinh (x)", [3]),
    Case("h = Cosh (x)", [3]),
    Case("h = Tanh (x)", [3]), Case("h = Asinh (x)", [3]), Case("h = Acosh (x)", [3], 1.5...3),
    Case("h = Atanh (x)", [3], -0.8...0.8), Case("h = Erf (x)", [3]), Case("h = Relu (x)", [6]),
    Case("h = ThresholdedRelu <alpha = 0.7> (x)", [6]), Case("h = Shrink <lambd = 0.6, bias = 0.2> (x)", [8]),
    Case("h = LeakyRelu <alpha = 0.2> (x)", [6]), Case("h = Elu <alpha = 1.5> (x)", [6]),
    Case("h = Celu <alpha = 0.7> (x)", [6]), Case("h = Selu (x)", [6]), Case("h = Sigmoid (x)", [4]),
    Case("h = HardSigmoid <alpha = 0.3> (x)", [8], -4...4), Case("h = HardSwish (x)", [8], -4...4),
    Case("h = Softplus (x)", [4]), Case("h = Softsign (x)", [4]), Case("h = Gelu (x)", [4]),
    Case("h = Gelu <approximate = \"tanh\"> (x)", [4]), Case("h = Mish (x)", [4]),
    Case("h = Swish <alpha = 1.3> (x)", [4]),
    Case("h = Clip (x)", [3]), Case("h = Identity (x)", [3]), Case("h = Dropout (x)", [3]),
    Case("h = Floor (x)\nk = Add (h, x)", [3]), Case("f = Floor (x)\nh = Add (f, x)", [4]),
  ]

  private static func pair(_ statements: String, _ a: [Int], _ b: [Int], _ range: ClosedRange<Double> = -2...2) -> Case
  {
    Case(statements, [.init(name: "a", shape: a, range: range), .init(name: "b", shape: b, range: range)])
  }

  private static let broadcasting: [DerivativeCase] = [
    pair("h = Add (a, b)", [2, 3], [3]), pair("h = Add (a, b)", [2, 1, 3], [4, 1]), pair("h = Sub (a, b)", [], [2, 2]),
    pair("h = Sub (a, b)", [2, 2], [2, 1]), pair("h = Mul (a, b)", [2, 3], [1, 3]),
    pair("h = Mul (a, b)", [3], [2, 1, 3]),
    pair("h = Div (a, b)", [2, 3], [2, 1], 0.5...2), pair("h = Div (a, b)", [1], [2, 3], 0.5...2),
    pair("h = Pow (a, b)", [2, 3], [3], 0.5...2), pair("h = Pow (a, b)", [], [3], 0.5...2),
    pair("h = Mod <fmod = 1> (a, b)", [2, 3], [3], 0.6...2), pair("h = Max (a, b)", [2, 3], [3]),
    pair("h = Min (a, b)", [2, 1], [2, 3]), pair("h = Sum (a, b, a)", [2, 3], [3]),
    pair("h = Mean (a, b)", [2, 3], [1]),
    pair("z = Constant <value = double {0.0}> ()\nc = Less (a, z)\nh = Where (c, b, a)", [2, 3], [3]),
    pair("h = PRelu (a, b)", [2, 3, 2], [3, 1]), pair("h = SwiGLU <alpha = 1.2> (a, b)", [2, 3], [2, 3]),
    Case(
      "h = Clip (x, low, high)",
      [
        .init(name: "x", shape: [8], range: -3...3), .init(name: "low", shape: [], range: -1.5...(-1)),
        .init(name: "high", shape: [], range: 1...1.5),
      ]),
    Case(
      "h = Mul (a, b)",
      [.init(name: "a", shape: [2, 3], range: -2...2), .init(name: "b", shape: [3], range: -2...2, isActive: false)]),
  ]

  private static let axes = "i = Constant <value_ints = [1]> ()\n"
  private static let reductions: [DerivativeCase] =
    ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp"].flatMap { name in
      [
        Case("h = Reduce\(name) (x)", [2, 3]), Case(axes + "h = Reduce\(name) <keepdims = 0> (x, i)", [2, 3, 2]),
        Case("i = Constant <value_ints = [-1, 0]> ()\nh = Reduce\(name) (x, i)", [2, 3, 2]),
        Case("h = Reduce\(name) <keepdims = 0> (x)", [2, 2]),
        Case("h = Reduce\(name) <noop_with_empty_axes = 1> (x)", [3]),
      ]
    } + [
      Case(axes + "h = ReduceLogSum <keepdims = 0> (x, i)", [2, 3], 0.5...2),
      Case("h = ReduceLogSum (x)", [2, 3], 0.5...2),
      Case("h = Softmax (x)", [2, 4]), Case("h = Softmax <axis = 0> (x)", [3, 2]), Case("h = LogSoftmax (x)", [2, 4]),
      Case("h = LogSoftmax <axis = 1> (x)", [2, 3, 2]),
      Case("i = Constant <value_int = 1> ()\nh = CumSum (x, i)", [2, 3]),
      Case("i = Constant <value_int = 0> ()\nh = CumSum <exclusive = 1, reverse = 1> (x, i)", [3, 2]),
      Case("h = GlobalAveragePool (x)", [2, 2, 3]), Case("h = GlobalMaxPool (x)", [2, 2, 2, 2]),
    ]

  private static let movements: [DerivativeCase] = [
    Case("c = Cast <to = 11> (x)\nh = Mul (c, x)", [3]), Case("c = CastLike (x, x)\nh = Mul (c, x)", [3]),
    Case("s = Constant <value_ints = [3, -1]> ()\nr = Reshape (x, s)\nh = Softmax <axis = 0> (r)", [2, 3]),
    Case("f = Flatten (x)\nh = Softmax (f)", [2, 2, 2]),
    Case("i = Constant <value_ints = [1]> ()\nq = Squeeze (x, i)\nh = Softmax (q)", [2, 1, 3]),
    Case("i = Constant <value_ints = [0, -1]> ()\nu = Unsqueeze (x, i)\nh = Softmax <axis = 1> (u)", [3]),
    Case("t = Transpose (x)\nh = Softmax (t)", [2, 3]),
    Case("t = Transpose <perm = [1, 2, 0]> (x)\nh = Softmax (t)", [2, 3, 2]),
    Case("s = Constant <value_ints = [2, 2, 3]> ()\nh = Expand (x, s)", [2, 1]),
    pair("c = Concat <axis = 1> (a, b, a)\nh = Softmax (c)", [2, 2], [2, 3]),
    pair("h = Concat <axis = -1> (a)", [2], [1]),
    Case("p, q = Split <axis = 1, num_outputs = 2> (x)\nr = Exp (q)\nh = Concat <axis = 1> (p, r)", [2, 3]),
    Case("p, q = Split <axis = 0, num_outputs = 2> (x)\nh = Exp (q)", [4]),
    Case(
      """
      b = Constant <value_ints = [-1, 0]> ()
      e = Constant <value_ints = [-100, 3]> ()
      i = Constant <value_ints = [0, 1]> ()
      s = Constant <value_ints = [-2, 2]> ()
      h = Slice (x, b, e, i, s)
      """, [4, 3]),
    Case("i = Constant <value = int64[2, 2] {0, 2, -1, 0}> ()\nh = Gather <axis = 1> (x, i)", [2, 3]),
    Case("i = Constant <value = int64[1, 3] {1, 0, 1}> ()\nh = GatherElements <axis = 0> (x, i)", [2, 3]),
    Case("i = Constant <value = int64[3, 1] {1, 0, 1}> ()\nh = GatherND (x, i)", [2, 3]),
    Case("r = Constant <value_ints = [2, 2]> ()\nh = Tile (x, r)", [2, 3]),
    Case(
      "p = Constant <value_ints = [1, 0, 2, -1]> ()\nv = Constant <value = double {3.0}> ()\nh = Pad (x, p, v)", [2, 3]),
    Case("p = Constant <value_ints = [1, 2]> ()\nh = Pad <mode = \"reflect\"> (x, p)", [4]),
    Case("h = DepthToSpace <blocksize = 2> (x)", [1, 4, 1, 2]),
    Case("h = SpaceToDepth <blocksize = 2> (x)", [1, 1, 2, 4]),
    Case("c = Constant <value = bool[3] {1, 0, 1}> ()\nh = Compress <axis = 1> (x, c)", [2, 3]),
    Case("l = Constant <value_ints = [2, 3]> ()\nh = ReverseSequence <batch_axis = 0, time_axis = 1> (x, l)", [2, 3]),
    Case("h = Trilu (x)", [3, 3]), Case("s = Constant <value_ints = [2, 5]> ()\nh = CenterCropPad (x, s)", [3, 3]),
    pair("i = Constant <value = int64[1, 2] {2, 0}> ()\nh = ScatterElements <axis = 1> (a, i, b)", [2, 3], [1, 2]),
    pair(
      "i = Constant <value = int64[1, 2] {1, 1}> ()\nh = ScatterElements <axis = 1, reduction = \"add\"> (a, i, b)",
      [2, 3],
      [1, 2]),
    Case("k = Constant <value_ints = [2]> ()\nh, j = TopK (x, k)", [2, 4]),
    Case("h = MaxPool <kernel_shape = [2, 2], pads = [1, 0, 0, 1]> (x)", [1, 2, 3, 3]),
    Case("h = MaxPool <kernel_shape = [2], strides = [2], ceil_mode = 1> (x)", [1, 1, 5]),
  ]

  private static let contractions: [DerivativeCase] = [
    pair("h = MatMul (a, b)", [2, 3], [3, 2]), pair("h = MatMul (a, b)", [3], [3]),
    pair("h = MatMul (a, b)", [3], [3, 2]),
    pair("h = MatMul (a, b)", [2, 3], [3]), pair("h = MatMul (a, b)", [2, 1, 2, 3], [2, 3, 2]),
    pair("h = MatMul (a, b)", [3], [2, 3, 2]), pair("h = MatMul (a, b)", [2, 2, 3], [3]),
    pair("h = Gemm <alpha = 0.5> (a, b)", [2, 3], [3, 2]), pair("h = Gemm <transA = 1> (a, b)", [3, 2], [3, 2]),
    pair("h = Gemm <transB = 1> (a, b)", [2, 3], [2, 3]),
    pair("h = Gemm <transA = 1, transB = 1> (a, b)", [3, 2], [2, 3]),
    Case(
      "h = Gemm <alpha = 0.5, beta = 2.0> (a, b, c)",
      [
        .init(name: "a", shape: [2, 3], range: -1...1), .init(name: "b", shape: [3, 2], range: -1...1),
        .init(name: "c", shape: [2], range: -1...1),
      ]),
    pair("h = Conv (a, b)", [2, 1, 4], [2, 1, 2]), pair("h = Conv <pads = [1, 2]> (a, b)", [1, 2, 4], [2, 2, 3]),
    pair("h = Conv <strides = [2, 3], pads = [0, 1, 1, 0]> (a, b)", [1, 2, 4, 5], [2, 2, 2, 2]),
    pair("h = Conv <dilations = [2], strides = [2]> (a, b)", [2, 1, 8], [1, 1, 2]),
    pair("h = Conv <group = 2> (a, b)", [2, 4, 3], [4, 2, 2]),
    pair("h = Conv <group = 3, strides = [2], pads = [1, 1]> (a, b)", [2, 3, 4], [3, 1, 2]),
    pair("h = Conv <auto_pad = \"VALID\"> (a, b)", [1, 1, 4], [1, 1, 3]),
    Case(
      "h = Conv (a, b, c)",
      [
        .init(name: "a", shape: [2, 1, 3, 3], range: -1...1), .init(name: "b", shape: [2, 1, 2, 2], range: -1...1),
        .init(name: "c", shape: [2], range: -1...1),
      ]),
    pair("h = ConvTranspose (a, b)", [2, 2, 3], [2, 1, 2]),
    pair("h = ConvTranspose <strides = [2], pads = [1, 0], group = 2> (a, b)", [1, 2, 3], [2, 2, 3]),
  ]

  private static func normalized(_ statement: String, _ shape: [Int], _ parameter: [Int], _ more: [String]) -> Case {
    Case(
      statement,
      [.init(name: "x", shape: shape, range: -2...2)]
        + more.map { .init(name: $0, shape: parameter, range: 0.5...1.5) })
  }

  /// Through their function bodies.
  private static let bodies: [DerivativeCase] = [
    normalized("h = LayerNormalization <stash_type = 11> (x, s, b)", [2, 4], [4], ["s", "b"]),
    normalized("h = LayerNormalization <stash_type = 11, axis = 1> (x, s)", [2, 2, 3], [2, 3], ["s"]),
    normalized("k, h = LayerNormalization <stash_type = 11> (x, s)", [2, 4], [4], ["s"]),
    normalized("h = RMSNormalization <stash_type = 11> (x, s)", [2, 4], [4], ["s"]),
    normalized("h = InstanceNormalization (x, s, b)", [2, 2, 3], [2], ["s", "b"]),
    normalized("h = GroupNormalization <stash_type = 11, num_groups = 2> (x, s, b)", [2, 4, 2], [4], ["s", "b"]),
    normalized("h = BatchNormalization (x, s, b, m, v)", [2, 3, 2], [3], ["s", "b", "m", "v"]),
    Case("h = MeanVarianceNormalization <axes = [0, 2]> (x)", [2, 2, 3]),
    normalized("n = LayerNormalization <stash_type = 11> (x, s)\nh = Softmax (n)", [2, 4], [4], ["s"]),
  ]

  private static let averages: [DerivativeCase] = [
    Case("h = AveragePool <kernel_shape = [2]> (x)", [2, 2, 5]),
    Case("h = AveragePool <kernel_shape = [2, 3], strides = [2, 2], pads = [1, 1, 0, 2]> (x)", [1, 2, 4, 5]),
    Case(
      "h = AveragePool <kernel_shape = [2, 2], strides = [3, 1], pads = [0, 1, 1, 1], count_include_pad = 1> (x)",
      [2, 1, 5, 3]),
    Case("h = AveragePool <kernel_shape = [2], dilations = [2], strides = [2]> (x)", [1, 2, 6]),
    Case("h = AveragePool <ceil_mode = 1, kernel_shape = [3], strides = [2]> (x)", [1, 1, 6]),
    Case(
      "h = AveragePool <ceil_mode = 1, kernel_shape = [3], strides = [2], pads = [1, 1], count_include_pad = 1> (x)",
      [1, 2, 6]),
    Case("h = AveragePool <auto_pad = \"SAME_UPPER\", kernel_shape = [3], strides = [2]> (x)", [1, 1, 6]),
  ]

  private static let losses: [DerivativeCase] =
    ["none", "sum", "mean"].flatMap { reduction in
      ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"].flatMap { name in
        [
          Case(
            "t = Constant <value = int64[3] {1, 0, 3}> ()\nh = \(name) <reduction = \"\(reduction)\"> (x, t)", [3, 4]),
          Case(
            """
            t = Constant <value = int64[2, 2] {1, -1, 2, 0}> ()
            w = Constant <value = double[3] {0.5, 2.0, 1.5}> ()
            h = \(name) <reduction = "\(reduction)", ignore_index = -1> (x, t, w)
            """, [2, 3, 2]),
        ]
      }
    } + [
      Case("t = Constant <value = int32[2] {1, 2}> ()\nl, p = SoftmaxCrossEntropyLoss (x, t)\nh = Mul (p, l)", [2, 3])
    ]

  /// A small network from the image to the loss.
  private static let network = Case(
    """
    c = Conv <pads = [1, 1, 1, 1]> (x, w, v)
    r = Relu (c)
    m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
    f = Flatten (m)
    q = Gemm <transB = 1> (f, u, d)
    t = Constant <value = int64[2] {2, 0}> ()
    h = SoftmaxCrossEntropyLoss (q, t)
    """,
    [
      .init(name: "x", shape: [2, 1, 4, 4], range: -1...1), .init(name: "w", shape: [2, 1, 3, 3], range: -1...1),
      .init(name: "v", shape: [2], range: -1...1), .init(name: "u", shape: [3, 8], range: -1...1),
      .init(name: "d", shape: [3], range: -1...1),
    ])

  private static let cases =
    unary + broadcasting + reductions + movements + contractions + bodies + averages + losses + [network]

  @Test(arguments: cases) func theGradientIsTheDifferenceQuotient(_ test: DerivativeCase) throws {
    try test.check(isSymbolic: false)
  }

  /// Shapes of which only the rank is known lead to the same numbers through nodes that look at them in the run. Kernels' sizes
  /// are needed before.
  @Test(
    arguments: cases.filter { test in
      !["Conv", "AveragePool <ceil_mode", "AveragePool <auto_pad"].contains { test.statements.contains($0) }
    })
  func gradientsOfSymbolicShapes(_ test: DerivativeCase) throws { try test.check(isSymbolic: true) }

  /// The backward pass is differentiated again.
  @Test(arguments: [
    Case("h = Exp (x)", [2]), Case("h = Sigmoid (x)", [3]), Case("h = Tanh (x)", [3]), Case("h = Relu (x)", [4]),
    Case("h = Gelu (x)", [3]), Case("h = Log (x)", [2], 0.5...2), Case("h = Sqrt (x)", [2], 0.5...2),
    Case("h = Softmax (x)", [2, 3]), Case("h = LogSoftmax (x)", [2, 3]), Case("h = ReduceMean (x)", [2, 3]),
    Case("h = AveragePool <kernel_shape = [2], pads = [0, 1]> (x)", [1, 1, 3]),
    normalized("h = RMSNormalization <stash_type = 11> (x, s)", [2, 3], [3], ["s"]),
    Case("h = ReduceMax (x)", [4]), Case("h = ReduceL2 (x)", [4]), Case("h = ReduceLogSumExp (x)", [2, 2]),
    Case("h = ReduceProd (x)", [3]), Case("i = Constant <value_ints = [0, 2]> ()\ng = Gather (x, i)\nh = Exp (g)", [3]),
    pair("h = Div (a, b)", [2, 2], [2], 0.5...2), pair("h = Pow (a, b)", [2], [2], 0.5...2),
    pair("h = MatMul (a, b)", [2, 3], [3, 2]), pair("h = Gemm <transA = 1> (a, b)", [3, 2], [3, 2]),
    pair("h = Conv <pads = [1, 0]> (a, b)", [1, 2, 4], [2, 2, 2]),
    pair("h = Conv <strides = [2]> (a, b)", [1, 1, 5], [1, 1, 2]), pair("h = Concat <axis = 0> (a, b)", [2], [2]),
  ])
  func theGradientOfAGradientIsTheDifferenceQuotient(_ test: DerivativeCase) throws {
    try test.check(isSymbolic: false, order: 2)
  }

  @Test func everyRuleHasACase() throws {
    let tested = Set(try Self.cases.flatMap { try $0.operators })
    // Those that never change pass nothing on; one stands for all of them.
    let constant: Set<String> = [
      "Sign", "Ceil", "Round", "Shape", "Size", "Equal", "Greater", "GreaterOrEqual", "LessOrEqual", "IsNaN", "IsInf",
      "Not",
      "And", "Or", "Xor", "ArgMax", "ArgMin", "NonZero", "ConstantOfShape", "EyeLike", "RandomNormalLike",
      "RandomUniformLike", "Bernoulli", "Multinomial", "Hardmax",
    ]
    #expect(DerivativeRules.names.filter { !tested.contains($0) && !constant.contains($0.name) } == [])
    for name in DerivativeRules.names { #expect(OperatorRegistry[name] != nil, "\(name)") }
  }
}
