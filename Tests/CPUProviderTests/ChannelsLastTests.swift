import GraphIR
import Testing

/// Channels-last kernels against the portable evaluation: odd sizes, borders, groups, long sums, every epilogue.
@Suite struct ChannelsLastTests {
  static let cases: [KernelCase] = {
    var cases: [KernelCase] = [
      KernelCase.channelsLastConv([1, 5, 7, 3], [4, 3, 1, 1]),
      KernelCase.channelsLastConv([2, 5, 7, 33], [70, 33, 1, 1], ["activation": .string("HardSwish")]),
      KernelCase.channelsLastConv([1, 9, 9, 16], [16, 16, 1, 1], bias: false, ["strides": .ints([2, 2])]),
      KernelCase.channelsLastConv(
        [2, 13, 9, 5], [7, 5, 3, 3], residual: [2, 13, 9, 7], ["pads": .ints([1, 1, 1, 1])]),
      // A sum of several blocks over its residual, with an activation behind it.
      KernelCase.channelsLastConv(
        [1, 6, 7, 70], [40, 70, 3, 3], residual: [1, 6, 7, 40],
        ["pads": .ints([1, 1, 1, 1]), "activation": .string("Relu")]),
      KernelCase.channelsLastConv(
        [1, 4, 4, 600], [33, 600, 1, 1], residual: [1, 4, 4, 33],
        ["activation": .string("Swish"), "activation_params": .floats([1])]),
      // Rows a multiple of 2 KiB.
      KernelCase.channelsLastConv([1, 5, 5, 512], [48, 512, 1, 1]),
      KernelCase.channelsLastConv(
        [1, 23, 31, 3], [24, 3, 7, 7], ["pads": .ints([3, 3, 3, 3]), "strides": .ints([2, 2])]),
      KernelCase.channelsLastConv(
        [1, 11, 12, 6], [20, 6, 3, 2], ["pads": .ints([0, 2, 3, 1]), "dilations": .ints([2, 3])]),
      KernelCase.channelsLastConv(
        [1, 10, 11, 4], [6, 4, 4, 4], ["auto_pad": .string("SAME_LOWER"), "strides": .ints([2, 2])]),
      KernelCase.channelsLastConv([2, 9, 8, 12], [48, 4, 3, 3], ["group": .int(3), "pads": .ints([1, 1, 1, 1])]),
      KernelCase.channelsLastConv([1, 3, 5, 6, 4], [5, 4, 2, 3, 3], ["pads": .ints([1, 1, 1, 0, 1, 1])]),
      KernelCase.channelsLastConv(
        [1, 200, 3, 8], [8, 8, 3, 3], ["pads": .ints([1, 1, 1, 1]), "activation": .string("Gelu")]),
      KernelCase.channelsLastConv(
        [1, 4, 5, 6], [8, 6, 3, 3],
        ["pads": .ints([1, 1, 1, 1]), "activation": .string("Elu"), "activation_params": .floats([0.7])]),
      // A window that lies in the padding with most of its taps.
      KernelCase.channelsLastConv([1, 2, 2, 3], [4, 3, 5, 5], ["pads": .ints([4, 4, 4, 4])]),
      // One filter a channel.
      KernelCase.channelsLastConv([1, 9, 17, 16], [16, 1, 3, 3], ["group": .int(16), "pads": .ints([1, 1, 1, 1])]),
      KernelCase.channelsLastConv(
        [2, 9, 17, 21], [21, 1, 5, 5], residual: [2, 9, 17, 21], ["group": .int(21), "pads": .ints([2, 2, 2, 2])]),
      KernelCase.channelsLastConv(
        [1, 12, 15, 40], [40, 1, 3, 3], bias: false,
        ["group": .int(40), "pads": .ints([1, 0, 1, 1]), "strides": .ints([2, 2])]),
      KernelCase.channelsLastConv(
        [1, 12, 15, 7], [7, 1, 3, 5],
        [
          "group": .int(7), "pads": .ints([2, 4, 2, 4]), "dilations": .ints([2, 2]), "activation": .string("Clip"),
          "activation_params": .floats([0, 1]),
        ]),
      KernelCase.channelsLastConv(
        [1, 4, 9, 10, 5], [5, 1, 3, 3, 3],
        [
          "group": .int(5), "pads": .ints([1, 1, 1, 1, 1, 1]), "activation": .string("Elu"),
          "activation_params": .floats([1]),
        ]),
      KernelCase.channelsLastConv(
        [1, 7, 7, 112], [112, 1, 5, 5], ["group": .int(112), "pads": .ints([2, 2, 2, 2])]),
      // The image's few channels first.
      KernelCase.channelsLastConv(
        [2, 3, 23, 31], [24, 3, 7, 7],
        [
          "channels_first": .int(1), "pads": .ints([3, 3, 3, 3]), "strides": .ints([2, 2]),
          "activation": .string("Relu"),
        ]),
      KernelCase.channelsLastConv(
        [1, 1, 9, 40], [70, 1, 3, 3], bias: false,
        [
          "channels_first": .int(1), "pads": .ints([0, 2, 1, 0]), "activation": .string("Elu"),
          "activation_params": .floats([0.7]),
        ]),
      KernelCase.channelsLastConv(
        [1, 4, 11, 12], [8, 4, 3, 2],
        [
          "channels_first": .int(1), "strides": .ints([1, 3]), "dilations": .ints([2, 3]),
          "activation": .string("HardSwish"),
        ]),
      // Two filters a channel.
      KernelCase.channelsLastConv([1, 6, 7, 8], [16, 1, 3, 3], ["group": .int(8), "pads": .ints([1, 1, 1, 1])]),
    ]
    for pool in ["ChannelsLastMaxPool", "ChannelsLastAveragePool"] {
      let counts: [String: Attribute] = pool == "ChannelsLastMaxPool" ? [:] : ["count_include_pad": .int(1)]
      cases += [
        KernelCase(
          pool, [.f(2, 9, 11, 19)],
          ["kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1])], domain: "ai.cameo"),
        KernelCase(
          pool, [.f(1, 8, 7, 32)],
          ["kernel_shape": .ints([2, 3]), "ceil_mode": .int(1), "strides": .ints([3, 2])].merging(counts) { a, _ in a },
          domain: "ai.cameo"),
        KernelCase(
          pool, [.f(1, 8, 9, 5)],
          ["kernel_shape": .ints([3, 2]), "dilations": .ints([2, 3]), "pads": .ints([2, 1, 2, 1])].merging(counts) {
            a, _ in a
          }, domain: "ai.cameo"),
        KernelCase(pool, [.f(1, 4, 6, 5, 3)], ["kernel_shape": .ints([2, 2, 2])], domain: "ai.cameo"),
      ]
    }
    func transposed(_ x: [Int], _ w: [Int], _ attributes: [String: Attribute]) -> KernelCase {
      KernelCase(
        "ChannelsLastConvTranspose", [.floats(x, -2, 2), .fixed(w, -1, 1), .fixed([w[1]], -1, 1)], attributes,
        domain: "ai.cameo", tolerance: 2e-5)
    }
    cases += [
      transposed([1, 7, 9, 6], [6, 4, 2, 2], ["strides": .ints([2, 2])]),
      transposed([2, 7, 9, 6], [6, 1, 2, 2], ["strides": .ints([2, 2])]),
      transposed(
        [2, 13, 5, 24], [24, 18, 3, 3],
        ["strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1]), "output_padding": .ints([1, 1])]),
      transposed(
        [1, 6, 7, 3], [3, 5, 4, 3],
        ["strides": .ints([3, 1]), "dilations": .ints([1, 2]), "pads": .ints([0, 2, 1, 0])]),
      transposed([1, 60, 50, 8], [8, 40, 4, 4], ["strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1])]),
    ]
    cases += [[2, 3, 5, 7], [1, 3, 1, 5], [1, 3, 40, 33]].map {
      KernelCase("Transpose", [.floats($0, -2, 2)], ["perm": .ints([0, 2, 3, 1])])
    }
    for mode in ["nearest", "linear", "cubic"] {
      cases.append(
        KernelCase(
          "Resize", [.f(2, 5, 6, 19), .absent, .absent, .fixedInts([4], [2, 11, 9, 19])], ["mode": .string(mode)],
          tolerance: 2e-5))
    }
    return cases
  }()

  @Test(arguments: cases) func agreesWithPortableEvaluation(_ item: KernelCase) throws {
    let one = try item.run(1)
    let three = try item.run(3)
    for (name, tensor) in one {
      #expect(try tensor.elements(as: Float.self) == three[name]?.elements(as: Float.self), "other bits with threads")
    }
  }
}
