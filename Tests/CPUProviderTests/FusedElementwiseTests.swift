import CPUProvider
import GraphIR
import InferenceRuntime
import MallocCounter
import Operators
import Tensors
import Testing

/// A graph of element-wise operators, run as the body of a FusedElementwise.
struct ProgramCase: CustomTestStringConvertible, Sendable {
  enum Values: Sendable {
    /// Numbers of all sizes; `special`: NaN, infinities, zeros of both signs, subnormals among them.
    case special
    case range(Double, Double)
  }

  /// ONNX text.
  let text: String
  let values: Values
  /// Largest |a - b| / max(1, |b|); 0: the same bits.
  let tolerance: Double

  init(_ text: String, _ values: Values = .special, tolerance: Double = 2e-6) {
    self.text = text
    self.values = values
    self.tolerance = tolerance
  }

  var testDescription: String { text }

  private func tensor(_ type: ValueType?, _ seed: Int) throws -> Tensor {
    let element = try #require(type?.dataType)
    let shape = try #require(type?.concreteShape)
    var state = UInt64(seed + 1) &* 0x9E37_79B9_7F4A_7C15
    func next() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 40) / Double(1 << 24)
    }
    let count = shape.reduce(1, *)
    if element == .bool { return try .of((0..<count).map { _ in next() < 0.6 ? Int64(1) : 0 }, .bool, shape: shape) }
    if element == .uint8 || element == .int8 {
      let low: Int64 = element == .int8 ? -128 : 0
      return try .of((0..<count).map { _ in low + Int64(next() * 256) }, element, shape: shape)
    }
    if element.isInteger {
      let edges: [Int64] = [0, -1, 1, .min, .max, Int64(Int32.min), Int64(Int32.max), 7, -3]
      return try .of(
        (0..<count).map { _ in next() < 0.2 ? edges[Int(next() * 9)] : Int64(next() * 200) - 100 }, element,
        shape: shape)
    }
    let edges: [Double] = [.nan, .infinity, -.infinity, 0, -0.0, 1e-40, -1e-40, 3e38, -3e38, 0.5, -1, 1e-8, 88, -100]
    return try .of(
      (0..<count).map { _ -> Double in
        switch values {
        case .special: next() < 0.3 ? edges[Int(next() * 14)] : next() * 8 - 4
        case .range(let low, let high): low + (high - low) * next()
        }
      }, element, shape: shape)
  }

  /// Runs the program; compares with the portable evaluation of the graph and, where it has a kernel, asks for that.
  @discardableResult func run(_ threads: Int) throws -> Tensor {
    let plain = try ONNXText.parseGraph(text)
    var graph = Graph()
    let inputs = plain.inputs.map { input in
      let value = graph.addValue(name: plain[input].name, type: plain[input].type)
      graph.addInput(value)
      return value
    }
    let output = graph.addValue(name: "y")
    let body = graph.addRegion(copying: plain)
    graph.addNode(
      FusedElementwise.operatorName, inputs: inputs, outputs: [output],
      attributes: [NamedAttribute(FusedElementwise.body, .graph(body))])
    graph.setOutputs([output])
    try graph.verify()
    var given: [String: Tensor] = [:]
    var values: [Value?] = []
    for (index, input) in inputs.enumerated() {
      let tensor = try tensor(graph[input].type, index)
      given[graph[input].name] = tensor
      values.append(.tensor(tensor))
    }
    var options = SessionOptions()
    options.threads = threads
    let session = try Session(Model(graph: graph), providers: [CPUProvider()], options: options)
    let found = try #require(try session.run(given)["y"])
    for plan in session.plans {
      for step in plan.assignments { #expect(["elementwise", "lookup"].contains(step.kernel), "\(step.refusals)") }
    }
    let expected = try #require(try GraphEvaluator(plain).run(values)[0].tensor)
    #expect(found.dataType == expected.dataType)
    try #require(found.shape == expected.shape)
    try compare(found, expected)
    return found
  }

  private func compare(_ found: Tensor, _ expected: Tensor) throws {
    let a = try found.elements(as: Double.self)
    let b = try expected.elements(as: Double.self)
    for (index, (x, y)) in zip(a, b).enumerated() {
      if x.isNaN && y.isNaN { continue }
      if tolerance == 0 {
        guard x == y, x.sign == y.sign else {
          Issue.record("element \(index): \(x), \(y) expected")
          return
        }
      } else if x != y, !((x - y).magnitude <= tolerance * max(1, y.magnitude)) {
        Issue.record("element \(index): \(x), \(y) expected")
        return
      }
    }
  }
}

