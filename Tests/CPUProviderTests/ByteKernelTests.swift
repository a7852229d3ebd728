import GraphIR
import Tensors
import Testing

/// What lies between quantized products, against the portable evaluation: the same bits.
@Suite struct ByteKernelTests {
  private static let types: [DataType] = [.uint8, .int8]

  private static func scalar(_ value: Int, _ type: DataType) -> KernelCase.Source { .fixedValues([], type, [value]) }
  private static func scale(_ value: Float) -> KernelCase.Source { .fixed([], value, value) }

  private static let quantization: [KernelCase] = types.flatMap { type -> [KernelCase] in
    let zero = scalar(type == .int8 ? -7 : 130, type)
    return [
      KernelCase("QuantizeLinear", [.floats([3, 1700], -9, 9), scale(0.03), zero], tolerance: 0),
      KernelCase("QuantizeLinear", [.f(3, 5), .floats([1], 0.01, 0.02), zero], tolerance: 0),
      KernelCase(
        "QuantizeLinear", [.f(2, 6, 35), .fixed([6], 0.01, 0.03), .fixedCodes([6], type)], ["axis": .int(1)],
        tolerance: 0),
      KernelCase(
        "QuantizeLinear", [.f(2, 6, 35), .fixed([35], 0.01, 0.03), .fixedCodes([35], type)], ["axis": .int(-1)],
        tolerance: 0),
      KernelCase("DequantizeLinear", [.codes([3, 1700], type), scale(0.03), zero], tolerance: 0),
      KernelCase("DequantizeLinear", [.codes([3, 5], type), scale(0.03)], tolerance: 0),
      KernelCase(
        "DequantizeLinear", [.codes([6, 7, 35], type), .fixed([6], 0.01, 0.03), .codes([6], type)], ["axis": .int(0)],
        tolerance: 0),
      KernelCase(
        "DequantizeLinear", [.codes([2, 7, 35], type), .fixed([35], 0.01, 0.03), .codes([35], type)], ["axis": .int(2)],
        tolerance: 0),
    ]
  }

  private static let images: [KernelCase] = types.flatMap { type -> [KernelCase] in
    let window: [String: Attribute] = [
      "kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1]),
    ]
    return [
      KernelCase("MaxPool", [.codes([2, 3, 13, 12], type)], window, tolerance: 0),
      KernelCase("MaxPool", [.codes([1, 2, 9, 277], type)], window, tolerance: 0),
      KernelCase(
        "MaxPool", [.codes([1, 2, 9, 201], type)],
        ["kernel_shape": .ints([2, 5]), "pads": .ints([0, 2, 1, 2]), "dilations": .ints([1, 2])], tolerance: 0),
      KernelCase(
        "MaxPool", [.codes([2, 2, 5, 6, 66], type)],
        ["kernel_shape": .ints([2, 2, 2]), "strides": .ints([2, 1, 3]), "ceil_mode": .int(1)], tolerance: 0),
      KernelCase("ChannelsLastMaxPool", [.codes([2, 13, 12, 70], type)], window, domain: "ai.cameo", tolerance: 0),
      KernelCase(
        "ChannelsLastMaxPool", [.codes([1, 5, 6, 7, 9], type)],
        ["kernel_shape": .ints([2, 2, 3]), "dilations": .ints([1, 2, 2]), "ceil_mode": .int(1)], domain: "ai.cameo",
        tolerance: 0),
      KernelCase(
        "Resize", [.codes([2, 5, 6, 19], type), .absent, .absent, .fixedInts([4], [2, 11, 9, 19])], tolerance: 0),
      KernelCase("Resize", [.codes([2, 3, 6, 5], type), .absent, .absent, .i(2, 3, 13, 5)], tolerance: 0),
      KernelCase("Resize", [.codes([2, 3, 6], type), .absent, .absent, .i(2, 3, 13)], tolerance: 0),
    ]
  }

  @Test(arguments: quantization + images) func agreesWithPortableEvaluation(_ item: KernelCase) throws {
    for threads in [1, 2, 5] { try item.run(threads) }
  }
}
