import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// The operators that move elements of com.microsoft. Expected outputs: ONNX Runtime 1.31.1, and NumPy where its CPU provider has no kernel.
@Suite struct MicrosoftMovementTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (int32[1, 3] x0, int32 x1) => (int32[?] y0) { y0 = com.microsoft.ExpandDims (x0, x1) }",
      [
        "int32[1, 3] {-1, -1, -4}",
        "int32 {-2}",
      ],
      ["int32[1, 1, 3] {-1, -1, -4}"]),
    Case(
      "g (int64[2] x0, int32 x1) => (int64[?] y0) { y0 = com.microsoft.ExpandDims (x0, x1) }",
      [
        "int64[2] {-2, 1}",
        "int32 {1}",
      ],
      ["int64[2, 1] {-2, 1}"]),
    Case(
      "g (float[1, 2] x0, int64[4] x1) => (float[?] y0) { y0 = com.microsoft.Pad<mode = \"edge\"> (x0, x1) }",
      [
        "float[1, 2] {-0.5, -1.5}",
        "int64[4] {0, 0, 0, 0}",
      ],
      ["float[1, 2] {-0.5, -1.5}"]),
    Case(
      "g (float[1] x0, int64[1, 2] x1) => (float[?] y0) { y0 = com.microsoft.Pad<mode = \"edge\"> (x0, x1) }",
      [
        "float[1] {0.5}",
        "int64[1, 2] {0, 0}",
      ],
      ["float[1] {0.5}"]),
    Case(
      "g (float[1, 2, 3] x0, int64[6] x1) => (float[?] y0) { y0 = com.microsoft.Pad<mode = \"edge\"> (x0, x1) }",
      [
        "float[1, 2, 3] {-0.5, 0.5, 1, -2.5, 0.5, -1}",
        "int64[6] {0, 0, 0, 0, 0, 0}",
      ],
      ["float[1, 2, 3] {-0.5, 0.5, 1, -2.5, 0.5, -1}"]),
    Case(
      "g (double[1, 3, 2] x0) => (double[?] y0) { y0 = com.microsoft.Trilu (x0) }",
      [
        "double[1, 3, 2] {-2, -7, -0.5, 4.5, -7, -5}"
      ],
      ["double[1, 3, 2] {-2, -7, 0, 4.5, 0, 0}"]),
    Case(
      "g (int64[2, 3] x0, int64 x1) => (int64[?] y0) { y0 = com.microsoft.Trilu (x0, x1) }",
      [
        "int64[2, 3] {-3, 2, 1, -10, 1, 2}",
        "int64 {3}",
      ],
      ["int64[2, 3] {0, 0, 0, 0, 0, 0}"]),
    Case(
      "g (float[5] x0) => (float[?] y0, int64[?] y1, int64[?] y2) { y0, y1, y2 = com.microsoft.Unique (x0) }",
      [
        "float[5] {0, 2, 1, 3, 4}"
      ],
      [
        "float[5] {0, 2, 1, 3, 4}",
        "int64[5] {0, 1, 2, 3, 4}",
        "int64[5] {1, 1, 1, 1, 1}",
      ]),
    Case(
      "g (int32[1] x0, int32[1] x1) => (int32[?] y0) { y0 = com.microsoft.Range (x0, x1) }",
      [
        "int32[1] {-2}",
        "int32[1] {3}",
      ],
      ["int32[5] {-2, -1, 0, 1, 2}"]),
    Case(
      "g (int64 x0, int64 x1, int64[1] x2) => (int64[?] y0) { y0 = com.microsoft.Range (x0, x1, x2) }",
      [
        "int64 {-1}",
        "int64 {5}",
        "int64[1] {2}",
      ],
      ["int64[3] {-1, 1, 3}"]),
    Case(
      "g (float[1, 2, 2] x0, int32[1, 1, 2] x1) => (float[?] y0) { y0 = com.microsoft.GatherND (x0, x1) }",
      [
        "float[1, 2, 2] {-0, 1, -1.5, -1}",
        "int32[1, 1, 2] {0, 1}",
      ],
      ["float[1, 1, 2] {-1.5, -1}"]),
    Case(
      "g (float[1, 1, 4, 5] x0, float[1, 3, 2, 2] x1) => (float[?] y0) { y0 = com.microsoft.GridSample<mode = \"bilinear\", padding_mode = \"reflection\", align_corners = 0> (x0, x1) }",
      [
        "float[1, 1, 4, 5] {-0.5, 0.5, 0, -2, 0.5, 0.5, -2.5, 1, 0.5, -1, 1.5, 0, 0.5, 1, -1.5, -0, -1.5, 0.5, 0, 0}",
        "float[1, 3, 2, 2] {1, -1, -0, 0, 1, -0, 0.5, 0.5, -0, 1, 0.5, 0.5}",
      ],
      ["float[1, 1, 3, 2] {0.5, 0.75, -1.25, 0.1875, 0.5, 0.1875}"]),
  ]

  @Test(arguments: cases) private func evaluatesAndInfers(_ item: OperatorCase) throws { try item.check() }
}
