import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

@Suite struct ElementwiseTests {
  private static func binary(_ op: String, _ type: String, out: String? = nil) -> String {
    "g (\(type)[?] x, \(type)[?] y) => (\(out ?? type)[?] z) { z = \(op) (x, y) }"
  }

  private static let arithmeticCases: [OperatorCase] = [
    Case(binary("Add", "float"), ["float[2, 2] {1, 2, 3, 4}", "float[2] {10, 20}"], ["float[2, 2] {11, 22, 13, 24}"]),
    Case(
      binary("Add", "float"), ["float[2, 1] {1, 2}", "float[1, 3] {10, 20, 30}"],
      ["float[2, 3] {11, 21, 31, 12, 22, 32}"]),
    Case(binary("Add", "float"), ["float[0, 3] {}", "float[3] {1, 2, 3}"], ["float[0, 3] {}"]),
    Case(binary("Add", "float"), ["float {1}", "float {2}"], ["float {3}"]),
    Case(binary("Add", "uint8"), ["uint8[2] {250, 1}", "uint8[2] {10, 1}"], ["uint8[2] {4, 2}"]),
    Case(binary("Add", "int32"), ["int32[1] {2147483647}", "int32[1] {1}"], ["int32[1] {-2147483648}"]),
    Case(binary("Sub", "int64"), ["int64[2] {1, 5}", "int64[1] {3}"], ["int64[2] {-2, 2}"]),
    Case(binary("Mul", "float16"), ["float16[2] {1.5, 2.0}", "float16[2] {2.0, 0.5}"], ["float16[2] {3.0, 1.0}"]),
    Case(binary("Mul", "bfloat16"), ["bfloat16[1] {3.0}", "bfloat16[1] {0.5}"], ["bfloat16[1] {1.5}"]),
    Case(binary("Mul", "double"), ["double[1] {1e200}", "double[1] {1e100}"], ["double[1] {1e300}"]),
    Case(binary("Div", "int64"), ["int64[4] {7, -7, 7, 5}", "int64[4] {2, 2, -2, 0}"], ["int64[4] {3, -3, -3, 0}"]),
    Case(binary("Div", "int8"), ["int8[1] {-128}", "int8[1] {-1}"], ["int8[1] {-128}"]),
    Case(binary("Div", "float"), ["float[2] {1, -1}", "float[2] {4, 8}"], ["float[2] {0.25, -0.125}"]),
    Case(
      binary("Div", "uint64"), ["uint64[1] {18446744073709551614}", "uint64[1] {2}"],
      ["uint64[1] {9223372036854775807}"]),
    Case(binary("Mod", "int64"), ["int64[4] {7, -7, 7, -7}", "int64[4] {3, 3, -3, 0}"], ["int64[4] {1, 2, -2, 0}"]),
    Case(binary("Mod<fmod = 1>", "int64"), ["int64[3] {7, -7, 7}", "int64[3] {3, 3, -3}"], ["int64[3] {1, -1, 1}"]),
    Case(binary("Mod<fmod = 1>", "float"), ["float[2] {5.5, -5.5}", "float[2] {2, 2}"], ["float[2] {1.5, -1.5}"]),
    Case(binary("Mod", "float"), ["float[2] {5.5, -5.5}", "float[2] {2, 2}"], ["float[2] {1.5, 0.5}"]),
    Case(binary("Pow", "float"), ["float[3] {2, 3, 4}", "float[3] {2, 0, 0.5}"], ["float[3] {4, 1, 2}"]),
    Case(binary("Pow", "int64"), ["int64[3] {2, -3, 2}", "int64[3] {10, 3, -1}"], ["int64[3] {1024, -27, 0}"]),
    Case(
      "g (int32[2] x, float[1] y) => (int32[2] z) { z = Pow (x, y) }", ["int32[2] {4, 9}", "float[1] {0.5}"],
      ["int32[2] {2, 3}"]),
    Case(
      binary("BitShift<direction = \"LEFT\">", "uint8"), ["uint8[2] {129, 1}", "uint8[2] {1, 8}"], ["uint8[2] {2, 0}"]),
    Case(
      binary("BitShift<direction = \"RIGHT\">", "int8"), ["int8[2] {-4, -4}", "int8[2] {1, 9}"], ["int8[2] {-2, -1}"]),
    Case(binary("BitwiseAnd", "int32"), ["int32[1] {12}", "int32[1] {10}"], ["int32[1] {8}"]),
    Case(binary("BitwiseOr", "int32"), ["int32[1] {12}", "int32[1] {10}"], ["int32[1] {14}"]),
    Case(binary("BitwiseXor", "int32"), ["int32[1] {12}", "int32[1] {10}"], ["int32[1] {6}"]),
    Case(binary("Max", "float"), ["float[2] {1, 5}", "float[1] {3}"], ["float[2] {3, 5}"]),
    Case(binary("Min", "int8"), ["int8[2] {-1, 5}", "int8[1] {3}"], ["int8[2] {-1, 3}"]),
    Case(
      "g (float[2] x, float[2] y, float z) => (float[2] w) { w = Sum (x, y, z) }",
      ["float[2] {1, 2}", "float[2] {10, 20}", "float {100}"], ["float[2] {111, 122}"]),
    Case(
      "g (float[2] x, float[2] y, float[1] z) => (float[2] w) { w = Mean (x, y, z) }",
      ["float[2] {1, 2}", "float[2] {2, 4}", "float[1] {6}"], ["float[2] {3, 4}"]),
    Case(
      "g (float[2, 2] x, float[2, 1] s) => (float[2, 2] y) { y = PRelu (x, s) }",
      ["float[2, 2] {-1, 1, -2, 2}", "float[2, 1] {0.5, 0.25}"], ["float[2, 2] {-0.5, 1, -0.5, 2}"]),
  ]

