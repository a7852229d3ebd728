import GraphIR
import Tensors
import Testing

/// The kernels of IntegerMatMul and IntegerConv against the portable evaluation: bit by bit, but for activations with an exponential.
@Suite struct IntegerFusedTests {
  private typealias Source = KernelCase.Source

  private static func scale(_ value: Float) -> Source { .fixed([], value, value) }
  private static func zero(_ value: Int, _ type: DataType) -> Source { .fixedValues([], type, [value]) }

  private static let types: [(DataType, DataType)] = [
    (.uint8, .int8), (.uint8, .uint8), (.int8, .int8), (.int8, .uint8),
  ]

  private static let activations: [(name: String, parameters: [Float])] = [
    ("Relu", []), ("Clip", [-1, 6]), ("HardSwish", []), ("HardSigmoid", [0.2, 0.5]), ("LeakyRelu", [0.1]),
  ]

  private static func attributes(
    _ activation: (name: String, parameters: [Float])?, _ more: [String: Attribute] = [:]
  ) -> [String: Attribute] {
    guard let activation else { return more }
    return more.merging([
      "activation": .string(activation.name), "activation_params": .floats(activation.parameters),
    ]) { a, _ in a }
  }

  private static func product(
    _ a: Source, _ b: Source, _ types: (DataType, DataType), n: Int, y: DataType? = nil, z: [Source] = [],
    activation: (name: String, parameters: [Float])? = nil, rows: Bool = true, zeros: Bool = false,
    more: [String: Attribute] = [:], tolerance: Double = 0
  ) -> KernelCase {
    var inputs: [Source] = [a, scale(0.02), zero(types.0 == .int8 ? -3 : 131, types.0), b]
    inputs.append(rows ? .fixed([n], 0.002, 0.004) : scale(0.003))
    inputs.append(
      zeros ? .fixedCodes([n], types.1) : types.1 == .int8 ? .absent : zero(128, types.1))
    inputs += [rows ? .fixed([n], -1, 1) : .fixed([1], 0.5, 0.5)]
    inputs += y.map { [scale(0.05), zero($0 == .int8 ? -11 : 100, $0)] } ?? [.absent, .absent]
    return KernelCase(
      "IntegerMatMul", inputs + z, attributes(activation, more), domain: "ai.cameo", tolerance: tolerance)
  }

  private static func products(_ types: (DataType, DataType)) -> [KernelCase] {
    let (x, w): (Source, Source) = (.codes([3, 37, 50], types.0), .fixedCodes([50, 75], types.1))
    let residual: [Source] = [.codes([3, 37, 75], .int8), scale(0.03), zero(5, .int8)]
    var cases = [
      product(x, w, types, n: 75), product(x, w, types, n: 75, y: .int8, z: residual),
      product(x, w, types, n: 75, y: .uint8, z: [.floats([3, 37, 75], -2, 2)], zeros: true),
      product(x, w, types, n: 75, z: [.codes([3, 37, 75], .uint8), scale(0.03)], rows: false),
      product(.codes([50], types.0), w, types, n: 75, y: .uint8),
      product(.codes([1, 64], types.0), .fixedCodes([96, 64], types.1), types, n: 96, more: ["transB": .int(1)]),
      product(.codes([40, 128], types.0), .fixedCodes([128, 33], types.1), types, n: 33, y: types.0),
      product(.codes([5, 20], types.0), .fixedCodes([20], types.1), types, n: 1, y: .int8, rows: false),
      // A computed right side, one matrix an item, broadcast.
      product(.codes([2, 3, 9, 20], types.0), .codes([3, 20, 14], types.1), types, n: 14, y: .uint8, rows: false),
      product(
        .codes([2, 1, 7, 65], types.0), .codes([2, 2, 5, 65], types.1), types, n: 5, rows: false, zeros: true,
        more: ["transB": .int(1)]),
      product(.codes([2, 9, 20], types.0), .fixedCodes([2, 20, 40], types.1), types, n: 40, y: .int8),
    ]
    cases += activations.map { product(x, w, types, n: 75, y: .uint8, z: residual, activation: $0) }
    cases += activations.map { product(x, w, types, n: 75, activation: $0) }
    return cases
  }

