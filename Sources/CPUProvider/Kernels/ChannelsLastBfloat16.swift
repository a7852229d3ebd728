internal import CKernels
import InferenceRuntime
import Tensors

/// Convolutions over [N, spatial.., C] whose factors are rounded to bfloat16: the image once, where it is not stored so; then it is read
/// in place (pointwise) or copied band by band.
enum ChannelsLastBfloat16 {
  static func make(
    _ request: KernelRequest, _ shape: ChannelsLastKernels.Shape, _ weights: Tensor
  ) throws -> PreparedKernel {
    let (channels, n, groups) = (shape.channels, shape.outChannels, shape.groups)
    // A product reads the image in place where each position is a row of it.
    let isMatrix = shape.window.isPointwise && groups == 1
    let padded = isMatrix ? channels : (channels + 1) & ~1
    let window = shape.window.c
    let isRounded = try request.operand(0).type == .bfloat16
    let unit = Int(CK_BF16_DEPTH)
    if isRounded && (shape.isFirst || padded != channels || isMatrix && channels % unit != 0) {
      throw Refusal("\(channels) channels in bfloat16")
    }
    let pitch = isRounded ? channels * groups : isMatrix ? ck_bf16_pitch(channels) : padded * groups
    let depth =
      isMatrix ? channels : withUnsafePointer(to: window) { ck_bf16_conv_depth($0, padded, pitch) }
    let perGroup = ck_bf16_packed_size(depth, n)
    let packed = try pack(request, weights, shape, padded: padded, pitch: isMatrix ? 0 : pitch, perGroup: perGroup)
    let (plane, isFirst) = (shape.window.inputCount, shape.isFirst)
    let positions = shape.batch * plane
    let imageBytes = isRounded ? 0 : aligned(positions * pitch * 2)
    // Groups are rows of their own where their channels are padded.
    let isPadded = padded != channels
    let round = RangeKernel.Phase(
      count: isRounded ? 0 : positions, grain: max(1, 65536 / (channels * groups))
    ) { call, begin, end, _ in
      let image = call.scratch.assumingMemoryBound(to: UInt16.self)
      if isFirst {
        // Positions lie beside each other, an item's channels one plane behind the other.
        var position = begin
        while position < end {
          let (item, first) = (position / plane, position % plane)
          let count = min(end - position, plane - first)
          ck_bf16_rows(
            image + item * plane * pitch, pitch, isMatrix ? (channels + unit - 1) / unit * unit : pitch,
            call.input(0, Float.self) + item * channels * plane, 1, plane, channels, first, first + count)
          position += count
        }
      } else if isPadded {
        ck_bf16_rows(
          image, padded, padded, call.input(0, Float.self), channels, 1, channels, begin * groups, end * groups)
      } else {
        let width = isMatrix ? (channels + unit - 1) / unit * unit : pitch
        ck_bf16_rows(
          image, pitch, width, call.input(0, Float.self), channels * groups, 1, channels * groups, begin, end)
      }
    }
    let tiles = ProductTiles(
      m: shape.rows, n: n, k: depth, line: isMatrix ? 0 : window.out.2, threads: request.threads, others: groups,
      form: request.choice("cut", of: 4),
      isAMX: ck_bf16_kernel() == Int32(CK_BF16_AMX.rawValue))
    let item = plane * pitch
    let scratch =
      isMatrix
      ? 0 : aligned(withUnsafePointer(to: window) { ck_bf16_conv_scratch_bytes($0, padded, pitch, tiles.rows) })
    let (ldc, rows, activation) = (n * groups, shape.rows, shape.activation)
    let (type, residualType) = (try request.result().type, request.input(3)?.type)
    let multiply = RangeKernel.Phase(count: groups * tiles.count, grain: 1) { call, begin, end, thread in
      let own = call.scratch + imageBytes + thread * scratch
      let image =
        isRounded ? call.input(0, UInt16.self) : UnsafePointer(call.scratch.assumingMemoryBound(to: UInt16.self))
      var whole = ck_bf16_result(
        call.output(), type, ldc: ldc, residual: residualType == nil ? nil : call.input(3), residualType)
      whole.epilogue.act = activation
      whole.epilogue.bias_col = call.optional(2, Float.self)
      for index in begin..<end {
        let (group, tile) = (index / tiles.count, index % tiles.count)
        let (row, column) = (tile / tiles.columnTiles * tiles.rows, tile % tiles.columnTiles * tiles.columns)
        let (rowEnd, columnEnd) = (min(rows, row + tiles.rows), min(n, column + tiles.columns))
        var result = whole.from(column: group * n)
        let matrix = packed.base.assumingMemoryBound(to: UInt16.self) + group * perGroup
        if isMatrix {
          ck_bf16_gemm(&result, image, pitch, matrix, rows, depth, row, rowEnd, column, columnEnd)
        } else {
          var source = ck_bf16_image(
            in: image + group * padded, pitch: pitch, channels: padded, item: item, window: window)
          ck_bf16_conv(&result, &source, matrix, rows, row, rowEnd, column, columnEnd, own)
        }
      }
    }
    let name = "\(shape.window.isPointwise ? "pointwise" : "conv"), channels last (\(CPUProvider.bfloat16Kernel))"
    return PreparedKernel(
      RangeKernel(name, phases: isRounded ? [multiply] : [round, multiply]),
      scratchBytes: max(64, imageBytes + scratch * request.threads), inPlaceInputs: residualType == type ? [3] : [])
  }

  private static func pack(
    _ request: KernelRequest, _ weights: Tensor, _ shape: ChannelsLastKernels.Shape, padded: Int, pitch: Int,
    perGroup: Int
  ) throws -> TensorStorage {
    let (channels, n, groups, taps) = (shape.channels, shape.outChannels, shape.groups, shape.window.taps)
    let panels = (n + Int(CK_BF16_COLUMNS) - 1) / Int(CK_BF16_COLUMNS)
    return try request.packed(
      weights, "bf16 channels-last conv, groups \(groups), channels \(padded), pitch \(pitch)",
      byteCount: groups * perGroup * 2, parts: groups * panels
    ) { target, parts in
      let target = target.assumingMemoryBound(to: UInt16.self)
      let source = weights.baseAddress.assumingMemoryBound(to: Float.self)
      ChannelsLastKernels.forPanels(parts, of: panels) { group, begin, end in
        let (to, from) = (target + group * perGroup, source + group * n * channels * taps)
        if pitch == 0 {
          ck_bf16_pack_b(to, from, 1, channels, channels, n, begin, end)
        } else {
          var window = shape.window.c
          ck_bf16_pack_conv(to, from, n, channels, padded, &window, pitch, begin, end)
        }
      }
    }
  }
}
