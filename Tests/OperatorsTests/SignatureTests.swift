import GraphIR
import Tensors
import Testing

@testable import Operators

/// Counts, element types, required attributes and their kinds are checked in one place, for every operator, with messages that
/// name node, operator and what was expected.
@Suite struct SignatureTests {
  static let wrong: [(text: String, message: String)] = [
    ("y = MatMul (x)", "node with output y (MatMul): it has 1 input, 2 expected: A, B"),
    ("y = Relu (x, x)", "node with output y (Relu): it has 2 inputs, 1 expected: X"),
    ("y = Gemm (x, x, x, x)", "node with output y (Gemm): it has 4 inputs, 2 to 3 expected: A, B, C (optional)"),
    ("y = Concat <axis = 0> ()", "node with output y (Concat): it has 0 inputs, 1 or more expected: inputs..."),
    ("y, z = Relu (x)", "node with output y (Relu): it has 2 outputs, 1 expected: Y"),
    ("y = Clip (, x)", "node with output y (Clip): input 0 (input) is left out, but it is not optional"),
    ("y = Concat (x, x)", "node with output y (Concat): attribute axis is missing, an int was expected"),
    ("y = Concat <axis = 1.5> (x)", "node with output y (Concat): attribute axis is a float, an int was expected"),
    (
      "y = Transpose <perm = 1> (x)",
      "node with output y (Transpose): attribute perm is an int, a list of ints was expected"
    ),
    (
      "y = Erf (b)",
      "node with output y (Erf): input 0 (input) is bool, but must be float, float16, double or bfloat16"
    ),
    ("y = Not (x)", "node with output y (Not): input 0 (X) is float, but must be bool"),
    (
      "y = Add (x, i)",
      "node with output y (Add): input 1 (B) is int64 and input 0 (A) is float, but both must be of one type"
    ),
    (
      "y = SequenceAt (x, i)",
      "node with output y (SequenceAt): input 0 (input_sequence) is float, but must be "
    ),
  ]

  @Test(arguments: wrong.indices) func wrongNodesAreRefused(_ index: Int) throws {
    let (text, message) = Self.wrong[index]
    let graph = try ONNXText.parseGraph("g (float[2, 2] x, bool[2] b, int64[1] i) => (y) { \(text) }")
    let inferred = #expect(throws: CameoError.self) { try ShapeInference(graph).run() }
    #expect(inferred?.description.hasPrefix(message) == true, "\(inferred?.description ?? "")")
    let inputs: [Value?] = [
      .tensor(try .of([Float](repeating: 1, count: 4), .float, shape: [2, 2])),
      .tensor(try .of([Int64(1), 0], .bool, shape: [2])), .tensor(try .ints([0])),
    ]
    let evaluated = #expect(throws: CameoError.self) { try GraphEvaluator(graph).run(inputs) }
    #expect(evaluated?.description.hasPrefix(message) == true, "\(evaluated?.description ?? "")")
  }

  @Test func whatTheStandardLeavesOpenPasses() throws {
    let right = [
      "y = Clip (x)", "y = Concat <axis = 0> (x, x, x)", "y = ReduceSum <keepdims = 0> (x)", "y = Sum (x)",
      "y = Relu <unlisted = 3> (x)", "y, z = MaxPool <kernel_shape = [1]> (k)",
    ]
    for text in right {
      let graph = try ONNXText.parseGraph("g (float[2, 2] x, float[1, 1, 4] k) => (y) { \(text) }")
      try ShapeInference(graph).run()
    }
    // Unknown types break no rule.
    try ShapeInference(try ONNXText.parseGraph("g (a, b) => (y) { y = Add (a, b) }")).run()
  }

  @Test func broadcastingTwoUnknownDimensionsGivesTheirMaximum() throws {
    let graph = try ONNXText.parseGraph(
      "g (float[N] a, float[M] b, float[N] c) => (y, z) { y = Add (a, b) z = Mul (a, c) }")
    let inference = ShapeInference(graph)
    try inference.run()
    let sum = try #require(inference[graph.outputs[0]].shape?.first)
    for (n, m, size) in [(1, 5, 5), (5, 1, 5), (4, 4, 4)] {
      #expect(sum.substituting(["N": Dim(n), "M": Dim(m)]).value == size)
    }
    #expect(inference[graph.outputs[1]].shape == [.symbol("N")])
  }
}
