internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Convolutions of 8-bit images by constant weights, one group: QLinearConv of both domains and ConvInteger. The image is seen
/// channels last; each block of positions becomes rows of a product with the packed weights. Exact, as the products.
enum IntegerConvKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "ConvInteger": { try make($0, w: 1, xZero: 2, wZero: 3, isQuantized: false, channelsLast: false) },
    "QLinearConv": { try make($0, w: 3, xZero: 2, wZero: 5, isQuantized: true, channelsLast: false) },
    "com.microsoft.QLinearConv": {
      try make(
        $0, w: 3, xZero: 2, wZero: 5, isQuantized: true, channelsLast: try $0.attributes.bool("channels_last"))
    },
  ]

  private static func make(
    _ request: KernelRequest, w: Int, xZero: Int, wZero: Int, isQuantized: Bool, channelsLast: Bool
  ) throws -> PreparedKernel {
    let (x, weights, y) = (try request.operand(0), try request.operand(w), try request.result())
    guard x.type == .uint8 || x.type == .int8, x.rank >= 3, weights.rank == x.rank, let constant = weights.constant
    else { throw Refusal("weights that are not constant") }
    guard try request.attributes.int("group", default: 1) == 1 else { throw Refusal("groups") }
    let spatial = channelsLast ? 1..<x.rank - 1 : 2..<x.rank
    let channels = x.shape[channelsLast ? x.rank - 1 : 1]
    let (outputs, kernel) = (weights.shape[0], Array(weights.shape[2...]))
    guard weights.shape[1] == channels, channels > 0, y.rank == x.rank else { throw Refusal("\(weights.shape)") }
    let window = try Window(
      request.attributes, kernel: kernel, input: Array(x.shape[spatial]), output: Array(y.shape[spatial]))
    let depth = channels * window.taps
    let zeros = try request.constantInts(wZero) ?? [0]
    if let zero = request.input(xZero), zero.count != 1 { throw Refusal("zero points \(zero.shape)") }
    let packed = try PackedBytes(
      request, constant, form: "conv", k: depth, n: outputs, strides: (1, depth), zeros: zeros
    ) { constant in
      // [M, C, taps] to [M, taps, C], as the rows of the image lie.
      try Tensor.makeRaw(constant.dataType, constant.shape) { raw in
        guard let out = raw.baseAddress else { return }
        withExtendedLifetime(constant) {
          ck_transpose(
            out, constant.baseAddress, 1, 3, [outputs, channels, window.taps], [0, 2, 1], 0, constant.count)
        }
      }
    }
    if isQuantized {
      for index in [1, 6, 7] { try request.requireCount(index, 1) }
      for index in [1, 4, 6] where request.input(index)?.type != .float { throw Refusal("a scale of another type") }
      guard let scales = request.input(4), scales.count == 1 || scales.rank == 1 && scales.count == outputs else {
        throw Refusal("scales of the weights")
      }
      if let bias = request.input(8), bias.type != .int32 || bias.count != outputs { throw Refusal("\(bias.shape)") }
      guard y.type == .uint8 || y.type == .int8 else { throw Refusal("a result of \(y.type)") }
    }
    let made = IntegerConvKernel(
      packed, window, batch: x.shape[0], channels: channels, isSigned: x.type == .int8, xZero: xZero,
      result: !isQuantized ? CK_DOT8_INT32 : y.type == .int8 ? CK_DOT8_INT8 : CK_DOT8_UINT8,
      hasOneScale: request.input(4)?.count == 1, channelsLast: channelsLast, threads: request.threads)
    return PreparedKernel(made, scratchBytes: made.scratchBytes)
  }
}

private final class IntegerConvKernel: Kernel, @unchecked Sendable {
  private let weights: PackedBytes
  private let window: Window
  private let batch: Int
  private let channels: Int
  private let isSigned: Bool
  private let xZero: Int
  private let result: ck_dot8_result
  private let hasOneScale: Bool
  private let channelsLast: Bool
  /// Positions of a part, parts along the positions of one image and along the panels of the weights.
  private let rows: Int
  private let rowBlocks: Int
  private let columnBlocks: Int
  private let panels: Int
  /// Scales; the image channels last; the result channels last; each thread's columns.
  private let imageOffset: Int
  private let resultOffset: Int
  private let columnsOffset: Int
  private let columnBytes: Int
  let scratchBytes: Int

