import GraphIR
import Operators
import Tensors
import Testing

/// What the quantized com.microsoft operators refuse, with what was expected; and forms that ONNX Runtime's CPU lacks.
@Suite struct MicrosoftQuantizedErrorTests {
  private func expectFailure(_ graph: String, _ inputs: [String], _ part: String) throws {
    let error = try #require(try failure(graph, inputs))
    #expect(error.description.contains(part), "\(error)")
  }

  private let nbits =
    "g (float[1, 20] a, uint8[2, 2, 8] b, float[4] s) => (float[?] y) { y = com.microsoft.MatMulNBits<K = 20, N = 2, bits = 4, block_size = 16> (a, b, s) }"
  private let activations = "float[1, 20] {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}"

  @Test func lengthsOfPackedWeightsAreHeldAgainstNAndK() throws {
    try expectFailure(
      nbits, [activations, "uint8[2, 2, 2] {1, 2, 3, 4, 5, 6, 7, 8}", "float[4] {1, 1, 1, 1}"], "are 32 bytes of uint8")
    let data = "uint8[2, 2, 8] {\((0..<32).map(String.init).joined(separator: ", "))}"
    try expectFailure(nbits, [activations, data, "float[3] {1, 1, 1}"], "4 floats were expected")
    let withZero = nbits.replacing("float[4] s)", with: "float[4] s, uint8[3] z)").replacing(
      "(a, b, s)", with: "(a, b, s, z)")
    try expectFailure(
      withZero, [activations, data, "float[4] {1, 1, 1, 1}", "uint8[3] {1, 2, 3}"], "2 rows of 1 bytes were expected")
    let withGroups = nbits.replacing("float[4] s)", with: "float[4] s, int32[20] g)").replacing(
      "(a, b, s)", with: "(a, b, s, \"\", g)")
    try expectFailure(
      withGroups,
      [
        activations, data, "float[4] {1, 1, 1, 1}",
        "int32[20] {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}",
      ],
      "numbers of blocks below 2")
  }

  @Test func hugeSizesAreErrorsAndNoTraps() throws {
    let huge = nbits.replacing("K = 20, N = 2", with: "K = 20, N = 9223372036854775807")
    let data = "uint8[1] {0}"
    try expectFailure(huge, [activations, data, "float[1] {1}"], "N is 9223372036854775807")
    try expectFailure(
      nbits.replacing("block_size = 16", with: "block_size = 24"), [activations, data, "float[1] {1}"],
      "a power of two from 16 on")
    try expectFailure(
      "g (float[1, 4] a, uint8[1] b, float[1] s) => (float[?] y) { y = com.microsoft.MatMulBnb4<K = 4, N = 1099511627776, block_size = 16, quant_type = 0> (a, b, s) }",
      ["float[1, 4] {1, 1, 1, 1}", data, "float[1] {1}"], "bytes were expected")
  }

  @Test func scalesAndZeroPointsAreOfOneElementAndOfTheTensorsType() throws {
    let add =
      "g (uint8[2] a, float[n] s, uint8 z, uint8[2] b) => (uint8[?] y) { y = com.microsoft.QLinearAdd (a, s, z, b, s, z, s, z) }"
    try expectFailure(
      add, ["uint8[2] {1, 2}", "float[2] {1, 1}", "uint8 {0}", "uint8[2] {1, 2}"], "one float was expected")
    let mixed = add.replacing("uint8 z", with: "int8 z")
    try expectFailure(
      mixed, ["uint8[2] {1, 2}", "float[1] {1}", "int8 {0}", "uint8[2] {1, 2}"], "input 2 (A_zero_point) is int8")
    try expectFailure(
      "g (float[2] a, float s, uint8[2] b) => (uint8[?] y) { y = com.microsoft.QLinearMul (a, s, \"\", b, s, \"\", s) }",
      ["float[2] {1, 2}", "float {1}", "uint8[2] {1, 2}"], "but must be uint8 or int8")
  }

  @Test func gatherRefusesAxesThatPackedDataCannotHave() throws {
    try expectFailure(
      "g (uint8[2, 8] d, int64[1] i, float[2, 1] s) => (float[?] y) { y = com.microsoft.GatherBlockQuantized<gather_axis = 1, block_size = 16> (d, i, s) }",
      ["uint8[2, 8] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}", "int64[1] {0}", "float[2, 1] {1, 1}"],
      "gathered along axis 0")
  }

  @Test func concatenationCountsItsInputs() throws {
    try expectFailure(
      "g (float s, uint8 z, uint8[2] a) => (uint8[?] y) { y = com.microsoft.QLinearConcat<axis = 0> (s, z, a, s) }",
      ["float {1}", "uint8 {0}", "uint8[2] {1, 2}"], "two and three for each part")
  }

  @Test func leftOutZeroPointsAreZero() throws {
    try OperatorCase(
      "g (uint8[3] a, float s, uint8[1] b, float t) => (uint8[?] y) { y = com.microsoft.QLinearMul (a, s, \"\", b, s, \"\", t) }",
      ["uint8[3] {0, 3, 200}", "float {0.5}", "uint8[1] {6}", "float {0.5}"], ["uint8[3] {0, 9, 255}"]
    ).check()
  }

  /// ONNX Runtime has no kernel of it: DequantizeLinear, ReduceMean, QuantizeLinear by hand.
  @Test func reducesTheMeanOfQuantizedNumbers() throws {
    try OperatorCase(
      "g (int8[2, 2, 2] x, float s, int8 z, float t, int8 u) => (int8[?] y) { y = com.microsoft.QLinearReduceMean<axes = [0, -1], keepdims = 0> (x, s, z, t, u) }",
      ["int8[2, 2, 2] {1, 2, 3, 4, 5, 6, 7, -8}", "float {0.5}", "int8 {2}", "float {0.25}", "int8 {-1}"],
      ["int8[2] {2, -2}"]
    ).check()
  }

  /// An int8 result past 127 stays there (ONNX Runtime 1.31 wraps it).
  @Test func softmaxSaturates() throws {
    try OperatorCase(
      "g (int8[1, 2] x, float s, int8 z, float t, int8 u) => (int8[?] y) { y = com.microsoft.QLinearSoftmax<axis = 1, opset = 13> (x, s, z, t, u) }",
      ["int8[1, 2] {127, -128}", "float {1}", "int8 {0}", "float {0.00390625}", "int8 {-128}"],
      ["int8[1, 2] {127, -128}"]
    ).check()
  }
}
