import GraphIR
import Testing

/// 3 x 3 convolutions with strides of 1 that are large enough for Winograd's filtering.
@Suite struct WinogradTests {
  static let same: [String: Attribute] = ["pads": .ints([1, 1, 1, 1])]

  static let cases: [KernelCase] = [
    .channelsLastConv([1, 28, 28, 32], [32, 32, 3, 3], same),
    // Tiles, vectors of channels and panels of filters that do not come out even; several items; a residual.
    .channelsLastConv(
      [2, 13, 19, 21], [37, 21, 3, 3], residual: [2, 13, 19, 37],
      same.merging(["activation": .string("Relu")]) { a, _ in a }),
    // Uneven borders, and none.
    .channelsLastConv([1, 23, 17, 40], [40, 40, 3, 3], bias: false, ["pads": .ints([2, 0, 1, 3])]),
    .channelsLastConv([1, 24, 25, 33], [20, 33, 3, 3], ["activation": .string("HardSwish")]),
    // An activation that needs the results once more, before and behind a residual.
    .channelsLastConv(
      [1, 20, 20, 24], [24, 24, 3, 3],
      same.merging(["activation": .string("Elu"), "activation_params": .floats([0.7])]) { a, _ in a }),
    .channelsLastConv(
      [1, 20, 20, 24], [24, 24, 3, 3], residual: [1, 20, 20, 24],
      same.merging(["activation": .string("Gelu")]) { a, _ in a }),
    // Groups; channels beyond one block of the sum; more filters than tiles.
    .channelsLastConv([1, 20, 22, 48], [48, 16, 3, 3], same.merging(["group": .int(3)]) { a, _ in a }),
    .channelsLastConv([1, 14, 14, 300], [40, 300, 3, 3], same),
    .channelsLastConv([1, 14, 14, 64], [320, 64, 3, 3], same),
    // A kernel of three axes whose first does nothing.
    .channelsLastConv([1, 3, 15, 14, 24], [24, 24, 1, 3, 3], ["pads": .ints([0, 1, 1, 0, 1, 1])]),
  ]

  @Test(arguments: cases) func agreesWithPortableEvaluation(_ item: KernelCase) throws {
    let one = try item.run(1, named: "Winograd")
    for threads in [2, 5] {
      let more = try item.run(threads, named: "Winograd")
      for (name, tensor) in one {
        #expect(try tensor.elements(as: Float.self) == more[name]?.elements(as: Float.self), "other bits with threads")
      }
    }
  }

  /// Little work, few positions for many weights, and other kernels than 3 x 3 stay products.
  @Test(arguments: [
    KernelCase.channelsLastConv([1, 3, 3, 8], [8, 8, 3, 3], same),
    .channelsLastConv([1, 7, 7, 128], [128, 128, 3, 3], same),
    .channelsLastConv([1, 28, 28, 32], [32, 32, 3, 3], ["strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1])]),
    .channelsLastConv([1, 28, 28, 32], [32, 32, 3, 3], ["dilations": .ints([2, 2]), "pads": .ints([2, 2, 2, 2])]),
    .channelsLastConv([1, 28, 28, 32], [32, 32, 3, 2], ["pads": .ints([1, 1, 1, 0])]),
  ]) func othersStayProducts(_ item: KernelCase) throws {
    try item.run(2, named: "conv, channels last")
  }
}
