internal import CKernels
import InferenceRuntime
import Tensors

/// 3 x 3 convolutions with strides of 1 by Winograd's minimal filtering (`ck_winograd.h`), where that is faster than the product.
enum ChannelsLastWinograd {
  /// How a convolution may be computed: the product of copied rows, or in tiles of 2 x 2 or 4 x 4 results.
  private enum Form: Int { case product, two = 2, four = 4 }

  /// nil where the convolution is another one, or seems slower so. The form does not depend on the number of threads, so bits do not either.
  static func make(
    _ request: KernelRequest, _ shape: ChannelsLastKernels.Shape, _ weights: Tensor
  ) throws -> PreparedKernel? {
    guard fits(shape.window.c), shape.rows > 0 else { return nil }
    let form = order(shape)[request.choice("filtering", of: 3)]
    return form == .product ? nil : try make(request, shape, weights, size: form.rawValue)
  }

  private static func fits(_ w: ck_window) -> Bool {
    w.kernel == (1, 3, 3) && w.stride == (1, 1, 1) && w.dilation == (1, 1, 1) && w.pad_begin.0 == 0
      && w.in.0 == w.out.0
  }

  // MARK: Cost

  /// Multiplications that take as long as reading a weight from memory.
  private static let weightCost = 20.0

  /// All forms, the heuristic's first. Costs are in multiplications; what goes with them was measured on AVX2 and AVX-512.
  private static func order(_ shape: ChannelsLastKernels.Shape) -> [Form] {
    let (c, nr) = (Double(shape.channels), ck_gemm_nr())
    let n = Double((shape.outChannels + nr - 1) / nr * nr)
    let direct = 9 * c * (Double(shape.rows) * (n + 12) + n * weightCost)
    func filtered(_ size: Int, transforms: Double) -> Double {
      let places = Double((size + 2) * (size + 2))
      return Double(tiles(shape, size)) * (places * c * n + transforms * (c + n)) + places * c * n * weightCost
    }
    let (two, four) = (filtered(2, transforms: 150), filtered(4, transforms: 450))
    let better: [Form] = two < four ? [.two, .four] : [.four, .two]
    return min(two, four) * 1.25 < direct ? better + [.product] : [.product] + better
  }

  private static func tiles(_ shape: ChannelsLastKernels.Shape, _ size: Int) -> Int {
    var window = shape.window.c
    return ck_winograd_tiles(&window, size, shape.batch)
  }

  /// How a group is cut: parts of the tiles by parts of the filters. A part of the tiles is what is transformed at a time.
  struct Cut {
    var tileParts: Int
    var filterParts: Int
    /// Most tiles of a part.
    var block: Int

    /// Each part reads all of its weights, and transforms its part of the image again; the cheapest cut is the one whose threads end first.
    init(tiles: Int, channels: Int, panels: Int, size: Int, groups: Int, threads: Int) {
      let (places, nr) = ((size + 2) * (size + 2), ck_gemm_nr())
      // Enough tiles to be worth a read of the weights, transformed in the second-level cache as far as that allows.
      let bytes = places * channels * 4
      let most = max(14, min((4 << 20) / bytes, max(56, (256 << 10) / bytes)))
      let fewest = (tiles + most - 1) / most
      self.init(tileParts: fewest, filterParts: 1, block: most)
      var least = Double.infinity
      for tileParts in fewest...max(fewest, min(tiles, fewest + 4 * threads)) {
        for filterParts in 1...min(panels, 2 * threads) {
          let block = (tiles + tileParts - 1) / tileParts
          let columns = Double((panels + filterParts - 1) / filterParts * nr)
          let work = Double(places * channels) * columns
          let transforms = (size == 2 ? 150.0 : 450.0) * (Double(channels) + columns)
          let rounds = (groups * tileParts * filterParts + threads - 1) / threads
          let cost = Double(rounds) * (Double(block) * (work + transforms) + work * weightCost)
          if cost < least * 0.999 {
            least = cost
            (self.tileParts, self.filterParts, self.block) = (tileParts, filterParts, block)
          }
        }
      }
    }

    private init(tileParts: Int, filterParts: Int, block: Int) {
      (self.tileParts, self.filterParts, self.block) = (tileParts, filterParts, block)
    }
  }

  // MARK: Kernel

  private static func make(
    _ request: KernelRequest, _ shape: ChannelsLastKernels.Shape, _ weights: Tensor, size: Int
  ) throws -> PreparedKernel {
    let (channels, n, groups) = (shape.channels, shape.outChannels, shape.groups)
    let perGroup = ck_winograd_packed_size(n, channels, size)
    let (tiles, nr) = (tiles(shape, size), ck_gemm_nr())
    let panels = (n + nr - 1) / nr
    let packed = try request.packed(
      weights, "winograd \(size), groups \(groups), tier \(ck_isa_tier())", byteCount: max(4, groups * perGroup * 4),
      parts: groups * panels
    ) { target, parts in
      let target = target.assumingMemoryBound(to: Float.self)
      let source = weights.baseAddress.assumingMemoryBound(to: Float.self)
      ChannelsLastKernels.forPanels(parts, of: panels) { group, begin, end in
        ck_winograd_pack(target + group * perGroup, source + group * n * channels * 9, n, channels, size, begin, end)
      }
    }
    let cut = Cut(
      tiles: tiles, channels: channels, panels: panels, size: size, groups: groups, threads: request.threads)
    let scratch = aligned(ck_winograd_scratch_bytes(channels, size, cut.block))
    let (pitch, ldc, item) = (shape.pitch, n * groups, shape.window.inputCount * shape.pitch)
    let (activation, hasResidual, window) = (shape.activation, shape.hasResidual, shape.window.c)
    let parts = cut.tileParts * cut.filterParts
    let kernel = RangeKernel(
      "Winograd \(size) x \(size), channels last", count: groups * parts, grain: 1
    ) { call, begin, end, thread in
      for part in begin..<end {
        let group = part / parts
        let (tilePart, filterPart) = (part % parts / cut.filterParts, part % cut.filterParts)
        var epilogue = ck_gemm_epilogue()
        epilogue.alpha = 1
        epilogue.act = activation
        if let bias = call.optional(2, Float.self) { epilogue.bias_col = bias + group * n }
        if hasResidual, let residual = call.optional(3, Float.self) {
          epilogue.residual = residual + group * n
          epilogue.residual_stride = ldc
        }
        let image = ck_last_image(
          in: call.input(0, Float.self) + group * channels, pitch: pitch, channels: channels, item: item,
          window: window)
        var conv = ck_winograd(image: image, size: size, block: cut.block)
        ck_winograd_f32(
          call.output(0, Float.self) + group * n, ldc, &conv,
          packed.base.assumingMemoryBound(to: Float.self) + group * perGroup, tiles * tilePart / cut.tileParts,
          tiles * (tilePart + 1) / cut.tileParts, panels * filterPart / cut.filterParts * nr,
          min(n, panels * (filterPart + 1) / cut.filterParts * nr), &epilogue, call.scratch + thread * scratch)
      }
    }
    return PreparedKernel(
      kernel, scratchBytes: scratch * request.threads, inPlaceInputs: hasResidual ? [3] : [])
  }
}
