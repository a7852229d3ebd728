internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Products of 8-bit matrices by constant packed weights: MatMulInteger, QLinearMatMul and com.microsoft's MatMulIntegerToFloat,
/// DynamicQuantizeMatMul and QGemm. Sums are exact, so the results are those of the portable evaluation, bit by bit.
enum IntegerProductKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "MatMulInteger": { try make($0, Roles(a: 0, aZero: 2, b: 1, bZero: 3)) },
    "QLinearMatMul": {
      try make($0, Roles(a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5, yScale: 6, yZero: 7))
    },
    "com.microsoft.MatMulIntegerToFloat": {
      try make($0, Roles(a: 0, aScale: 2, aZero: 4, b: 1, bScale: 3, bZero: 5, addend: 6))
    },
    "com.microsoft.DynamicQuantizeMatMul": {
      try make($0, Roles(a: 0, b: 1, bScale: 2, bZero: 3, addend: 4))
    },
    "com.microsoft.QGemm": { request in
      guard try !request.attributes.bool("transA") else { throw Refusal("a transposed A") }
      var roles = Roles(a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5, yScale: 7, yZero: 8, bias: 6)
      roles.isTransposed = try request.attributes.bool("transB")
      roles.alpha = try request.attributes.float("alpha", default: 1)
      return try make(request, roles)
    },
  ]

  /// Which input is what; nil: the operator has none.
  struct Roles {
    let a: Int
    var aScale: Int?
    var aZero: Int?
    let b: Int
    var bScale: Int?
    var bZero: Int?
    var yScale: Int?
    var yZero: Int?
    /// Added in float, after scaling.
    var addend: Int?
    /// Added in int32.
    var bias: Int?
    var isTransposed = false
    var alpha: Float?
  }

  private static func make(_ request: KernelRequest, _ roles: Roles) throws -> PreparedKernel {
    let (a, b, y) = (try request.operand(roles.a), try request.operand(roles.b), try request.result())
    guard b.rank == 2, a.rank >= 1, let weights = b.constant else { throw Refusal("weights that are not constant") }
    let (k, n) = roles.isTransposed ? (b.shape[1], b.shape[0]) : (b.shape[0], b.shape[1])
    guard a.shape.last == k, k > 0 else { throw Refusal("\(a.shape) against \(b.shape)") }
    guard a.type == .float || a.type == .int8 || a.type == .uint8 else { throw Refusal("A of \(a.type)") }
    let m = a.count / k
    guard y.count == m * n else { throw Refusal("a result of \(y.shape)") }
    let zeros = try roles.bZero.flatMap { try request.constantInts($0) }
    let packed = try PackedBytes(
      request, weights, k: k, n: n, strides: roles.isTransposed ? (1, k) : (n, 1), zeros: zeros ?? [0])
    for index in [roles.aScale, roles.aZero, roles.yScale, roles.yZero] {
      if let index, let operand = request.input(index), operand.count != 1 { throw Refusal("input \(index) for rows") }
    }
    for index in [roles.aScale, roles.bScale, roles.yScale, roles.addend] {
      if let index, let operand = request.input(index), operand.type != .float {
        throw Refusal("input \(index) is \(operand.type)")
      }
    }
    if let index = roles.bScale, let scales = request.input(index) {
      guard scales.count == 1 || scales.rank == 1 && scales.count == n else { throw Refusal("scales \(scales.shape)") }
    }
    if let index = roles.addend { try request.requireCount(index, n) }
    if let index = roles.bias, let bias = request.input(index) {
      guard bias.type == .int32, bias.count == n, bias.shape.last == n else { throw Refusal("C of \(bias.shape)") }
    }
    let result: ck_dot8_result =
      switch y.type {
      case .int32: CK_DOT8_INT32
      case .float: CK_DOT8_FLOAT
      case .uint8: CK_DOT8_UINT8
      case .int8: CK_DOT8_INT8
      default: throw Refusal("a result of \(y.type)")
      }
    let kernel = IntegerProductKernel(
      roles, packed, source: a.type, m: m, hasOneScale: roles.bScale.map { request.input($0)?.count == 1 } ?? true,
      result: result)
    return PreparedKernel(kernel, scratchBytes: kernel.scratchBytes)
  }
}

