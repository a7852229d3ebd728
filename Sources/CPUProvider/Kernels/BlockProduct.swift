internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Products in float32 with constant weights of few bits: com.microsoft's MatMulNBits and MatMulBnb4, ai.cameo's BlockMatMul
/// and BlockMatMuls.
enum BlockProductKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "com.microsoft.MatMulNBits": {
      try $0.requireFloat([0, 2, 5])
      return try product($0, BlockSource(nbits: $0), bias: 5)
    },
    "com.microsoft.MatMulBnb4": {
      try $0.requireFloat([0, 2])
      return try product($0, BlockSource(bnb4: $0), bias: nil)
    },
    "ai.cameo.BlockMatMul": {
      try $0.requireFloat([0, 2, 4, 5])
      return try product($0, BlockSource(blockMatMul: $0), bias: 4)
    },
    "ai.cameo.BlockMatMuls": JoinedBlockProduct.make,
  ]

  static func product(_ request: KernelRequest, _ source: BlockSource, bias: Int?) throws -> PreparedKernel {
    let (a, y) = (try request.operand(0), try request.result())
    if let zeros = source.zeros?.tensor.dataType, zeros == .float16 || zeros == .bfloat16 {
      throw Refusal("zero points of \(zeros)")
    }
    var source = source
    if source.zeros == nil && source.middle == 0 && source.book == nil {
      // The kernel counts from the middle where it is told nothing.
      let type = source.codes.tensor.dataType
      source.zeros = .init(tensor: try Tensor.of([0], type, shape: []), alongK: 0, alongN: 0)
    }
    guard a.shape.last == source.k, y.count == a.count / source.k * source.n else { throw Refusal("A of \(a.shape)") }
    if let bias { try request.requireCount(bias, source.n) }
    let weights = try BlockWeights(request, source)
    let kernel = BlockProductKernel(
      weights, m: a.count / source.k, bias: bias, threads: request.threads, roundsToBfloat16: request.usesBfloat16)
    return PreparedKernel(
      kernel, scratchBytes: kernel.scratchBytes, unreadInputs: [1, 2] + (source.zeros == nil ? [] : [3]))
  }
}

/// Few rows: the rows as the kernel reads them, then panels of columns. Many, where the processor's products of floats are faster: some
/// columns at a time are unpacked into a thread's scratch, for a product of floats, or of bfloat16 where the session allows it.
final class BlockProductKernel: Kernel, @unchecked Sendable {
  private enum Way { case packed, floats, bfloat16 }

  let weights: BlockWeights
  let m: Int
  private let bias: Int?
  private let way: Way
  /// Panels that are unpacked together, and bytes that they take.
  private let tile: Int
  private let tileBytes: Int
  /// Bytes of all rows in the form of their kernel; elements from one row in bfloat16 to the next.
  private let rowBytes: Int
  private let pitch: Int
  private let threadBytes: Int
  private let threads: Int
  let scratchBytes: Int

  init(_ weights: BlockWeights, m: Int, bias: Int?, threads: Int, roundsToBfloat16: Bool) {
    (self.weights, self.m, self.bias, self.threads) = (weights, m, bias, threads)
    var form = weights.form
    way = m <= ck_nbits_most_rows(&form) ? .packed : roundsToBfloat16 ? .bfloat16 : .floats
    let columns = Int(CK_NBITS_COLUMNS)
    let unit = way == .bfloat16 ? Int(CK_BF16_COLUMNS) : max(ck_gemm_nr(), columns)
    // About 256 KiB of floats, in whole panels of the product.
    let width = (max(1, min(weights.panels * columns, (1 << 16) / form.k)) + unit - 1) / unit * unit
    tile = width / columns
    tileBytes = aligned(form.k * width * 4)
    pitch = ck_bf16_pitch(form.k)
    switch way {
    case .packed: (rowBytes, threadBytes) = (aligned(m * ck_nbits_row_bytes(&form)), 0)
    case .floats: (rowBytes, threadBytes) = (0, tileBytes + aligned(ck_gemm_scratch_bytes(m, form.k, 1)))
    case .bfloat16:
      (rowBytes, threadBytes) = (aligned(m * pitch * 2), tileBytes + aligned(ck_bf16_packed_size(form.k, width) * 2))
    }
    scratchBytes = rowBytes + threads * threadBytes
    let product =
      way == .packed ? String(cString: ck_nbits_name(&form)) : way == .floats ? "unpacked" : CPUProvider.bfloat16Kernel
    super.init("\(m == 1 ? "gemv" : "gemm") \(form.bits) bits (\(product))")
  }

