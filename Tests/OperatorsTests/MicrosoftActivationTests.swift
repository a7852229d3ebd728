import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// The activations and sums of com.microsoft. Expected outputs: ONNX Runtime 1.31.1, and NumPy where its CPU provider has no kernel.
@Suite struct MicrosoftActivationTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (float[1, 3] x0) => (float[?] y0) { y0 = com.microsoft.Gelu (x0) }",
      [
        "float[1, 3] {-1.5, -1, -3}",
      ],
      ["float[1, 3] {-0.10021082, -0.15865526, -0.0040496886}"]),
    Case(
      "g (float[1, 3] x0, float[3] x1) => (float[?] y0) { y0 = com.microsoft.BiasGelu (x0, x1) }",
      [
        "float[1, 3] {-0.5, -0.5, -1.5}",
        "float[3] {-0, 1, -1.5}",
      ],
      ["float[1, 3] {-0.15426877, 0.34573123, -0.0040496886}"]),
    Case(
      "g (float[1, 3] x0) => (float[?] y0) { y0 = com.microsoft.FastGelu (x0) }",
      [
        "float[1, 3] {-1.5, -1, -3}",
      ],
      ["float[1, 3] {-0.10042843, -0.15880796, -0.0036375225}"]),
    Case(
      "g (float[2] x0) => (float[?] y0) { y0 = com.microsoft.FastGelu (x0) }",
      [
        "float[2] {-0.5, -1.5}",
      ],
      ["float[2] {-0.154286, -0.10042843}"]),
    Case(
      "g (float[1, 3] x0) => (float[?] y0) { y0 = com.microsoft.QuickGelu<alpha = 0.5> (x0) }",
      [
        "float[1, 3] {-1.5, -1, -3}",
      ],
      ["float[1, 3] {-0.48123199, -0.37754071, -0.54727668}"]),
    Case(
      "g (float[2] x0) => (float[?] y0) { y0 = com.microsoft.QuickGelu<alpha = 2.5> (x0) }",
      [
        "float[2] {-0.5, -1.5}",
      ],
      ["float[2] {-0.11135007, -0.034466073}"]),
    Case(
      "g (float[3] x0) => (float[?] y0) { y0 = com.microsoft.ScaledSiLU (x0) }",
      [
        "float[3] {-1.5, -1, -3}",
      ],
      ["float[3] {-0.27363828, -0.26894143, -0.14227763}"]),
    Case(
      "g (float16[2] x0) => (float16[?] y0) { y0 = com.microsoft.ScaledSiLU (x0) }",
      [
        "float16[2] {32768, 49664}",
      ],
      ["float16[2] {32768, 45198}"]),
    Case(
      "g (float[1, 3] x0, float[1, 3] x1, float[1, 1] x2) => (float[?] y0) { y0 = com.microsoft.GatedAdd (x0, x1, x2) }",
      [
        "float[1, 3] {-0.5, -0.5, -1.5}",
        "float[1, 3] {-0, 1, -1.5}",
        "float[1, 1] {-1}",
      ],
      ["float[1, 3] {-0.5, -1.5, 0}"]),
    Case(
      "g (float[3, 1, 3] x0, float[3] x1, float[3, 1, 3] x2) => (float[?] y0) { y0 = com.microsoft.BiasAdd (x0, x1, x2) }",
      [
        "float[3, 1, 3] {-0.66120654, -0.43295646, -1.4434524, -0.063023031, 0.92261422, -1.436973, -1.0027474, 1.1539494, -0.42683342}",
        "float[3] {-0.065035567, 1.2696157, -0.44193941}",
        "float[3, 1, 3] {-0.72357297, 0.29529479, 0.33712563, -1.4648049, 0.61091089, 0.94158661, 0.64068764, 0.3113181, -0.41269934}",
      ],
      ["float[3, 1, 3] {-1.449815, 1.131954, -1.5482661, -1.5928634, 2.8031406, -0.93732584, -0.42709535, 2.7348831, -1.2814722}"]),
    Case(
      "g (float[1, 6] x0, float[6] x1) => (float[?] y0) { y0 = com.microsoft.BiasSplitGelu (x0, x1) }",
      [
        "float[1, 6] {-0.66120654, -0.43295646, -1.4434524, -0.063023031, 0.92261422, -1.436973}",
        "float[6] {-1.0027474, 1.1539494, -0.42683342, -0.065035567, 1.2696157, -0.44193941}",
      ],
      ["float[1, 3] {0.095685475, 1.5581671, 0.10587369}"]),
    Case(
      "g (float[3, 1] x0, float[1, 3] x1, float[3] x2) => (float[?] y0) { y0 = com.microsoft.GemmFastGelu (x0, x1, x2) }",
      [
        "float[3, 1] {-0.66120654, -0.43295646, -1.4434524}",
        "float[1, 3] {-0.063023031, 0.92261422, -1.436973}",
        "float[3] {-1.0027474, 1.1539494, -0.42683342}",
      ],
      ["float[3, 3] {-0.16184673, 0.38438487, 0.36609167, -0.16076915, 0.58445776, 0.11277854, -0.16510126, -0.076354861, 1.5652647}"]),
    Case(
      "g (float[1, 2] x0, float[2, 3] x1) => (float[?] y0) { y0 = com.microsoft.GemmFastGelu (x0, x1) }",
      [
        "float[1, 2] {-0.67205167, 0.47453743}",
        "float[2, 3] {0.24429974, -2.0294452, 0.31294069, 0.44629148, -2.5808454, 0.90520126}",
      ],
      ["float[1, 3] {0.024703542, 0.077295527, 0.12864208}"]),
    Case(
      "g (float[3] x0, float[2, 3] x1) => (bool[?] y0) { y0 = com.microsoft.IsAllFinite<isinf_only = 1> (x0, x1) }",
      [
        "float[3] {-0.66120654, -0.43295646, -1.4434524}",
        "float[2, 3] {0.92261422, -1.436973, -1.0027474, 1.1539494, -0.42683342, -0.065035567}",
      ],
      ["bool {1}"]),
    Case(
      "g (float[3] x0) => (bool[?] y0) { y0 = com.microsoft.IsAllFinite<isnan_only = 1> (x0) }",
      [
        "float[3] {-0.67205167, 0.47453743, 0.24429974}",
      ],
      ["bool {1}"]),
    Case(
      "g (float[1, 3] x0, float[3] x1, float[1, 3] x2, float x3) => (float[?] y0, bool[?] y1) { y0, y1 = com.microsoft.BiasDropout (x0, x1, x2, x3) }",
      [
        "float[1, 3] {-0.66120654, -0.43295646, -1.4434524}",
        "float[3] {-0.063023031, 0.92261422, -1.436973}",
        "float[1, 3] {-1.0027474, 1.1539494, -0.42683342}",
        "float {0.5}",
      ],
      ["float[1, 3] {-1.726977, 1.6436071, -3.3072588}",
        "bool[1, 3] {1, 1, 1}"]),
    Case(
      "g (float[1, 3, 2] x0, float[3, 2] x1) => (float[?] y0) { y0 = com.microsoft.ComplexMul (x0, x1) }",
      [
        "float[1, 3, 2] {-0.43295646, -1.4434524, -0.063023031, 0.92261422, -1.436973, -1.0027474}",
        "float[3, 2] {1.1539494, -0.42683342, -0.065035567, 1.2696157, -0.44193941, -0.72357297}",
      ],
      ["float[1, 3, 2] {-1.1157236, -1.4808707, -1.1672667, -0.14001776, -0.090505913, 1.4829084}"]),
    Case(
      "g (float[1, 3, 2] x0, float[3, 2] x1) => (float[?] y0) { y0 = com.microsoft.ComplexMulConj (x0, x1) }",
      [
        "float[1, 3, 2] {-0.43295646, -1.4434524, -0.063023031, 0.92261422, -1.436973, -1.0027474}",
        "float[3, 2] {1.1539494, -0.42683342, -0.065035567, 1.2696157, -0.44193941, -0.72357297}",
      ],
      ["float[1, 3, 2] {0.11650389, -1.8504713, 1.1754643, 0.020012289, 1.3606158, -0.59660119}"]),
    Case(
      "g (float[1, 6] x0) => (float[?] y0) { y0 = com.microsoft.Rfft<signal_ndim = 1> (x0) }",
      [
        "float[1, 6] {-0.66120654, -0.43295646, -1.4434524, -0.063023031, 0.92261422, -1.436973}",
      ],
      ["float[1, 4, 2] {-3.1149971, 0, -1.2727292, 1.17957, 0.47115421, -2.9185777, 0.75090778, 0}"]),
    Case(
      "g (float[1, 4, 2] x0) => (float[?] y0) { y0 = com.microsoft.Irfft<signal_ndim = 1> (x0) }",
      [
        "float[1, 4, 2] {-3.1149971, 0, -1.2727292, 1.17957, 0.47115421, -2.9185777, 0.75090778, 0}",
      ],
      ["float[1, 6] {-0.66120654, -0.43295646, -1.4434524, -0.063023031, 0.92261422, -1.436973}"]),
  ]

  @Test(arguments: cases) private func evaluatesAndInfers(_ item: OperatorCase) throws { try item.check() }
}