/// Packed weights [k][n] with what their zero points need.
final class PackedBytes: @unchecked Sendable {
  let k: Int
  let n: Int
  let panels: Int
  private let storage: TensorStorage
  private let corrections: TensorStorage
  private let hasZeros: Bool

  /// `strides`: of k and of n in the weights, in elements; `zeros`: one zero point or one a column. `form` names what `prepare`
  /// does to the weights before.
  init(
    _ request: KernelRequest, _ weights: Tensor, form: String = "", k: Int, n: Int, strides: (Int, Int), zeros: [Int],
    prepare: (Tensor) throws -> Tensor = { $0 }
  ) throws {
    (self.k, self.n, panels) = (k, n, (n + 31) / 32)
    let isSigned = weights.dataType == .int8
    guard isSigned || weights.dataType == .uint8 else { throw Refusal("weights of \(weights.dataType)") }
    guard zeros.count == 1 || zeros.count == n else { throw Refusal("\(zeros.count) zero points for \(n) columns") }
    let bytes = ck_dot8_packed_bytes(k, n)
    let (columns, panels) = ((n + 31) / 32 * 32, panels)
    storage = try request.packed(weights, "dot8 \(form) \(k) \(strides)", byteCount: bytes + columns * 4) { target in
      target.initializeMemory(as: UInt8.self, repeating: 0, count: bytes + columns * 4)
      let rows = try prepare(weights)
      withExtendedLifetime(rows) {
        ck_dot8_pack(
          target.assumingMemoryBound(to: Int8.self), (target + bytes).assumingMemoryBound(to: Int32.self),
          rows.baseAddress, isSigned, strides.0, strides.1, k, n, 0, panels)
      }
    }
    corrections = try TensorStorage(byteCount: columns * 8)
    let sums = (storage.base + bytes).assumingMemoryBound(to: Int32.self)
    let out = corrections.base.assumingMemoryBound(to: Int32.self)
    var hasZeros = false
    for j in 0..<n {
      let zero = Int32(truncatingIfNeeded: zeros.count == 1 ? zeros[0] : zeros[j]) - (isSigned ? 0 : 128)
      out[columns + j] = zero
      out[j] = sums[j] &- Int32(truncatingIfNeeded: k) &* zero
      hasZeros = hasZeros || zero != 0
    }
    self.hasZeros = hasZeros
  }

  /// The product with rows at `a`, `lda` bytes apart, less `zero`; the caller adds what becomes of the sums.
  func product(
    _ a: UnsafePointer<UInt8>, lda: Int, zero: Int32, to out: UnsafeMutableRawPointer, as result: ck_dot8_result
  )
    -> ck_dot8
  {
    let corrected = corrections.base.assumingMemoryBound(to: Int32.self)
    var call = ck_dot8(
      a: a, lda: lda, a_zero: zero, b: UnsafePointer(storage.base.assumingMemoryBound(to: Int8.self)),
      columns: UnsafePointer(corrected), b_zero: nil, n: n, k: k, bias: nil, scale: nil, addend: nil, zero: 0,
      result: result.rawValue, out: out, ldo: n)
    if hasZeros { call.b_zero = UnsafePointer(corrected + panels * 32) }
    return call
  }
}

private final class IntegerProductKernel: Kernel, @unchecked Sendable {
  private let roles: IntegerProductKernels.Roles
  private let weights: PackedBytes
  private let source: DataType
  private let m: Int
  private let hasOneScale: Bool
  private let result: ck_dot8_result
  private let rows: Int
  private let rowBlocks: Int
  private let columnBlocks: Int
  private let panels: Int

  /// Scale and zero point of A, then a scale for each column, then A as uint8.
  private let codesOffset: Int
  let scratchBytes: Int

  init(
    _ roles: IntegerProductKernels.Roles, _ weights: PackedBytes, source: DataType, m: Int, hasOneScale: Bool,
    result: ck_dot8_result
  ) {
    self.roles = roles
    self.weights = weights
    self.source = source
    self.m = m
    self.hasOneScale = hasOneScale
    self.result = result
    rows = min(m, 128)
    rowBlocks = (m + rows - 1) / rows
    panels = max(1, min(8, weights.panels / 8))
    columnBlocks = (weights.panels + panels - 1) / panels
    codesOffset = 64 + aligned(weights.n * 4)
    scratchBytes = codesOffset + (source == .uint8 ? 0 : aligned(m * weights.k))
    super.init("dot8")
  }