  override func run(_ call: KernelCall) {
    let form = weights.form
    switch way {
    case .packed:
      Self.packRows(self, call, m, weights)
      return parallel(call, phase: 1, count: weights.panels, grain: grain(panels: weights.panels, threads: threads))
    case .bfloat16: parallel(call, phase: 2, count: m, grain: max(1, (1 << 15) / form.k))
    case .floats: break
    }
    let work = m * form.k * tile * Int(CK_NBITS_COLUMNS)
    parallel(
      call, phase: way == .floats ? 3 : 4, count: (weights.panels + tile - 1) / tile,
      grain: max(1, (1 << 18) / max(1, work)))
  }

  var isPacked: Bool { way == .packed }

  /// True where both kernels read one packed form of the same rows.
  func readsRows(like other: BlockProductKernel) -> Bool {
    let (a, b) = (weights.form, other.weights.form)
    return m == other.m && a.k == b.k && a.bits == b.bits && a.group == b.group
  }

  /// Panels in a part, of so many. 32 KiB of weights are worth a thread, or that many multiplications of rows. Four panels are read side
  /// by side: a part has several times as many, as long as each thread has two parts.
  func grain(panels: Int, threads: Int) -> Int {
    let least = max(1, (1 << 15) / (weights.panelBytes * min(m, 16)))
    return max(least, min(16, (panels + 2 * threads - 1) / (2 * threads)))
  }

  /// Phase 0 of `kernel`: `m` rows in the form that the packed weights meet.
  static func packRows(_ kernel: Kernel, _ call: KernelCall, _ m: Int, _ weights: BlockWeights) {
    let depth = weights.form.k
    if m * depth <= 1 << 13 { return kernel.part(call, phase: 0, begin: 0, end: m, thread: 0) }
    kernel.parallel(call, phase: 0, count: m, grain: max(1, (1 << 15) / depth))
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    var form = weights.form
    let a = call.input(0, Float.self)
    let values = bias.flatMap { call.optional($0, Float.self) }
    let y = call.output(0, Float.self)
    let rows = call.scratch.assumingMemoryBound(to: UInt8.self)
    switch phase {
    case 0: ck_nbits_rows(rows, &form, a, form.k, begin, end)
    case 1: ck_nbits_run(&form, weights.base, rows, y, form.n, values, 0, m, begin, end)
    case 2:
      let depth = (form.k + Int(CK_BF16_DEPTH) - 1) / Int(CK_BF16_DEPTH) * Int(CK_BF16_DEPTH)
      ck_bf16_rows(call.scratch.assumingMemoryBound(to: UInt16.self), pitch, depth, a, form.k, 1, form.k, begin, end)
    default:
      let memory = call.scratch + rowBytes + thread * threadBytes
      for number in begin..<end {
        let (first, last) = (number * tile, min(weights.panels, (number + 1) * tile))
        let column = first * Int(CK_NBITS_COLUMNS)
        unpacked(
          call, panels: first..<last, y + column, columns: min(form.n, last * Int(CK_NBITS_COLUMNS)) - column,
          bias: values.map { $0 + column }, memory)
      }
    }
  }

  /// The product with the weights of `panels`, unpacked into `memory`.
  private func unpacked(
    _ call: KernelCall, panels: Range<Int>, _ y: UnsafeMutablePointer<Float>, columns: Int, bias: UnsafePointer<Float>?,
    _ memory: UnsafeMutableRawPointer
  ) {
    var form = weights.form
    let floats = memory.assumingMemoryBound(to: Float.self)
    var epilogue = ck_gemm_epilogue()
    epilogue.alpha = 1
    epilogue.bias_col = bias
    if way == .floats {
      ck_nbits_unpack(floats, ck_gemm_nr(), &form, weights.base, panels.lowerBound, panels.upperBound)
      return ck_gemm_packed_f32(
        y, form.n, call.input(0, Float.self), form.k, 1, floats, columns, form.k, 0, m, 0, columns, &epilogue,
        memory + tileBytes)
    }
    let width = tile * Int(CK_NBITS_COLUMNS)
    let packed = (memory + tileBytes).assumingMemoryBound(to: UInt16.self)
    ck_nbits_unpack(floats, width, &form, weights.base, panels.lowerBound, panels.upperBound)
    ck_bf16_pack_b(
      packed, floats, width, 1, form.k, columns, 0, (columns + Int(CK_BF16_COLUMNS) - 1) / Int(CK_BF16_COLUMNS))
    var result = ck_bf16_result(y, .float, ldc: form.n)
    result.epilogue = epilogue
    ck_bf16_gemm(
      &result, call.scratch.assumingMemoryBound(to: UInt16.self), pitch, packed, m, form.k, 0, m, 0, columns)
  }
}