  init(
    _ weights: PackedBytes, _ window: Window, batch: Int, channels: Int, isSigned: Bool, xZero: Int,
    result: ck_dot8_result, hasOneScale: Bool, channelsLast: Bool, threads: Int
  ) {
    (self.weights, self.window, self.batch, self.channels) = (weights, window, batch, channels)
    (self.isSigned, self.xZero, self.result, self.hasOneScale) = (isSigned, xZero, result, hasOneScale)
    self.channelsLast = channelsLast
    rows = min(64, window.outputCount)
    rowBlocks = (window.outputCount + rows - 1) / rows
    let split = batch * rowBlocks >= 2 * threads ? 1 : min(weights.panels, threads)
    panels = (weights.panels + split - 1) / split
    columnBlocks = (weights.panels + panels - 1) / panels
    imageOffset = aligned(weights.n * 4)
    resultOffset = imageOffset + (channelsLast ? 0 : aligned(batch * channels * window.inputCount))
    let width = result == CK_DOT8_INT32 ? 4 : 1
    columnsOffset = resultOffset + (channelsLast ? 0 : aligned(batch * weights.n * window.outputCount * width))
    columnBytes = aligned(rows * weights.k)
    scratchBytes = columnsOffset + threads * columnBytes
    super.init("conv dot8")
  }

  private func zero(_ call: KernelCall, _ index: Int, isSigned: Bool) -> Int32 {
    guard let pointer = call.optional(index, UInt8.self) else { return 0 }
    return isSigned ? Int32(Int8(bitPattern: pointer[0])) : Int32(pointer[0])
  }

  override func run(_ call: KernelCall) {
    if result != CK_DOT8_INT32 {
      let out = call.scratch.assumingMemoryBound(to: Float.self)
      let (from, given, to) = (call.input(1, Float.self)[0], call.input(4, Float.self), call.input(6, Float.self)[0])
      for j in 0..<weights.n { out[j] = from * given[hasOneScale ? 0 : j] / to }
    }
    if !channelsLast {
      parallel(call, phase: 0, count: batch * window.inputCount * channels, grain: max(channels, 1 << 16))
    }
    let work = rows * panels * 32 * weights.k
    parallel(call, phase: 1, count: batch * rowBlocks * columnBlocks, grain: max(1, (1 << 18) / max(1, work)))
    if !channelsLast {
      parallel(call, phase: 2, count: batch * window.outputCount * weights.n, grain: max(window.outputCount, 1 << 16))
    }
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    switch phase {
    case 0:
      ck_transpose(
        call.scratch + imageOffset, call.input(0), 1, 3, [batch, channels, window.inputCount], [0, 2, 1], begin, end)
    case 1: product(call, begin, end, thread)
    default:
      ck_transpose(
        call.output(), call.scratch + resultOffset, result == CK_DOT8_INT32 ? 4 : 1, 3,
        [batch, window.outputCount, weights.n], [0, 2, 1], begin, end)
    }
  }

  private func product(_ call: KernelCall, _ begin: Int, _ end: Int, _ thread: Int) {
    let image = channelsLast ? call.input(0) : UnsafeRawPointer(call.scratch + imageOffset)
    let target = channelsLast ? call.output() : call.scratch + resultOffset
    let width = result == CK_DOT8_INT32 ? 4 : 1
    let columns = (call.scratch + columnsOffset + thread * columnBytes).assumingMemoryBound(to: UInt8.self)
    let point = zero(call, xZero, isSigned: isSigned) + (isSigned ? 128 : 0)
    var product = weights.product(columns, lda: weights.k, zero: point, to: target, as: result)
    if result != CK_DOT8_INT32 {
      product.scale = UnsafePointer(call.scratch.assumingMemoryBound(to: Float.self))
      product.bias = call.optional(8, Int32.self)
      product.zero = zero(call, 7, isSigned: result == CK_DOT8_INT8)
    }
    var geometry = window.c
    var filled = -1
    for number in begin..<end {
      let block = number / columnBlocks
      let (item, first) = (block / rowBlocks, block % rowBlocks * rows)
      let count = min(rows, window.outputCount - first)
      let source = image + item * window.inputCount * channels
      if window.isPointwise && !isSigned {
        product.a = source.assumingMemoryBound(to: UInt8.self) + first * channels
      } else if filled != block {
        ck_dot8_columns(columns, source, isSigned, UInt8(point), &geometry, channels, first, first + count)
        filled = block
      }
      product.out = target + (item * window.outputCount + first) * weights.n * width
      let panel = number % columnBlocks * panels
      ck_dot8_run(&product, 0, count, panel, min(weights.panels, panel + panels))
    }
  }
}
