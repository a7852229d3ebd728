import GraphIR
import Tensors
import Testing

/// Kernels of quantized operators against the portable evaluation. Their sums are exact, so the results are, too.
@Suite struct IntegerKernelTests {
  private static func scale(_ value: Float) -> KernelCase.Source { .fixed([], value, value) }
  private static func zero(_ value: Int, _ type: DataType) -> KernelCase.Source { .fixedValues([], type, [value]) }

  /// A at run time, constant weights: [m, k] by [k, n].
  private static func products(_ a: DataType, _ b: DataType) -> [KernelCase] {
    let (x, w): (KernelCase.Source, KernelCase.Source) = (.codes([3, 37, 50], a), .fixedCodes([50, 75], b))
    let (xZero, wZero) = (zero(a == .int8 ? -3 : 131, a), zero(b == .int8 ? 5 : 120, b))
    let zeros: KernelCase.Source = .fixedCodes([75], b)
    return [
      KernelCase("MatMulInteger", [x, w], tolerance: 0),
      KernelCase("MatMulInteger", [x, w, xZero, zeros], tolerance: 0),
      KernelCase("MatMulInteger", [.codes([1, 50], a), w, xZero, wZero], tolerance: 0),
      KernelCase("MatMulInteger", [.codes([50], a), w], tolerance: 0),
      KernelCase(
        "QLinearMatMul", [x, scale(0.02), xZero, w, .fixed([75], 0.01, 0.03), zeros, scale(1.5), zero(7, a)],
        tolerance: 0),
      KernelCase(
        "QLinearMatMul", [x, scale(0.02), xZero, w, scale(0.01), wZero, scale(0.9), zero(7, b)], tolerance: 0),
      KernelCase(
        "MatMulIntegerToFloat", [x, w, .floats([1], 0.01, 0.02), .w(75), xZero, zeros, .w(75)],
        domain: "com.microsoft", tolerance: 0),
      KernelCase(
        "MatMulIntegerToFloat", [x, w, scale(0.1), scale(0.2)], domain: "com.microsoft", tolerance: 0),
      KernelCase(
        "DynamicQuantizeMatMul", [.f(2, 9, 50), w, .w(75), zeros, .w(75)], domain: "com.microsoft", tolerance: 0),
      KernelCase("DynamicQuantizeMatMul", [.f(1, 50), w, scale(0.2)], domain: "com.microsoft", tolerance: 0),
      KernelCase(
        "QGemm",
        [
          .codes([9, 50], a), scale(0.02), xZero, .fixedCodes([75, 50], b), scale(0.01), wZero,
          .fixedValues([75], .int32, Array(-30..<45)), scale(0.7), zero(3, a),
        ], ["transB": .int(1), "alpha": .float(0.5)], domain: "com.microsoft", tolerance: 0),
      KernelCase(
        "QGemm", [.codes([9, 50], a), scale(0.02), xZero, w, .fixed([75], 0.01, 0.03), zeros],
        domain: "com.microsoft", tolerance: 0),
    ]
  }

