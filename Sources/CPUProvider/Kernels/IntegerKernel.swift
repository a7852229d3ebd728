internal import CKernels
import InferenceRuntime
import Tensors

/// Matrices of 8-bit numbers as the right side of products: constants packed once a session, others in each run.
final class IntegerWeights: @unchecked Sendable {
  let form: ck_int8_weights
  let matrices: Int
  let type: DataType
  /// Bytes from a matrix to the next as they are given, and of k and n in one of them.
  private let strides: (matrix: Int, k: Int, n: Int)
  private let storage: TensorStorage?
  let matrixBytes: Int

  /// Matrices [k, n] one behind the other.
  init(
    _ request: KernelRequest, _ operand: Operand, k: Int, n: Int, matrices: Int, strides: (Int, Int)
  ) throws {
    form = ck_int8_matrix(k, n)
    (self.matrices, type, self.strides) = (matrices, operand.type, (k * n, strides.0, strides.1))
    var form = form
    matrixBytes = aligned(ck_int8_packed_bytes(&form))
    guard type == .int8 || type == .uint8 else { throw Refusal("weights of \(type)") }
    guard let constant = operand.constant else {
      storage = nil
      return
    }
    let (type, given, matrixBytes) = (type, self.strides, matrixBytes)
    storage = try request.packed(
      constant, "int8 \(matrices) of \(k) by \(n), \(strides)", byteCount: matrices * matrixBytes
    ) { target in
      for matrix in 0..<matrices {
        ck_int8_pack(
          target + matrix * matrixBytes, &form, constant.baseAddress + matrix * given.matrix, type == .int8, given.k,
          given.n)
      }
    }
  }

  /// Constant filters [groups * n, channels, taps] over an image whose positions are `pitch` bytes apart.
  init(_ request: KernelRequest, _ constant: Tensor, channels: Int, n: Int, groups: Int, window: Window, pitch: Int)
    throws
  {
    var geometry = window.c
    form = ck_int8_filters(&geometry, channels, pitch, n)
    (matrices, type, strides) = (groups, constant.dataType, (0, 0, 0))
    var form = form
    let bytes = aligned(ck_int8_packed_bytes(&form))
    matrixBytes = bytes
    guard type == .int8 || type == .uint8 else { throw Refusal("weights of \(type)") }
    let (isSigned, filters) = (type == .int8, n * channels * window.taps)
    storage = try request.packed(
      constant, "int8 filters, \(groups) groups, pitch \(pitch), depth \(form.depth), line \(form.line)",
      byteCount: groups * bytes
    ) { target in
      for group in 0..<groups {
        ck_int8_pack_filters(
          target + group * bytes, &form, constant.baseAddress + group * filters, isSigned, channels, &geometry)
      }
    }
  }

  /// Constant filters [channels, 1, taps], one a channel. `zeros`: in the numbers as they are packed.
  init(_ request: KernelRequest, _ constant: Tensor, depthwise window: Window, channels: Int, zeros: [Int32]?) throws {
    var geometry = window.c
    form = ck_int8_depthwise_filters(&geometry, channels)
    (matrices, type, strides) = (1, constant.dataType, (0, 0, 0))
    var form = form
    matrixBytes = aligned(ck_int8_packed_bytes(&form))
    guard type == .int8 || type == .uint8 else { throw Refusal("weights of \(type)") }
    let isSigned = type == .int8
    let places = "kernel \(geometry.kernel), stride \(geometry.stride), dilation \(geometry.dilation)"
    storage = try request.packed(
      constant, "int8 depthwise, \(places), zeros \(zeros ?? [])", byteCount: matrixBytes
    ) { target in
      ck_int8_pack_depthwise(target, &form, constant.baseAddress, isSigned, zeros, &geometry)
    }
  }

  var isConstant: Bool { storage != nil }
  var scratchBytes: Int { isConstant ? 0 : matrices * matrixBytes }

  /// A packed matrix; `scratch`: the memory of those that are not constant.
  func matrix(_ index: Int, scratch: UnsafeMutableRawPointer?) -> ck_int8_weights {
    var result = form
    if let base = storage?.base ?? scratch { result.packed = UnsafeRawPointer(base + index * matrixBytes) }
    return result
  }

  /// Packs a matrix of a run.
  func pack(_ index: Int, _ given: UnsafeRawPointer, scratch: UnsafeMutableRawPointer) {
    var form = form
    ck_int8_pack(
      scratch + index * matrixBytes, &form, given + index * strides.matrix, type == .int8, strides.k, strides.n)
  }
}

/// The products of an 8-bit operator: one of all rows, one a matrix of a batch, or one a group of a convolution.
final class IntegerKernel: Kernel, @unchecked Sendable {
  /// Where the left sides come from, in bytes of A.
  struct Left {
    /// Rows of each product, and bytes between them.
    let m: Int
    let pitch: Int
    /// Numbers of a row; channels of a group under each tap.
    let k: Int
    /// The first of each product.
    let offsets: [Int]
    /// nil: rows as they stand in memory.
    var image: (window: Window, item: Int)?
    /// One filter a channel: `m` counts output lines.
    var isDepthwise = false
    /// Images [batch, channels, plane] that are to be read channels last.
    var moves: (batch: Int, channels: Int, plane: Int)?
    /// All numbers, where they are float and have to be quantized first.
    var floats: Int?
  }

