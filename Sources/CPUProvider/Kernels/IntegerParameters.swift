internal import CKernels
import InferenceRuntime
import Tensors

/// The numbers that become of an 8-bit product's scales, zero points and biases: made once where all of them are constant, otherwise at the
/// begin of each run.
///
/// Numbers: `Head`, for each column of `sets` sets its factor, for each column of each matrix of B what is added to its sum. Rows, for each
/// column of `sets` sets: its scale and its zero point of B, what is added to it in float.
final class IntegerParameters: @unchecked Sendable {
  /// Columns of a matrix, sets of parameters, matrices of B (set `matrix % sets` belongs to each), rows of B without padding.
  struct Counts {
    let n: Int
    var sets = 1
    var matrices = 1
    let k: Int

    var columns: Int { n * sets }
  }

  private struct Head {
    var inverse: Float
    var yZero: Int32
    var zScale: Float
    var zZero: Int32
    var aZero: Int32
  }

  private let roles: IntegerRoles
  private let counts: Counts
  private let source: DataType
  private let weightType: DataType
  private let result: DataType
  private let residual: DataType?
  private let activation: ck_activation
  private let bScales: Int
  private let bZeros: Int
  private let addends: Int
  private let hasZeros: Bool
  private var fixedRows: TensorStorage?
  private var fixed: TensorStorage?

  /// Bytes that a run needs in its scratch: numbers, then rows.
  var scratchBytes: Int { (fixed == nil ? numberBytes : 0) + (fixedRows == nil ? rowBytes : 0) }

  /// Throws a refusal for parameters of another kind. `columns` of rows of parameters is `counts.columns`.
  init(_ request: KernelRequest, _ roles: IntegerRoles, _ counts: Counts, activation: ck_activation) throws {
    (self.roles, self.counts, self.activation) = (roles, counts, activation)
    source = try request.operand(roles.a).type
    weightType = try request.operand(roles.b).type
    result = try request.result().type
    residual = roles.z.flatMap { request.input($0)?.type }
    for index in roles.scalars { if let index { try request.requireCount(index, 1) } }
    for index in roles.rows {
      guard let index, let operand = request.input(index), operand.count != 1 else { continue }
      guard operand.rank == 1 || operand.shape.last == operand.count, operand.count == counts.columns else {
        throw Refusal("input \(index) has the shape \(operand.shape)")
      }
    }
    if let bias = roles.bias.flatMap({ request.input($0) }), bias.count != counts.columns || bias.type != .int32 {
      throw Refusal("a bias \(bias.type)\(bias.shape)")
    }
    for index in [roles.aScale, roles.bScale, roles.yScale, roles.zScale, roles.addend] {
      if let index, let operand = request.input(index), operand.type != .float {
        throw Refusal("input \(index) is \(operand.type)")
      }
    }
    func count(_ index: Int?) -> Int { index.flatMap { request.input($0)?.count } ?? 0 }
    (bScales, bZeros, addends) = (count(roles.bScale), count(roles.bZero), count(roles.addend))
    let offset = weightType == .int8 ? 0 : 128
    if bZeros == 0 {
      hasZeros = offset != 0
    } else if let index = roles.bZero, let known = request.input(index)?.constant {
      hasZeros = try known.ints().contains { $0 != offset }
    } else {
      hasZeros = true
    }
    let tensors = request.inputs.map { $0?.constant }
    func isKnown(_ roles: [Int?]) -> Bool {
      roles.allSatisfy { $0.map { request.input($0) == nil || tensors[$0] != nil } ?? true }
    }
    func read(_ index: Int) -> UnsafeRawPointer? { index < tensors.count ? tensors[index].map { $0.baseAddress } : nil }
    guard isKnown(roles.rows) else { return }
    let rows = try TensorStorage(byteCount: rowBytes)
    withExtendedLifetime(tensors) { fillRows(rows.base, read) }
    fixedRows = rows
    guard source != .float, isKnown(roles.scalars) else { return }
    let numbers = try TensorStorage(byteCount: numberBytes)
    withExtendedLifetime(tensors) { fill(numbers.base, rows.base, nil, read) }
    fixed = numbers
  }

