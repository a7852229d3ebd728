import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Expected outputs: ONNX Runtime 1.31.1, CPU.
@Suite struct MicrosoftQuantizedPoolingTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (uint8[1, 2, 4, 3] x0, float x1, uint8 x2, float x3, uint8 x4) => (uint8[?] y0) { y0 = com.microsoft.QLinearAveragePool<kernel_shape = [3, 2], pads = [1, 0, 1, 1], strides = [2, 1], count_include_pad = 0> (x0, x1, x2, x3, x4) }",
      [
        "uint8[1, 2, 4, 3] {171, 206, 5, 206, 120, 131, 161, 73, 250, 13, 71, 98, 146, 104, 33, 11, 0, 12, 38, 255, 48, 167, 192, 60}",
        "float {0.1}",
        "uint8 {100}",
        "float {0.07}",
        "uint8 {3}",
      ],
      [
        "uint8[1, 2, 2, 3] {111, 25, 0, 13, 37, 88, 0, 0, 0, 18, 0, 0}"
      ]),
    Case(
      "g (uint8[1, 4, 3, 2] x0, float x1, uint8 x2, float x3, uint8 x4) => (uint8[?] y0) { y0 = com.microsoft.QLinearAveragePool<kernel_shape = [3, 2], pads = [1, 0, 1, 1], count_include_pad = 1, ceil_mode = 1, strides = [2, 2], channels_last = 1> (x0, x1, x2, x3, x4) }",
      [
        "uint8[1, 4, 3, 2] {171, 146, 206, 104, 5, 33, 206, 11, 120, 0, 131, 12, 161, 38, 73, 255, 250, 48, 13, 167, 71, 192, 98, 60}",
        "float {0.1}",
        "uint8 {100}",
        "float {0.07}",
        "uint8 {3}",
      ],
      [
        "uint8[1, 3, 2, 2] {75, 0, 0, 0, 13, 18, 46, 0, 0, 41, 3, 0}"
      ]),
    Case(
      "g (int8[2, 3, 2, 2] x0, float x1, int8 x2, float x3, int8 x4) => (int8[?] y0) { y0 = com.microsoft.QLinearGlobalAveragePool<channels_last = 0> (x0, x1, x2, x3, x4) }",
      [
        "int8[2, 3, 2, 2] {-56, -17, -61, 121, -83, 101, 76, 88, -99, -28, 32, -2, 42, 45, 41, -113, 117, 14, 103, -59, -36, 97, -81, -112}",
        "float {0.1}",
        "int8 {-3}",
        "float {0.05}",
        "int8 {9}",
      ],
      [
        "int8[2, 3, 1, 1] {9, 106, -33, 23, 103, -51}"
      ]),
    Case(
      "g (int8[2, 3, 2, 2] x0, float x1, int8 x2, float x3, int8 x4) => (int8[?] y0) { y0 = com.microsoft.QLinearGlobalAveragePool<channels_last = 1> (x0, x1, x2, x3, x4) }",
      [
        "int8[2, 3, 2, 2] {-56, -17, -61, 121, -83, 101, 76, 88, -99, -28, 32, -2, 42, 45, 41, -113, 117, 14, 103, -59, -36, 97, -81, -112}",
        "float {0.1}",
        "int8 {-3}",
        "float {0.05}",
        "int8 {9}",
      ],
      [
        "int8[2, 1, 1, 2] {-49, 103, 77, -28}"
      ]),
    Case(
      "g (int8[2, 3, 2, 2] x0) => (int8[?] y0) { y0 = com.microsoft.NhwcMaxPool<kernel_shape = [2, 2], pads = [1, 0, 0, 0], dilations = [1, 1]> (x0) }",
      [
        "int8[2, 3, 2, 2] {-56, -17, -61, 121, -83, 101, 76, 88, -99, -28, 32, -2, 42, 45, 41, -113, 117, 14, 103, -59, -36, 97, -81, -112}"
      ],
      [
        "int8[2, 3, 1, 2] {-56, 121, 76, 121, 76, 101, 42, 45, 117, 45, 117, 97}"
      ]),
    Case(
      "g (uint8[1, 5, 2] x0) => (uint8[?] y0) { y0 = com.microsoft.NhwcMaxPool<kernel_shape = [2], dilations = [2], strides = [2], ceil_mode = 1> (x0) }",
      [
        "uint8[1, 5, 2] {95, 173, 31, 222, 87, 58, 139, 229, 226, 223}"
      ],
      [
        "uint8[1, 2, 2] {95, 173, 226, 223}"
      ]),
  ]

  @Test(arguments: cases)
  func computesWhatOnnxRuntimeDoes(_ item: OperatorCase) throws { try item.check() }
}
