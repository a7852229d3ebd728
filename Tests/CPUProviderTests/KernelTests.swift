import CPUProvider
import GraphIR
import InferenceRuntime
import Operators
import Tensors
import Testing

/// One node with its operands: what both providers are asked to compute.
struct KernelCase: CustomTestStringConvertible, Sendable {
  enum Source: Sendable {
    /// Seeded floats in a range.
    case floats([Int], Float, Float)
    case ints([Int], [Int])
    case bools([Int])
    /// The same, known when planning.
    case fixed([Int], Float, Float)
    case fixedInts([Int], [Int])
    /// Random codes of an integer type of whole bytes, given at run time or known when planning.
    case codes([Int], DataType)
    case fixedCodes([Int], DataType)
    /// These integers of a type, known when planning or given at run time.
    case fixedValues([Int], DataType, [Int])
    case values([Int], DataType, [Int])
    case absent

    static func f(_ shape: Int...) -> Source { .floats(shape, -2, 2) }
    static func w(_ shape: Int...) -> Source { .fixed(shape, -1, 1) }
    static func i(_ values: Int...) -> Source { .fixedInts([values.count], values) }
  }

  let name: String
  let domain: String
  let inputs: [Source]
  let attributes: [NamedAttribute]
  let outputs: Int
  let tolerance: Double
  /// Operators whose best form is a view need no kernel.
  let usesKernel: Bool

  init(
    _ name: String, _ inputs: [Source], _ attributes: [String: Attribute] = [:], domain: String = "", outputs: Int = 1,
    tolerance: Double = 1e-5, usesKernel: Bool = true
  ) {
    self.name = name
    self.domain = domain
    self.inputs = inputs
    self.attributes = attributes.sorted { $0.key < $1.key }.map { NamedAttribute($0.key, $0.value) }
    self.outputs = outputs
    self.tolerance = tolerance
    self.usesKernel = usesKernel
  }

  var testDescription: String { "\(name) \(inputs) \(attributes.map { "\($0.name)=\($0.value)" })" }

