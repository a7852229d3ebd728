internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Convolution and pooling over [N, spatial.., C] in float32. Convolutions are products of positions with packed weights whose
/// rows are the image itself (pointwise) or copied from it block by block; one filter a channel goes directly.
enum ChannelsLastKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "ai.cameo.ChannelsLastConv": { try conv($0) },
    "ai.cameo.ChannelsLastMaxPool": { try pool($0, isMaximum: true) },
    "ai.cameo.ChannelsLastAveragePool": { try pool($0, isMaximum: false) },
  ]

  /// What a convolution's kernels need to know.
  struct Shape {
    let window: Window
    let batch: Int
    let groups: Int
    /// Of one group.
    let channels: Int
    let outChannels: Int
    let activation: ck_activation
    let hasResidual: Bool
    /// The input is [N, C, spatial..].
    let isFirst: Bool

    var rows: Int { batch * window.outputCount }
    var depth: Int { channels * window.taps }
    var pitch: Int { channels * groups }
    var isDepthwise: Bool { channels == 1 && outChannels == 1 && window.c.kernel.0 * window.c.kernel.1 <= 64 }

    init(_ request: KernelRequest) throws {
      let (x, w, y) = (try request.operand(0), try request.operand(1), try request.result())
      guard x.rank >= 3, w.rank == x.rank, y.rank == x.rank else { throw Refusal("no spatial axis") }
      let last = x.rank - 1
      isFirst = try request.attributes.bool("channels_first")
      let image = isFirst ? [x.shape[0]] + x.shape[2...] + [x.shape[1]] : x.shape
      groups = try request.attributes.int("group", default: 1)
      window = try Window(
        request.attributes, kernel: Array(w.shape[2...]), input: Array(image[1..<last]),
        output: Array(y.shape[1..<last]))
      guard groups > 0, image[last] == w.shape[1] * groups, w.shape[0] % groups == 0, w.shape[0] == y.shape[last],
        w.shape[1] > 0
      else { throw Refusal("\(groups) groups") }
      try request.requireCount(2, w.shape[0])
      if let residual = request.input(3), residual.shape != y.shape {
        throw Refusal("a residual of the shape \(residual.shape)")
      }
      (batch, channels, outChannels) = (image[0], w.shape[1], w.shape[0] / groups)
      activation = try ck_activation(request.attributes)
      hasResidual = request.input(3) != nil
    }
  }

  private static func conv(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireProductOperands()
    let shape = try Shape(request)
    guard let weights = try request.operand(1).constant else { throw Refusal("the weights are computed") }
    if (shape.isFirst || !shape.isDepthwise) && request.usesBfloat16 {
      return try ChannelsLastBfloat16.make(request, shape, weights)
    }
    try request.requireFloat()
    if shape.isFirst { return try first(request, shape, weights) }
    if shape.isDepthwise { return try depthwise(request, shape, weights) }
    return try ChannelsLastWinograd.make(request, shape, weights) ?? product(request, shape, weights)
  }

  /// An image of few channels, which come first.
  private static func first(_ request: KernelRequest, _ shape: Shape, _ weights: Tensor) throws -> PreparedKernel {
    let (channels, n, taps, window) = (shape.channels, shape.outChannels, shape.window.taps, shape.window.c)
    guard shape.groups == 1, !shape.hasResidual, channels * window.kernel.0 * window.kernel.1 <= Int(CK_FIRST_LINES)
    else { throw Refusal("channels first in \(shape.groups) groups, or with a residual, or a tall window") }
    let packed = try request.packed(
      weights, "first layer", byteCount: max(4, ck_first_packed_size(channels, taps, n) * 4)
    ) { target in
      ck_first_pack(
        target.assumingMemoryBound(to: Float.self), weights.baseAddress.assumingMemoryBound(to: Float.self), n,
        channels, taps)
    }
    let activation = shape.activation
    let kernel = RangeKernel(
      "conv, channels first to last", count: shape.batch * window.out.0 * window.out.1,
      grain: max(1, (1 << 17) / max(1, window.out.2 * n * channels * taps))
    ) { call, begin, end, _ in
      var (window, activation) = (window, activation)
      ck_first_conv_f32(
        call.output(0, Float.self), call.input(0, Float.self), packed.base.assumingMemoryBound(to: Float.self),
        call.optional(2, Float.self), channels, n, &window, begin, end, &activation)
    }
    return PreparedKernel(kernel)
  }

  private static func depthwise(_ request: KernelRequest, _ shape: Shape, _ weights: Tensor) throws -> PreparedKernel {
    let (channels, taps) = (shape.groups, shape.window.taps)
    let packed = try request.packed(weights, "taps by channels", byteCount: max(4, channels * taps * 4)) { target in
      let target = target.assumingMemoryBound(to: Float.self)
      let source = weights.baseAddress.assumingMemoryBound(to: Float.self)
      for channel in 0..<channels {
        for tap in 0..<taps { target[tap * channels + channel] = source[channel * taps + tap] }
      }
    }
    let (window, activation, hasResidual) = (shape.window.c, shape.activation, shape.hasResidual)
    let lines = shape.batch * window.out.0 * window.out.1
    let kernel = RangeKernel(
      "depthwise, channels last", count: lines, grain: max(1, 16384 / max(1, window.out.2 * channels * taps))
    ) { call, begin, end, _ in
      var (window, activation) = (window, activation)
      ck_last_depthwise_f32(
        call.output(0, Float.self), call.input(0, Float.self), packed.base.assumingMemoryBound(to: Float.self),
        call.optional(2, Float.self), hasResidual ? call.optional(3, Float.self) : nil, channels, &window, begin, end,
        &activation)
    }
    return PreparedKernel(kernel, inPlaceInputs: hasResidual ? [3] : [])
  }

  /// Rows and columns of one tile. Every tile copies its rows again, so columns are cut last; a tile is worth 2^17
  /// multiplications.
  /// `form`: 0 four tiles a thread, 1 one, 2 two, 3 eight.
  private static func tiles(_ shape: Shape, threads: Int, form: Int) -> (rows: Int, columns: Int) {
    let (mr, nr) = (ck_gemm_mr(), ck_gemm_nr())
    let (m, n) = (shape.rows, shape.outChannels)
    let work = m * n * shape.depth
    let wanted = threads == 1 ? 1 : min(max(1, work >> 17), [4, 1, 2, 8][form] * threads)
    let perGroup = max(1, (wanted + shape.groups - 1) / shape.groups)
    let rowParts = min(perGroup, max(1, m / (4 * mr)))
    let columnParts = min((perGroup + rowParts - 1) / rowParts, max(1, (n + nr - 1) / nr))
    func part(_ size: Int, _ parts: Int, _ unit: Int) -> Int { (size + parts * unit - 1) / (parts * unit) * unit }
    return (rowParts == 1 ? m : part(m, rowParts, mr), columnParts == 1 ? n : part(n, columnParts, nr))
  }

  /// The panels of each group that lie in a range of all groups' panels, `panels` a group.
  static func forPanels(
    _ range: Range<Int>, of panels: Int, _ body: (_ group: Int, _ begin: Int, _ end: Int) -> Void
  ) {
    var index = range.lowerBound
    while index < range.upperBound {
      let (group, begin) = (index / panels, index % panels)
      let end = min(panels, begin + range.upperBound - index)
      body(group, begin, end)
      index += end - begin
    }
  }

  private static func product(_ request: KernelRequest, _ shape: Shape, _ weights: Tensor) throws -> PreparedKernel {
    let (depth, n, groups) = (shape.depth, shape.outChannels, shape.groups)
    let perGroup = ck_gemm_packed_size(depth, n)
    let panels = (n + ck_gemm_nr() - 1) / ck_gemm_nr()
    let packed = try request.packed(
      weights, "channels-last conv, groups \(groups), tier \(ck_isa_tier())", byteCount: max(4, groups * perGroup * 4),
      parts: groups * panels
    ) { target, parts in
      let target = target.assumingMemoryBound(to: Float.self)
      let source = weights.baseAddress.assumingMemoryBound(to: Float.self)
      forPanels(parts, of: panels) { group, begin, end in
        ck_last_pack(
          target + group * perGroup, source + group * n * depth, n, shape.channels, shape.window.taps, begin, end)
      }
    }
    let (rowTile, columnTile) = tiles(shape, threads: request.threads, form: request.choice("cut", of: 4))
    let (rowTiles, columnTiles) = ((shape.rows + rowTile - 1) / rowTile, (n + columnTile - 1) / columnTile)
    let isPointwise = shape.window.isPointwise
    let pitch = shape.pitch
    let scratch = aligned(
      isPointwise ? ck_gemm_scratch_bytes(rowTile, pitch, 1) : ck_gemm_rows_scratch_bytes(rowTile))
    let ldc = n * groups
    let (activation, hasResidual, rows) = (shape.activation, shape.hasResidual, shape.rows)
    let (channels, item, window) = (shape.channels, shape.window.inputCount * pitch, shape.window.c)
    let kernel = RangeKernel(
      isPointwise ? "pointwise, channels last" : "conv, channels last", count: groups * rowTiles * columnTiles, grain: 1
    ) { call, begin, end, thread in
      let own = call.scratch + thread * scratch
      for tile in begin..<end {
        let group = tile / (rowTiles * columnTiles)
        let row = tile / columnTiles % rowTiles * rowTile
        let column = tile % columnTiles * columnTile
        let out = call.output(0, Float.self) + group * n
        var epilogue = ck_gemm_epilogue()
        epilogue.alpha = 1
        epilogue.act = activation
        if let bias = call.optional(2, Float.self) { epilogue.bias_col = bias + group * n }
        if hasResidual, let residual = call.optional(3, Float.self) {
          epilogue.residual = residual + group * n
          epilogue.residual_stride = ldc
        }
        let matrix = packed.base.assumingMemoryBound(to: Float.self) + group * perGroup
        let (rowEnd, columnEnd) = (min(rows, row + rowTile), min(n, column + columnTile))
        let image = call.input(0, Float.self) + group * channels
        if isPointwise {
          ck_gemm_packed_f32(
            out, ldc, image, pitch, 1, matrix, n, depth, row, rowEnd, column, columnEnd, &epilogue, own)
        } else {
          var source = ck_last_image(in: image, pitch: pitch, channels: channels, item: item, window: window)
          ck_last_conv_f32(out, ldc, &source, matrix, row, rowEnd, column, columnEnd, &epilogue, own)
        }
      }
    }
    return PreparedKernel(
      kernel, scratchBytes: scratch * request.threads, inPlaceInputs: hasResidual ? [3] : [])
  }

  private static func pool(_ request: KernelRequest, isMaximum: Bool) throws -> PreparedKernel {
    let (x, y) = (try request.operand(0), try request.result())
    let isBytes = isMaximum && (x.type == .uint8 || x.type == .int8)
    let isNarrow = isMaximum && x.type == .bfloat16 && y.type == .bfloat16
    if !isBytes && !isNarrow { try request.requireFloat() }
    guard x.rank >= 3, y.rank == x.rank else { throw Refusal("rank \(x.rank)") }
    let last = x.rank - 1
    let window = try Window(
      request.attributes, kernel: try request.attributes.ints("kernel_shape"), input: Array(x.shape[1..<last]),
      output: Array(y.shape[1..<last]))
    let countsPadding = try request.attributes.bool("count_include_pad")
    let (geometry, channels) = (window.c, x.shape[last])
    if isBytes {
      let (isSigned, lines) = (x.type == .int8, x.shape[0] * geometry.out.0 * geometry.out.1)
      return PreparedKernel(
        RangeKernel(
          "maxpool of bytes, channels last", count: lines,
          grain: max(1, (1 << 16) / max(1, geometry.out.2 * channels * window.taps))
        ) { call, begin, end, _ in
          var geometry = geometry
          ck_last_maxpool_u8(
            call.output(0, UInt8.self), call.input(0, UInt8.self), isSigned, channels, &geometry, begin, end)
        })
    }
    if isNarrow {
      return PreparedKernel(
        RangeKernel(
          "maxpool of bfloat16, channels last", count: x.shape[0] * geometry.out.0 * geometry.out.1,
          grain: max(1, 32768 / max(1, geometry.out.2 * channels * window.taps))
        ) { call, begin, end, _ in
          var geometry = geometry
          ck_last_maxpool_bf16(call.output(0, UInt16.self), call.input(0, UInt16.self), channels, &geometry, begin, end)
        })
    }
    let kernel = RangeKernel(
      isMaximum ? "maxpool, channels last" : "avgpool, channels last",
      count: x.shape[0] * geometry.out.0 * geometry.out.1,
      grain: max(1, 16384 / max(1, geometry.out.2 * channels * window.taps))
    ) { call, begin, end, _ in
      var geometry = geometry
      let (out, image) = (call.output(0, Float.self), call.input(0, Float.self))
      if isMaximum {
        ck_last_maxpool_f32(out, image, channels, &geometry, begin, end)
      } else {
        ck_last_avgpool_f32(out, image, channels, &geometry, countsPadding, begin, end)
      }
    }
    return PreparedKernel(kernel)
  }
}
