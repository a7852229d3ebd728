internal import CKernels
import InferenceRuntime
import Tensors

/// Convolutions over [N, spatial.., C] whose factors are rounded to bfloat16: the image is rounded once, then its rows are read in
/// place (pointwise) or copied block by block.
enum ChannelsLastBfloat16 {
  static func make(
    _ request: KernelRequest, _ shape: ChannelsLastKernels.Shape, _ weights: Tensor
  ) throws -> PreparedKernel {
    let (channels, n, groups, taps) = (shape.channels, shape.outChannels, shape.groups, shape.window.taps)
    // A product reads the image in place where each position is a row of it.
    let isMatrix = shape.window.isPointwise && groups == 1
    let padded = isMatrix ? channels : (channels + 1) & ~1
    let depth = padded * taps
    let perGroup = ck_bf16_packed_size(depth, n)
    let packed = try request.packed(weights, "bf16 channels-last conv, groups \(groups), channels \(padded)") {
      let storage = try TensorStorage(byteCount: groups * perGroup * 2, zeroed: false)
      let target = storage.base.assumingMemoryBound(to: UInt16.self)
      withExtendedLifetime(weights) {
        let source = weights.baseAddress.assumingMemoryBound(to: Float.self)
        for group in 0..<groups {
          ck_bf16_pack_conv(
            target + group * perGroup, source + group * n * channels * taps, n, channels, padded, taps)
        }
      }
      return storage
    }
    let unit = Int(CK_BF16_DEPTH)
    let pitch = isMatrix ? ck_bf16_pitch(channels) : padded * groups
    let positions = shape.batch * shape.window.inputCount
    let imageBytes = aligned((isMatrix ? positions + Int(CK_BF16_ROWS_BEYOND) : positions) * pitch * 2)
    // Groups are rows of their own where their channels are padded.
    let isPadded = padded != channels
    let round = RangeKernel.Phase(count: positions, grain: max(1, 65536 / (channels * groups))) { call, begin, end, _ in
      let image = call.scratch.assumingMemoryBound(to: UInt16.self)
      if isPadded {
        ck_bf16_rows(
          image, padded, padded, call.input(0, Float.self), channels, 1, channels, begin * groups, end * groups)
      } else {
        let width = isMatrix ? (channels + unit - 1) / unit * unit : pitch
        ck_bf16_rows(
          image, pitch, width, call.input(0, Float.self), channels * groups, 1, channels * groups, begin, end)
      }
    }
    let tiles = Bfloat16Tiles(m: shape.rows, n: n, k: depth, threads: request.threads, others: groups)
    let scratch = isMatrix ? 0 : aligned(ck_bf16_conv_scratch_bytes(tiles.rows))
    let (ldc, rows, activation, hasResidual) = (n * groups, shape.rows, shape.activation, shape.hasResidual)
    let (item, window) = (shape.window.inputCount * pitch, shape.window.c)
    let multiply = RangeKernel.Phase(count: groups * tiles.count, grain: 1) { call, begin, end, thread in
      let own = call.scratch + imageBytes + thread * scratch
      let image = UnsafePointer(call.scratch.assumingMemoryBound(to: UInt16.self))
      for index in begin..<end {
        let (group, tile) = (index / tiles.count, index % tiles.count)
        let (row, column) = (tile / tiles.columnTiles * tiles.rows, tile % tiles.columnTiles * tiles.columns)
        let (rowEnd, columnEnd) = (min(rows, row + tiles.rows), min(n, column + tiles.columns))
        var epilogue = ck_gemm_epilogue()
        epilogue.alpha = 1
        epilogue.act = activation
        if let bias = call.optional(2, Float.self) { epilogue.bias_col = bias + group * n }
        if hasResidual, let residual = call.optional(3, Float.self) {
          epilogue.residual = residual + group * n
          epilogue.residual_stride = ldc
        }
        let out = call.output(0, Float.self) + group * n
        let matrix = packed.base.assumingMemoryBound(to: UInt16.self) + group * perGroup
        if isMatrix {
          ck_bf16_gemm(out, ldc, image, pitch, matrix, rows, depth, row, rowEnd, column, columnEnd, &epilogue)
        } else {
          var source = ck_bf16_image(
            in: image + group * padded, pitch: pitch, channels: padded, item: item, window: window)
          ck_bf16_conv(out, ldc, &source, matrix, rows, row, rowEnd, column, columnEnd, &epilogue, own)
        }
      }
    }
    let name = shape.window.isPointwise ? "pointwise" : "conv"
    return PreparedKernel(
      RangeKernel("\(name), channels last (\(String(cString: ck_bf16_name())))", phases: [round, multiply]),
      scratchBytes: imageBytes + scratch * request.threads, inPlaceInputs: hasResidual ? [3] : [])
  }
}