  /// `onGrid`: floats are multiples of 1/64, which bfloat16 holds exactly up to 4.
  private func tensor(_ source: Source, _ seed: Int, onGrid: Bool) throws -> Tensor? {
    var state = UInt64(seed + 1) &* 0x9E37_79B9_7F4A_7C15
    func next() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 24)
    }
    switch source {
    case .floats(let shape, let low, let high), .fixed(let shape, let low, let high):
      let count = shape.reduce(1, *)
      let values = (0..<count).map { _ in low + (high - low) * next() }
      return try .of(onGrid ? values.map { ($0 * 64).rounded() / 64 } : values, .float, shape: shape)
    case .ints(let shape, let values), .fixedInts(let shape, let values): return try .ints(values, shape: shape)
    case .bools(let shape):
      return try .of((0..<shape.reduce(1, *)).map { _ in next() < 0.6 ? Int64(1) : 0 }, .bool, shape: shape)
    case .codes(let shape, let type), .fixedCodes(let shape, let type):
      let low: Int64 = type == .int8 ? -128 : 0
      return try .of((0..<shape.reduce(1, *)).map { _ in low + Int64(next() * 256) }, type, shape: shape)
    case .fixedValues(let shape, let type, let values), .values(let shape, let type, let values):
      return try .of(values.map { Int64($0) }, type, shape: shape)
    case .absent: return nil
    }
  }

  /// `precision`: of the kernels; the portable evaluation keeps float32, so factors are such that bfloat16 holds them exactly.
  @discardableResult func run(
    _ threads: Int, precision: Precision = .fp32, named part: String = ""
  ) throws -> [String: Tensor] {
    var graph = Graph()
    var ids: [ValueID?] = []
    var given: [String: Tensor] = [:]
    for (index, source) in inputs.enumerated() {
      guard let tensor = try tensor(source, index, onGrid: precision != .fp32) else { ids.append(nil); continue }
      switch source {
      case .fixed, .fixedInts, .fixedCodes, .fixedValues: ids.append(graph.addConstant(tensor, name: "c\(index)"))
      default:
        let id = graph.addValue(name: "x\(index)", type: .tensor(tensor.dataType, tensor.shape.map { Dim($0) }))
        graph.addInput(id)
        ids.append(id)
        given["x\(index)"] = tensor
      }
    }
    let results = (0..<outputs).map { graph.addValue(name: "y\($0)") }
    graph.addNode(OperatorName(name, domain: domain), inputs: ids, outputs: results.map { $0 }, attributes: attributes)
    graph.setOutputs(results)
    var options = SessionOptions()
    options.threads = threads
    var lower = options
    lower.precision = precision
    let cpu = try Session(Model(graph: graph), providers: [CPUProvider()], options: lower)
    let reference = try Session(Model(graph: graph), providers: [ReferenceProvider()], options: options)
    let got = try cpu.run(given)
    let expected = try reference.run(given)
    if usesKernel {
      for plan in cpu.plans {
        for step in plan.assignments { #expect(step.provider == "cpu", "\(step.refusals)") }
        for step in plan.assignments { #expect(part.isEmpty || step.kernel.contains(part), "\(step.kernel)") }
      }
    }
    for (name, want) in expected {
      let have = try #require(got[name])
      #expect(have.dataType == want.dataType)
      try #require(have.shape == want.shape)
      let a = try have.elements(as: Double.self)
      let b = try want.elements(as: Double.self)
      let scale = max(1e-6, b.filter(\.isFinite).map(\.magnitude).max() ?? 0)
      for (x, y) in zip(a, b) where !(x == y || (x.isNaN && y.isNaN)) {
        #expect((x - y).magnitude <= tolerance * scale, "\(name): \(x), \(y) expected")
        break
      }
    }
    return got
  }
}

extension KernelCase {
  /// ai.cameo.ChannelsLastConv with weights that are known when planning.
  static func channelsLastConv(
    _ x: [Int], _ w: [Int], bias: Bool = true, residual: [Int]? = nil, _ attributes: [String: Attribute] = [:]
  ) -> KernelCase {
    KernelCase(
      "ChannelsLastConv",
      [
        .floats(x, -2, 2), .fixed(w, -1, 1), bias ? .fixed([w[0]], -1, 1) : .absent,
        residual.map { .floats($0, -2, 2) } ?? .absent,
      ], attributes, domain: "ai.cameo", tolerance: 2e-5)
  }
}

@Suite struct KernelTests {
  private static func conv(_ kernel: Int, _ pad: Int, _ stride: Int, groups: Int = 1, dilation: Int = 1) -> [String:
    Attribute]
  {
    [
      "kernel_shape": .ints([Int64(kernel), Int64(kernel)]), "pads": .ints([Int64](repeating: Int64(pad), count: 4)),
      "strides": .ints([Int64(stride), Int64(stride)]), "group": .int(Int64(groups)),
      "dilations": .ints([Int64(dilation), Int64(dilation)]),
    ]
  }

  static let elementwiseCases: [KernelCase] =
    [
      "Neg", "Abs", "Exp", "Sin", "Cos", "Tanh", "Sigmoid", "Erf", "Relu", "Softplus", "Softsign", "HardSwish", "Mish",
      "Floor",
      "Ceil", "Round", "Sign", "HardSigmoid", "LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Gelu", "Swish",
    ].map { KernelCase($0, [.f(3, 5, 7)]) } + [
      KernelCase("Sqrt", [.floats([100], 0, 9)]), KernelCase("Log", [.floats([100], 0.01, 9)]),
      KernelCase("Reciprocal", [.floats([100], 0.5, 9)]),
      KernelCase("Gelu", [.f(40)], ["approximate": .string("tanh")]),
      KernelCase("Clip", [.f(50), .fixed([], -1, -1), .fixed([], 0.5, 0.5)]), KernelCase("Not", [.bools([9])]),
      KernelCase("SwiGLU", [.f(3, 5, 7), .f(3, 5, 7)]),
      KernelCase("SwiGLU", [.f(5000), .f(5000)], ["alpha": .float(1.5)]),
      KernelCase("LpNormalization", [.f(3, 5, 700)], ["p": .int(2)]),
      KernelCase("LpNormalization", [.f(3, 7)], ["p": .int(1), "axis": .int(1)]),
      KernelCase("LpNormalization", [.fixed([2, 3], 0, 0)]),
      KernelCase("ReduceLogSumExp", [.f(3, 5, 700), .i(-1)]),
      KernelCase("ReduceLogSumExp", [.f(3, 5, 7), .i(1, 2)], ["keepdims": .int(0)]),
      KernelCase("IsNaN", [.f(50)]),
    ]

  static let binaryCases: [KernelCase] =
    ["Add", "Sub", "Mul", "Div", "Max", "Min"].flatMap { name in
      [
        KernelCase(name, [.f(4, 5), .f(4, 5)]), KernelCase(name, [.f(2, 3, 4), .f(4)]),
        KernelCase(name, [.f(3, 1, 4), .f(2, 1)]),
        KernelCase(name, [.f(1), .f(2, 3)]), KernelCase(name, [.ints([2, 2], [7, -3, 5, 9]), .ints([2], [2, 3])]),
      ]
    }
    + ["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"].flatMap { name in
      [KernelCase(name, [.f(4, 5), .f(5)]), KernelCase(name, [.ints([2, 2], [1, 2, 3, 4]), .ints([2], [1, 4])])]
    } + ["And", "Or", "Xor"].map { KernelCase($0, [.bools([3, 4]), .bools([4])]) } + [
      KernelCase("Where", [.bools([3, 1]), .f(3, 4), .f(4)]),
      KernelCase("Where", [.bools([2, 3, 4]), .f(2, 3, 4), .f(1)]),
      KernelCase("Pow", [.floats([3, 4], 0.1, 3), .fixed([], 2, 2)]),
      KernelCase("Pow", [.floats([3, 4], 0.1, 3), .f(4)]),
      KernelCase("Pow", [.floats([5], 0.1, 3), .fixed([], 0.5, 0.5)]), KernelCase("PRelu", [.f(2, 3, 4), .f(3, 1)]),
      KernelCase("Sum", [.f(3, 4), .f(3, 4), .f(3, 4)]), KernelCase("Sum", [.f(2, 3), .f(3)]),
      KernelCase("Cast", [.f(20)], ["to": .int(7)], usesKernel: false),
      KernelCase("Cast", [.ints([3], [1, 0, -4])], ["to": .int(1)]),
      KernelCase("Cast", [.f(33)], ["to": .int(10)]), KernelCase("Cast", [.bools([9])], ["to": .int(7)]),
    ]

  static let productsCases: [KernelCase] = [
    KernelCase("MatMul", [.f(7, 33), .w(33, 50)]), KernelCase("MatMul", [.f(1, 300), .w(300, 129)]),
    KernelCase("MatMul", [.f(2, 5, 64), .w(64, 300)]), KernelCase("MatMul", [.f(2, 3, 17, 20), .f(2, 3, 20, 31)]),
    KernelCase("MatMul", [.f(3, 17, 20), .f(2, 1, 20, 9)]), KernelCase("MatMul", [.f(40), .f(40, 3)]),
    KernelCase("MatMul", [.f(6, 40), .f(40)]), KernelCase("MatMul", [.f(130, 700), .w(700, 260)]),
    KernelCase("Gemm", [.f(9, 20), .w(20, 31), .w(31)]),
    KernelCase("Gemm", [.f(20, 9), .w(31, 20), .w(9, 1)], ["transA": .int(1), "transB": .int(1)]),
    KernelCase("Gemm", [.f(1, 80), .w(31, 80), .w(31)], ["transB": .int(1), "alpha": .float(0.5), "beta": .float(2)]),
    KernelCase("Gemm", [.f(5, 300), .w(300, 31), .f(5, 31)]), KernelCase("Gemm", [.f(5, 300), .w(300, 31), .w(1)]),
    KernelCase(
      "FusedMatMul", [.f(3, 8, 300), .w(300, 70), .w(70)], ["activation": .string("Gelu")], domain: "ai.cameo"),
    KernelCase(
      "FusedMatMul", [.f(1, 300), .w(70, 300), .w(70)],
      ["activation": .string("Relu"), "transB": .int(1), "alpha": .float(2)], domain: "ai.cameo"),
    KernelCase("FusedMatMul", [.f(2, 4, 5), .f(2, 5, 6)], ["activation": .string("Tanh")], domain: "ai.cameo"),
  ]

  static let convolutionsCases: [KernelCase] = [
    KernelCase("Conv", [.f(2, 3, 17, 19), .w(8, 3, 3, 3), .w(8)], conv(3, 1, 1)),
    KernelCase("Conv", [.f(1, 16, 33, 20), .w(40, 16, 3, 3)], conv(3, 1, 2)),
    KernelCase("Conv", [.f(1, 70, 14, 14), .w(600, 70, 3, 3), .w(600)], conv(3, 1, 1)),
    KernelCase("Conv", [.f(1, 300, 9, 9), .w(90, 300, 1, 1), .w(90)], conv(1, 0, 1)),
    KernelCase("Conv", [.f(2, 30, 1, 1), .w(20, 30, 1, 1), .w(20)], conv(1, 0, 1)),
    KernelCase("Conv", [.f(1, 8, 12, 12), .f(12, 8, 3, 3)], conv(3, 2, 1, dilation: 2)),
    KernelCase("Conv", [.f(2, 12, 15, 11), .w(12, 1, 3, 3), .w(12)], conv(3, 1, 2, groups: 12)),
    KernelCase("Conv", [.f(1, 6, 15, 11), .w(12, 1, 5, 5)], conv(5, 2, 1, groups: 6)),
    KernelCase("Conv", [.f(2, 12, 9, 9), .w(18, 4, 3, 3), .w(18)], conv(3, 1, 1, groups: 3)),
    KernelCase("Conv", [.f(1, 4, 50), .w(6, 4, 7)], ["kernel_shape": .ints([7]), "strides": .ints([2])]),
    KernelCase("Conv", [.f(1, 2, 6, 7, 8), .w(3, 2, 2, 3, 3)], ["kernel_shape": .ints([2, 3, 3])]),
    KernelCase(
      "Conv", [.f(1, 3, 10, 11), .w(4, 3, 4, 4)], ["auto_pad": .string("SAME_UPPER"), "strides": .ints([2, 2])]),
    KernelCase(
      "FusedConv", [.f(1, 5, 13, 9), .w(7, 5, 3, 3), .w(7), .f(1, 7, 13, 9)],
      ["pads": .ints([1, 1, 1, 1]), "activation": .string("Relu")], domain: "ai.cameo"),
    KernelCase(
      "FusedConv", [.f(2, 40, 7, 7), .w(260, 40, 3, 3), .w(260), .f(2, 260, 7, 7)],
      ["pads": .ints([1, 1, 1, 1]), "activation": .string("HardSwish")], domain: "ai.cameo"),
    KernelCase(
      "FusedConv", [.f(1, 5, 13, 9), .w(5, 1, 3, 3), .w(5)],
      ["group": .int(5), "activation": .string("Clip"), "activation_params": .floats([0, 1])], domain: "ai.cameo"),
    KernelCase("ConvTranspose", [.f(1, 6, 7, 9), .w(6, 4, 2, 2), .w(4)], ["strides": .ints([2, 2])]),
    KernelCase(
      "ConvTranspose", [.f(2, 6, 7, 9), .w(6, 2, 3, 3)],
      ["strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1]), "output_padding": .ints([1, 1]), "group": .int(3)]),
  ]

  static let othersCases: [KernelCase] = [
    KernelCase("Softmax", [.f(3, 4, 70)], ["axis": .int(-1)]), KernelCase("Softmax", [.f(3, 20, 7)], ["axis": .int(1)]),
    KernelCase("LogSoftmax", [.f(6, 33)]), KernelCase("LayerNormalization", [.f(3, 4, 50), .w(50), .w(50)]),
    KernelCase("LayerNormalization", [.f(3, 4, 50), .w(4, 50)], ["axis": .int(1)], outputs: 3),
    KernelCase("RMSNormalization", [.f(3, 50), .w(50)]),
    KernelCase("RotaryEmbedding", [.f(2, 3, 5, 64), .f(2, 5, 32), .f(2, 5, 32)]),
    KernelCase("RotaryEmbedding", [.f(2, 3, 5, 22), .f(1, 5, 11), .f(1, 5, 11)], ["interleaved": .int(1)]),
    KernelCase(
      "RotaryEmbedding", [.f(2, 5, 120), .f(2, 5, 19), .f(2, 5, 19)],
      [
        "num_heads": .int(3), "rotary_embedding_dim": .int(38),
      ]),
    KernelCase(
      "RotaryEmbedding", [.f(2, 3, 3, 40), .f(7, 16), .f(7, 16), .ints([2, 3], [0, 6, -1, 3, -7, 2])],
      ["interleaved": .int(1), "rotary_embedding_dim": .int(32)]),
    KernelCase(
      "RotaryEmbedding", [.f(1, 4, 66), .f(9, 33), .f(9, 33), .fixedInts([1, 4], [8, 7, 0, 1])], ["num_heads": .int(1)]),
    KernelCase("BatchNormalization", [.f(2, 5, 6, 7), .w(5), .w(5), .w(5), .fixed([5], 0.1, 2)]),
    KernelCase("InstanceNormalization", [.f(2, 5, 6, 7), .w(5), .w(5)]),
    KernelCase("GroupNormalization", [.f(2, 6, 5, 7), .w(6), .w(6)], ["num_groups": .int(3)]),
    KernelCase("LRN", [.f(2, 9, 5, 7)], ["size": .int(5), "alpha": .float(0.1)]),
    KernelCase(
      "LRN", [.f(1, 3, 23, 29)], ["size": .int(2), "alpha": .float(2), "beta": .float(0.4), "bias": .float(2)]),
    KernelCase("LRN", [.f(2, 3, 1)], ["size": .int(9), "beta": .float(-1.5)]),
    KernelCase("ReduceMean", [.f(3, 4, 50), .i(-1)]),
    KernelCase("ReduceSum", [.f(3, 4, 50), .i(1)], ["keepdims": .int(0)]),
    KernelCase("ReduceMax", [.f(3, 4, 50), .i(1, 2)]), KernelCase("ReduceMin", [.f(3, 4, 50)]),
    KernelCase("ReduceL2", [.f(3, 4, 50), .i(0, 1)]), KernelCase("GlobalAveragePool", [.f(2, 3, 9, 5)]),
    KernelCase("GlobalMaxPool", [.f(2, 3, 9, 5)]), KernelCase("ArgMax", [.f(4, 9)], ["axis": .int(1)]),
    KernelCase(
      "MaxPool", [.f(1, 4, 13, 12)],
      ["kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1])]),
    KernelCase(
      "MaxPool", [.f(1, 4, 13, 12)], ["kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "ceil_mode": .int(1)],
      outputs: 2),
    KernelCase("AveragePool", [.f(1, 4, 13, 12)], ["kernel_shape": .ints([3, 2]), "pads": .ints([1, 0, 1, 1])]),
    KernelCase(
      "AveragePool", [.f(1, 4, 13, 12)],
      [
        "kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1]),
        "count_include_pad": .int(1), "ceil_mode": .int(1),
      ]),
    KernelCase("Transpose", [.f(5, 6, 7)], ["perm": .ints([2, 0, 1])]),
    KernelCase("Transpose", [.f(2, 3, 4, 5)], ["perm": .ints([0, 2, 1, 3])]),
    KernelCase("Transpose", [.f(3, 1, 4, 5)], ["perm": .ints([3, 1, 2, 0])]),
    KernelCase("Slice", [.f(5, 6, 7), .i(1, 6), .i(4, 0), .i(0, 2), .i(1, -2)]),
    KernelCase("Slice", [.f(5, 6), .i(1), .i(4), .i(1)]), KernelCase("Expand", [.f(3, 1, 4), .i(2, 3, 5, 4)]),
    KernelCase("Tile", [.f(2, 3), .i(2, 3)]), KernelCase("Concat", [.f(3, 2, 4), .f(3, 5, 4)], ["axis": .int(1)]),
    KernelCase("Split", [.f(3, 6, 4), .i(2, 4)], ["axis": .int(1)], outputs: 2),
    KernelCase("Gather", [.f(7, 5), .ints([2, 2], [0, -1, 3, 6])]),
    KernelCase("Gather", [.f(4, 7, 3), .ints([3], [6, 0, -7])], ["axis": .int(1)]),
    KernelCase("GatherND", [.f(4, 7, 3), .ints([2, 2], [0, 6, -1, 2])]),
    KernelCase("Pad", [.f(3, 4), .i(1, 0, 2, 3)]),
    KernelCase("Pad", [.f(3, 4), .i(1, 2, 2, 3)], ["mode": .string("reflect")]),
    KernelCase("Pad", [.f(3, 4), .i(1, 2, 2, 3)], ["mode": .string("edge")]),
    KernelCase("Pad", [.f(3, 4), .i(-1, 2, 0, -1)]),
    KernelCase(
      "Resize", [.f(1, 2, 5, 6), .absent, .fixed([4], 1, 1), .i(1, 2, 10, 12)],
      [
        "mode": .string("nearest"), "nearest_mode": .string("floor"),
        "coordinate_transformation_mode": .string("asymmetric"),
      ]),
    KernelCase("Resize", [.f(1, 2, 5, 6), .absent, .absent, .i(1, 2, 9, 13)], ["mode": .string("linear")]),
    KernelCase(
      "Resize", [.f(1, 2, 9, 8), .absent, .absent, .i(1, 2, 4, 5)],
      ["mode": .string("cubic"), "coordinate_transformation_mode": .string("align_corners")]),
    KernelCase(
      "LSTM", [.f(5, 2, 7), .w(1, 24, 7), .w(1, 24, 6), .w(1, 48), .absent, .f(1, 2, 6), .f(1, 2, 6)],
      ["hidden_size": .int(6)], outputs: 3),
    KernelCase(
      "LSTM", [.f(5, 2, 7), .w(2, 24, 7), .w(2, 24, 6)],
      ["hidden_size": .int(6), "direction": .string("bidirectional")], outputs: 3),
    KernelCase(
      "GRU", [.f(5, 2, 7), .w(1, 18, 7), .w(1, 18, 6), .w(1, 36), .absent, .f(1, 2, 6)], ["hidden_size": .int(6)],
      outputs: 2),
    KernelCase(
      "GRU", [.f(5, 3, 7), .w(1, 18, 7), .w(1, 18, 6), .w(1, 36)],
      ["hidden_size": .int(6), "linear_before_reset": .int(1), "direction": .string("reverse")], outputs: 2),
    KernelCase("Attention", [.f(2, 4, 9, 16), .f(2, 4, 11, 16), .f(2, 4, 11, 8)]),
    KernelCase("Attention", [.f(2, 4, 70, 16), .f(2, 2, 70, 16), .f(2, 2, 70, 16)], ["is_causal": .int(1)]),
    KernelCase(
      "Attention", [.f(2, 9, 64), .f(2, 11, 32), .f(2, 11, 32), .f(9, 11)],
      ["q_num_heads": .int(4), "kv_num_heads": .int(2), "scale": .float(0.2)]),
    KernelCase(
      "Attention",
      [.f(1, 4, 3, 16), .f(1, 2, 3, 16), .f(1, 2, 3, 16), .f(1, 1, 3, 8), .f(1, 2, 5, 16), .f(1, 2, 5, 16)], outputs: 3),
    KernelCase("Attention", [.f(1, 2, 9, 16), .f(1, 2, 9, 16), .f(1, 2, 9, 16), .bools([9, 9])]),
  ]

  @Test(arguments: elementwiseCases) func elementwise(_ item: KernelCase) throws { try item.run(1) }
  @Test(arguments: binaryCases) func binary(_ item: KernelCase) throws { try item.run(2) }
  @Test(arguments: productsCases) func product(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }
  @Test(arguments: convolutionsCases) func convolution(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }
  @Test(arguments: othersCases) func other(_ item: KernelCase) throws {
    for threads in [1, 2] { try item.run(threads) }
  }

  /// A result does not depend on the number of threads.
  @Test(arguments: productsCases + convolutionsCases)
  func sameBitsForEveryThreadCount(_ item: KernelCase) throws {
    let one = try item.run(1)
    for threads in [2, 5] {
      let many = try item.run(threads)
      for (name, tensor) in one { #expect(many[name]?.isIdentical(to: tensor) == true) }
    }
  }
}