  private static func convolutions(_ x: DataType, _ w: DataType) -> [KernelCase] {
    let pads: [String: Attribute] = ["pads": .ints([1, 1, 1, 1])]
    let wZero = zero(w == .int8 ? 0 : 128, w)
    func quantized(_ image: [Int], _ weights: [Int], _ attributes: [String: Attribute], last: Bool = false)
      -> KernelCase
    {
      KernelCase(
        "QLinearConv",
        [
          .codes(image, x), scale(0.02), zero(x == .int8 ? -9 : 140, x), .fixedCodes(weights, w),
          .fixed([weights[0]], 0.01, 0.03), last ? .fixedCodes([weights[0]], w) : wZero, scale(0.9), zero(11, x),
          .fixedValues([weights[0]], .int32, (0..<weights[0]).map { $0 * 37 - 100 }),
        ], attributes.merging(last ? ["channels_last": .int(1)] : [:]) { a, _ in a },
        domain: last ? "com.microsoft" : "", tolerance: 0)
    }
    return [
      quantized([2, 5, 13, 11], [7, 5, 3, 3], pads), quantized([1, 40, 9, 9], [33, 40, 1, 1], [:]),
      quantized([1, 3, 17, 16], [40, 3, 5, 3], ["strides": .ints([2, 3]), "dilations": .ints([1, 2])]),
      quantized([2, 9, 20], [6, 9, 4], ["auto_pad": .string("SAME_UPPER")]),
      quantized([2, 13, 11, 5], [70, 5, 3, 3], pads, last: true),
      quantized([1, 9, 9, 40], [33, 40, 1, 1], [:], last: true),
      KernelCase(
        "ConvInteger", [.codes([2, 5, 13, 11], x), .fixedCodes([37, 5, 3, 3], w), zero(12, x), zero(9, w)], pads,
        tolerance: 0),
      KernelCase("ConvInteger", [.codes([1, 2, 4, 5, 6], x), .fixedCodes([3, 2, 2, 2, 2], w)], tolerance: 0),
    ]
  }

  private static let types: [(DataType, DataType)] = [
    (.uint8, .int8), (.uint8, .uint8), (.int8, .int8), (.int8, .uint8),
  ]

  /// Lines that tiles end with, lines that are a tile in pairs, and columns enough for tiles of the same rows on one thread.
  private static func lines(_ x: DataType, _ w: DataType) -> [KernelCase] {
    [(1, 7, 7, 64), (2, 7, 7, 64), (3, 5, 6, 64), (1, 8, 4, 64), (2, 14, 14, 64), (1, 9, 28, 64), (1, 6, 17, 20)].map {
      batch, height, width, channels in
      KernelCase(
        "QLinearConv",
        [
          .codes([batch, height, width, channels * 2], x), scale(0.02), zero(x == .int8 ? -9 : 140, x),
          .fixedCodes([300, channels, 3, 3], w), .fixed([300], 0.01, 0.03), .fixedCodes([300], w), scale(9),
          zero(11, x), .fixedValues([300], .int32, (0..<300).map { $0 * 37 - 100 }),
        ], ["channels_last": .int(1), "group": .int(2), "pads": .ints([1, 1, 1, 1])], domain: "com.microsoft",
        tolerance: 0)
    }
  }

  @Test(arguments: lines(.uint8, .int8) + lines(.int8, .uint8)) func convolutionByLines(_ item: KernelCase) throws {
    for threads in [1, 2, 4] { try item.run(threads) }
  }

  @Test(arguments: types.flatMap { products($0.0, $0.1) }) func product(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }

  @Test(arguments: types.flatMap { convolutions($0.0, $0.1) }) func convolution(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }

  private static func blocks(_ shape: [Int], n: Int, k: Int, bits: Int, block: Int, more: [KernelCase.Source] = [])
    -> KernelCase
  {
    let count = (k + block - 1) / block
    return KernelCase(
      "MatMulNBits",
      [.floats(shape, -1, 1), .fixedCodes([n, count, block * bits / 8], .uint8), .fixed([n * count], 0.01, 0.1)] + more,
      ["K": .int(Int64(k)), "N": .int(Int64(n)), "bits": .int(Int64(bits)), "block_size": .int(Int64(block))],
      domain: "com.microsoft", tolerance: 1e-5)
  }

  private static let blockCases: [KernelCase] = [
    blocks([1, 96], n: 70, k: 96, bits: 4, block: 32), blocks([2, 5, 96], n: 150, k: 96, bits: 4, block: 16),
    blocks([3, 100], n: 33, k: 100, bits: 4, block: 32, more: [.fixedCodes([33 * 2], .uint8)]),
    blocks([1, 100], n: 33, k: 100, bits: 8, block: 64, more: [.fixed([33 * 2], 3, 9), .absent, .w(33)]),
    blocks([6, 70], n: 300, k: 70, bits: 2, block: 16, more: [.fixedCodes([300 * 2], .uint8), .absent, .w(300)]),
  ]