  @Test(arguments: arithmeticCases) func arithmetic(_ test: OperatorCase) throws { try test.check() }

  private static func unary(_ op: String, _ type: String = "float", out: String? = nil) -> String {
    "g (\(type)[?] x) => (\(out ?? type)[?] y) { y = \(op) (x) }"
  }

  private static let unaryCases: [OperatorCase] = [
    Case(unary("Abs"), ["float[2] {-1.5, 2}"], ["float[2] {1.5, 2}"]),
    Case(unary("Abs", "int8"), ["int8[2] {-5, -128}"], ["int8[2] {5, -128}"]),
    Case(unary("Ceil"), ["float[2] {1.2, -1.2}"], ["float[2] {2, -1}"]),
    Case(unary("Floor"), ["float[2] {1.2, -1.2}"], ["float[2] {1, -2}"]),
    Case(unary("Round"), ["float[4] {0.5, 1.5, 2.5, -2.3}"], ["float[4] {0, 2, 2, -2}"]),
    Case(unary("Sign"), ["float[3] {-3, 0, 2}"], ["float[3] {-1, 0, 1}"]),
    Case(unary("Sqrt"), ["float[2] {4, 9}"], ["float[2] {2, 3}"]),
    Case(unary("Reciprocal"), ["float[2] {4, -2}"], ["float[2] {0.25, -0.5}"]),
    Case(unary("Exp"), ["float[2] {0, 1}"], ["float[2] {1, 2.7182817}"]),
    Case(unary("Log"), ["float[1] {2.7182817}"], ["float[1] {1}"]),
    Case(unary("Erf"), ["float[2] {0, 1}"], ["float[2] {0, 0.8427008}"]),
    Case(unary("Sin"), ["float[2] {0, 1}"], ["float[2] {0, 0.841471}"]),
    Case(unary("Cos"), ["float[2] {0, 1}"], ["float[2] {1, 0.5403023}"]),
    Case(unary("Atanh"), ["float[2] {0, 0.5}"], ["float[2] {0, 0.54930615}"]),
    Case(unary("IsNaN", out: "bool"), ["float[2] {0, 1}"], ["bool[2] {0, 0}"]),
    Case(unary("IsInf", out: "bool"), ["float[1] {1}"], ["bool[1] {0}"]),
    Case(unary("Not", "bool"), ["bool[2] {1, 0}"], ["bool[2] {0, 1}"]),
    Case(unary("BitwiseNot", "uint8"), ["uint8[2] {0, 15}"], ["uint8[2] {255, 240}"]),
    Case(unary("Identity", "string"), ["string[2] {\"a\", \"b\"}"], ["string[2] {\"a\", \"b\"}"]),
    Case(
      "g (float[3] x, float a, float b) => (float[3] y) { y = Clip (x, a, b) }",
      ["float[3] {-2, 0, 2}", "float {-1}", "float {1}"], ["float[3] {-1, 0, 1}"]),
    Case(
      "g (float[2] x, float b) => (float[2] y) { y = Clip (x, , b) }", ["float[2] {-2, 2}", "float {1}"],
      ["float[2] {-2, 1}"]),
    Case(
      "g (float[2] x) => (float[2] y, bool[2] m) { y, m = Dropout (x) }", ["float[2] {1, 2}"],
      ["float[2] {1, 2}", "bool[2] {1, 1}"]),
    Case(unary("Cast<to = 7>", "float", out: "int64"), ["float[3] {1.9, -1.9, 0}"], ["int64[3] {1, -1, 0}"]),
    Case(unary("Cast<to = 3>", "int32", out: "int8"), ["int32[1] {200}"], ["int8[1] {-56}"]),
    Case(unary("Cast<to = 9>", "float", out: "bool"), ["float[3] {0.5, 0, -2}"], ["bool[3] {1, 0, 1}"]),
    Case(unary("Cast<to = 8>", "int64", out: "string"), ["int64[2] {-3, 12}"], ["string[2] {\"-3\", \"12\"}"]),
    Case(
      unary("Cast<to = 1>", "string", out: "float"), ["string[3] {\"3.5\", \"1e2\", \"-INF\"}"],
      ["float[3] {3.5, 100, -inf}"]),
    Case(unary("Cast<to = 10>", "float", out: "float16"), ["float[2] {65504, 1e6}"], ["float16[2] {65504.0, inf}"]),
    Case(
      "g (int64[2] x, float t) => (float[2] y) { y = CastLike (x, t) }", ["int64[2] {1, 2}", "float {0}"],
      ["float[2] {1, 2}"]),
    Case(unary("BitCast<to = 6>", "float", out: "int32"), ["float[1] {1}"], ["int32[1] {1065353216}"]),
  ]

