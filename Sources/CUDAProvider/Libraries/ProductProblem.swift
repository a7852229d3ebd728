internal import CCUDA
import Tensors

/// How the factors of one product, or of many of one size, lie in memory: C[m, n] = A'[m, k] B'[k, n], all of them by rows.
struct ProductForm: Hashable {
  var m: Int
  var n: Int
  var k: Int
  /// A is [k, m].
  var isATurned = false
  /// B is [n, k].
  var isBTurned = false
  /// Products of this form, and elements from one to the next.
  var batch = 1
  var aStep = 0
  var bStep = 0
  var cStep = 0

  var aPitch: Int { isATurned ? m : k }
  var bPitch: Int { isBTurned ? k : n }
}

/// What cuBLASLt is asked to compute: it chooses an algorithm for this, whatever the addresses.
struct ProductProblem: Hashable {
  enum Arithmetic: String { case float, tf32, double, int32 }

  var form: ProductForm
  /// Of A, and of B where `rightFactors` is not that.
  var factors: DataType
  var rightFactors: DataType?
  var result: DataType
  var arithmetic: Arithmetic
  /// Of cublasLtEpilogue_t.
  var epilogue = CAMEO_CUBLASLT_NOTHING
  var adds = false
  /// Bytes that every address is a multiple of: A, B, C.
  var alignments = [16, 16, 16]

  /// The same in words, for files.
  var text: String {
    let turns = (form.isATurned ? "T" : "N") + (form.isBTurned ? "T" : "N")
    return
      "\(form.m)x\(form.n)x\(form.k) \(turns) batch \(form.batch) \(form.aStep) \(form.bStep) \(form.cStep) \(factors.name) "
      + (rightFactors.map { "by \($0.name) " } ?? "")
      + "\(result.name) \(arithmetic.rawValue) epilogue \(epilogue) adds \(adds) aligned \(alignments)"
  }

  static func code(_ type: DataType) -> Int? {
    switch type {
    case .float: CAMEO_CUBLASLT_FLOAT
    case .double: CAMEO_CUBLASLT_DOUBLE
    case .float16: CAMEO_CUBLASLT_HALF
    case .bfloat16: CAMEO_CUBLASLT_BFLOAT16
    case .int8: CAMEO_CUBLASLT_INT8
    case .int32: CAMEO_CUBLASLT_INT32
    case .float8e4m3fn: CAMEO_CUBLASLT_E4M3
    case .float8e5m2: CAMEO_CUBLASLT_E5M2
    default: nil
    }
  }

  var computeCode: Int {
    switch arithmetic {
    case .float: CAMEO_CUBLASLT_COMPUTE_FLOAT
    case .tf32: CAMEO_CUBLASLT_COMPUTE_TF32
    case .double: CAMEO_CUBLASLT_COMPUTE_DOUBLE
    case .int32: CAMEO_CUBLASLT_COMPUTE_INT32
    }
  }

  /// Of alpha and beta.
  var scaleCode: Int {
    switch arithmetic {
    case .float, .tf32: CAMEO_CUBLASLT_FLOAT
    case .double: CAMEO_CUBLASLT_DOUBLE
    case .int32: CAMEO_CUBLASLT_INT32
    }
  }
}

/// cuBLASLt's descriptions of a problem. The library counts columns first, so that C is the product of B and A there. Never changed once
/// made: any number of threads may use it.
final class ProductDescription: @unchecked Sendable {
  let product: cameo_cublaslt_product
  let a: cameo_cublaslt_layout
  let b: cameo_cublaslt_layout
  let c: cameo_cublaslt_layout
  private let library: CublasLt

  /// `bias`: a device address, where the epilogue has one.
  init(_ problem: ProductProblem, _ library: CublasLt, bias: UInt64 = 0) throws {
    let table = library.table.pointee
    var made: cameo_cublaslt_product?
    try library.check(
      table.product_create(&made, Int32(problem.computeCode), Int32(problem.scaleCode)), "MatmulDescCreate")
    guard let product = made else { throw CameoError.system("cublasLtMatmulDescCreate gave nothing") }
    var layouts: [cameo_cublaslt_layout] = []
    do {
      try Self.describe(product, problem, library, bias: bias)
      let form = problem.form
      layouts.append(
        try Self.layout(
          problem.factors, form.isATurned ? form.k : form.m, form.aPitch, form.batch, form.aStep, library))
      layouts.append(
        try Self.layout(
          problem.rightFactors ?? problem.factors, form.isBTurned ? form.n : form.k, form.bPitch, form.batch,
          form.bStep, library))
      layouts.append(try Self.layout(problem.result, form.m, form.n, form.batch, form.cStep, library))
    } catch {
      for layout in layouts { _ = table.layout_destroy(layout) }
      _ = table.product_destroy(product)
      throw error
    }
    (self.product, a, b, c) = (product, layouts[0], layouts[1], layouts[2])
    self.library = library
  }

  deinit {
    let table = library.table.pointee
    for layout in [a, b, c] { _ = table.layout_destroy(layout) }
    _ = table.product_destroy(product)
  }

  private static func describe(
    _ product: cameo_cublaslt_product, _ problem: ProductProblem, _ library: CublasLt, bias: UInt64
  ) throws {
    let set = library.table.pointee.product_set
    func attribute<T>(_ which: Int, _ value: T) throws {
      try withUnsafeBytes(of: value) { bytes in
        guard let base = bytes.baseAddress else { return }
        try library.check(set(product, Int32(which), base, bytes.count), "MatmulDescSetAttribute")
      }
    }
    // Rows of ours are columns there: what is not turned for us is not turned there.
    try attribute(CAMEO_CUBLASLT_TURN_A, Int32(problem.form.isBTurned ? 1 : 0))
    try attribute(CAMEO_CUBLASLT_TURN_B, Int32(problem.form.isATurned ? 1 : 0))
    try attribute(CAMEO_CUBLASLT_EPILOGUE, Int32(problem.epilogue))
    if problem.epilogue & CAMEO_CUBLASLT_BIAS != 0 {
      try attribute(CAMEO_CUBLASLT_BIAS_POINTER, bias)
      if let code = ProductProblem.code(problem.result) { try attribute(CAMEO_CUBLASLT_BIAS_TYPE, Int32(code)) }
    }
  }

  /// A matrix of `rows` rows of `width` elements, `batch` times.
  private static func layout(
    _ type: DataType, _ rows: Int, _ width: Int, _ batch: Int, _ step: Int, _ library: CublasLt
  ) throws -> cameo_cublaslt_layout {
    guard let code = ProductProblem.code(type) else { throw CameoError.unsupported("cuBLASLt takes no \(type)") }
    let table = library.table.pointee
    var made: cameo_cublaslt_layout?
    try library.check(
      table.layout_create(&made, Int32(code), UInt64(width), UInt64(rows), Int64(width)), "MatrixLayoutCreate")
    guard let layout = made else { throw CameoError.system("cublasLtMatrixLayoutCreate gave nothing") }
    guard batch > 1 else { return layout }
    var (count, distance) = (Int32(batch), Int64(step))
    try library.check(
      table.layout_set(layout, Int32(CAMEO_CUBLASLT_BATCH_COUNT), &count, 4), "MatrixLayoutSetAttribute")
    try library.check(
      table.layout_set(layout, Int32(CAMEO_CUBLASLT_BATCH_STRIDE), &distance, 8), "MatrixLayoutSetAttribute")
    return layout
  }
}