@Suite struct FusedElementwiseTests {
  static let functions: [ProgramCase] = [
    "Abs", "Neg", "Sign", "Sqrt", "Reciprocal", "Exp", "Log", "Sin", "Cos", "Tanh", "Sigmoid", "Erf", "Relu",
    "LeakyRelu <alpha = 0.2>", "Elu <alpha = 1.5>", "Celu <alpha = 0.7>", "Selu", "Softplus", "Softsign",
    "HardSigmoid <alpha = 0.3, beta = 0.4>", "HardSwish", "Gelu", "Gelu <approximate = \"tanh\">",
    "Swish <alpha = 1.3>", "Mish", "Floor", "Ceil", "Round", "ThresholdedRelu <alpha = 0.5>",
  ].flatMap { name -> [ProgramCase] in
    // Gates times infinity come out as NaN or infinity in one order and not in another; what is NaN, kernels keep NaN.
    let isGate = ["HardSwish", "Gelu", "Swish", "Mish", "Sin", "Cos", "Softsign", "Celu", "HardSigmoid", "Threshold"]
      .contains { name.hasPrefix($0) }
    let values: ProgramCase.Values = isGate ? .range(-30, 30) : .special
    return [
      ProgramCase("g (float[1027] x) => (float[1027] y) { y = \(name) (x) }", values),
      ProgramCase(
        "g (float16[3, 7, 11] x) => (float16[3, 7, 11] y) { y = \(name) (x) }", .range(-4, 4), tolerance: 2e-3),
      ProgramCase("g (bfloat16[65] x) => (bfloat16[65] y) { y = \(name) (x) }", .range(-4, 4), tolerance: 1e-2),
    ]
  }

  static let numbers: [ProgramCase] = ["Add", "Sub", "Mul", "Div", "Max", "Min"].flatMap { name -> [ProgramCase] in
    ["float", "int64", "int32", "float16", "bfloat16"].flatMap { type -> [ProgramCase] in
      [
        ("7, 149", "7, 149"), ("3, 5, 41", "41"), ("3, 5, 41", "5, 1"), ("2, 1300", "2, 1"), ("3, 700", "700"),
        ("33", "1"),
      ]
      .flatMap { a, b -> [ProgramCase] in
        let tolerance = name.hasPrefix("M") && name != "Mul" ? 1e-30 : 0
        return [
          ProgramCase(
            "g (\(type)[\(a)] x, \(type)[\(b)] z) => (\(type)[\(a)] y) { y = \(name) (x, z) }", tolerance: tolerance),
          ProgramCase(
            "g (\(type)[\(a)] x, \(type)[\(b)] z) => (\(type)[\(a)] y) { y = \(name) (z, x) }", tolerance: tolerance),
        ]
      }
    }
  }

