import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

@Suite struct ReductionTests {
  private static func reduce(_ op: String, _ type: String = "float") -> String {
    "g (\(type)[?] x, int64[?] a) => (\(type)[?] y) { y = \(op) (x, a) }"
  }

  private static let cases: [OperatorCase] = [
    Case(reduce("ReduceSum"), ["float[2, 2] {1, 2, 3, 4}", "int64[1] {0}"], ["float[1, 2] {4, 6}"]),
    Case(reduce("ReduceSum<keepdims = 0>"), ["float[2, 2] {1, 2, 3, 4}", "int64[1] {-1}"], ["float[2] {3, 7}"]),
    Case(reduce("ReduceSum"), ["float[2, 2] {1, 2, 3, 4}", "int64[0] {}"], ["float[1, 1] {10}"]),
    Case(reduce("ReduceSum<noop_with_empty_axes = 1>"), ["float[2] {1, 2}", "int64[0] {}"], ["float[2] {1, 2}"]),
    Case(reduce("ReduceSumSquare<noop_with_empty_axes = 1>"), ["float[2] {1, 2}", "int64[0] {}"], ["float[2] {1, 4}"]),
    Case(reduce("ReduceMean"), ["float[2, 1, 2] {1, 2, 3, 4}", "int64[2] {0, 2}"], ["float[1, 1, 1] {2.5}"]),
    Case(reduce("ReduceMean", "float16"), ["float16[2] {1.0, 2.0}", "int64[1] {0}"], ["float16[1] {1.5}"]),
    Case(reduce("ReduceMax", "int8"), ["int8[3] {-3, -1, -2}", "int64[1] {0}"], ["int8[1] {-1}"]),
    Case(reduce("ReduceMin", "bool"), ["bool[2] {1, 0}", "int64[1] {0}"], ["bool[1] {0}"]),
    Case(reduce("ReduceProd", "int32"), ["int32[3] {2, 3, 4}", "int64[1] {0}"], ["int32[1] {24}"]),
    Case(reduce("ReduceL1"), ["float[2] {-3, 4}", "int64[1] {0}"], ["float[1] {7}"]),
    Case(reduce("ReduceL2"), ["float[2] {-3, 4}", "int64[1] {0}"], ["float[1] {5}"]),
    Case(reduce("ReduceLogSum"), ["float[2] {1, 1}", "int64[1] {0}"], ["float[1] {0.6931472}"]),
    Case(reduce("ReduceLogSumExp"), ["float[2] {1000, 1000}", "int64[1] {0}"], ["float[1] {1000.6931}"]),
    Case(reduce("ReduceSum"), ["float[0, 2] {}", "int64[1] {0}"], ["float[1, 2] {0, 0}"]),
    Case(reduce("ReduceProd"), ["float[0] {}", "int64[1] {0}"], ["float[1] {1}"]),
    Case(reduce("ReduceMax"), ["float[0] {}", "int64[1] {0}"], ["float[1] {-inf}"]),
    Case(
      "g (float[2, 2] x) => (int64[?] y) { y = ArgMax<axis = 1> (x) }", ["float[2, 2] {1, 2, 4, 4}"],
      ["int64[2, 1] {1, 0}"]),
    Case(
      "g (float[2, 2] x) => (int64[?] y) { y = ArgMin<axis = 0, keepdims = 0, select_last_index = 1> (x) }",
      ["float[2, 2] {1, 2, 1, 0}"], ["int64[2] {1, 1}"]),
    Case(
      "g (float[3] x, int64 a) => (float[?] y) { y = CumSum (x, a) }", ["float[3] {1, 2, 3}", "int64 {0}"],
      ["float[3] {1, 3, 6}"]),
    Case(
      "g (float[3] x, int64 a) => (float[?] y) { y = CumSum<exclusive = 1, reverse = 1> (x, a) }",
      ["float[3] {1, 2, 3}", "int64 {0}"], ["float[3] {5, 3, 0}"]),
    Case(
      "g (int32[3] x, int64 a) => (int32[?] y) { y = CumProd (x, a) }", ["int32[3] {1, 2, 3}", "int64 {-1}"],
      ["int32[3] {1, 2, 6}"]),
    Case(
      "g (float[2, 3] x, int64[1] k) => (float[?] v, int64[?] i) { v, i = TopK (x, k) }",
      ["float[2, 3] {1, 3, 2, 5, 5, 4}", "int64[1] {2}"], ["float[2, 2] {3, 2, 5, 5}", "int64[2, 2] {1, 2, 0, 1}"]),
    Case(
      "g (int64[3] x, int64[1] k) => (int64[?] v, int64[?] i) { v, i = TopK<largest = 0, axis = 0> (x, k) }",
      ["int64[3] {3, 1, 2}", "int64[1] {1}"], ["int64[1] {1}", "int64[1] {1}"]),
  ]

  @Test(arguments: cases) func reduces(_ test: OperatorCase) throws { try test.check() }

  @Test func axisOutsideIsAnError() throws {
    #expect(try failure(ReductionTests.reduce("ReduceSum"), ["float[2] {1, 2}", "int64[1] {1}"])?.kind == .badInput)
  }
}