  @Test(arguments: types.flatMap { products($0) }) func product(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }

  private static func convolution(
    _ image: [Int], _ weights: [Int], _ types: (DataType, DataType), result: [Int], y: DataType? = nil,
    residual: DataType? = nil, activation: (name: String, parameters: [Float])? = nil, zeros: Bool = false,
    more: [String: Attribute] = [:]
  ) -> KernelCase {
    let m = weights[0]
    var inputs: [Source] = [
      .codes(image, types.0), scale(0.02), zero(types.0 == .int8 ? -9 : 140, types.0), .fixedCodes(weights, types.1),
      .fixed([m], 0.002, 0.004),
      zeros ? .fixedCodes([m], types.1) : types.1 == .int8 ? .absent : zero(128, types.1), .fixed([m], -1, 1),
    ]
    inputs += y.map { [scale(0.05), zero($0 == .int8 ? -11 : 100, $0)] } ?? [.absent, .absent]
    switch residual {
    case .float?: inputs.append(.floats(result, -2, 2))
    case let type?: inputs += [.codes(result, type), scale(0.03), zero(3, type)]
    case nil: break
    }
    return KernelCase("IntegerConv", inputs, attributes(activation, more), domain: "ai.cameo", tolerance: 0)
  }

  private static func convolutions(_ types: (DataType, DataType)) -> [KernelCase] {
    let pads: [String: Attribute] = ["pads": .ints([1, 1, 1, 1])]
    return [
      convolution(
        [2, 13, 11, 5], [40, 5, 3, 3], types, result: [2, 13, 11, 40], y: .uint8, residual: .uint8, more: pads),
      convolution(
        [1, 9, 9, 64], [33, 64, 3, 3], types, result: [1, 5, 5, 33], y: types.0, activation: ("Relu", []),
        more: ["pads": .ints([1, 1, 1, 1]), "strides": .ints([2, 2])]),
      convolution(
        [1, 9, 9, 40], [70, 40, 1, 1], types, result: [1, 9, 9, 70], y: .int8, residual: .int8,
        activation: ("HardSwish", []), zeros: true),
      convolution([2, 8, 8, 64], [32, 64, 1, 1], types, result: [2, 4, 4, 32], more: ["strides": .ints([2, 2])]),
      convolution(
        [1, 3, 30, 31], [16, 3, 7, 7], types, result: [1, 15, 16, 16], y: .uint8, activation: ("Clip", [-1, 6]),
        more: ["channels_first": .int(1), "pads": .ints([3, 3, 3, 3]), "strides": .ints([2, 2])]),
      convolution(
        [1, 9, 8, 12], [6, 4, 3, 2], types, result: [1, 3, 4, 6], residual: .float, zeros: true,
        more: ["group": .int(3), "strides": .ints([3, 2]), "auto_pad": .string("SAME_UPPER")]),
      convolution(
        [1, 9, 9, 12], [12, 1, 3, 3], types, result: [1, 9, 9, 12], y: .uint8,
        more: pads.merging(["group": .int(12)]) { a, _ in a }),
      convolution([1, 9, 9, 12], [8, 3, 1, 1], types, result: [1, 9, 9, 8], y: .int8, more: ["group": .int(4)]),
      convolution([2, 20, 9], [6, 9, 4], types, result: [2, 20, 6], more: ["auto_pad": .string("SAME_LOWER")]),
      convolution([1, 4, 5, 6, 2], [3, 2, 2, 2, 2], types, result: [1, 3, 4, 5, 3], y: .uint8),
      convolution(
        [1, 12, 20, 7], [9, 7, 3, 3], types, result: [1, 8, 16, 9], zeros: true, more: ["dilations": .ints([2, 2])]),
    ]
  }

