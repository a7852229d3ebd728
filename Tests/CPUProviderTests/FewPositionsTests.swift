import Tensors
import Testing

/// Convolutions of few output positions go through a kernel of their own.
@Suite struct FewPositionsTests {
  private static func make(
    _ x: [Int], _ w: [Int], pads: [Int64]? = nil, strides: [Int64]? = nil, dilations: [Int64]? = nil, group: Int64 = 1,
    bias: Bool = true
  ) -> KernelCase {
    let axes = x.count - 2
    return KernelCase(
      "Conv", [.floats(x, -2, 2), .fixed(w, -1, 1), bias ? .fixed([w[0]], -1, 1) : .absent],
      [
        "pads": .ints(pads ?? [Int64](repeating: 0, count: 2 * axes)), "group": .int(group),
        "strides": .ints(strides ?? [Int64](repeating: 1, count: axes)),
        "dilations": .ints(dilations ?? [Int64](repeating: 1, count: axes)),
      ])
  }

  static let cases: [KernelCase] = [
    // One channel, windows that overlap: rows are read where they lie.
    make([1, 1, 512], [258, 1, 256], strides: [128], bias: false),
    make([2, 1, 100], [40, 1, 16], strides: [12]),
    make([1, 129, 4], [128, 129, 3], pads: [1, 1]),
    make([1, 128, 4], [64, 128, 3], pads: [1, 1], strides: [2]),
    make([3, 64, 2], [64, 64, 3], pads: [1, 1], strides: [2]),
    make([1, 16, 9], [33, 16, 3], pads: [4, 0], strides: [2], dilations: [2]),
    make([1, 16, 3], [40, 16, 3], pads: [7, 7], strides: [3]),
    make([2, 24, 3, 3], [100, 24, 3, 3], pads: [1, 1, 1, 1]),
    make([1, 24, 3, 4], [64, 12, 2, 3], pads: [0, 1, 1, 0], strides: [2, 1], group: 2),
    make([1, 8, 2, 3, 2], [70, 8, 2, 2, 2], pads: [1, 0, 1, 0, 1, 0]),
    make([2, 40, 1, 3], [96, 40, 1, 1]),
    make([1, 8, 3], [530, 8, 3], pads: [1, 1], group: 1),
  ]

  @Test(arguments: cases) func agreesWithThePortableEvaluation(_ test: KernelCase) throws {
    let one = try test.run(1)
    let three = try test.run(3)
    for (name, tensor) in one { #expect(three[name]?.isIdentical(to: tensor) == true, "\(name): bits by threads") }
  }

  /// Large enough that threads share it.
  @Test func tilesOfChannelsGiveTheSameBits() throws {
    let test = Self.make([1, 512, 5], [1000, 512, 3], pads: [1, 1])
    let one = try test.run(1)
    let two = try test.run(2)
    for (name, tensor) in one { #expect(two[name]?.isIdentical(to: tensor) == true) }
  }
}