  private var rowStride: Int { aligned(counts.columns * 4) }
  private var rowBytes: Int { 3 * rowStride }
  private var sumsOffset: Int { 64 + rowStride }
  private var numberBytes: Int { sumsOffset + aligned(counts.matrices * counts.n * 4) }

  /// Fills in what is not fixed; `dynamic`: scale and zero point of an A that was float.
  func begin(_ call: KernelCall, dynamic: (scale: Float, zero: Int32)?) {
    func read(_ index: Int) -> UnsafeRawPointer? { call.optional(index, UInt8.self).map { UnsafeRawPointer($0) } }
    if fixedRows == nil { fillRows(rows(call), read) }
    if fixed == nil { fill(call.scratch, rows(call), dynamic, read) }
  }

  private func memory(_ call: KernelCall) -> UnsafeMutableRawPointer { fixed?.base ?? call.scratch }

  private func rows(_ call: KernelCall) -> UnsafeMutableRawPointer {
    fixedRows?.base ?? call.scratch + (fixed == nil ? numberBytes : 0)
  }

  private static func float(_ pointer: UnsafeRawPointer?, _ place: Int = 0) -> Float? {
    pointer?.loadUnaligned(fromByteOffset: 4 * place, as: Float.self)
  }

  private static func zero(_ pointer: UnsafeRawPointer?, isSigned: Bool, _ place: Int = 0) -> Int32 {
    guard let code = pointer?.load(fromByteOffset: place, as: UInt8.self) else { return 0 }
    return isSigned ? Int32(Int8(bitPattern: code)) : Int32(code)
  }

  private func fillRows(_ memory: UnsafeMutableRawPointer, _ read: (Int) -> UnsafeRawPointer?) {
    let scales = memory.assumingMemoryBound(to: Float.self)
    let zeros = (memory + rowStride).assumingMemoryBound(to: Int32.self)
    let added = (memory + 2 * rowStride).assumingMemoryBound(to: Float.self)
    let (bScale, bZero, addend) = (roles.bScale.flatMap(read), roles.bZero.flatMap(read), roles.addend.flatMap(read))
    let isSigned = weightType == .int8
    for j in 0..<counts.columns {
      scales[j] = IntegerParameters.float(bScale, bScales == 1 ? 0 : j) ?? 1
      zeros[j] = IntegerParameters.zero(bZero, isSigned: isSigned, bZeros == 1 ? 0 : j) - (isSigned ? 0 : 128)
      added[j] = IntegerParameters.float(addend, addends == 1 ? 0 : j) ?? 0
    }
  }

  private func fill(
    _ memory: UnsafeMutableRawPointer, _ rows: UnsafeMutableRawPointer, _ dynamic: (scale: Float, zero: Int32)?,
    _ read: (Int) -> UnsafeRawPointer?
  ) {
    let aScale = dynamic?.scale ?? IntegerParameters.float(roles.aScale.flatMap(read)) ?? 1
    let yScale = IntegerParameters.float(roles.yScale.flatMap(read))
    let head = Head(
      inverse: roles.foldsResult ? 1 : yScale.map { 1 / $0 } ?? 1,
      yZero: IntegerParameters.zero(roles.yZero.flatMap(read), isSigned: result == .int8),
      zScale: IntegerParameters.float(roles.zScale.flatMap(read)) ?? 1,
      zZero: IntegerParameters.zero(roles.zZero.flatMap(read), isSigned: residual == .int8),
      aZero: dynamic?.zero ?? IntegerParameters.zero(roles.aZero.flatMap(read), isSigned: source == .int8))
    memory.storeBytes(of: head, as: Head.self)
    if result == .int32 { return }
    let factors = (memory + 64).assumingMemoryBound(to: Float.self)
    let scales = rows.assumingMemoryBound(to: Float.self)
    let first = roles.alpha.map { $0 * aScale } ?? aScale
    for j in 0..<counts.columns { factors[j] = first * scales[j] }
    if roles.foldsResult, let yScale { for j in 0..<counts.columns { factors[j] = factors[j] / yScale } }
  }