  /// Where results go, in elements.
  struct Right {
    /// The matrix of B of each product.
    let matrices: [Int]
    let offsets: [Int]
    let ldc: Int
    /// A result [batch, channels, plane] that is made channels last; bytes of an element.
    var moves: (batch: Int, channels: Int, plane: Int, width: Int)?
  }

  private let roles: IntegerRoles
  private let weights: IntegerWeights
  private let parameters: IntegerParameters
  private let left: Left
  private let right: Right
  private let tiles: ProductTiles
  private let isSigned: Bool
  private let threads: Int
  private let matrices: Longs
  private let aOffsets: Longs
  private let cOffsets: Longs
  private let codesOffset: Int
  private let resultOffset: Int
  private let packedOffset: Int
  private let threadOffset: Int
  private let threadBytes: Int
  let scratchBytes: Int

  init(
    _ name: String, _ request: KernelRequest, _ roles: IntegerRoles, _ weights: IntegerWeights,
    _ parameters: IntegerParameters, _ left: Left, _ right: Right
  ) throws {
    (self.roles, self.weights, self.parameters, self.left, self.right) = (roles, weights, parameters, left, right)
    isSigned = try request.operand(roles.a).type == .int8
    threads = request.threads
    tiles = ProductTiles(
      m: left.m, n: weights.form.n, k: weights.form.depth, line: left.image?.window.c.out.2 ?? 0,
      threads: request.threads, others: left.offsets.count,
      form: request.choice("cut", of: 4), isAMX: ck_int8_kernel() == Int32(CK_INT8_AMX.rawValue))
    (matrices, aOffsets, cOffsets) = (Longs(right.matrices), Longs(left.offsets), Longs(right.offsets))
    let moved = left.moves.map { $0.batch * $0.channels * $0.plane } ?? left.floats ?? 0
    codesOffset = aligned(parameters.scratchBytes) + 64
    resultOffset = codesOffset + aligned(moved)
    packedOffset =
      resultOffset + (right.moves.map { aligned($0.batch * $0.channels * $0.plane * $0.width) } ?? 0)
    threadOffset = packedOffset + aligned(weights.scratchBytes)
    if let image = left.image, left.isDepthwise {
      threadBytes = withUnsafePointer(to: image.window.c) { aligned(ck_int8_depthwise_scratch_bytes($0)) }
    } else if let image = left.image {
      threadBytes = withUnsafePointer(to: image.window.c) { [tiles] in
        aligned(ck_int8_conv_scratch_bytes($0, left.k, left.pitch, min(left.m, tiles.rows)))
      }
    } else {
      threadBytes = aligned(ck_int8_gemm_scratch_bytes(left.k))
    }
    scratchBytes = threadOffset + request.threads * threadBytes
    super.init("\(name) (\(CPUProvider.int8Kernel))")
    guard weights.isConstant, parameters.isFixed else { return }
    let bias = try roles.bias.flatMap { try request.input($0).map { try request.constant($0) } }
    for matrix in 0..<weights.matrices {
      parameters.correct(matrix, weights.matrix(matrix, scratch: nil), bias: bias)
    }
  }

  override func run(_ call: KernelCall) {
    var dynamic: (scale: Float, zero: Int32)?
    if let count = left.floats { dynamic = scaled(call, count) }
    parameters.begin(call, dynamic: dynamic)
    if let count = left.floats { parallel(call, phase: 0, count: count, grain: 1 << 15) }
    if let moves = left.moves {
      parallel(
        call, phase: 1, count: moves.batch * moves.plane * moves.channels, grain: max(moves.channels, 1 << 16))
    }
    if !weights.isConstant {
      parallel(call, phase: 2, count: weights.matrices, grain: max(1, (1 << 15) / weights.matrixBytes))
    } else if !parameters.isFixed {
      for matrix in 0..<weights.matrices { parameters.correct(call, matrix, weights.matrix(matrix, scratch: nil)) }
    }
    if left.isDepthwise {
      parallel(call, phase: 3, count: left.m, grain: lineGrain)
    } else {
      if left.image != nil {
        for thread in 0..<threads { ck_int8_conv_begin(call.scratch + threadOffset + thread * threadBytes) }
      }
      parallel(call, phase: 3, count: tiles.count * aOffsets.count, grain: grain)
    }
    if let moves = right.moves {
      parallel(call, phase: 4, count: moves.batch * moves.plane * moves.channels, grain: max(moves.plane, 1 << 16))
    }
  }

  /// Products of many small matrices go several at a time.
  private var grain: Int {
    tiles.count > 1 ? 1 : max(1, (1 << 19) / max(1, left.m * weights.form.n * weights.form.depth))
  }

