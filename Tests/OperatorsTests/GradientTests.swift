import GraphIR
import Operators
import Tensors
import Testing

/// What the Gradient node means: names, feeding, cuts, kinks, errors.
@Suite struct GradientTests {
  private static let gradient = "ai.onnx.preview.training.Gradient"

  private func expanded(_ text: String) throws -> Graph {
    var graph = try ONNXText.parseGraph(text)
    try GradientExpansion.bind(&graph)
    try GradientExpansion.expand(&graph)
    return graph
  }

  private func run(_ text: String, _ inputs: [[Double]]) throws -> [[Double]] {
    let graph = try expanded(text)
    let tensors = try zip(inputs, graph.inputs).map { values, input in
      let type = graph[input].type
      return Value.tensor(
        try Tensor.of(values, type?.dataType ?? .double, shape: type?.concreteShape ?? [values.count]))
    }
    return try GraphEvaluator(graph).run(tensors).map { try #require($0.tensor).elements(as: Double.self) }
  }

  @Test func twoOperatorsOfTheStandardsExample() throws {
    let found = try run(
      """
      g (float a, float b) => (float d, float da, float db) {
        c = Add (a, b)
        d = Mul (c, a)
        da, db = \(Self.gradient) <xs = ["a", "b"], y = "d"> (a, b)
      }
      """, [[1], [2]])
    #expect(found == [[3], [4], [1]])
  }

  @Test func anIntermediateTensorIsIndependent() throws {
    // y = h * z with h = x * x: dy/dh = z, and nothing goes past h.
    let found = try run(
      """
      g (double x, double z) => (double dh, double dz) {
        h = Mul (x, x)
        y = Mul (h, z)
        dh, dz = \(Self.gradient) <xs = ["h", "z"], y = "y"> (h, z)
      }
      """, [[3], [5]])
    #expect(found == [[5], [9]])
  }

  @Test func otherTensorsAreFedToTheFunction() throws {
    // f(h, z) = h * h * z at h = other; the graph's own y is not touched.
    let found = try run(
      """
      g (double x, double z, double other) => (double y, double dh, double dz) {
        h = Exp (x)
        q = Mul (h, h)
        y = Mul (q, z)
        dh, dz = \(Self.gradient) <xs = ["h", "z"], y = "y"> (other, z)
      }
      """, [[0], [5], [3]])
    #expect(found == [[5], [30], [9]])
  }

  @Test func aFedTensorThatTheFunctionReadsElsewhereIsAnotherVariable() throws {
    // y = x * w; x fed with w: dy/dx = w = 7, and not 2 w.
    let found = try run(
      """
      g (double x, double w) => (double dx) {
        y = Mul (x, w)
        dx = \(Self.gradient) <xs = ["x"], zs = ["w"], y = "y"> (w, w)
      }
      """, [[2], [7]])
    #expect(found == [[7]])
  }

  @Test func theGradientOfATensorIsThatOfItsSum() throws {
    let found = try run(
      """
      g (double[2, 2] x) => (double[2, 2] dx) {
        y = Mul (x, x)
        dx = \(Self.gradient) <xs = ["x"], y = "y"> (x)
      }
      """, [[1, 2, 3, 4]])
    #expect(found == [[2, 4, 6, 8]])
  }

  @Test func outputsMayBeLeftOutAndUnreachedInputsHaveZeros() throws {
    let found = try run(
      """
      g (double a, double b, double[2] c) => (double db, double[2] dc) {
        y = Mul (a, b)
        , db, dc = \(Self.gradient) <xs = ["a", "b", "c"], y = "y"> (a, b, c)
      }
      """, [[3], [4], [1, 1]])
    #expect(found == [[3], [0, 0]])
  }

  @Test func kinks() throws {
    let found = try run(
      """
      g (double[3] x, double[3] m) => (double[3] dr, double[3] da, double[3] dm) {
        r = Relu (x)
        a = Abs (x)
        t = ReduceMax (m)
        dr = \(Self.gradient) <xs = ["x"], y = "r"> (x)
        da = \(Self.gradient) <xs = ["x"], y = "a"> (x)
        dm = \(Self.gradient) <xs = ["m"], y = "t"> (m)
      }
      """, [[-1, 0, 1], [2, 1, 2]])
    #expect(found == [[0, 0, 1], [-1, 0, 1], [0.5, 0, 0.5]])
  }

  @Test func productsWithZeros() throws {
    let found = try run(
      """
      g (double[3] a, double[3] b) => (double[3] da, double[3] db) {
        p = ReduceProd (a)
        q = ReduceProd (b)
        da = \(Self.gradient) <xs = ["a"], y = "p"> (a)
        db = \(Self.gradient) <xs = ["b"], y = "q"> (b)
      }
      """, [[2, 0, 3], [0, 0, 3]])
    #expect(found == [[0, 6, 0], [0, 0, 0]])
  }

  @Test(arguments: ["float", "float16", "bfloat16", "double"]) func gradientsHaveTheTypeOfTheirTensor(_ type: String)
    throws
  {
    let text = """
      g (\(type)[2] x, double[2] w) => (\(type)[2] dx, double[2] dw) {
        s = Sigmoid (x)
        c = Cast <to = 11> (s)
        y = Mul (c, w)
        dx, dw = \(Self.gradient) <xs = ["x", "w"], y = "y"> (x, w)
      }
      """
    let graph = try expanded(text)
    let element = try #require(graph[graph.inputs[0]].type?.dataType)
    let x = try Tensor.of([0.0, 0.0], element)
    let w = try Tensor.of([1.0, 4.0], .double)
    let results = try GraphEvaluator(graph).run([.tensor(x), .tensor(w)])
    #expect(results[0].tensor?.dataType == element)
    #expect(try results[0].tensor?.elements(as: Double.self) == [0.25, 1])
    #expect(try results[1].tensor?.elements(as: Double.self) == [0.5, 0.5])
  }

  @Test func anOperatorWithoutARuleIsNamed() throws {
    let graph = try expanded(
      """
      g (double[2, 2] x) => (double[] dx) {
        d = Det (x)
        dx = \(Self.gradient) <xs = ["x"], y = "d"> (x)
      }
      """)
    // The node stands as it was; running it says why.
    let node = try #require(graph.allNodes.first { graph[$0].operatorName.name == "Gradient" })
    #expect(graph[node].inputs.count == 1)
    let error = #expect(throws: CameoError.self) {
      try GraphEvaluator(graph).run([.tensor(try .of([1.0, 2, 3, 4], .double, shape: [2, 2]))])
    }
    #expect(error?.kind == .unsupported)
    #expect(error?.description.contains("Det has no derivative rule") == true)
  }

