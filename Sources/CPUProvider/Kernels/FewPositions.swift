internal import CKernels
import InferenceRuntime
import Operators
import Tensors

/// Convolutions whose result has few positions and many channels: positions are the rows of a product with the packed weights,
/// channels its columns, so that whole vectors of channels are summed where columns of positions would fill a part of one.
enum FewPositionsKernels {
  /// nil where positions as columns are as good: many of them, few channels, or weights that are computed.
  static func make(
    _ request: KernelRequest, _ window: Window, batch: Int, channels: Int, groups: Int, rows: Int, hasResidual: Bool,
    _ activation: ck_activation
  ) throws -> PreparedKernel? {
    guard let weights = request.input(1)?.constant, !GemmPlan.usesBlas else { return nil }
    let nr = ck_gemm_nr()
    let positions = window.outputCount
    let depth = channels * window.taps
    let items = batch * positions
    func padded(_ count: Int) -> Int { (count + nr - 1) / nr * nr }
    guard items * depth * groups <= 1 << 18, depth >= 8 else { return nil }
    let seemsBetter = items * padded(rows) * 3 <= 2 * batch * padded(positions) * rows
    if (request.choice("positions", of: 2) == 1) == seemsBetter { return nil }
    let panels = padded(rows) / nr
    let storage = try request.packed(
      weights, "gemm b, groups \(groups), tier \(ck_isa_tier())", byteCount: groups * padded(rows) * depth * 4,
      parts: groups * panels
    ) { target, parts in
      let target = target.assumingMemoryBound(to: Float.self)
      let source = weights.baseAddress.assumingMemoryBound(to: Float.self)
      ChannelsLastKernels.forPanels(parts, of: panels) { group, begin, end in
        ck_gemm_pack_b(
          target + group * padded(rows) * depth, source + group * rows * depth, 1, depth, depth, rows, begin, end)
      }
    }
    // Rows of one channel without padding lie in the image as they are.
    let geometry = window.c
    let isInPlace =
      batch == 1 && channels == 1 && window.rank == 1 && geometry.dilation.2 == 1 && geometry.pad_begin.2 <= 0
      && (positions - 1) * geometry.stride.2 - geometry.pad_begin.2 + geometry.kernel.2 <= geometry.in.2
    let rowStride = isInPlace ? geometry.stride.2 : depth
    // A tile's work is worth a thread: 2^19 multiplications, or 2^17 weights to read.
    let whole = groups * max(items, 4) * depth * panels * nr
    let parts = request.threads == 1 ? 1 : min(2 * request.threads, max(1, whole >> 19))
    let tilePanels = max(1, (panels * groups + parts - 1) / parts)
    let tiles = (panels + tilePanels - 1) / tilePanels
    let columns = tilePanels * nr
    let gathered = isInPlace ? 0 : aligned(groups * items * depth * 4)
    let sums = aligned(items * columns * 4)
    let scratch = sums + aligned(ck_gemm_scratch_bytes(items, rowStride, 1))
    let plane = window.inputCount

    let gather = RangeKernel.Phase(count: isInPlace ? 0 : items, grain: max(1, 32768 / (groups * depth))) {
      call, begin, end, _ in
      var geometry = geometry
      var index = begin
      while index < end {
        let (item, first) = (index / positions, index % positions)
        let last = min(positions, first + end - index)
        for group in 0..<groups {
          ck_im2row_f32(
            call.scratch.assumingMemoryBound(to: Float.self) + (group * items + index) * depth, depth,
            call.input(0, Float.self) + (item * groups + group) * channels * plane, channels, &geometry, first, last)
        }
        index += last - first
      }
    }
    let multiply = RangeKernel.Phase(count: groups * tiles, grain: 1) { call, begin, end, thread in
      var activation = activation
      let own = call.scratch + gathered + thread * scratch
      for index in begin..<end {
        let (group, left) = (index / tiles, index % tiles * columns)
        let right = min(rows, left + columns)
        let source =
          isInPlace
          ? call.input(0, Float.self) + group * plane - geometry.pad_begin.2
          : UnsafePointer(call.scratch.assumingMemoryBound(to: Float.self)) + group * items * depth
        let products = own.assumingMemoryBound(to: Float.self)
        ck_gemm_packed_f32(
          products - left, columns, source, rowStride, 1,
          storage.base.assumingMemoryBound(to: Float.self) + group * panels * nr * depth, rows, depth, 0, items, left,
          right, nil, own + sums)
        let bias = call.optional(2, Float.self)
        let residual = hasResidual ? call.optional(3, Float.self) : nil
        for item in 0..<batch {
          let place = ((item * groups + group) * rows + left) * positions
          ck_rows_to_planes_f32(
            call.output(0, Float.self) + place, products + item * positions * columns, columns, positions, right - left,
            bias.map { $0 + group * rows + left }, residual.map { $0 + place }, &activation)
        }
      }
    }
    return PreparedKernel(
      RangeKernel("conv, few positions", phases: isInPlace ? [multiply] : [gather, multiply]),
      scratchBytes: gathered + scratch * request.threads, inPlaceInputs: hasResidual ? [3] : [])
  }
}
