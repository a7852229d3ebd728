import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Element types that few models have: what Tools/type-sweep found, held in small numbers (NumPy and ml_dtypes
/// computed them). Floats narrower than 32 bits stand as their bits, as in ONNX text.
@Suite struct TypeSweepTests {
  private static let cases: [OperatorCase] = [
    // The scale's type is the result's.
    Case(
      "g (float16[3] x, float[3] s) => (float[?] y) { y = RMSNormalization (x, s) }",
      ["float16[3] {15360, 16384, 17408}", "float[3] {1, 2, 3}"], ["float[3] {0.3779642, 1.5118568, 4.5355704}"]),
    // Fractions of float8 are multiplied, not their integer parts.
    Case(
      """
      g (float8e4m3fn[2, 2] a, float8e4m3fn[2, 2] b) => (float8e4m3fn[?, ?] y)
      <float s = {0.5}, float t = {0.25}, float u = {0.1}, float8e4m3fn z = {0}>
      { y = QLinearMatMul (a, s, z, b, t, z, u, z) }
      """, ["float8e4m3fn[2, 2] {60, 193, 48, 68}", "float8e4m3fn[2, 2] {48, 56, 64, 188}"],
      ["float8e4m3fn[2, 2] {201, 76, 80, 202}"]),
    Case(
      "g (float[4] x) => (float6e2m3[?] y) <float s = {2}> { y = QuantizeLinear <output_dtype = 27> (x, s) }",
      ["float[4] {1, -3, 7.25, 100}"], ["float6e2m3[4] {4, 44, 22, 31}"]),
    // alpha A B + beta C is truncated once.
    Case(
      "g (int32[1, 1] a, int32[1, 1] b, int32[1] c) => (int32[?, ?] y) { y = Gemm <alpha = 0.5, beta = 0.5> (a, b, c) }",
      ["int32[1, 1] {3}", "int32[1, 1] {1}", "int32[1] {3}"], ["int32[1, 1] {3}"]),
    Case(
      "g (float[2] x) => (uint64[?] y) { y = Cast <to = 13> (x) }", ["float[2] {-3, 7}"],
      ["uint64[2] {18446744073709551613, 7}"]),
    Case(
      "g (int64 n) => (int32[?] y) { y = BlackmanWindow <output_datatype = 6> (n) }", ["int64 {10}"],
      ["int32[10] {0, 0, 0, 0, 0, 1, 0, 0, 0, 0}"]),
    Case(
      "g (uint64[3] x) => (uint64[?] y) { y = ReduceL2 <keepdims = 0> (x) }", ["uint64[3] {2, 3, 6}"], ["uint64 {7}"]),
    Case(
      "g (string[1, 1, 1, 2] x) => (string[?, ?, ?, ?] y) <float[4] s = {1, 1, 1, 2}> { y = Resize (x, , s) }",
      ["string[1, 1, 1, 2] {\"a\", \"b\"}"], ["string[1, 1, 1, 4] {\"a\", \"a\", \"b\", \"b\"}"]),
    Case(
      "g (string[3] x, int64[2] i, string[2] u) => (string[?] y) { y = ScatterElements <reduction = \"max\"> (x, i, u) }",
      ["string[3] {\"a\", \"m\", \"z\"}", "int64[2] {1, 2}", "string[2] {\"b\", \"zz\"}"],
      ["string[3] {\"a\", \"m\", \"zz\"}"]),
    Case(
      "g (string[2, 1] x) => (string[?, ?] y) <int64[2] s = {4, 1}> { y = CenterCropPad (x, s) }",
      ["string[2, 1] {\"a\", \"b\"}"], ["string[4, 1] {\"\", \"a\", \"b\", \"\"}"]),
  ]

  @Test(arguments: cases) func evaluates(_ test: OperatorCase) throws { try test.check() }

  private func complex(_ values: [(Float, Float)], _ shape: [Int]) throws -> Tensor {
    try Tensor.makeRaw(.complex64, shape) { out in
      for (index, value) in values.enumerated() {
        out.storeBytes(of: value.0, toByteOffset: 8 * index, as: Float.self)
        out.storeBytes(of: value.1, toByteOffset: 8 * index + 4, as: Float.self)
      }
    }
  }

  private func evaluate(_ text: String, _ inputs: [Tensor]) throws -> Tensor {
    let results = try GraphEvaluator(try ONNXText.parseGraph(text)).run(inputs.map { .tensor($0) })
    return try #require(results.first?.tensor)
  }

  @Test func complexNumbersInLinearOperators() throws {
    let x = try complex([(1, 2), (3, -4)], [1, 1, 2])
    let doubled = try evaluate(
      "g (complex64[1, 1, 2] x) => (complex64[?, ?, ?] y) <float[3] s = {1, 1, 2}> { y = Resize <mode = \"linear\", coordinate_transformation_mode = \"align_corners\"> (x, , s) }",
      [x])
    let third: Float = 1.0 / 3
    let expected = [(1, 2), (1 + 2 * third, 0), (3 - 2 * third, -2), (3, -4)] as [(Float, Float)]
    for (index, value) in expected.enumerated() {
      let found = doubled.withUnsafeBytes {
        (
          $0.loadUnaligned(fromByteOffset: 8 * index, as: Float.self),
          $0.loadUnaligned(fromByteOffset: 8 * index + 4, as: Float.self)
        )
      }
      #expect(abs(found.0 - value.0) < 1e-6 && abs(found.1 - value.1) < 1e-6, "\(index): \(found)")
    }
  }

  @Test func complexNumbersAreScatteredAndOrdered() throws {
    let data = try complex([(1, 2), (3, 4)], [2])
    let updates = try complex([(0, 1), (2, -1)], [2])
    let indices = try Tensor.ints([0, 0])
    let product = try evaluate(
      "g (complex64[2] x, int64[2] i, complex64[2] u) => (complex64[?] y) { y = ScatterElements <reduction = \"mul\"> (x, i, u) }",
      [data, indices, updates])
    // (1 + 2i) i (2 - i) = (-2 + i)(2 - i) = -3 + 4i
    #expect(product.isIdentical(to: try complex([(-3, 4), (3, 4)], [2])))
    let unique = try evaluate(
      "g (complex64[4] x) => (complex64[?] y) { y = Unique (x) }",
      [try complex([(1, 2), (0, 5), (1, 2), (1, -1)], [4])])
    #expect(unique.isIdentical(to: try complex([(0, 5), (1, -1), (1, 2)], [3])))
  }

  /// Lengths with factors 4, 2, 3, 5, 7 and a large prime, forwards and back again, against sums in double.
  @Test(arguments: [1, 2, 4, 6, 8, 10, 12, 20, 35, 48, 67, 122]) func fourier(_ length: Int) throws {
    let values = (0..<2 * length).map { Float(($0 * 7919) % 23) - 11 }
    let x = try Tensor.of(values, .float, shape: [1, length, 2])
    let forwards = try evaluate(
      "g (float[1, \(length), 2] x) => (float[?, ?, ?] y) <int64 a = {1}> { y = DFT (x, , a) }", [x])
    let found = try forwards.elements(as: Double.self)
    let scale = values.reduce(0) { $0 + abs(Double($1)) } + 1
    for k in 0..<length {
      var (re, im) = (0.0, 0.0)
      for t in 0..<length {
        let angle = -2 * Double.pi * Double(k * t % length) / Double(length)
        let (c, s) = (Self.cosine(angle), Self.sine(angle))
        let (a, b) = (Double(values[2 * t]), Double(values[2 * t + 1]))
        re += a * c - b * s
        im += a * s + b * c
      }
      #expect(abs(found[2 * k] - re) < 1e-6 * scale && abs(found[2 * k + 1] - im) < 1e-6 * scale, "\(k)")
    }
    let back = try evaluate(
      "g (float[1, \(length), 2] x) => (float[?, ?, ?] y) <int64 a = {1}> { y = DFT <inverse = 1> (x, , a) }",
      [forwards])
    for (a, b) in zip(try back.elements(as: Float.self), values) { #expect(abs(a - b) < 1e-4) }
  }

  private static func sine(_ x: Double) -> Double { cosine(x - Double.pi / 2) }

  /// A Taylor series after reduction: no library of its own for one test.
  private static func cosine(_ x: Double) -> Double {
    let reduced = x.remainder(dividingBy: 2 * Double.pi)
    var (term, sum) = (1.0, 1.0)
    for n in 1...16 {
      term *= -reduced * reduced / Double((2 * n - 1) * 2 * n)
      sum += term
    }
    return sum
  }
}
