import GraphIR
import InferenceRuntime
import ONNXFormat
import Tensors
import Testing

@testable import CPUProvider

/// Products with weights of few bits: every form against the portable evaluation, and against the bits of other thread counts.
@Suite struct BlockProductTests {
  private static func codes(_ shape: [Int], _ type: DataType) -> KernelCase.Source {
    let (low, high) = (
      type == .int4 ? -8 : type == .int2 ? -2 : 0, type == .int4 ? 7 : type == .int2 ? 1 : type == .uint2 ? 3 : 15
    )
    var state: UInt64 = 88_172_645_463_325_252
    return .fixedValues(
      shape, type,
      (0..<shape.reduce(1, *)).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return low + Int(state >> 40) % (high - low + 1)
      })
  }

  private static func block(
    _ a: [Int], _ w: KernelCase.Source, _ scales: [Int], _ more: [KernelCase.Source] = [], axis: Int? = nil,
    block: Int = 0,
    transB: Bool = false
  ) -> KernelCase {
    var attributes: [String: Attribute] = [:]
    if let axis { attributes["axis"] = .int(Int64(axis)) }
    if block > 0 { attributes["block_size"] = .int(Int64(block)) }
    if transB { attributes["transB"] = .int(1) }
    return KernelCase(
      "BlockMatMul", [.floats(a, -1, 1), w, .fixed(scales, 0.01, 0.1)] + more, attributes, domain: "ai.cameo",
      tolerance: 1e-5)
  }

  private static let cases: [KernelCase] = [
    // Blocks along K, as stored and transposed, with zero points of each kind, with a bias.
    block([1, 96], codes([96, 70], .int4), [3, 70], axis: 0, block: 32),
    block([2, 3, 96], codes([70, 96], .int4), [70, 6], axis: 1, block: 16, transB: true),
    block([1, 100], codes([100, 33], .uint4), [4, 33], [codes([4, 33], .uint4)], axis: -2, block: 32),
    block([3, 64], codes([64, 20], .uint4), [2, 20], axis: 0, block: 32),
    block([2, 64], codes([64, 20], .int4), [4, 20], [codes([4, 20], .int4), .w(20)], axis: 0, block: 16),
    block([2, 64], codes([64, 20], .int4), [4, 20], [.absent, .w(20)], axis: 0, block: 16),
    block([5, 48], codes([17, 48], .uint2), [17, 3], [codes([17, 3], .uint2)], axis: 1, block: 16, transB: true),
    block([4, 50], codes([50, 40], .int2), [1, 40], axis: 0, block: 64),
    // One scale a column, one for all; eight bits.
    block([1, 77], .fixedCodes([77, 50], .int8), [50], axis: 1),
    block([30, 77], .fixedCodes([50, 77], .int8), [50], [.fixedCodes([50], .int8), .w(50)], axis: 0, transB: true),
    block([6, 128], .fixedCodes([128, 90], .uint8), [90], [.fixedCodes([90], .uint8)], axis: 1),
    block([2, 40], .fixedCodes([40, 30], .uint8), [], [.fixedValues([], .uint8, [128])]),
    block([9, 40], .fixedCodes([40, 30], .int8), []),
    block([2, 256], .fixedCodes([256, 33], .int8), [2, 33], axis: 0, block: 128),
    // Less than a block.
    block([2, 4], .fixedCodes([4, 20], .int8), [20], axis: 1),
    block([1, 5], codes([5, 20], .uint4), [], [.fixedValues([], .uint4, [7])]),
    block([3, 4], codes([4, 20], .int4), [1, 20], axis: 0, block: 32),
    // Many rows.
    block([130, 96], codes([96, 70], .int4), [3, 70], axis: 0, block: 32),
    block(
      [40, 300], codes([300, 150], .uint4), [10, 150], [codes([10, 150], .uint4), .w(150)], axis: 0, block: 32),
    // 4-bit floats.
    block([2, 64], codes([64, 20], .uint4), [2, 20], [.absent, .w(20), .fixed([16], -1, 1)], axis: 0, block: 32),
    block(
      [1, 64], codes([20, 64], .uint4), [20, 4], [.absent, .absent, .fixed([16], -1, 1)], axis: 1, block: 16,
      transB: true),
    bnb4([1, 64], n: 40, block: 32, kind: 0), bnb4([3, 2, 128], n: 33, block: 64, kind: 1),
    bnb4([50, 64], n: 40, block: 16, kind: 1),
  ]

  /// Scales that float16 holds are packed in 16 bits, those of two groups together: even and odd numbers of groups, one group alone.
  private static let halves: [KernelCase] = [
    (96, 32, DataType.int4), (128, 32, .uint4), (100, 16, .int4), (64, 64, .int2),
  ].map {
    (k, size, type) in
    let groups = (k + size - 1) / size
    let scales = (0..<groups * 70).map { 1 + $0 * 7 % 5 }
    return KernelCase(
      "BlockMatMul", [.floats([2, k], -1, 1), codes([k, 70], type), .fixedValues([groups, 70], .float, scales)],
      ["axis": .int(0), "block_size": .int(Int64(size))], domain: "ai.cameo", tolerance: 1e-5)
  }

  @Test(arguments: halves) func scalesInSixteenBits(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }

  /// Several weights meet the same rows.
  private static func joined(_ rows: Int, _ type: DataType, zeros: Bool = false, bias: Bool = false) -> KernelCase {
    var inputs: [KernelCase.Source] = [.floats([rows, 96], -1, 1)]
    for n in [70, 16, 33] {
      inputs += [codes([96, n], type), .fixed([3, n], 0.01, 0.1)]
      if zeros { inputs.append(codes([3, n], type)) }
      if bias { inputs.append(.w(n)) }
    }
    let attributes: [String: Attribute] = [
      "axis": .int(0), "block_size": .int(32), "has_zero_points": .int(zeros ? 1 : 0), "has_bias": .int(bias ? 1 : 0),
    ]
    return KernelCase("BlockMatMuls", inputs, attributes, domain: "ai.cameo", outputs: 3, tolerance: 1e-5)
  }

  @Test func productsOfAFewNumbersEach() throws {
    let inputs: [KernelCase.Source] = [
      .floats([2, 4], -1, 1), .fixedCodes([4, 20], .int8), .fixed([20], 0.01, 0.1), .fixedCodes([4, 3], .int8),
      .fixed([3], 0.01, 0.1),
    ]
    try KernelCase("BlockMatMuls", inputs, ["axis": .int(1)], domain: "ai.cameo", outputs: 2).run(2)
  }

  @Test(arguments: [
    joined(1, .int4), joined(3, .uint4, zeros: true, bias: true), joined(2, .int2), joined(60, .int4, bias: true),
  ])
  func productsOfOneValue(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }

  private static func bnb4(_ a: [Int], n: Int, block: Int, kind: Int) -> KernelCase {
    let k = a[a.count - 1]
    return KernelCase(
      "MatMulBnb4", [.floats(a, -1, 1), .fixedCodes([n * k / 2], .uint8), .fixed([n * k / block], 0.1, 1)],
      ["K": .int(Int64(k)), "N": .int(Int64(n)), "block_size": .int(Int64(block)), "quant_type": .int(Int64(kind))],
      domain: "com.microsoft", tolerance: 1e-5)
  }

  /// Many rows, weights that bfloat16 holds exactly.
  private static let rounded: [KernelCase] = [
    block([130, 96], codes([96, 70], .int4), [3, 70], axis: 0, block: 32),
    block(
      [40, 300], codes([300, 150], .uint4), [10, 150], [codes([10, 150], .uint4), .w(150)], axis: 0, block: 32),
  ]

  @Test(arguments: rounded) func manyRowsInBfloat16(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads, precision: .bf16, named: CPUProvider.bfloat16Kernel) }
  }

  private static func gather(
    _ rows: [Int], _ table: KernelCase.Source, _ scales: [Int], _ zeros: [KernelCase.Source] = [], block: Int,
    bits: Int = 4
  ) -> KernelCase {
    KernelCase(
      "GatherBlockQuantized", [table, .values([rows.count], .int64, rows), .fixed(scales, 0.01, 0.1)] + zeros,
      ["bits": .int(Int64(bits)), "block_size": .int(Int64(block))], domain: "com.microsoft")
  }

  private static let gathers: [KernelCase] = [
    gather([0, 2, -1, 7, 2], codes([5, 50], .int4), [5, 2], block: 32),
    gather([4, 3], codes([5, 50], .int4), [5, 4], [codes([5, 4], .int4)], block: 16),
    gather([1], codes([5, 48], .uint4), [5, 3], [codes([5, 3], .uint4)], block: 16),
    gather([0, -5, -6], .fixedCodes([5, 40], .uint8), [5, 3], [.fixedCodes([5, 3], .uint8)], block: 16, bits: 8),
    gather([0, 3], .fixedCodes([5, 20], .uint8), [5, 3], [.fixedCodes([5, 2], .uint8)], block: 16),
    gather([2, 3], .fixedCodes([5, 20], .uint8), [5, 5], block: 16, bits: 2),
  ]

  @Test(arguments: gathers) func rowsOfTables(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }

  @Test(arguments: cases) func product(_ item: KernelCase) throws {
    for threads in [1, 3] { try item.run(threads) }
  }
}
