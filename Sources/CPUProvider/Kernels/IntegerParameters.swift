internal import CKernels
import InferenceRuntime
import Tensors

/// Which input of an 8-bit product is what; nil: the operator has none.
struct IntegerRoles {
  let a: Int
  var aScale: Int?
  var aZero: Int?
  let b: Int
  var bScale: Int?
  var bZero: Int?
  var yScale: Int?
  var yZero: Int?
  /// Added in int32.
  var bias: Int?
  /// Added in float, after scaling; one number or one a column.
  var addend: Int?
  var z: Int?
  var zScale: Int?
  var zZero: Int?
  /// B is [n, k].
  var isTransposed = false
  var alpha: Float?
  /// Where y_scale is heeded: in the factor of each column, or behind the activation by its inverse.
  var foldsResult = true

  /// The inputs that say how numbers are scaled.
  var scalars: [Int?] { [aScale, aZero, yScale, yZero, zScale, zZero] }
  var rows: [Int?] { [bScale, bZero, bias, addend] }
}

/// The numbers that become of an 8-bit product's scales, zero points and biases: made once where all of them are constant, otherwise at the
/// begin of each run.
///
/// In memory: `Head`; then for each column of `sets` sets its factor, its zero point of B, what is added to it in float; then for each column of
/// each matrix of B what is added to its sum.
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
  private var fixed: TensorStorage?

  /// Bytes that a run needs in its scratch.
  var scratchBytes: Int { fixed == nil ? byteCount : 0 }

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
    let given = (roles.scalars + roles.rows).compactMap { $0.flatMap { request.input($0) } }
    guard source != .float, given.allSatisfy({ $0.constant != nil }) else { return }
    let made = try TensorStorage(byteCount: byteCount)
    let tensors = request.inputs.map { $0?.constant }
    withExtendedLifetime(tensors) {
      fill(made.base, nil) { $0 < tensors.count ? tensors[$0].map { $0.baseAddress } : nil }
    }
    fixed = made
  }

  private var factorsOffset: Int { 64 }
  private var zerosOffset: Int { factorsOffset + aligned(counts.columns * 4) }
  private var addendsOffset: Int { zerosOffset + aligned(counts.columns * 4) }
  private var sumsOffset: Int { addendsOffset + aligned(counts.columns * 4) }
  private var byteCount: Int { sumsOffset + aligned(counts.matrices * counts.n * 4) }

  /// Fills in what is not fixed; `dynamic`: scale and zero point of an A that was float.
  func begin(_ call: KernelCall, dynamic: (scale: Float, zero: Int32)?) {
    if fixed == nil { fill(call.scratch, dynamic) { call.optional($0, UInt8.self).map { UnsafeRawPointer($0) } } }
  }

  private func memory(_ call: KernelCall) -> UnsafeMutableRawPointer { fixed?.base ?? call.scratch }

  private func fill(
    _ memory: UnsafeMutableRawPointer, _ dynamic: (scale: Float, zero: Int32)?,
    _ read: (Int) -> UnsafeRawPointer?
  ) {
    func float(_ index: Int?, _ place: Int = 0) -> Float? {
      index.flatMap { read($0) }.map { $0.loadUnaligned(fromByteOffset: 4 * place, as: Float.self) }
    }
    func zero(_ index: Int?, isSigned: Bool, _ place: Int = 0) -> Int32 {
      guard let code = index.flatMap({ read($0) })?.load(fromByteOffset: place, as: UInt8.self) else { return 0 }
      return isSigned ? Int32(Int8(bitPattern: code)) : Int32(code)
    }
    let aScale = dynamic?.scale ?? float(roles.aScale) ?? 1
    let yScale = float(roles.yScale)
    let head = Head(
      inverse: roles.foldsResult ? 1 : yScale.map { 1 / $0 } ?? 1, yZero: zero(roles.yZero, isSigned: result == .int8),
      zScale: float(roles.zScale) ?? 1, zZero: zero(roles.zZero, isSigned: residual == .int8),
      aZero: dynamic?.zero ?? zero(roles.aZero, isSigned: source == .int8))
    memory.storeBytes(of: head, as: Head.self)
    let factors = (memory + factorsOffset).assumingMemoryBound(to: Float.self)
    let zeros = (memory + zerosOffset).assumingMemoryBound(to: Int32.self)
    let added = (memory + addendsOffset).assumingMemoryBound(to: Float.self)
    let first = roles.alpha.map { $0 * aScale } ?? aScale
    for j in 0..<counts.columns {
      var factor = first
      if let scale = float(roles.bScale, bScales == 1 ? 0 : j) { factor = factor * scale }
      if roles.foldsResult, let yScale { factor = factor / yScale }
      factors[j] = factor
      let code = zero(bZeros == 0 ? nil : roles.bZero, isSigned: weightType == .int8, bZeros == 1 ? 0 : j)
      zeros[j] = code - (weightType == .int8 ? 0 : 128)
      if let value = float(roles.addend, addends == 1 ? 0 : j) { added[j] = value }
    }
  }

  /// What is added to the sums of a matrix of B, where that is not fixed. The matrix is packed.
  func correct(_ call: KernelCall, _ matrix: Int, _ weights: ck_int8_weights) {
    let memory = memory(call)
    let bias = roles.bias.flatMap { call.optional($0, Int32.self) }
    correct(memory, matrix, weights, bias: bias)
  }

  /// The same for constants. Does nothing where the parameters are not.
  func correct(_ matrix: Int, _ weights: ck_int8_weights, bias: Tensor?) {
    guard let fixed else { return }
    withExtendedLifetime(bias) {
      correct(fixed.base, matrix, weights, bias: bias?.baseAddress.assumingMemoryBound(to: Int32.self))
    }
  }

  var isFixed: Bool { fixed != nil }

  private func correct(
    _ memory: UnsafeMutableRawPointer, _ matrix: Int, _ weights: ck_int8_weights, bias: UnsafePointer<Int32>?
  ) {
    var weights = weights
    let first = matrix % counts.sets * counts.n
    let zeros = UnsafePointer((memory + zerosOffset).assumingMemoryBound(to: Int32.self))
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
    let memory = UnsafeRawPointer(memory(call))
    let head = memory.load(as: Head.self)
    let set = matrix % counts.sets * counts.n
    var to = ck_int8_result(
      c: out + first * (result.bitWidth / 8), ldc: ldc, type: IntegerParameters.code(result),
      add: (memory + sumsOffset).assumingMemoryBound(to: Int32.self) + matrix * counts.n, b_zero: nil,
      scale: (memory + factorsOffset).assumingMemoryBound(to: Float.self) + set, bias: nil, residual: nil,
      residual_stride: ldc, residual_type: CK_INT8_NONE.rawValue, residual_scale: head.zScale,
      residual_zero: head.zZero, act: activation, inverse: head.inverse, zero: head.yZero)
    if hasZeros { to.b_zero = (memory + zerosOffset).assumingMemoryBound(to: Int32.self) + set }
    if addends > 0 { to.bias = (memory + addendsOffset).assumingMemoryBound(to: Float.self) + set }
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
