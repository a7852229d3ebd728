import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

@Suite struct ShapeOperatorTests {
  private static let cases: [OperatorCase] = [
    Case("g (float[2, 3] x) => (int64 y) { y = Size (x) }", ["float[2, 3] {1, 2, 3, 4, 5, 6}"], ["int64 {6}"]),
    Case(
      "g (float[2, 3] x, int64[2] s) => (float[?] y) { y = Reshape (x, s) }",
      ["float[2, 3] {1, 2, 3, 4, 5, 6}", "int64[2] {-1, 2}"], ["float[3, 2] {1, 2, 3, 4, 5, 6}"]),
    Case(
      "g (float[2, 3] x, int64[3] s) => (float[?] y) { y = Reshape (x, s) }",
      ["float[2, 3] {1, 2, 3, 4, 5, 6}", "int64[3] {0, 1, -1}"], ["float[2, 1, 3] {1, 2, 3, 4, 5, 6}"]),
    Case(
      "g (float[0, 3] x, int64[2] s) => (float[?] y) { y = Reshape<allowzero = 1> (x, s) }",
      ["float[0, 3] {}", "int64[2] {3, 0}"], ["float[3, 0] {}"]),
    Case(
      "g (float[1, 2, 1] x) => (float[?] y) { y = Squeeze (x) }", ["float[1, 2, 1] {1, 2}"], ["float[2] {1, 2}"]),
    Case(
      "g (float[1, 2, 1] x, int64[1] a) => (float[?] y) { y = Squeeze (x, a) }",
      ["float[1, 2, 1] {1, 2}", "int64[1] {-1}"],
      ["float[1, 2] {1, 2}"]),
    Case(
      "g (float[2] x, int64[2] a) => (float[?] y) { y = Unsqueeze (x, a) }", ["float[2] {1, 2}", "int64[2] {0, -1}"],
      ["float[1, 2, 1] {1, 2}"]),
    Case(
      "g (float[2, 1, 2] x) => (float[?] y) { y = Flatten<axis = -1> (x) }", ["float[2, 1, 2] {1, 2, 3, 4}"],
      ["float[2, 2] {1, 2, 3, 4}"]),
    Case("g (float x) => (float[?] y) { y = Flatten<axis = 0> (x) }", ["float {3}"], ["float[1, 1] {3}"]),
    Case(
      "g (float[2, 1] x, int64[2] s) => (float[?] y) { y = Expand (x, s) }", ["float[2, 1] {1, 2}", "int64[2] {1, 2}"],
      ["float[2, 2] {1, 1, 2, 2}"]),
    Case(
      "g (int64[2] s) => (int64[?] y) { y = ConstantOfShape<value = int64[1] {7}> (s) }", ["int64[2] {2, 1}"],
      ["int64[2, 1] {7, 7}"]),
    Case("g (int64[0] s) => (float y) { y = ConstantOfShape (s) }", ["int64[0] {}"], ["float {0}"]),
    Case(
      "g (int64 a, int64 b, int64 c) => (int64[?] y) { y = Range (a, b, c) }",
      ["int64 {10}", "int64 {4}", "int64 {-2}"],
      ["int64[3] {10, 8, 6}"]),
    Case(
      "g (float a, float b, float c) => (float[?] y) { y = Range (a, b, c) }",
      ["float {1}", "float {2}", "float {0.5}"],
      ["float[2] {1, 1.5}"]),
    Case(
      "g (int64 a, int64 b, int64 c) => (int64[?] y) { y = Range (a, b, c) }", ["int64 {3}", "int64 {1}", "int64 {1}"],
      ["int64[0] {}"]),
    Case(
      "g (int32[2, 3] x) => (float[?] y) { y = EyeLike<dtype = 1, k = 1> (x) }", ["int32[2, 3] {0, 0, 0, 0, 0, 0}"],
      ["float[2, 3] {0, 1, 0, 0, 0, 1}"]),
  ]

  @Test(arguments: cases) func shapes(_ test: OperatorCase) throws { try test.check() }

  /// Type of the first output of a graph with symbolic inputs.
  private func inferred(_ text: String) throws -> String {
    var graph = try ONNXText.parseGraph(text)
    for output in graph.outputs { graph.setType(nil, of: output) }
    let inference = ShapeInference(graph)
    try inference.run()
    return inference[graph.outputs[0]].type?.description ?? "nil"
  }