  /// Output lines of some 10 microseconds, with one filter a channel.
  private var lineGrain: Int {
    guard let window = left.image?.window else { return 1 }
    return max(1, (1 << 20) / max(1, weights.form.n * window.c.out.2 * (window.taps + 8)))
  }

  /// DynamicQuantizeLinear's scale and zero point of A, which go to the first bytes behind the parameters.
  private func scaled(_ call: KernelCall, _ count: Int) -> (scale: Float, zero: Int32) {
    var (low, high): (Float, Float) = (0, 0)
    ck_range_f32(&low, &high, call.input(roles.a, Float.self), count)
    let scale = low == high ? 1 : (high - low) / 255
    let zero = min(max(-low / scale, 0), 255).rounded(.toNearestOrEven)
    let result: (scale: Float, zero: Int32) = (scale, zero.isNaN ? 0 : Int32(zero))
    let head = call.scratch + codesOffset - 64
    head.storeBytes(of: result.scale, as: Float.self)
    head.storeBytes(of: UInt8(truncatingIfNeeded: result.zero), toByteOffset: 4, as: UInt8.self)
    return result
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    let codes = call.scratch + codesOffset
    switch phase {
    case 0:
      let head = UnsafeRawPointer(codes - 64)
      ck_quantize_u8(
        codes.assumingMemoryBound(to: UInt8.self) + begin, call.input(roles.a, Float.self) + begin,
        head.assumingMemoryBound(to: Float.self), (head + 4).assumingMemoryBound(to: UInt8.self), 1, end - begin, 0, 1)
    case 1:
      guard let moves = left.moves else { return }
      if moves.channels == 3 {
        return ck_int8_interleave(codes, call.input(roles.a), moves.plane, begin / 3, end / 3)
      }
      ck_transpose(
        codes, call.input(roles.a), 1, 3, [moves.batch, moves.channels, moves.plane], [0, 2, 1], begin, end)
    case 2:
      let scratch = call.scratch + packedOffset
      for matrix in begin..<end {
        weights.pack(matrix, call.input(roles.b), scratch: scratch)
        parameters.correct(call, matrix, weights.matrix(matrix, scratch: scratch))
      }
    case 3 where left.isDepthwise: filter(call, begin, end, thread)
    case 3: for index in begin..<end { multiply(call, index, thread) }
    default:
      guard let moves = right.moves else { return }
      ck_transpose(
        call.output(), call.scratch + resultOffset, moves.width, 3, [moves.batch, moves.plane, moves.channels],
        [0, 2, 1], begin, end)
    }
  }

  /// Output lines [begin, end) with one filter a channel.
  private func filter(_ call: KernelCall, _ begin: Int, _ end: Int, _ thread: Int) {
    guard let image = left.image else { return }
    var matrix = weights.matrix(0, scratch: nil)
    let out = right.moves == nil ? call.output() : call.scratch + resultOffset
    var result = parameters.result(call, to: out, matrix: 0, first: 0, ldc: right.ldc)
    var source = ck_int8_image(
      in: left.moves == nil ? call.input(roles.a) : UnsafeRawPointer(call.scratch + codesOffset), pitch: left.pitch,
      channels: 1, item: image.item, is_signed: isSigned, pad: parameters.padding(call), window: image.window.c)
    ck_int8_depthwise(&result, &source, &matrix, begin, end, call.scratch + threadOffset + thread * threadBytes)
  }

  private func multiply(_ call: KernelCall, _ index: Int, _ thread: Int) {
    let (product, tile) = (index / tiles.count, index % tiles.count)
    let (row, column) = (tile / tiles.columnTiles * tiles.rows, tile % tiles.columnTiles * tiles.columns)
    let (rowEnd, columnEnd) = (min(left.m, row + tiles.rows), min(weights.form.n, column + tiles.columns))
    var matrix = weights.matrix(matrices[product], scratch: call.scratch + packedOffset)
    let out = right.moves == nil ? call.output() : call.scratch + resultOffset
    var result = parameters.result(
      call, to: out, matrix: matrices[product], first: cOffsets[product], ldc: right.ldc)
    let isMoved = left.moves != nil || left.floats != nil
    let a = (isMoved ? UnsafeRawPointer(call.scratch + codesOffset) : call.input(roles.a)) + aOffsets[product]
    let scratch = call.scratch + threadOffset + thread * threadBytes
    if let image = left.image {
      var source = ck_int8_image(
        in: a, pitch: left.pitch, channels: left.k, item: image.item, is_signed: isSigned,
        pad: parameters.padding(call), window: image.window.c)
      ck_int8_conv(&result, &source, &matrix, row, rowEnd, column, columnEnd, scratch)
    } else {
      var rows = ck_int8_rows(a: a, lda: left.pitch, m: left.m, k: left.k, is_signed: isSigned)
      ck_int8_gemm(&result, &rows, &matrix, row, rowEnd, column, columnEnd, scratch)
    }
  }
}
