internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Products in float32 with constant weights of few bits: com.microsoft's MatMulNBits and MatMulBnb4, ai.cameo.BlockMatMul.
enum BlockProductKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "com.microsoft.MatMulNBits": { try nbits($0) }, "com.microsoft.MatMulBnb4": { try bnb4($0) },
    "ai.cameo.BlockMatMul": { try block($0) },
  ]

  private static func constant(_ request: KernelRequest, _ index: Int) throws -> Tensor {
    guard let tensor = try request.operand(index).constant else { throw Refusal("input \(index) is computed") }
    return tensor
  }

  private static func nbits(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([0, 2, 5])
    guard request.input(4) == nil else { throw Refusal("g_idx") }
    let attributes = request.attributes
    let (n, k) = (try attributes.int("N"), try attributes.int("K"))
    let (bits, block) = (try attributes.int("bits", default: 4), try attributes.int("block_size"))
    guard [2, 4, 8].contains(bits), block >= 16, block & (block - 1) == 0, n > 0, k > 0 else {
      throw Refusal("\(bits) bits in blocks of \(block)")
    }
    let blocks = (k - 1) / block + 1
    let codes = try constant(request, 1)
    guard codes.dataType == .uint8 else { throw Refusal("weights of \(codes.dataType)") }
    try request.requireCount(1, n * blocks * (block * bits / 8))
    try request.requireCount(2, n * blocks)
    var source = BlockSource(
      k: k, n: n, bits: bits, group: block, codes: .init(tensor: codes, alongK: 1, alongN: blocks * block),
      scales: .init(tensor: try constant(request, 2), alongK: 1, alongN: blocks))
    if request.input(3) != nil {
      let zeros = try constant(request, 3)
      let isPacked = zeros.dataType == .uint8
      guard isPacked || zeros.dataType == .float else { throw Refusal("zero points of \(zeros.dataType)") }
      let rowBytes = (blocks * bits + 7) / 8
      try request.requireCount(3, isPacked ? n * rowBytes : n * blocks)
      source.zeros = .init(tensor: zeros, alongK: 1, alongN: isPacked ? rowBytes * 8 / bits : blocks)
    }
    return try product(request, source, bias: 5)
  }

  private static func bnb4(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([0, 2])
    let attributes = request.attributes
    let (n, k) = (try attributes.int("N"), try attributes.int("K"))
    let block = try attributes.int("block_size")
    guard try attributes.int("transB", default: 1) != 0 else { throw Refusal("weights that are not transposed") }
    guard block >= 16, block & (block - 1) == 0, n > 0, k > 0, k % block == 0 else {
      throw Refusal("blocks of \(block) in rows of \(k)")
    }
    let codes = try constant(request, 1)
    try request.requireCount(1, (n * k + 1) / 2)
    try request.requireCount(2, n * (k / block))
    var source = BlockSource(
      k: k, n: n, bits: 4, group: block, codes: .init(tensor: codes, alongK: 1, alongN: k),
      scales: .init(tensor: try constant(request, 2), alongK: 1, alongN: k / block))
    source.isHighFirst = true
    source.book = try attributes.int("quant_type") == 0 ? CodeBooks.fp4 : CodeBooks.nf4
    return try product(request, source, bias: nil)
  }

  private static func block(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([0, 2, 4, 5])
    let (codes, scales) = (try constant(request, 1), try constant(request, 2))
    guard codes.rank == 2, codes.count > 0 else { throw Refusal("weights of the shape \(codes.shape)") }
    let isTransposed = try request.attributes.bool("transB")
    let block = try request.attributes.int("block_size", default: 0)
    let given = try request.attributes.int("axis", default: 1)
    let (axisOfK, axisOfN) = isTransposed ? (1, 0) : (0, 1)
    let (k, n) = (codes.shape[axisOfK], codes.shape[axisOfN])
    let axis = given < 0 ? given + 2 : given
    var (group, alongK, alongN) = (k, 0, 0)
    if block > 0 {
      let blocks = (codes.shape[axisOfK] - 1) / block + 1
      guard axis == axisOfK, block % 16 == 0 || block >= k else {
        throw Refusal("blocks of \(block) along axis \(axis)")
      }
      guard scales.shape == (isTransposed ? [n, blocks] : [blocks, n]) else { throw Refusal("scales \(scales.shape)") }
      (group, alongK, alongN) = (block, isTransposed ? 1 : n, isTransposed ? blocks : 1)
    } else if scales.count > 1 {
      guard axis == axisOfN, scales.shape == [n] else { throw Refusal("scales \(scales.shape) along axis \(axis)") }
      alongN = 1
    }
    let bits = codes.dataType.bitWidth
    var source = BlockSource(
      k: k, n: n, bits: bits, group: group,
      codes: .init(tensor: codes, alongK: isTransposed ? 1 : n, alongN: isTransposed ? k : 1),
      scales: .init(tensor: scales, alongK: alongK, alongN: alongN))
    if request.input(5) != nil {
      let book = try constant(request, 5)
      guard codes.dataType == .uint4, book.count == 16, request.input(3) == nil else {
        throw Refusal("a code book \(book)")
      }
      source.book = try book.elements(as: Float.self)
    }
    switch codes.dataType {
    case .int8, .int4, .int2: source.isSigned = true
    case .uint8, .uint4, .uint2: break
    case .float4e2m1: source.book = CodeBooks.e2m1
    default: throw Refusal("weights of \(codes.dataType)")
    }
    if request.input(3) != nil {
      let zeros = try constant(request, 3)
      guard zeros.dataType == codes.dataType, zeros.count == scales.count, source.book == nil else {
        throw Refusal("zero points \(zeros)")
      }
      source.zeros = .init(tensor: zeros, alongK: alongK, alongN: alongN)
    } else if !source.isSigned && source.book == nil {
      // Unsigned numbers are counted from 0.
      source.zeros = .init(tensor: try Tensor.of([0], codes.dataType, shape: []), alongK: 0, alongN: 0)
    }
    return try product(request, source, bias: 4)
  }

  private static func product(_ request: KernelRequest, _ source: BlockSource, bias: Int?) throws -> PreparedKernel {
    let (a, y) = (try request.operand(0), try request.result())
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
private final class BlockProductKernel: Kernel, @unchecked Sendable {
  private enum Way { case packed, floats, bfloat16 }

  private let weights: BlockWeights
  private let m: Int
  private let bias: Int?
  private let way: Way
  /// Panels that are unpacked together, and bytes that they take.
  private let tile: Int
  private let tileBytes: Int
  /// Bytes of all rows in the form of their kernel; elements from one row in bfloat16 to the next.
  private let rowBytes: Int
  private let pitch: Int
  private let threadBytes: Int
  let scratchBytes: Int

  init(_ weights: BlockWeights, m: Int, bias: Int?, threads: Int, roundsToBfloat16: Bool) {
    (self.weights, self.m, self.bias) = (weights, m, bias)
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
    let isShort = m * form.k <= 1 << 13
    switch way {
    case .packed:
      if isShort {
        part(call, phase: 0, begin: 0, end: m, thread: 0)
      } else {
        parallel(call, phase: 0, count: m, grain: max(1, (1 << 15) / form.k))
      }
      // 32 KiB of weights are worth a thread, or that many multiplications of rows.
      return parallel(
        call, phase: 1, count: weights.panels, grain: max(1, (1 << 15) / (weights.panelBytes * min(m, 16))))
    case .bfloat16: parallel(call, phase: 2, count: m, grain: max(1, (1 << 15) / form.k))
    case .floats: break
    }
    let work = m * form.k * tile * Int(CK_NBITS_COLUMNS)
    parallel(
      call, phase: way == .floats ? 3 : 4, count: (weights.panels + tile - 1) / tile,
      grain: max(1, (1 << 18) / max(1, work)))
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