  /// One filter a channel.
  private static func channelFilters(_ types: (DataType, DataType)) -> [KernelCase] {
    func form(_ group: Int, _ more: [String: Attribute]) -> [String: Attribute] {
      more.merging(["group": .int(Int64(group))]) { a, _ in a }
    }
    return [
      convolution(
        [2, 15, 17, 70], [70, 1, 3, 3], types, result: [2, 15, 17, 70], y: .uint8, residual: .uint8,
        activation: ("HardSwish", []), more: form(70, ["pads": .ints([1, 1, 1, 1])])),
      convolution(
        [1, 14, 30, 33], [33, 1, 5, 5], types, result: [1, 7, 15, 33], y: .int8, residual: .float, zeros: true,
        more: form(33, ["pads": .ints([2, 2, 2, 2]), "strides": .ints([2, 2])])),
      convolution(
        [1, 40, 19, 64], [64, 1, 5, 5], types, result: [1, 40, 19, 64], activation: ("Relu", []),
        more: form(64, ["pads": .ints([2, 2, 2, 2])])),
      convolution(
        [1, 12, 20, 8], [8, 1, 3, 3], types, result: [1, 6, 18, 8], y: types.0,
        more: form(8, ["pads": .ints([1, 0, 1, 0]), "strides": .ints([2, 1])])),
      convolution(
        [1, 12, 20, 96], [96, 1, 3, 2], types, result: [1, 8, 7, 96], y: .uint8, zeros: true,
        more: form(96, ["dilations": .ints([2, 1]), "strides": .ints([1, 3]), "pads": .ints([0, 1, 0, 0])])),
      convolution(
        [2, 23, 20], [20, 1, 7], types, result: [2, 23, 20], y: .uint8, more: form(20, ["pads": .ints([3, 3])])),
      convolution(
        [1, 20, 9, 11], [20, 1, 3, 3], types, result: [1, 9, 11, 20], y: .uint8,
        more: form(20, ["channels_first": .int(1), "pads": .ints([1, 1, 1, 1])])),
      convolution(
        [1, 4, 5, 6, 6], [6, 1, 2, 2, 2], types, result: [1, 3, 4, 5, 6], y: .uint8, more: form(6, [:])),
    ]
  }

  @Test(arguments: types.flatMap { channelFilters($0) }) func depthwise(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }

  @Test(arguments: types.flatMap { convolutions($0) }) func convolution(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }

  /// Sigmoid and the like may differ in the last bit, and a number of 8 bits then by one step of 255.
  @Test(arguments: ["Sigmoid", "Tanh", "Gelu", "GeluTanh"]) func exponentials(_ name: String) throws {
    let (x, w): (Source, Source) = (.codes([37, 50], .uint8), .fixedCodes([50, 75], .int8))
    let whole = Self.product(
      x, w, (.uint8, .int8), n: 75, y: .uint8, activation: (name, []), tolerance: 1.0 / 128)
    let float = Self.product(x, w, (.uint8, .int8), n: 75, activation: (name, []), tolerance: 1e-5)
    for threads in [1, 3] {
      try whole.run(threads)
      try float.run(threads)
    }
  }

  /// Scales and zero points that are known in the run alone.
  @Test func computedParameters() throws {
    let given = KernelCase(
      "IntegerMatMul",
      [
        .codes([9, 50], .uint8), .floats([1], 0.01, 0.03), .codes([], .uint8), .fixedCodes([50, 40], .int8),
        .floats([40], 0.001, 0.01), .codes([40], .int8), .floats([40], -1, 1), .floats([], 0.03, 0.06),
        .codes([], .int8),
        .codes([9, 40], .uint8), .floats([], 0.01, 0.03), .codes([1], .uint8),
      ], domain: "ai.cameo", tolerance: 0)
    for threads in [1, 3] { try given.run(threads) }
  }
}