  @Test(arguments: unaryCases) func unary(_ test: OperatorCase) throws { try test.check() }

  private static let logicalCases: [OperatorCase] = [
    Case(binary("And", "bool"), ["bool[2, 1] {1, 0}", "bool[2] {1, 0}"], ["bool[2, 2] {1, 0, 0, 0}"]),
    Case(binary("Or", "bool"), ["bool[2] {1, 0}", "bool[1] {0}"], ["bool[2] {1, 0}"]),
    Case(binary("Xor", "bool"), ["bool[2] {1, 0}", "bool[1] {1}"], ["bool[2] {0, 1}"]),
    Case(
      binary("Equal", "string", out: "bool"), ["string[2] {\"a\", \"b\"}", "string[1] {\"b\"}"], ["bool[2] {0, 1}"]),
    Case(binary("Equal", "bool", out: "bool"), ["bool[2] {1, 0}", "bool[1] {1}"], ["bool[2] {1, 0}"]),
    Case(binary("Less", "float", out: "bool"), ["float[2] {1, 3}", "float[1] {2}"], ["bool[2] {1, 0}"]),
    Case(binary("LessOrEqual", "int64", out: "bool"), ["int64[2] {2, 3}", "int64[1] {2}"], ["bool[2] {1, 0}"]),
    Case(
      binary("Greater", "uint64", out: "bool"), ["uint64[1] {18446744073709551615}", "uint64[1] {1}"], ["bool[1] {1}"]),
    Case(binary("GreaterOrEqual", "double", out: "bool"), ["double[2] {2, 1}", "double[1] {2}"], ["bool[2] {1, 0}"]),
    Case(
      "g (bool[2, 1] c, float[2] x, float y) => (float[2, 2] z) { z = Where (c, x, y) }",
      ["bool[2, 1] {1, 0}", "float[2] {1, 2}", "float {9}"], ["float[2, 2] {1, 2, 9, 9}"]),
    Case(
      "g (bool[2] c, string[2] x, string[1] y) => (string[2] z) { z = Where (c, x, y) }",
      ["bool[2] {1, 0}", "string[2] {\"a\", \"b\"}", "string[1] {\"z\"}"], ["string[2] {\"a\", \"z\"}"]),
  ]

  @Test(arguments: logicalCases) func logical(_ test: OperatorCase) throws { try test.check() }

  @Test func typesMustAgree() throws {
    let error = try #require(
      try failure("g (float[1] x, int64[1] y) => (float[1] z) { z = Add (x, y) }", ["float[1] {1}", "int64[1] {1}"]))
    #expect(error.kind == .badInput)
    #expect(error.reason.contains("float") && error.reason.contains("int64"))
  }

  @Test func shapesMustBroadcast() throws {
    let error = try failure(
      "g (float[2] x, float[3] y) => (float[?] z) { z = Mul (x, y) }", ["float[2] {1, 2}", "float[3] {1, 2, 3}"])
    #expect(error?.kind == .badInput)
  }

  @Test func hugeBroadcastIsRefusedBeforeWork() throws {
    let n = 1 << 24
    let a = try Tensor.make(.uint8, [n, 1], as: Int64.self) { _ in }
    let b = try Tensor.make(.uint8, [1, n], as: Int64.self) { _ in }
    let graph = try ONNXText.parseGraph("g (uint8[A, 1] x, uint8[1, B] y) => (uint8[A, B] z) { z = Add (x, y) }")
    #expect(throws: CameoError.self) { try GraphEvaluator(graph).run([.tensor(a), .tensor(b)]) }
  }
}
