internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Transposed convolution over [N, H, W, C] in float32: a product of positions with the packed weights of all taps, then the taps
/// summed onto the lines that they reach. A tile is a block of result lines; its products stay in the second-level cache.
enum ChannelsLastConvTransposeKernels {
  static let makers: [String: CPUProvider.Maker] = ["ai.cameo.ChannelsLastConvTranspose": { try make($0) }]

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat()
    let (x, w, y) = (try request.operand(0), try request.operand(1), try request.result())
    guard x.rank == 4, w.rank == 4, y.rank == 4 else { throw Refusal("\(x.rank - 2) spatial axes") }
    guard try ["NOTSET", ""].contains(request.attributes.string("auto_pad", default: "NOTSET")),
      try request.attributes.optionalInts("output_shape") ?? [] == [],
      try request.attributes.int("group", default: 1) == 1, let weights = w.constant
    else { throw Refusal("auto_pad, output_shape, groups or computed weights") }
    let (channels, outChannels) = (w.shape[0], w.shape[1])
    guard channels > 0, x.shape[3] == channels, y.shape[3] == outChannels, x.count > 0 else {
      throw Refusal("weights of the shape \(w.shape)")
    }
    try request.requireCount(2, outChannels)
    // The convolution from the result to the input.
    let window = try Window(
      request.attributes, kernel: Array(w.shape[2...]), input: Array(y.shape[1..<3]), output: Array(x.shape[1..<3]))
    let (geometry, taps) = (window.c, window.taps)
    let n = taps * outChannels
    let packed = try pack(request, weights, channels: channels, outChannels: outChannels, taps: taps)

    let width = geometry.out.2
    let inputLines = max(1, min(geometry.out.1, (1 << 16) / (width * n)))
    let lines = max(1, min(inputLines * geometry.stride.1, (geometry.in.1 + request.threads - 1) / request.threads))
    let reach = (lines - 1 + (geometry.kernel.1 - 1) * geometry.dilation.1) / geometry.stride.1 + 2
    let rows = reach * width
    let columnBytes = aligned(rows * n * 4)
    let scratch = columnBytes + aligned(ck_gemm_scratch_bytes(rows, channels, 1))
    let perItem = (geometry.in.1 + lines - 1) / lines
    let kernel = RangeKernel("transposed conv, channels last", count: x.shape[0] * perItem, grain: 1) {
      call, begin, end, thread in
      var geometry = geometry
      let own = call.scratch + thread * scratch
      let columns = own.assumingMemoryBound(to: Float.self)
      for tile in begin..<end {
        let item = tile / perItem
        let first = tile % perItem * lines
        let last = min(geometry.in.1, first + lines)
        // Input lines that reach [first, last).
        let low = first + geometry.pad_begin.1 - (geometry.kernel.1 - 1) * geometry.dilation.1
        let from = max(0, low <= 0 ? 0 : (low + geometry.stride.1 - 1) / geometry.stride.1)
        let to = min(geometry.out.1, (last - 1 + geometry.pad_begin.1) / geometry.stride.1 + 1)
        let image = call.input(0, Float.self) + (item * geometry.out.1 + from) * width * channels
        if to > from {
          ck_gemm_packed_f32(
            columns, n, image, channels, 1, packed.base.assumingMemoryBound(to: Float.self), n, channels, 0,
            (to - from) * width, 0, n, nil, own + columnBytes)
        }
        ck_last_col2im_f32(
          call.output(0, Float.self) + item * geometry.in.1 * geometry.in.2 * outChannels, columns, from,
          call.optional(2, Float.self), outChannels, &geometry, first, last)
      }
    }
    return PreparedKernel(kernel, scratchBytes: scratch * request.threads)
  }

  /// Weights [channels][outChannels][taps] as packed B [channels][taps * outChannels].
  private static func pack(
    _ request: KernelRequest, _ weights: Tensor, channels: Int, outChannels: Int, taps: Int
  ) throws -> TensorStorage {
    let n = taps * outChannels
    return try request.packed(
      weights, "channels-last transposed conv, tier \(ck_isa_tier())",
      byteCount: max(4, ck_gemm_packed_size(channels, n) * 4)
    ) { target in
      let plain = try TensorStorage(byteCount: max(4, channels * n * 4), zeroed: false)
      let rows = plain.base.assumingMemoryBound(to: Float.self)
      let source = weights.baseAddress.assumingMemoryBound(to: Float.self)
      for channel in 0..<channels {
        for out in 0..<outChannels {
          for tap in 0..<taps {
            rows[channel * n + tap * outChannels + out] = source[(channel * outChannels + out) * taps + tap]
          }
        }
      }
      ck_gemm_pack_b(
        target.assumingMemoryBound(to: Float.self), rows, n, 1, channels, n, 0, (n + ck_gemm_nr() - 1) / ck_gemm_nr())
      withExtendedLifetime(plain) {}
    }
  }
}