  static let comparisons: [ProgramCase] = ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"].flatMap {
    name in
    ["float", "int64", "int32", "float16"].flatMap { type -> [ProgramCase] in
      [
        ProgramCase("g (\(type)[5, 41] x, \(type)[41] z) => (bool[5, 41] y) { y = \(name) (x, z) }", tolerance: 0),
        ProgramCase("g (\(type)[5, 41] x, \(type)[5, 1] z) => (bool[5, 41] y) { y = \(name) (z, x) }", tolerance: 0),
        ProgramCase(
          "g (\(type)[700] x) => (bool[700] y) <\(type) c = {1}> { y = \(name) (x, c) }", tolerance: 0),
      ]
    }
  }

  static let logic: [ProgramCase] =
    ["And", "Or", "Xor", "Equal"].map {
      ProgramCase("g (bool[5, 41] x, bool[41] z) => (bool[5, 41] y) { y = \($0) (x, z) }", tolerance: 0)
    } + [
      ProgramCase("g (bool[1100] x) => (bool[1100] y) { y = Not (x) }", tolerance: 0),
      ProgramCase("g (float[1100] x) => (bool[1100] y) { y = IsNaN (x) }", tolerance: 0),
      ProgramCase("g (float[1100] x) => (bool[1100] y) { y = IsInf (x) }", tolerance: 0),
      ProgramCase("g (float[99] x) => (bool[99] y) { y = IsInf <detect_negative = 0> (x) }", tolerance: 0),
      ProgramCase("g (float16[99] x) => (bool[99] y) { y = IsInf <detect_positive = 0> (x) }", tolerance: 0),
    ]
    + ["float", "int64", "int32", "bool", "float16"].flatMap { type in
      [
        ("5, 41", "5, 41", "5, 41"), ("5, 1", "5, 41", "41"), ("5, 41", "1", "5, 41"), ("41", "5, 41", "1"),
        ("5, 41", "1", "5, 1"), ("1300", "1", "1"), ("2, 1", "2, 1300", "1"), ("2, 1", "1", "2, 1300"),
      ].map { c, a, b in
        let shape = [c, a, b].max { $0.count < $1.count } ?? c
        return ProgramCase(
          "g (bool[\(c)] c, \(type)[\(a)] a, \(type)[\(b)] b) => (\(type)[\(shape)] y) { y = Where (c, a, b) }",
          tolerance: 0)
      }
    }

  static let casts: [ProgramCase] = [
    ("float", "float16", 10), ("float", "bfloat16", 16), ("float16", "float", 1), ("bfloat16", "float", 1),
    ("float16", "bfloat16", 16), ("bfloat16", "float16", 10), ("float", "int32", 6), ("float", "int64", 7),
    ("float", "bool", 9), ("float16", "int32", 6), ("float16", "int64", 7), ("float16", "bool", 9),
    ("int32", "float", 1),
    ("int64", "float", 1), ("bool", "float", 1), ("bool", "float16", 10), ("uint8", "float", 1), ("int32", "int64", 7),
    ("int64", "int32", 6), ("bool", "int32", 6), ("bool", "int64", 7), ("uint8", "int64", 7), ("int32", "bool", 9),
    ("int64", "bool", 9),
  ].map { from, to, number in
    ProgramCase("g (\(from)[1033] x) => (\(to)[1033] y) { y = Cast <to = \(number)> (x) }", tolerance: 0)
  }

  /// Between float and bytes: the same bits wherever the functions between are exact.
  static let quantization: [ProgramCase] = [("uint8", 131), ("int8", -3), ("uint8", 0), ("int8", 127)].flatMap {
    type, zero -> [ProgramCase] in
    let head = "float s = {0.037}, \(type) z = {\(zero)}, float t = {0.11}, \(type) u = {7}"
    func all(_ inputs: String, _ result: String, _ body: String) -> ProgramCase {
      ProgramCase("g (\(inputs)) => (\(result) y) <\(head)> { \(body) }", tolerance: 0)
    }
    let (one, two) = ("\(type)[2, 700] a", "\(type)[2, 700] a, \(type)[2, 700] b")
    return [
      all("float[3, 411] x", "\(type)[3, 411]", "y = QuantizeLinear (x, s, z)"),
      all(one, "float[2, 700]", "y = DequantizeLinear (a, s, z)"),
      all(
        two, "\(type)[2, 700]",
        "p = DequantizeLinear (a, s, z) q = DequantizeLinear (b, t, u) r = Add (p, q) y = QuantizeLinear (r, t, z)"),
      all(
        "\(type)[2, 700] a, \(type)[2, 1] b", "\(type)[2, 700]",
        "p = DequantizeLinear (a, s, z) q = DequantizeLinear (b, t, u) r = Mul (p, q) y = QuantizeLinear (r, s, u)"),
      all(
        "\(type)[3, 4, 150] a, \(type)[3, 1, 150] b", "\(type)[3, 4, 150]",
        "p = DequantizeLinear (a, s, z) q = DequantizeLinear (b, t, u) r = Mul (p, q) y = QuantizeLinear (r, s, u)"),
      all(
        "\(type)[2, 700] a, float[700] b", "\(type)[2, 700]",
        "p = DequantizeLinear (a, s) r = Sub (p, b) y = QuantizeLinear (r, t, u)"),
      // Tables.
      all(one, "\(type)[2, 700]", "p = DequantizeLinear (a, s, z) y = QuantizeLinear (p, t, u)"),
      all(one, "uint8[2, 700]", "p = DequantizeLinear (a, s, z) r = Neg (p) y = QuantizeLinear (r, t)"),
      all(
        one, "\(type)[2, 700]",
        "p = DequantizeLinear (a, s, z) h = HardSigmoid (p) i = QuantizeLinear (h, s, u) j = DequantizeLinear (i, s, u) r = Mul (p, j) y = QuantizeLinear (r, t, z)"
      ),
    ]
  }

  static let chains: [ProgramCase] = [
    // Two results alive, one of them twice.
    ProgramCase(
      "g (float[3, 500] x, float[500] b) => (float[3, 500] y) { a = Add (x, b) s = Sigmoid (a) y = Mul (a, s) }"),
    ProgramCase(
      "g (float[4, 9, 30] x, float[9, 1] b, float[30] c, float[4, 1, 1] d) => (float[4, 9, 30] y) <float h = {0.5}> { a = Add (x, b) e = Mul (a, c) f = Sub (e, d) y = Mul (f, h) }",
      tolerance: 0),
    ProgramCase(
      "g (float[2, 3, 1030] x, float[2, 3, 1] m, float[1030] w) => (float[2, 3, 1030] y) <float e = {1e-5}> { v = Add (m, e) r = Sqrt (v) d = Div (x, r) y = Mul (d, w) }",
      .range(0.1, 3), tolerance: 0),
    ProgramCase(
      "g (float[7, 33] x, float[7, 33] z) => (float[7, 33] y) <float low = {-1}, float high = {1}> { c = Clip (x, low, high) l = Less (c, z) n = Not (l) w = Where (n, c, z) y = Neg (w) }",
      tolerance: 0),
    ProgramCase(
      "g (int64[5, 77] x) => (float[5, 77] y) <int64 low = {-5}, int64 high = {9}, float big = {-3.4e38}> { c = Clip (x, low, high) f = Cast <to = 1> (c) b = Cast <to = 9> (c) y = Where (b, f, big) }",
      tolerance: 0),
    ProgramCase(
      "g (int32[5, 77] x) => (int32[5, 77] y) <int32 low = {-5}> { c = Clip (x, low) a = Abs (c) s = Sign (x) n = Neg (s) y = Mul (a, n) }",
      tolerance: 0),
    // Every step of float16 is rounded, as if it had been stored.
    ProgramCase(
      "g (float16[9, 60] x, float16[60] z) => (float16[9, 60] y) { a = Mul (x, z) b = Add (a, x) c = Sub (b, z) y = Div (c, x) }",
      .range(0.5, 4), tolerance: 0),
    ProgramCase(
      "g (bfloat16[9, 60] x, bfloat16[60] z) => (bfloat16[9, 60] y) { a = Mul (x, z) b = Add (a, x) y = Sub (b, z) }",
      .range(0.5, 4), tolerance: 0),
    ProgramCase(
      "g (float16[9, 60] x, float[60] z) => (float16[9, 60] y) { f = Cast <to = 1> (x) a = Mul (f, z) y = Cast <to = 10> (a) }",
      .range(0.5, 4), tolerance: 0),
    ProgramCase("g (float[40] a, float[40] b, float[40] c) => (float[40] y) { y = Sum (a, b, c) }", tolerance: 0),
    ProgramCase("g (float[3, 40] a, float[40] b, float[1] c) => (float[3, 40] y) { y = Mean (a, b, c) }", tolerance: 0),
    ProgramCase("g (float[40] a, float[40] b, float[40] c) => (float[40] y) { y = Max (a, b, c) }", tolerance: 1e-30),
    ProgramCase("g (float[70] a) => (float[70] y) { y = Max (a) }", tolerance: 0),
    ProgramCase("g (float[3, 40] x, float[40] s) => (float[3, 40] y) { y = PRelu (x, s) }", tolerance: 0),
    ProgramCase(
      "g (float[3, 40] a, float[3, 40] b) => (float[3, 40] y) { y = SwiGLU <alpha = 1.1> (a, b) }", .range(-9, 9)),
    ProgramCase(
      "g (float[300] x) => (float[300] y) <float two = {2}> { y = Pow (x, two) }", .range(-3, 3), tolerance: 0),
    ProgramCase("g (float[300] x) => (float[300] y) <int64 n = {3}> { y = Pow (x, n) }", .range(-3, 3)),
    ProgramCase("g (float[7, 30] x, float[30] p) => (float[7, 30] y) { y = Pow (x, p) }", .range(0.1, 3)),
    // Everything is repeated along the rows, and everything is one number.
    ProgramCase("g (float[3, 1] x, float[1, 1] z) => (float[3, 1] y) { a = Exp (x) y = Add (a, z) }", .range(-2, 2)),
    ProgramCase(
      "g (float[2, 1, 4] x, float[3, 1] z) => (float[2, 3, 4] y) { a = Neg (x) y = Add (a, z) }", tolerance: 0),
    // More steps than registers, more axes than one walk.
    ProgramCase(
      "g (float[2, 1, 3, 1, 5] x, float[1, 4, 1, 6, 1] z) => (float[2, 4, 3, 6, 5] y) { a = Add (x, z) b = Mul (x, z) c = Sub (a, b) d = Add (a, b) e = Mul (c, d) f = Sub (e, a) y = Add (f, b) }",
      .range(-2, 2), tolerance: 0),
  ]

  static let reductions: [ProgramCase] =
    ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"]
    .flatMap { name -> [ProgramCase] in
      ["5", "4, 31", "3, 2, 7, 11", "2, 1000", "3, 1025", "2, 70000"].map { shape in
        let kept = shape.split(separator: ", ").dropLast().joined(separator: ", ")
        return ProgramCase(
          "g (float[\(shape)] x) => (float[\(kept)] y) <float c = {0.3}, int64[1] axes = {-1}> { a = Sub (x, c) y = \(name) <keepdims = 0> (a, axes) }",
          .range(-2, 2), tolerance: 1e-5)
      } + [
        ProgramCase(
          "g (float[3, 2, 7, 11] x, float[11] z) => (float[3, 2, 1, 1] y) <int64[2] axes = {2, 3}> { a = Mul (x, z) y = \(name) (a, axes) }",
          .range(-2, 2), tolerance: 1e-5),
        ProgramCase(
          "g (float[3, 2000] x, float[3, 1] z) => (float y) { a = Mul (x, z) y = \(name) <keepdims = 0> (a) }",
          .range(-2, 2),
          tolerance: 1e-5),
      ]
    } + [
      ProgramCase(
        "g (float[5, 40] x) => (float[5] y) <int64[1] axes = {1}> { a = Neg (x) y = ReduceMax <keepdims = 0> (a, axes) }"
      ),
      ProgramCase(
        "g (float[2, 3000] x) => (float[2] y) <int64[1] axes = {1}> { a = Abs (x) y = ReduceMin <keepdims = 0> (a, axes) }"
      ),
    ]

  @Test(arguments: functions + logic + casts) func steps(_ item: ProgramCase) throws { try item.run(1) }
  @Test(arguments: numbers + comparisons) func operandsBroadcast(_ item: ProgramCase) throws { try item.run(1) }

  /// Also: a result does not depend on the number of threads.
  @Test(arguments: chains + reductions + quantization) func wholePrograms(_ item: ProgramCase) throws {
    let one = try item.run(1)
    for threads in [2, 5] { #expect(try item.run(threads).isIdentical(to: one)) }
  }

  /// More tiles than threads, results in the memory of an operand.
  @Test func largeTensorsInParallel() throws {
    let item = ProgramCase(
      "g (float[37, 5000] x, float[5000] b, float[37, 1] m) => (float[37, 5000] y) { a = Add (x, b) t = Tanh (a) y = Mul (t, m) }",
      .range(-3, 3))
    let one = try item.run(1)
    for threads in [2, 3] { #expect(try item.run(threads).isIdentical(to: one)) }
  }

  @Test(.enabled(if: malloc_counter_counts(), "no malloc counter under a sanitizer"), arguments: [1, 2])
  func runsAllocateNothing(_ threads: Int) throws {
    let text = """
      g (float[64, 700] x, float[700] b, float[64, 1] m) => (float[64] z, float[64, 700] y) <int64[1] axes = {1}> {
        n = Neg (x)
        y = ai.cameo.FusedElementwise <body = p (u, v) => (w) { s = Add (u, v) w = Tanh (s) }> (n, b)
        z = ai.cameo.FusedElementwise <body = q (u, v) => (w) <int64[1] a = {1}> { s = Mul (u, v) w = ReduceSum <keepdims = 0> (s, a) }> (y, m)
      }
      """
    var options = SessionOptions()
    options.threads = threads
    let session = try Session(
      Model(graph: try ONNXText.parseGraph(text)), providers: [CPUProvider()], options: options)
    let shapes = ["x": [64, 700], "b": [700], "m": [64, 1]]
    let binding = try Binding(session, inputs: shapes)
    for (name, shape) in shapes {
      try binding.bind(
        input: name,
        to: try Tensor.make(.float, shape, as: Float.self) { out in
          for i in 0..<shape.reduce(1, *) { out[i] = Float(i % 13) - 6 }
        })
    }
    _ = try binding.bindOutput("y")
    let z = try binding.bindOutput("z")
    #expect(binding.plan.isAllocationFree)
    #expect(binding.plan.assignments.count == 3 && binding.plan.assignments.allSatisfy { $0.provider == "cpu" })
    try binding.run()
    let before = malloc_counter_thread()
    for _ in 0..<5 { try binding.run() }
    #expect(malloc_counter_thread() == before)
    #expect(try z.elements(as: Float.self).contains { $0 != 0 })
  }

  /// What no program has runs all the same.
  @Test func otherBodiesRunThroughTheirOperators() throws {
    let text = """
      g (double[3, 4] x) => (double[3, 4] y) {
        y = ai.cameo.FusedElementwise <body = p (u) => (w) { s = Exp (u) w = Neg (s) }> (x)
      }
      """
    let graph = try ONNXText.parseGraph(text)
    let x = try Tensor.of((0..<12).map { Double($0) / 4 }, .double, shape: [3, 4])
    let session = try Session(Model(graph: graph), providers: [CPUProvider()], options: SessionOptions())
    let found = try #require(try session.run(["x": x])["y"])
    let expected = try #require(try GraphEvaluator(graph).run([.tensor(x)])[0].tensor)
    #expect(found.isIdentical(to: expected))
  }

  /// The pass asks the vocabulary, the kernels compile: what the one accepts the other has.
  @Test func everyWordHasAStep() throws {
    let types: [DataType] = [.float, .float16, .bfloat16, .int64, .int32, .bool, .uint8, .double]
    var accepted = 0
    for name in OperatorRegistry.all.map(\.name) where ElementwiseVocabulary.knows(name) {
      let schema = try #require(SchemaRegistry.newest(domain: name.domain, name: name.name))
      for type in types {
        for result in types {
          var operands = [type, type, type].prefix(min(3, max(1, schema.inputCount.lowerBound)))
          if name.name == "Where" { operands[0] = DataType.bool }
          var graph = Graph()
          let inputs = operands.map { type in
            let value = graph.addValue(name: "x", type: .tensor(type, [4]))
            graph.addInput(value)
            return value
          }
          let output = graph.addValue(name: "y", type: .tensor(result, [4]))
          let attributes = name.name == "Cast" ? [NamedAttribute("to", .int(Int64(result.rawValue)))] : []
          var body = graph
          body.addNode(name, inputs: inputs, outputs: [output], attributes: attributes)
          body.setOutputs([output])
          let inference = ShapeInference(body)
          guard (try? inference.run()) != nil, inference[output].dataType == result else { continue }
          let node = body[body.nodes[0]]
          let asked = operands.map { ElementwiseVocabulary.Operand(type: $0, isScalar: false) }
          guard ElementwiseVocabulary.refusal(node, asked, result: result) == nil else { continue }
          accepted += 1
          let given = inputs.enumerated().map { "\(operands[$0.offset])[4] x\($0.offset)" }.joined(separator: ", ")
          let names = inputs.indices.map { "x\($0)" }.joined(separator: ", ")
          let to = attributes.isEmpty ? "" : "<to = \(result.rawValue)> "
          try ProgramCase(
            "g (\(given)) => (\(result)[4] y) { y = \(name.name) \(to)(\(names)) }", .range(0.5, 2), tolerance: 2e-2
          ).run(1)
        }
      }
    }
    #expect(accepted > 120)
  }
}
