import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

@Suite struct DataMovementTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (float[2, 3] x) => (float[?] y) { y = Transpose (x) }", ["float[2, 3] {1, 2, 3, 4, 5, 6}"],
      ["float[3, 2] {1, 4, 2, 5, 3, 6}"]),
    Case(
      "g (string[1, 2] x) => (string[?] y) { y = Transpose<perm = [1, 0]> (x) }", ["string[1, 2] {\"a\", \"b\"}"],
      ["string[2, 1] {\"a\", \"b\"}"]),
    Case(
      "g (int4[2, 3] x) => (int4[?] y) { y = Transpose<perm = [1, 0]> (x) }", ["int4[2, 3] {1, -2, 3, 4, 5, -6}"],
      ["int4[3, 2] {1, 4, -2, 5, 3, -6}"]),
    Case(
      "g (float[1, 2] x, float[2, 2] y) => (float[?] z) { z = Concat<axis = 0> (x, y) }",
      ["float[1, 2] {1, 2}", "float[2, 2] {3, 4, 5, 6}"], ["float[3, 2] {1, 2, 3, 4, 5, 6}"]),
    Case(
      "g (float[2, 1] x, float[2, 2] y) => (float[?] z) { z = Concat<axis = -1> (x, y) }",
      ["float[2, 1] {1, 2}", "float[2, 2] {3, 4, 5, 6}"], ["float[2, 3] {1, 3, 4, 2, 5, 6}"]),
    Case(
      "g (string[1] x, string[2] y) => (string[?] z) { z = Concat<axis = 0> (x, y) }",
      ["string[1] {\"a\"}", "string[2] {\"b\", \"c\"}"], ["string[3] {\"a\", \"b\", \"c\"}"]),
    Case(
      "g (float[2, 4] x, int64[2] a, int64[2] b, int64[2] c, int64[2] d) => (float[?] y) { y = Slice (x, a, b, c, d) }",
      [
        "float[2, 4] {0, 1, 2, 3, 4, 5, 6, 7}", "int64[2] {0, 3}", "int64[2] {1, 0}", "int64[2] {0, 1}",
        "int64[2] {1, -2}",
      ],
      ["float[1, 2] {3, 1}"]),
    Case(
      "g (float[3] x, int64[1] a, int64[1] b) => (float[?] y) { y = Slice (x, a, b) }",
      ["float[3] {1, 2, 3}", "int64[1] {-1}", "int64[1] {9223372036854775807}"], ["float[1] {3}"]),
    Case(
      "g (float[3] x, int64[1] a, int64[1] b, int64[1] c, int64[1] d) => (float[?] y) { y = Slice (x, a, b, c, d) }",
      ["float[3] {1, 2, 3}", "int64[1] {-1}", "int64[1] {-9223372036854775807}", "int64[1] {0}", "int64[1] {-1}"],
      ["float[3] {3, 2, 1}"]),
    Case(
      "g (float[3] x, int64[1] a, int64[1] b) => (float[?] y) { y = Slice (x, a, b) }",
      ["float[3] {1, 2, 3}", "int64[1] {5}", "int64[1] {9}"], ["float[0] {}"]),
    Case(
      "g (float[5] x) => (float[?] a, float[?] b) { a, b = Split<num_outputs = 2> (x) }", ["float[5] {1, 2, 3, 4, 5}"],
      ["float[3] {1, 2, 3}", "float[2] {4, 5}"]),
    Case(
      "g (float[2, 3] x, int64[2] s) => (float[?] a, float[?] b) { a, b = Split<axis = 1> (x, s) }",
      ["float[2, 3] {1, 2, 3, 4, 5, 6}", "int64[2] {1, 2}"], ["float[2, 1] {1, 4}", "float[2, 2] {2, 3, 5, 6}"]),
    Case(
      "g (float[3, 2] x, int64[2] i) => (float[?] y) { y = Gather (x, i) }",
      ["float[3, 2] {1, 2, 3, 4, 5, 6}", "int64[2] {-1, 0}"], ["float[2, 2] {5, 6, 1, 2}"]),
    Case(
      "g (string[3] x, int32 i) => (string y) { y = Gather (x, i) }", ["string[3] {\"a\", \"b\", \"c\"}", "int32 {1}"],
      ["string {\"b\"}"]),
    Case(
      "g (float[2, 2] x, int64[2, 1] i) => (float[?] y) { y = GatherElements<axis = 1> (x, i) }",
      ["float[2, 2] {1, 2, 3, 4}", "int64[2, 1] {1, -2}"], ["float[2, 1] {2, 3}"]),
    Case(
      "g (float[2, 2] x, int64[2, 2] i) => (float[?] y) { y = GatherND (x, i) }",
      ["float[2, 2] {1, 2, 3, 4}", "int64[2, 2] {0, 0, 1, -1}"], ["float[2] {1, 4}"]),
    Case(
      "g (float[2, 2] x, int64[2, 1] i) => (float[?] y) { y = GatherND<batch_dims = 1> (x, i) }",
      ["float[2, 2] {1, 2, 3, 4}", "int64[2, 1] {1, 0}"], ["float[2] {2, 3}"]),
    Case(
      "g (float[3] x, int64[2] i, float[2] u) => (float[?] y) { y = ScatterElements (x, i, u) }",
      ["float[3] {1, 2, 3}", "int64[2] {-1, 0}", "float[2] {9, 8}"], ["float[3] {8, 2, 9}"]),
    Case(
      "g (int64[2] x, int64[2] i, int64[2] u) => (int64[?] y) { y = ScatterElements<reduction = \"add\"> (x, i, u) }",
      ["int64[2] {1, 2}", "int64[2] {0, 0}", "int64[2] {10, 20}"], ["int64[2] {31, 2}"]),
    Case(
      "g (float[3] x, int64[2, 1] i, float[2] u) => (float[?] y) { y = ScatterND (x, i, u) }",
      ["float[3] {1, 2, 3}", "int64[2, 1] {2, 0}", "float[2] {9, 8}"], ["float[3] {8, 2, 9}"]),
    Case(
      "g (float[2, 2] x, int64[4] p, float v) => (float[?] y) { y = Pad (x, p, v) }",
      ["float[2, 2] {1, 2, 3, 4}", "int64[4] {0, 1, 1, -1}", "float {9}"], ["float[3, 2] {9, 1, 9, 3, 9, 9}"]),
    Case(
      "g (float[3] x, int64[2] p) => (float[?] y) { y = Pad<mode = \"reflect\"> (x, p) }",
      ["float[3] {1, 2, 3}", "int64[2] {2, 2}"], ["float[7] {3, 2, 1, 2, 3, 2, 1}"]),
    Case(
      "g (float[2] x, int64[2] p) => (float[?] y) { y = Pad<mode = \"edge\"> (x, p) }",
      ["float[2] {1, 2}", "int64[2] {1, 2}"], ["float[5] {1, 1, 2, 2, 2}"]),
    Case(
      "g (float[3] x, int64[2] p) => (float[?] y) { y = Pad<mode = \"wrap\"> (x, p) }",
      ["float[3] {1, 2, 3}", "int64[2] {1, 4}"], ["float[8] {3, 1, 2, 3, 1, 2, 3, 1}"]),
    Case(
      "g (float[1, 2] x, int64[2] p, int64[1] a) => (float[?] y) { y = Pad (x, p, , a) }",
      ["float[1, 2] {1, 2}", "int64[2] {1, 0}", "int64[1] {-1}"], ["float[1, 3] {0, 1, 2}"]),
    Case(
      "g (float[1, 2] x, int64[2] r) => (float[?] y) { y = Tile (x, r) }", ["float[1, 2] {1, 2}", "int64[2] {2, 2}"],
      ["float[2, 4] {1, 2, 1, 2, 1, 2, 1, 2}"]),
    Case(
      "g (float[1, 4, 1, 1] x) => (float[?] y) { y = DepthToSpace<blocksize = 2> (x) }",
      ["float[1, 4, 1, 1] {1, 2, 3, 4}"],
      ["float[1, 1, 2, 2] {1, 2, 3, 4}"]),
    Case(
      "g (float[1, 1, 2, 2] x) => (float[?] y) { y = SpaceToDepth<blocksize = 2> (x) }",
      ["float[1, 1, 2, 2] {1, 2, 3, 4}"],
      ["float[1, 4, 1, 1] {1, 2, 3, 4}"]),
    Case(
      "g (float[2, 2] x, int64[2] n) => (float[?] y) { y = ReverseSequence (x, n) }",
      ["float[2, 2] {1, 2, 3, 4}", "int64[2] {2, 1}"], ["float[2, 2] {3, 2, 1, 4}"]),
    Case(
      "g (int64[2] i, int64 d, float[2] v) => (float[?] y) { y = OneHot (i, d, v) }",
      ["int64[2] {-1, 5}", "int64 {3}", "float[2] {0, 1}"], ["float[2, 3] {0, 0, 1, 0, 0, 0}"]),
    Case(
      "g (float[2, 2] x) => (int64[?] y) { y = NonZero (x) }", ["float[2, 2] {0, 1, 2, 0}"],
      ["int64[2, 2] {0, 1, 1, 0}"]),
    Case(
      "g (float[4] x) => (float[?] y, int64[?] i, int64[?] v, int64[?] c) { y, i, v, c = Unique<sorted = 0> (x) }",
      ["float[4] {2, 1, 2, 3}"],
      ["float[3] {2, 1, 3}", "int64[3] {0, 1, 3}", "int64[4] {0, 1, 0, 2}", "int64[3] {2, 1, 1}"]),
    Case(
      "g (float[2, 2] x) => (float[?] y) { y = Unique<axis = 1> (x) }", ["float[2, 2] {3, 1, 4, 2}"],
      ["float[2, 2] {1, 3, 2, 4}"]),
    Case(
      "g (float[3, 1] x, bool[2] c) => (float[?] y) { y = Compress<axis = 0> (x, c) }",
      ["float[3, 1] {1, 2, 3}", "bool[2] {0, 1}"], ["float[1, 1] {2}"]),
    Case(
      "g (float[2, 3] x, int64 k) => (float[?] y) { y = Trilu<upper = 0> (x, k) }",
      ["float[2, 3] {1, 2, 3, 4, 5, 6}", "int64 {0}"], ["float[2, 3] {1, 0, 0, 4, 5, 0}"]),
    Case(
      "g (float[1, 3, 1] x, float[1, 2, 1] u, int64[1] w) => (float[?] y) { y = TensorScatter<mode = \"circular\"> (x, u, w) }",
      ["float[1, 3, 1] {1, 2, 3}", "float[1, 2, 1] {8, 9}", "int64[1] {2}"], ["float[1, 3, 1] {9, 2, 8}"]),
  ]

  @Test(arguments: cases) func moves(_ test: OperatorCase) throws { try test.check() }

  @Test func indexErrorsNameIndexAndDimension() throws {
    let error = try #require(
      try failure(
        "g (float[3] x, int64[1] i) => (float[?] y) { y = Gather (x, i) }", ["float[3] {1, 2, 3}", "int64[1] {3}"]))
    #expect(error.kind == .badInput)
    #expect(error.description.contains("Gather") && error.reason.contains("3") && error.reason.contains("dimension 0"))
  }

  @Test(arguments: [
    (
      "g (float[2] x, float[2, 1] y) => (float[?] z) { z = Concat<axis = 0> (x, y) }",
      ["float[2] {1, 2}", "float[2, 1] {1, 2}"]
    ),
    (
      "g (float[2] x, int64[1] a, int64[1] b, int64[1] c, int64[1] d) => (float[?] y) { y = Slice (x, a, b, c, d) }",
      ["float[2] {1, 2}", "int64[1] {0}", "int64[1] {1}", "int64[1] {0}", "int64[1] {0}"]
    ),
    (
      "g (float[2] x, int64[2] s) => (float[?] a, float[?] b) { a, b = Split (x, s) }",
      ["float[2] {1, 2}", "int64[2] {2, 2}"]
    ),
    ("g (float[2] x) => (float[?] y) { y = Transpose<perm = [0, 0]> (x) }", ["float[2] {1, 2}"]),
    ("g (float[2] x, int64[2] p) => (float[?] y) { y = Pad (x, p) }", ["float[2] {1, 2}", "int64[2] {-3, 0}"]),
    (
      "g (float[2] x, int64[2] p) => (float[?] y) { y = Pad (x, p) }",
      ["float[2] {1, 2}", "int64[2] {4611686018427387904, 4611686018427387904}"]
    ),
    (
      "g (float[2] x, int64[1] r) => (float[?] y) { y = Tile (x, r) }",
      ["float[2] {1, 2}", "int64[1] {9223372036854775807}"]
    ),
    (
      "g (float[2] x, int64[1] i, float[1] u) => (float[?] y) { y = ScatterElements (x, i, u) }",
      ["float[2] {1, 2}", "int64[1] {-9223372036854775808}", "float[1] {1}"]
    ),
  ]) func badInputIsAnError(_ graph: String, _ inputs: [String]) throws {
    #expect(try failure(graph, inputs) != nil)
  }
}