  /// What is added to the sums of a matrix of B, where that is not fixed. The matrix is packed.
  func correct(_ call: KernelCall, _ matrix: Int, _ weights: ck_int8_weights) {
    let bias = roles.bias.flatMap { call.optional($0, Int32.self) }
    correct(memory(call), rows(call), matrix, weights, bias: bias)
  }

  /// The same for constants. Does nothing where the parameters are not.
  func correct(_ matrix: Int, _ weights: ck_int8_weights, bias: Tensor?) {
    guard let fixed, let fixedRows else { return }
    withExtendedLifetime(bias) {
      correct(
        fixed.base, fixedRows.base, matrix, weights, bias: bias?.baseAddress.assumingMemoryBound(to: Int32.self))
    }
  }

  var isFixed: Bool { fixed != nil }

  private func correct(
    _ memory: UnsafeMutableRawPointer, _ rows: UnsafeMutableRawPointer, _ matrix: Int, _ weights: ck_int8_weights,
    bias: UnsafePointer<Int32>?
  ) {
    var weights = weights
    let first = matrix % counts.sets * counts.n
    let zeros = UnsafePointer((rows + rowStride).assumingMemoryBound(to: Int32.self))
    ck_int8_corrections(
      (memory + sumsOffset).assumingMemoryBound(to: Int32.self) + matrix * counts.n, &weights, counts.k,
      memory.load(as: Head.self).aZero, hasZeros ? zeros + first : nil, bias.map { $0 + first })
  }

  /// The zero point of A as it lies in memory.
  func padding(_ call: KernelCall) -> UInt8 { UInt8(truncatingIfNeeded: memory(call).load(as: Head.self).aZero) }

  /// What becomes of the sums of matrix `matrix`: to element `first` of the result (and of the residual) on, rows `ldc` elements apart.
  func result(_ call: KernelCall, to out: UnsafeMutableRawPointer, matrix: Int, first: Int, ldc: Int)
    -> ck_int8_result
  {
    let (memory, rows) = (UnsafeRawPointer(memory(call)), UnsafeRawPointer(rows(call)))
    let head = memory.load(as: Head.self)
    let set = matrix % counts.sets * counts.n
    var to = ck_int8_result(
      c: out + first * (result.bitWidth / 8), ldc: ldc, type: IntegerParameters.code(result),
      add: (memory + sumsOffset).assumingMemoryBound(to: Int32.self) + matrix * counts.n, b_zero: nil,
      scale: (memory + 64).assumingMemoryBound(to: Float.self) + set, bias: nil, residual: nil,
      residual_stride: ldc, residual_type: CK_INT8_NONE.rawValue, residual_scale: head.zScale,
      residual_zero: head.zZero, act: activation, inverse: head.inverse, zero: head.yZero)
    if hasZeros { to.b_zero = (rows + rowStride).assumingMemoryBound(to: Int32.self) + set }
    if addends > 0 { to.bias = (rows + 2 * rowStride).assumingMemoryBound(to: Float.self) + set }
    if let index = roles.z, let residual {
      to.residual = call.input(index) + first * (residual.bitWidth / 8)
      to.residual_type = IntegerParameters.code(residual)
    }
    return to
  }

  private static func code(_ type: DataType) -> Int32 {
    switch type {
    case .int32: CK_INT8_INT32.rawValue
    case .float: CK_INT8_FLOAT.rawValue
    case .int8: CK_INT8_INT8.rawValue
    default: CK_INT8_UINT8.rawValue
    }
  }
}