  @Test func headsAreSplitSymbolically() throws {
    let type = try inferred(
      """
      g (float[b, s, 768] x) => (float[?] y)
      <int64 zero = {0}, int64 one = {1}, int64[1] heads = {12}, int64[1] rest = {-1}, int64[1] a0 = {0}>
      {
        shape = Shape (x)
        batch = Gather (shape, zero)
        length = Gather (shape, one)
        batch1 = Unsqueeze (batch, a0)
        length1 = Unsqueeze (length, a0)
        target = Concat<axis = 0> (batch1, length1, heads, rest)
        split = Reshape (x, target)
        y = Transpose<perm = [0, 2, 1, 3]> (split)
      }
      """)
    #expect(type == "float[b, 12, s, 64]")
  }

  @Test func theMinusOneOfExpandIsResolved() throws {
    // torch writes expand(-1, ...) as Where (shape == -1, ones, shape).
    let type = try inferred(
      """
      g (float[b, 1] x, float[b, s] like) => (float[?] y)
      <int64[2] given = {-1, -1}, int64[2] minus = {-1, -1}, int64[2] ones = {1, 1}, int64 one = {1}, int64[1] a0 = {0}, int64[1] m = {-1}>
      {
        shape = Shape (like)
        length = Gather (shape, one)
        length1 = Unsqueeze (length, a0)
        target = Concat<axis = 0> (m, length1)
        isOpen = Equal (target, minus)
        sizes = Where (isOpen, ones, target)
        y = Expand (x, sizes)
      }
      """)
    #expect(type == "float[b, s]")
  }

  @Test func rangesAndSlicesOfSymbolicLength() throws {
    #expect(
      try inferred(
        """
        g (float[b, past, 64] p, float[b, s, 64] x) => (int64[?] y)
        <int64 one = {1}, int64 zero = {0}>
        {
          all = Concat<axis = 1> (p, x)
          shape = Shape (all)
          length = Gather (shape, one)
          y = Range (zero, length, one)
        }
        """) == "int64[past + s]")
    #expect(
      try inferred(
        """
        g (float[b, s] x) => (float[?] y)
        <int64[1] a = {-1}, int64[1] e = {9223372036854775807}, int64[1] axis = {1}>
        { y = Slice (x, a, e, axis) }
        """) == "float[b, min(1, s)]")
    let stepped = try inferred(
      """
      g (float[b, s] x) => (float[?] y)
      <int64[1] a = {0}, int64[1] e = {9223372036854775807}, int64[1] axis = {1}, int64[1] step = {2}>
      { y = Slice (x, a, e, axis, step) }
      """)
    #expect(stepped == "float[b, \(Dim.symbol("s").ceilDiv(2))]")
    let withoutLast = try inferred(
      """
      g (float[b, s] x) => (float[?] y)
      <int64[1] a = {0}, int64[1] e = {-1}, int64[1] axis = {1}>
      { y = Slice (x, a, e, axis) }
      """)
    #expect(withoutLast == "float[b, max(0, s - 1)]")
  }

  @Test func arithmeticOnShapesStaysExact() throws {
    #expect(
      try inferred(
        """
        g (float[b, s, 768] x) => (float[?] y)
        <int64 two = {2}, int64 heads = {12}, int64[1] a0 = {0}, int64[1] rest = {-1}, int64[2] keep = {0, 0}>
        {
          shape = Shape (x)
          width = Gather (shape, two)
          head = Div (width, heads)
          head1 = Unsqueeze (head, a0)
          target = Concat<axis = 0> (keep, rest, head1)
          y = Reshape (x, target)
        }
        """) == "float[b, s, 12, 64]")
    #expect(
      try inferred(
        "g (float[n, 3, h, w] x) => (float[?] y) <int64[3] t = {0, 3, -1}> { y = Reshape (x, t) }")
        == "float[n, 3, h*w]")
    #expect(
      try inferred(
        "g (float[b, 6] x) => (float[?] y) { shape = Shape (x) total = ReduceProd<keepdims = 1> (shape) y = Reshape (x, total) }"
      ) == "float[6*b]")
  }
}
