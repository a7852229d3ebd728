import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// MatMul, Gemm and ai.cameo.FusedMatMul.
enum ProductKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "MatMul": { try matmul($0, transA: false, transB: false, alpha: 1) },
    "Gemm": { try gemm($0) },
    "ai.cameo.FusedMatMul": {
      try matmul(
        $0, transA: try $0.attributes.bool("transA"), transB: try $0.attributes.bool("transB"),
        alpha: try $0.attributes.float("alpha", default: 1), activation: try FusedActivation($0.attributes))
    },
  ]

  private static func gemm(_ request: CUDARequest) throws -> PreparedKernel {
    let (a, b, y) = (try request.operand(0), try request.operand(1), try request.result())
    guard a.rank == 2, b.rank == 2 else { throw Refusal("\(a.shape) against \(b.shape)") }
    let (transA, transB) = (try request.attributes.bool("transA"), try request.attributes.bool("transB"))
    var form = ProductForm(m: y.shape[0], n: y.shape[1], k: a.shape[transA ? 0 : 1])
    (form.isATurned, form.isBTurned) = (transA, transB)
    var finish = ProductFinish()
    finish.alpha = try request.attributes.float("alpha", default: 1)
    finish.beta = try request.attributes.float("beta", default: 1)
    if let c = request.input(2), finish.beta != 0 { try finish.add(2, c, m: form.m, n: form.n) }
    return try ProductBuilder.make(request, form, ProductBatches(), finish)
  }

  private static func matmul(
    _ request: CUDARequest, transA: Bool, transB: Bool, alpha: Float, activation: FusedActivation? = nil
  ) throws -> PreparedKernel {
    let (form, batches) = try ProductBatches.product(
      try request.operand(0), try request.operand(1), transA: transA, transB: transB)
    var finish = ProductFinish()
    finish.alpha = alpha
    finish.activation = activation
    try finish.add(request, bias: 2, residual: 3, form, batches)
    return try ProductBuilder.make(request, form, batches, finish)
  }
}

/// What becomes of a product: activation(alpha * scales * AB + beta * addend + residual).
struct ProductFinish {
  struct Addend {
    let index: Int
    let type: DataType
    /// Elements from a row of the result to the next, and from a column to the next.
    let row: Int
    let column: Int
  }

  var alpha: Float = 1
  var beta: Float = 1
  var addend: Addend?
  /// An operand of the result's shape, of one product.
  var residual: Addend?
  var activation: FusedActivation?
  /// What the factors are multiplied by, in memory: one number, and one or one a column.
  var leftScale: Addend?
  var rightScale: Addend?

  var isScaled: Bool { leftScale != nil || rightScale != nil }

  /// A row of the result, or one number, and a matrix of its shape: what there is of them among the operands.
  mutating func add(
    _ request: CUDARequest, bias: Int, residual: Int, _ form: ProductForm, _ batches: ProductBatches
  ) throws {
    let y = try request.result()
    guard y.count == form.m * form.n * form.batch * batches.items.count else { throw Refusal("a result of \(y.shape)") }
    if let operand = request.input(bias) {
      guard operand.count == form.n || operand.count == 1 else { throw Refusal("a bias of the shape \(operand.shape)") }
      addend = Addend(index: bias, type: operand.type, row: 0, column: operand.count == 1 ? 0 : 1)
    }
    if let operand = request.input(residual) {
      guard form.batch == 1, batches.items.count == 1, operand.count == y.count else {
        throw Refusal("a residual of the shape \(operand.shape)")
      }
      self.residual = Addend(index: residual, type: operand.type, row: form.n, column: 1)
    }
  }

  /// C of Gemm, broadcast to [m, n].
  mutating func add(_ index: Int, _ c: Operand, m: Int, n: Int) throws {
    let shape = [Int](repeating: 1, count: max(0, 2 - c.rank)) + c.shape
    guard shape.count == 2, shape[0] == m || shape[0] == 1, shape[1] == n || shape[1] == 1 else {
      throw Refusal("C of the shape \(c.shape)")
    }
    addend = Addend(index: index, type: c.type, row: shape[0] == 1 ? 0 : shape[1], column: shape[1] == 1 ? 0 : 1)
  }

  var isNothing: Bool { addend == nil && residual == nil && activation == nil && !isScaled }

  /// As product.cuh numbers them.
  func activationCode() throws -> Int {
    guard let activation else { return 0 }
    let names = [
      "Relu", "Sigmoid", "Tanh", "HardSwish", "Gelu", "GeluTanh", "LeakyRelu", "Elu", "Swish", "HardSigmoid", "Clip",
    ]
    guard let place = names.firstIndex(of: activation.name) else { throw Refusal("activation \(activation.name)") }
    return place + 1
  }

  func macros(result: ProductType) throws -> [String: Int] {
    let added = try addend.map { try ProductType($0.type).rawValue } ?? 0
    let behind = try residual.map { try ProductType($0.type).rawValue } ?? 0
    var macros = [
      "RESULT": result.rawValue, "ADDEND": added, "RESIDUAL": behind, "ACTIVATION": try activationCode(),
    ]
    if let leftScale { macros["LEFT_SCALE"] = try ProductType(leftScale.type).rawValue }
    if let rightScale { macros["RIGHT_SCALE"] = try ProductType(rightScale.type).rawValue }
    return macros
  }