  @Test(arguments: blockCases) func productOfFewBits(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }

  private static let sequenceCases: [KernelCase] = [
    KernelCase("RotaryEmbedding", [.f(2, 3, 5, 32), .f(2, 5, 16), .f(2, 5, 16)]),
    KernelCase(
      "RotaryEmbedding", [.f(2, 5, 36), .f(9, 4), .f(9, 4), .values([2, 5], .int64, [0, 8, 2, 3, 1, 7, 7, 0, 4, 5])],
      ["num_heads": .int(3), "rotary_embedding_dim": .int(8), "interleaved": .int(1)]),
    KernelCase("RotaryEmbedding", [.f(2, 3, 5, 40), .f(1, 5, 20), .f(1, 5, 20)]),
    KernelCase(
      "LinearAttention", [.f(2, 3, 32), .f(2, 3, 16), .f(2, 3, 20)],
      ["q_num_heads": .int(4), "kv_num_heads": .int(2), "update_rule": .string("linear")], outputs: 2),
    KernelCase(
      "LinearAttention",
      [
        .f(2, 3, 32), .f(2, 3, 16), .f(2, 3, 20), .f(2, 2, 8, 10), .floats([2, 3, 2], -1, 0), .floats([2, 3, 1], 0, 1),
      ],
      ["q_num_heads": .int(4), "kv_num_heads": .int(2), "update_rule": .string("gated_delta")], outputs: 2,
      tolerance: 1e-4),
    KernelCase(
      "LinearAttention", [.f(1, 4, 16), .f(1, 4, 16), .f(1, 4, 34), .absent, .floats([1, 4, 16], -1, 0)],
      ["q_num_heads": .int(2), "kv_num_heads": .int(2), "update_rule": .string("gated"), "scale": .float(0.3)],
      outputs: 2),
    KernelCase(
      "LinearAttention",
      [.f(1, 4, 16), .f(1, 4, 16), .f(1, 4, 34), .f(1, 2, 8, 17), .absent, .floats([1, 4, 2], 0, 0.5)],
      ["q_num_heads": .int(2), "kv_num_heads": .int(2), "update_rule": .string("delta")], outputs: 2, tolerance: 1e-4),
    KernelCase(
      "CausalConvWithState", [.f(2, 5, 9), .w(5, 1, 4), .w(5), .f(2, 5, 3)], ["activation": .string("silu")],
      outputs: 2),
    KernelCase("CausalConvWithState", [.f(2, 5, 1), .w(5, 1, 4)], outputs: 2),
    KernelCase(
      "TensorScatter", [.f(2, 3, 8, 5), .f(2, 3, 2, 5), .values([2], .int64, [6, 0])]),
    KernelCase(
      "TensorScatter", [.f(2, 3, 8, 5), .f(2, 3, 3, 5), .values([2], .int64, [7, 13])], ["mode": .string("circular")]),
    KernelCase("TensorScatter", [.codes([1, 9, 4], .uint8), .codes([1, 2, 4], .uint8)], ["axis": .int(1)]),
  ]

  @Test(arguments: sequenceCases) func sequence(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }

  @Test func positionsAndWriteIndicesOutsideAreErrors() {
    for item in [
      KernelCase(
        "RotaryEmbedding", [.f(1, 2, 2, 8), .f(4, 4), .f(4, 4), .values([1, 2], .int64, [0, 4])]),
      KernelCase("TensorScatter", [.f(1, 3, 8, 5), .f(1, 3, 2, 5), .values([1], .int64, [7])]),
      KernelCase("TensorScatter", [.f(1, 3, 8, 5), .f(1, 3, 2, 5), .values([1], .int64, [-1])]),
    ] {
      #expect(throws: CameoError.self) { try item.run(1) }
    }
  }
}