  @Test(arguments: [
    ("xs = [\"x\"], y = \"nothing\"", "(x)", "nothing, which is no tensor"),
    ("xs = [\"x\"], y = \"y\"", "(x, x)", "2 inputs"),
    ("xs = [\"x\", \"x\"], y = \"y\"", "(x, x)", "twice"), ("y = \"y\"", "(x)", "xs names no tensor"),
  ])
  func wrongNames(_ attributes: String, _ inputs: String, _ reason: String) throws {
    let error = #expect(throws: CameoError.self) {
      try expanded(
        "g (double x) => (double dx) { y = Exp (x)\n dx = \(Self.gradient) <\(attributes)> \(inputs) }")
    }
    #expect(error?.kind == .badInput)
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }

  @Test func integersHaveNoDerivative() throws {
    let error = #expect(throws: CameoError.self) {
      try expanded(
        "g (int64 x) => (int64 dx) { y = Add (x, x)\n dx = \(Self.gradient) <xs = [\"x\"], y = \"y\"> (x) }")
    }
    #expect(error?.kind == .badInput)
    #expect(error?.description.contains("x is int64") == true || error?.description.contains("y is int64") == true)
  }

  @Test func namesMeanNothingAfterImport() throws {
    var graph = try expanded(
      "g (double x) => (double dx) { y = Exp (x)\n dx = \(Self.gradient) <xs = [\"x\"], y = \"y\"> (x) }")
    for (index, value) in graph.allValues.enumerated() { graph.setName("v\(index)", of: value) }
    #expect(try GraphEvaluator(graph).run([.tensor(try .scalar(0.0, .double))])[0].tensor?.scalar(as: Double.self) == 1)
  }
}
