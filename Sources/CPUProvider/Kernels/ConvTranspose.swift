internal import CBLAS
internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// ConvTranspose in float32: the product of the transposed weights with the image, summed onto the result.
enum ConvTransposeKernels {
  static let makers: [String: CPUProvider.Maker] = ["ConvTranspose": { try make($0) }]

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat()
    let (x, w, y) = (try request.operand(0), try request.operand(1), try request.result())
    guard x.rank >= 3 else { throw Refusal("no spatial axis") }
    guard try ["NOTSET", ""].contains(request.attributes.string("auto_pad", default: "NOTSET")),
      try request.attributes.optionalInts("output_shape") ?? [] == []
    else { throw Refusal("auto_pad or output_shape") }
    let groups = try request.attributes.int("group", default: 1)
    let (batch, channels, outChannels) = (x.shape[0], x.shape[1], y.shape[1])
    guard groups > 0, channels > 0, channels % groups == 0, w.rank == x.rank, w.shape[0] == channels,
      w.shape[1] * groups == outChannels
    else { throw Refusal("\(groups) groups") }
    try request.requireCount(2, outChannels)
    // The adjoint of the convolution from the result to the input.
    let window = try Window(
      request.attributes, kernel: Array(w.shape[2...]), input: Array(y.shape[2...]), output: Array(x.shape[2...]))
    let geometry = window.c
    let (inside, outside) = (channels / groups, outChannels / groups)
    let taps = window.taps
    let (positions, plane) = (window.outputCount, window.inputCount)
    guard positions > 0 else { throw Refusal("an empty input") }
    let scratch = aligned(taps * positions * 4)
    let usesBlas = Blas.isLoaded
    let kernel = RangeKernel("transposed conv", count: batch * outChannels, grain: 1) { call, begin, end, thread in
      var geometry = geometry
      let columns = (call.scratch + thread * scratch).assumingMemoryBound(to: Float.self)
      for index in begin..<end {
        let channel = index % outChannels
        let group = channel / outside
        let image = call.input(0, Float.self) + (index / outChannels * channels + group * inside) * positions
        // Weights [channels][outside][taps]: the rows of this output channel, transposed.
        let weights = call.input(1, Float.self) + (group * inside * outside + channel % outside) * taps
        if usesBlas {
          cameo_sgemm(
            1, 0, Int64(taps), Int64(positions), Int64(inside), 1, weights, Int64(outside * taps), image,
            Int64(positions),
            0, columns, Int64(positions))
        } else {
          ck_contract_f32(
            columns, positions, 1, weights, 1, outside * taps, image, positions, 1, positions, inside, 0, taps)
        }
        let out = call.output(0, Float.self) + index * plane
        out.update(repeating: call.optional(2, Float.self)?[channel] ?? 0, count: plane)
        ck_col2im_f32(out, columns, positions, &geometry, 0, 1)
      }
    }
    return PreparedKernel(kernel, scratchBytes: scratch * request.threads)
  }
}