  /// A Finish of product.cuh.
  var arguments: [Launch.Argument] {
    let p = (activation?.parameters ?? []) + [0, 0]
    let scales: [Launch.Argument] = [
      leftScale.map { .input($0.index) } ?? .int64(0), rightScale.map { .input($0.index) } ?? .int64(0),
      .int64(rightScale?.column ?? 0),
    ]
    return [
      addend.map { .input($0.index) } ?? .int64(0), residual.map { .input($0.index) } ?? .int64(0),
      .int64(addend?.row ?? 0), .int64(addend?.column ?? 0), .int64(residual?.row ?? 0),
      .float(alpha),
      .float(beta), .float(p[0]), .float(p[1]),
    ] + (isScaled ? scales : [])
  }
}

/// Element types as product.cuh numbers them.
enum ProductType: Int {
  case float = 1
  case half, bfloat16, double, int32, uint32, int64, uint64, int8, uint8, e4m3, e5m2

  init(_ type: DataType) throws {
    switch type {
    case .float: self = .float
    case .float16: self = .half
    case .bfloat16: self = .bfloat16
    case .double: self = .double
    case .int32: self = .int32
    case .uint32: self = .uint32
    case .int64: self = .int64
    case .uint64: self = .uint64
    case .int8: self = .int8
    case .uint8: self = .uint8
    case .float8e4m3fn: self = .e4m3
    case .float8e5m2: self = .e5m2
    default: throw Refusal("elements of \(type)")
    }
  }
}

/// Products of broadcast batches: `form.batch` evenly spaced ones, and that from each of several places.
struct ProductBatches {
  /// In elements of A, B and C.
  struct Item {
    var a = 0
    var b = 0
    var c = 0
  }

  var items = [Item()]

  init() {}

  /// The products of NumPy's matmul of two operands, the last two axes of which are exchanged where the flags say so.
  static func product(
    _ a: Operand, _ b: Operand, transA: Bool, transB: Bool
  ) throws -> (form: ProductForm, batches: ProductBatches) {
    guard a.rank > 0, b.rank > 0 else { throw Refusal("a scalar") }
    let (aShape, bShape) = (a.rank == 1 ? [1] + a.shape : a.shape, b.rank == 1 ? b.shape + [1] : b.shape)
    let (turnsA, turnsB) = (transA && a.rank > 1, transB && b.rank > 1)
    let (aLast, bLast) = (Array(aShape.suffix(2)), Array(bShape.suffix(2)))
    var form = ProductForm(m: aLast[turnsA ? 1 : 0], n: bLast[turnsB ? 0 : 1], k: aLast[turnsA ? 0 : 1])
    (form.isATurned, form.isBTurned) = (turnsA, turnsB)
    guard bLast[turnsB ? 1 : 0] == form.k else { throw Refusal("\(a.shape) against \(b.shape)") }
    let (aBatch, bBatch) = (Array(aShape.dropLast(2)), Array(bShape.dropLast(2)))
    guard bBatch.allSatisfy({ $0 == 1 }) && (!turnsA || aBatch.allSatisfy { $0 == 1 }) else {
      let batches = try ProductBatches(aBatch, bBatch, &form)
      return (form, batches)
    }
    form.m *= aBatch.reduce(1, *)
    return (form, ProductBatches())
  }

  /// Gives `form` the most products that one distance takes through A and one through B.
  init(_ aBatch: [Int], _ bBatch: [Int], _ form: inout ProductForm) throws {
    let rank = max(aBatch.count, bBatch.count)
    func padded(_ shape: [Int]) -> [Int] { [Int](repeating: 1, count: rank - shape.count) + shape }
    let (a, b) = (padded(aBatch), padded(bBatch))
    struct Axis { var length, a, b, c: Int }
    var axes: [Axis] = []
    var (aStep, bStep, cStep) = (form.m * form.k, form.k * form.n, form.m * form.n)
    for axis in (0..<rank).reversed() {
      let length = max(a[axis], b[axis])
      guard a[axis] == b[axis] || a[axis] == 1 || b[axis] == 1 else { throw Refusal("\(aBatch) against \(bBatch)") }
      let here = Axis(length: length, a: a[axis] == 1 ? 0 : aStep, b: b[axis] == 1 ? 0 : bStep, c: cStep)
      (aStep, bStep, cStep) = (aStep * a[axis], bStep * b[axis], cStep * length)
      if length == 1 { continue }
      if let last = axes.last, here.a == last.a * last.length, here.b == last.b * last.length {
        axes[axes.count - 1].length *= length
      } else {
        axes.append(here)
      }
    }
    guard let place = axes.indices.max(by: { axes[$0].length < axes[$1].length }) else { return }
    let inner = axes.remove(at: place)
    (form.batch, form.aStep, form.bStep, form.cStep) = (inner.length, inner.a, inner.b, inner.c)
    for axis in axes {
      items = (0..<axis.length).flatMap { index in
        items.map { Item(a: $0.a + index * axis.a, b: $0.b + index * axis.b, c: $0.c + index * axis.c) }
      }
    }
    guard items.count <= 4096 else { throw Refusal("\(aBatch) against \(bBatch), too many products apart") }
  }
}
