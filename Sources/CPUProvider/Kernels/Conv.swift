internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Conv and ai.cameo.FusedConv in float32: depthwise directly, everything else as products of the weights with columns that
/// each thread packs tile by tile (a pointwise convolution's columns are the image).
enum ConvKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "Conv": { try make($0, .none) },
    "ai.cameo.FusedConv": { try make($0, try ck_activation($0.attributes)) },
  ]

  private static func make(_ request: KernelRequest, _ activation: ck_activation) throws -> PreparedKernel {
    try request.requireFloat()
    let (x, w, y) = (try request.operand(0), try request.operand(1), try request.result())
    guard x.rank >= 3 else { throw Refusal("no spatial axis") }
    let groups = try request.attributes.int("group", default: 1)
    let window = try Window(
      request.attributes, kernel: Array(w.shape[2...]), input: Array(x.shape[2...]), output: Array(y.shape[2...]))
    let (batch, channels, outChannels) = (x.shape[0], x.shape[1], y.shape[1])
    guard groups > 0, channels % groups == 0, outChannels % groups == 0, w.shape[1] == channels / groups else {
      throw Refusal("\(groups) groups")
    }
    guard channels > 0, w.rank == x.rank, w.shape[0] == outChannels else {
      throw Refusal("weights of the shape \(w.shape)")
    }
    try request.requireCount(2, outChannels)
    let residual = request.input(3)
    if let residual, residual.shape != y.shape { throw Refusal("a residual of the shape \(residual.shape)") }
    if !window.isPointwise || window.outputCount > 1,
      let few = try FewPositionsKernels.make(
        request, window, batch: batch, channels: channels / groups, groups: groups, rows: outChannels / groups,
        hasResidual: residual != nil, activation)
    {
      return few
    }
    if groups == channels, channels > 1 || outChannels > 1, window.c.kernel.0 == 1, window.c.in.0 == 1, window.taps > 1,
      residual == nil
    {
      return depthwise(request, window, batch: batch, channels: channels, outChannels: outChannels, activation)
    }
    if window.isPointwise, window.outputCount == 1 {
      return vector(
        request, batch: batch, channels: channels / groups, groups: groups, rows: outChannels / groups,
        hasResidual: residual != nil, activation)
    }
    return try tiled(
      request, window, batch: batch, channels: channels / groups, groups: groups, rows: outChannels / groups,
      hasResidual: residual != nil, activation)
  }

  private static func depthwise(
    _ request: KernelRequest, _ window: Window, batch: Int, channels: Int, outChannels: Int, _ activation: ck_activation
  ) -> PreparedKernel {
    let geometry = window.c
    let scratch = withUnsafePointer(to: geometry) { aligned(ck_conv_depthwise_scratch_bytes($0)) }
    let multiplier = outChannels / channels
    let kernel = RangeKernel(
      "depthwise", count: batch * outChannels, grain: max(1, 16384 / max(1, window.outputCount * window.taps))
    ) { call, begin, end, thread in
      var geometry = geometry
      var activation = activation
      ck_conv_depthwise_f32(
        call.output(0, Float.self), call.input(0, Float.self), call.input(1, Float.self), call.optional(2, Float.self),
        channels, multiplier, &geometry, begin, end, &activation, call.scratch + thread * scratch)
    }
    return PreparedKernel(kernel, scratchBytes: max(64, scratch * request.threads))
  }

  /// One position: a product of the weights with a vector, for each item and group.
  private static func vector(
    _ request: KernelRequest, batch: Int, channels: Int, groups: Int, rows: Int, hasResidual: Bool,
    _ activation: ck_activation
  ) -> PreparedKernel {
    let add = Int32(CK_BINARY_ADD.rawValue)
    let kernel = RangeKernel(
      "pointwise vector", count: batch * groups * rows, grain: max(8, (1 << 17) / max(1, channels))
    ) { call, begin, end, _ in
      var begin = begin
      while begin < end {
        let item = begin / rows
        let stop = min(end, (item + 1) * rows)
        let (first, last) = (begin - item * rows, stop - item * rows)
        let group = item % groups
        let out = call.output(0, Float.self) + item * rows
        ck_gemv_rows_f32(
          out, call.input(1, Float.self) + group * rows * channels, channels,
          call.input(0, Float.self) + item * channels,
          channels, first, last)
        let line = out + first
        if let bias = call.optional(2, Float.self) {
          ck_binary_span_f32(add, line, line, 1, bias + group * rows + first, 1, last - first, nil)
        }
        if hasResidual, let residual = call.optional(3, Float.self) {
          ck_binary_span_f32(add, line, line, 1, residual + begin, 1, last - first, nil)
        }
        if !activation.isNone { ck_unary_f32(activation.op, line, line, last - first, activation.p0, activation.p1) }
        begin = stop
      }
    }
    return PreparedKernel(kernel)
  }

  /// Bytes of packed columns that one thread holds.
  static let tileBytes = 256 << 10

  /// How the result is cut: panels of columns and rows of one tile. Each tile packs its weights and its columns again; the
  /// cut with the least packing that gives every thread two tiles wins.
  private static func tiles(
    panels: Int, most: Int, rows: Int, outer: Int, threads: Int, columnCost: Int
  ) -> (panels: Int, rows: Int) {
    let (nr, mr) = (ck_gemm_nr(), ck_gemm_mr())
    let wanted = threads == 1 ? 1 : 2 * threads
    let least = (panels + most - 1) / most
    var best = (panels: min(panels, most), rows: rows)
    var bestCost = Int.max
    for columns in least...max(least, min(panels, max(least, wanted))) {
      let parts = max(1, min((rows + mr - 1) / mr, (wanted + outer * columns - 1) / (outer * columns)))
      let each = (panels + columns - 1) / columns
      let height = ((rows + parts - 1) / parts + mr - 1) / mr * mr
      // Tiles of uneven size leave a thread idle: what the slowest has counts.
      let rounds = (outer * columns * parts + threads - 1) / threads
      let cost = rounds * (height * (each * nr + 2) * 4 + each * nr * 8 * columnCost)
      if cost < bestCost { (best, bestCost) = ((each, min(rows, height)), cost) }
    }
    return best
  }

  private static func tiled(
    _ request: KernelRequest, _ window: Window, batch: Int, channels: Int, groups: Int, rows: Int, hasResidual: Bool,
    _ activation: ck_activation
  ) throws -> PreparedKernel {
    let geometry = window.c
    let nr = ck_gemm_nr()
    let depth = channels * window.taps
    let positions = window.outputCount
    let plane = window.inputCount
    let panels = (positions + nr - 1) / nr
    let chunk = min(depth, GemmPlan.depth)
    let outer = batch * groups
    let isSmall = outer * rows * depth * positions < 1 << 18
    let (tilePanels, rowTile) = tiles(
      panels: panels, most: max(1, tileBytes / (chunk * nr * 4)), rows: rows, outer: outer,
      threads: isSmall ? 1 : request.threads, columnCost: window.isPointwise ? 1 : 3)
    let columnTiles = (panels + tilePanels - 1) / tilePanels
    let rowTiles = (rows + rowTile - 1) / rowTile
    let width = tilePanels * nr
    let packedBytes = aligned(chunk * width * 4)
    // Fixed weights are packed once; computed ones by every tile.
    let fixed = try request.input(1)?.constant.map { weights in
      try request.packed(
        weights, "gemm a, groups \(groups), tier \(ck_isa_tier())", byteCount: groups * rows * depth * 4
      ) { target in
        let target = target.assumingMemoryBound(to: Float.self)
        let source = weights.baseAddress.assumingMemoryBound(to: Float.self)
        for group in 0..<groups {
          ck_gemm_pack_a(target + group * rows * depth, source + group * rows * depth, depth, 1, rows, depth)
        }
      }
    }
    // Where the weights stay in the second-level cache one panel of columns on a thread's stack serves.
    let isOnStack = fixed != nil && rows * depth * 4 <= 256 << 10
    let scratch = isOnStack ? 0 : packedBytes + (fixed == nil ? aligned(ck_gemm_scratch_bytes(rowTile, depth, 1)) : 0)
    let isPointwise = window.isPointwise

    let kernel = RangeKernel(
      isPointwise ? "pointwise" : "conv", count: outer * columnTiles * rowTiles, grain: 1
    ) { call, begin, end, thread in
      var geometry = geometry
      let bias = call.optional(2, Float.self)
      let residual = hasResidual ? call.optional(3, Float.self) : nil
      let isOverResidual = residual == UnsafePointer(call.output(0, Float.self))
      for index in begin..<end {
        let rowBegin = index % rowTiles * rowTile
        let rowCount = min(rowTile, rows - rowBegin)
        let tile = index / rowTiles % columnTiles
        let item = index / rowTiles / columnTiles
        let group = item % groups
        let first = tile * width
        let columns = min(width, positions - first)
        let image = call.input(0, Float.self) + item * channels * plane
        let place = (item * rows + rowBegin) * positions + first
        let out = call.output(0, Float.self) + place
        let weights = call.input(1, Float.self) + (group * rows + rowBegin) * depth
        if isOnStack, let fixed {
          var epilogue = ck_gemm_epilogue()
          if let bias { epilogue.bias_row = bias + group * rows + rowBegin }
          if let residual, !isOverResidual {
            epilogue.residual = residual + place
            epilogue.residual_stride = positions
          }
          epilogue.act = activation
          ck_conv_columns_f32(
            out, positions, fixed.base.assumingMemoryBound(to: Float.self) + group * rows * depth, rows, rowBegin,
            rowBegin + rowCount, image, &geometry, depth, first, first + columns, isOverResidual, &epilogue)
          continue
        }
        let packed = (call.scratch + thread * scratch).assumingMemoryBound(to: Float.self)
        let rest = call.scratch + thread * scratch + packedBytes
        var begin = 0
        while begin < depth {
          let end = min(depth, begin + chunk)
          let size = end - begin
          if isPointwise {
            ck_gemm_pack_b(packed, image + begin * plane + first, plane, 1, size, columns, 0, (columns + nr - 1) / nr)
          } else {
            var j = 0
            while j < columns {
              let right = min(columns, j + nr)
              let panel = packed + j * size
              if right - j < nr { panel.update(repeating: 0, count: size * nr) }
              ck_im2col_f32(panel, nr, image, &geometry, begin, end, first + j, first + right)
              j = right
            }
          }
          var epilogue = ck_gemm_epilogue()
          epilogue.alpha = 1
          // Over the residual itself the sum starts from it.
          epilogue.beta = begin == 0 && !isOverResidual ? 0 : 1
          if end == depth {
            if let bias { epilogue.bias_row = bias + group * rows + rowBegin }
            if let residual, !isOverResidual {
              epilogue.residual = residual + place
              epilogue.residual_stride = positions
            }
            epilogue.act = activation
          }
          if let fixed {
            let weights =
              fixed.base.assumingMemoryBound(to: Float.self) + group * rows * depth + begin * rows + rowBegin * size
            ck_gemm_panels_f32(
              out, positions, weights, packed, rowCount, columns, size, begin > 0 || isOverResidual, &epilogue)
          } else {
            ck_gemm_packed_f32(
              out, positions, weights + begin, depth, 1, packed, columns, size, 0, rowCount, 0, columns, &epilogue, rest
            )
          }
          begin = end
        }
      }
    }
    return PreparedKernel(kernel, scratchBytes: scratch * request.threads, inPlaceInputs: hasResidual ? [3] : [])
  }
}
