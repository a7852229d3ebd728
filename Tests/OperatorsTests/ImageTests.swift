import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Expected outputs: onnx 1.23.2, onnx.reference.
@Suite struct ImageTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (float[1, 1, 2, 2] x0, float[4] x2) => (float[?] y0) { y0 = Resize<mode = \"nearest\"> (x0, , x2) }",
      opset: 26,
      [
        "float[1, 1, 2, 2] {0, -1, 3.5, -3}",
        "float[4] {1, 1, 2, 2}",
      ],
      ["float[1, 1, 4, 4] {0, 0, -1, -1, 0, 0, -1, -1, 3.5, 3.5, -3, -3, 3.5, 3.5, -3, -3}"]),
    Case(
      "g (float[1, 1, 2, 2] x0, int64[4] x3) => (float[?] y0) { y0 = Resize<mode = \"linear\"> (x0, , , x3) }",
      opset: 26,
      [
        "float[1, 1, 2, 2] {-0, 3, -0, -1}",
        "int64[4] {1, 1, 3, 5}",
      ],
      ["float[1, 1, 3, 5] {0, 0.3, 1.5, 2.7, 3, 0, 0.1, 0.5, 0.9, 1, 0, -0.1, -0.5, -0.9, -1}"]),
    Case(
      "g (float[1, 1, 4, 4] x0, float[4] x2) => (float[?] y0) { y0 = Resize<mode = \"cubic\"> (x0, , x2) }", opset: 26,
      [
        "float[1, 1, 4, 4] {0.5, 1, 1, 0.5, 1.5, 2, -2, -1, 1.5, 1, 0.5, 1.5, 2, -1.5, -2.5, -2.5}",
        "float[4] {1, 1, 0.6, 0.6}",
      ],
      ["float[1, 1, 2, 2] {1.0704738, -0.08333364, 1.3703705, 0.49999785}"]),
    Case(
      "g (float[1, 1, 2, 2] x0, float[4] x2) => (float[?] y0) { y0 = Resize<mode = \"linear\", coordinate_transformation_mode = \"align_corners\"> (x0, , x2) }",
      opset: 26,
      [
        "float[1, 1, 2, 2] {3.5, -2, -0.5, -0.5}",
        "float[4] {1, 1, 2, 2}",
      ],
      [
        "float[1, 1, 4, 4] {3.5, 1.6666666, -0.16666667, -2, 2.1666667, 0.9444444, -0.2777778, -1.5, 0.8333333, 0.22222222, -0.3888889, -1, -0.5, -0.5, -0.5, -0.5}"
      ]),
    Case(
      "g (float[1, 1, 4, 4] x0, float[4] x2) => (float[?] y0) { y0 = Resize<mode = \"linear\", antialias = 1> (x0, , x2) }",
      opset: 26,
      [
        "float[1, 1, 4, 4] {2, -3.5, -0, 2.5, 2, 1, -0.5, 3.5, -3.5, 2, 1, 1, 0.5, 0.5, 2, -2.5}",
        "float[4] {1, 1, 0.6, 0.6}",
      ],
      ["float[1, 1, 2, 2] {0.5703125, 0.13194427, -0.3263889, 0.9876543}"]),
    Case(
      "g (float[1, 1, 2, 4] x0, int64[2] x3) => (float[?] y0) { y0 = Resize<mode = \"linear\", axes = [2, 3], keep_aspect_ratio_policy = \"not_larger\"> (x0, , , x3) }",
      opset: 26,
      [
        "float[1, 1, 2, 4] {-2.5, 0.5, 0, 0.5, 3, -1, 1.5, 1}",
        "int64[2] {3, 3}",
      ],
      ["float[1, 1, 2, 3] {-1.2777778, 0.25, 0.5277778, 2.3333333, 0.25, 1.0833334}"]),
    Case(
      "g (float[1, 1, 2, 2] x0, float[4] x2) => (float[?] y0) { y0 = Resize<mode = \"cubic\", exclude_outside = 1> (x0, , x2) }",
      opset: 26,
      [
        "float[1, 1, 2, 2] {4.5, -3, -1, -1}",
        "float[4] {1, 1, 2, 2}",
      ],
      [
        "float[1, 1, 4, 4] {6.41219, 3.2944427, -1.31717, -4.4349174, 4.026074, 1.9119852, -1.2150673, -3.3291564, 0.49665317, -0.13287555, -1.0640422, -1.693571, -1.8894628, -1.5153332, -0.9619396, -0.5878099}"
      ]),
    Case(
      "g (float[1, 1, 3, 3] x0, float[1, 2, 2, 2] x1) => (float[?] y0) { y0 = GridSample<mode = \"linear\"> (x0, x1) }",
      opset: 26,
      [
        "float[1, 1, 3, 3] {2.5, -1.5, 3.5, 3, 1.5, 1, -3, 0.5, -3}",
        "float[1, 2, 2, 2] {-0, 0, -0, 0.5, -0, -1, -0.5, -0.5}",
      ],
      ["float[1, 1, 2, 2] {1.5, 0.75, -0.75, 1.78125}"]),
    Case(
      "g (float[1, 1, 3, 3] x0, float[1, 2, 2, 2] x1) => (float[?] y0) { y0 = GridSample<mode = \"cubic\", padding_mode = \"border\"> (x0, x1) }",
      opset: 26,
      [
        "float[1, 1, 3, 3] {-0.5, 2.5, 1, 0.5, -2.5, 4.5, -0, 5, -1.5}",
        "float[1, 2, 2, 2] {-1, 5, -2, 1, -0.5, -1.5, 4.5, -2}",
      ],
      ["float[1, 1, 2, 2] {-0.46875, -0.046875, 0.23242188, 1}"]),
    Case(
      "g (float[1, 1, 3, 3] x0, float[1, 2, 2, 2] x1) => (float[?] y0) { y0 = GridSample<mode = \"nearest\", padding_mode = \"reflection\", align_corners = 1> (x0, x1) }",
      opset: 26,
      [
        "float[1, 1, 3, 3] {2, 2, -2, -4, -3.5, -1.5, 0.5, 0.5, -0.5}",
        "float[1, 2, 2, 2] {-0, 2, 1.5, 1, -1, 1.5, 0.5, -1.5}",
      ],
      ["float[1, 1, 2, 2] {-3.5, -0.5, 0.5, -2}"]),
    Case(
      "g (float[1, 2, 3] x0, int64[4] x1) => (float[?] y0) { y0 = AffineGrid (x0, x1) }", opset: 26,
      [
        "float[1, 2, 3] {-1, 2.5, 3.5, -1, -4, 1}",
        "int64[4] {1, 1, 2, 3}",
      ],
      [
        "float[1, 2, 3, 2] {2.9166667, 3.6666667, 2.25, 3, 1.5833334, 2.3333333, 5.4166665, -0.33333334, 4.75, -1, 4.0833335, -1.6666666}"
      ]),
    Case(
      "g (float[3, 4] x0, int64[2] x1) => (float[?] y0) { y0 = CenterCropPad (x0, x1) }", opset: 26,
      [
        "float[3, 4] {-2, 1.5, -1, 4.5, 0, 2, -2.5, -5.5, 0.5, 0.5, 1.5, -1}",
        "int64[2] {2, 6}",
      ],
      ["float[2, 6] {0, -2, 1.5, -1, 4.5, 0, 0, 0, 2, -2.5, -5.5, 0}"]),
    Case(
      "g (float[1, 5, 1] x0) => (float[?] y0) { y0 = DFT (x0) }", opset: 26,
      ["float[1, 5, 1] {-2.5, -3, 1, 1.5, -2}"],
      [
        "float[1, 5, 2] {-5, 0, -6.0676274, 1.2449491, 2.3176274, 0.112257, 2.3176274, -0.112257, -6.0676274, -1.2449491}"
      ]),
    Case(
      "g (int64 x0) => (float[?] y0) { y0 = HannWindow (x0) }", opset: 26,
      ["int64 {5}"],
      ["float[5] {0, 0.34549153, 0.90450853, 0.9045085, 0.34549144}"]),
  ]

  @Test(arguments: cases) func evaluates(_ test: OperatorCase) throws { try test.check() }
}