  private static func float(_ call: KernelCall, _ index: Int) -> Float {
    call.input(index).loadUnaligned(as: Float.self)
  }

  /// The zero point at `index`, 0 where it is left out.
  private static func zero(_ call: KernelCall, _ index: Int?, isSigned: Bool) -> Int32 {
    guard let index, let pointer = call.optional(index, UInt8.self) else { return 0 }
    return isSigned ? Int32(Int8(bitPattern: pointer[0])) : Int32(pointer[0])
  }

  override func run(_ call: KernelCall) {
    let head = call.scratch.assumingMemoryBound(to: Float.self)
    let point = (call.scratch + 4).assumingMemoryBound(to: Int32.self)
    let count = m * weights.k
    if source == .float {
      var (low, high): (Float, Float) = (0, 0)
      ck_range_f32(&low, &high, call.input(roles.a, Float.self), count)
      // DynamicQuantizeLinear's rule.
      let scale = low == high ? 1 : (high - low) / 255
      let zero = min(max(-low / scale, 0), 255).rounded(.toNearestOrEven)
      (head[0], point[0]) = (scale, zero.isNaN ? 0 : Int32(zero))
    } else {
      head[0] = roles.aScale.map { IntegerProductKernel.float(call, $0) } ?? 1
      point[0] = IntegerProductKernel.zero(call, roles.aZero, isSigned: source == .int8) + (source == .int8 ? 128 : 0)
    }
    if result != CK_DOT8_INT32 { scales(call, head[0]) }
    if source != .uint8 { parallel(call, phase: 0, count: count, grain: 1 << 16) }
    let work = rows * panels * 32 * weights.k
    parallel(call, phase: 1, count: rowBlocks * columnBlocks, grain: max(1, (1 << 18) / max(1, work)))
  }

  /// The factor of each column, in the order of the operator's own evaluation.
  private func scales(_ call: KernelCall, _ aScale: Float) {
    let out = (call.scratch + 64).assumingMemoryBound(to: Float.self)
    guard let index = roles.bScale else { return }
    let given = call.input(index, Float.self)
    let target = roles.yScale.flatMap { call.optional($0, Float.self)?[0] }
    for j in 0..<weights.n {
      var factor = (roles.alpha.map { $0 * aScale } ?? aScale) * given[hasOneScale ? 0 : j]
      if let target { factor = factor / target }
      out[j] = factor
    }
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    let codes = (call.scratch + codesOffset).assumingMemoryBound(to: UInt8.self)
    if phase == 0 {
      if source == .int8 {
        return ck_flip_i8(codes + begin, call.input(roles.a) + begin, end - begin)
      }
      let scale = call.scratch.assumingMemoryBound(to: Float.self)
      var zero = UInt8(truncatingIfNeeded: (call.scratch + 4).assumingMemoryBound(to: Int32.self)[0])
      return ck_quantize_u8(
        codes + begin, call.input(roles.a, Float.self) + begin, scale, &zero, 1, end - begin, 0, 1)
    }
    let a = source == .uint8 ? call.input(roles.a, UInt8.self) : UnsafePointer(codes)
    let zero = (call.scratch + 4).assumingMemoryBound(to: Int32.self)[0]
    var product = weights.product(a, lda: weights.k, zero: zero, to: call.output(), as: result)
    product.scale = UnsafePointer((call.scratch + 64).assumingMemoryBound(to: Float.self))
    if let index = roles.bias { product.bias = call.optional(index, Int32.self) }
    if let index = roles.addend { product.addend = call.optional(index, Float.self) }
    if result == CK_DOT8_UINT8 || result == CK_DOT8_INT8 {
      product.zero = IntegerProductKernel.zero(call, roles.yZero, isSigned: result == CK_DOT8_INT8)
    }
    for number in begin..<end {
      let (row, column) = (number / columnBlocks * rows, number % columnBlocks * panels)
      ck_dot8_run(&product, row, min(m, row + rows), column, min(weights.panels, column + panels))
    }
  }
}
