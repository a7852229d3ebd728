import InferenceRuntime
import Tensors

/// Puts a product together: factors in the type that it is computed in, the library's product or an own one, and what follows.
struct ProductBuilder {
  let request: CUDARequest
  let form: ProductForm
  let batches: ProductBatches
  let finish: ProductFinish
  /// What factors are multiplied as; float with `usesTF32`: rounded to 11 bits.
  let factors: DataType
  let usesTF32: Bool
  let result: DataType

  private(set) var steps: [Kernel] = []
  private(set) var scratchBytes = 0
  private(set) var unread: [Int] = []

  static func make(
    _ request: CUDARequest, _ form: ProductForm, _ batches: ProductBatches, _ finish: ProductFinish
  ) throws -> PreparedKernel {
    let types = (try request.operand(0).type, try request.operand(1).type)
    var builder = try ProductBuilder(request, form, batches, finish, types)
    var plan = try builder.left()
    try builder.right(&plan)
    try builder.append(plan)
    return builder.prepared
  }

  /// What the steps so far are.
  var prepared: PreparedKernel {
    PreparedKernel(
      steps.count == 1 ? steps[0] : SequenceKernel(steps), scratchBytes: scratchBytes, unreadInputs: unread)
  }

  /// `types`: of the factors.
  init(
    _ request: CUDARequest, _ form: ProductForm, _ batches: ProductBatches, _ finish: ProductFinish,
    _ types: (DataType, DataType)
  ) throws {
    let (factors, usesTF32) = try Self.factors(types.0, types.1, request.precision)
    try self.init(request, form, batches, finish, as: factors, usesTF32: usesTF32)
  }

  /// `factors`: what they are multiplied as.
  init(
    _ request: CUDARequest, _ form: ProductForm, _ batches: ProductBatches, _ finish: ProductFinish,
    as factors: DataType, usesTF32: Bool = false
  ) throws {
    (self.factors, self.usesTF32) = (factors, usesTF32)
    (self.request, self.form, self.batches, self.finish) = (request, form, batches, finish)
    result = try request.result().type
    guard form.m > 0, form.n > 0 else { throw Refusal("an empty result") }
    guard form.k > 0 else { throw Refusal("an empty sum") }
    let limit = 1 << 31
    guard form.m < limit, form.n < limit, form.k < limit, form.n * max(form.k, 1) < limit * 64 else {
      throw Refusal("a product of \(form.m) by \(form.n) by \(form.k)")
    }
  }

  /// What factors of these types are multiplied as. A model's own halves stay what they are, where both are of one type.
  static func factors(_ a: DataType, _ b: DataType, _ precision: Precision) throws -> (DataType, usesTF32: Bool) {
    let floats: Set<DataType> = [.float, .float16, .bfloat16]
    guard floats.contains(a), floats.contains(b) else {
      guard a == b else { throw Refusal("\(a) by \(b)") }
      switch a {
      case .double, .int32, .int64, .uint32, .uint64: return (a, false)
      default: throw Refusal("factors of \(a)")
      }
    }
    if a == b, a != .float { return (a, false) }
    switch precision {
    case .fp16: return (.float16, false)
    case .bf16: return (.bfloat16, false)
    case .tf32, .auto: return (.float, true)
    case .fp32: return (.float, false)
    }
  }

  private var width: Int { factors.bitWidth / 8 }

  /// Room in the step's scratch.
  mutating func room(_ bytes: Int) -> Int {
    let place = scratchBytes
    scratchBytes += (bytes + 255) & ~255
    return place
  }

  mutating func append(_ kernel: Kernel) { steps.append(kernel) }

  // MARK: Factors

  /// Where factor `index` lies as `factors`, and whether it lies turned though the form does not say so. A constant matrix on the right lies by
  /// its columns, for products of few rows and of many alike.
  private mutating func factor(_ index: Int, isRight: Bool) throws -> (place: Launch.Argument, isTurned: Bool) {
    let operand = try request.operand(index)
    if let constant = operand.constant {
      let isFloat = [.float, .float16, .bfloat16].contains(factors)
      let turns = isRight && !form.isBTurned && isFloat && operand.rank > 1 && operand.count == form.k * form.n
      if operand.type == factors, !turns { return (.input(index), false) }
      unread.append(index)
      return (.resident(try request.resident(constant, as: factors, turns: turns), offset: 0), turns)
    }
    if operand.type == factors { return (.input(index), false) }
    let place = room(operand.count * width)
    append(try request.cast(.input(index), operand.type, to: .scratch(offset: place), factors, count: operand.count))
    return (.scratch(offset: place), false)
  }

  /// The product with its left factor in place; `b` is still to be set.
  mutating func left() throws -> ProductPlan {
    var form = form
    let (a, isTurned) = try factor(0, isRight: false)
    if isTurned { form.isATurned.toggle() }
    return ProductPlan(
      request: request, form: form, batches: batches, finish: finish, factors: factors, usesTF32: usesTF32,
      result: result, a: a, b: a)
  }

  /// Sets the right factor, which is input `index`.
  mutating func right(_ plan: inout ProductPlan, _ index: Int = 1) throws {
    let (place, isTurned) = try factor(index, isRight: true)
    plan.b = place
    if isTurned { plan.form.isBTurned.toggle() }
  }

  /// Leaves input `index` to whoever has it in a form of its own.
  mutating func leave(_ index: Int) { unread.append(index) }

  /// The kernels of a product.
  mutating func append(_ plan: ProductPlan) throws {
    let isFloat = [.float, .float16, .bfloat16].contains(factors)
    if isFloat, try SkinnyProduct.append(plan, to: &self) { return }
    if isFloat, try HopperProduct.append(plan, to: &self) { return }
    // 0: as seems best; else the library's, or an own product, as tuning found.
    let choice = request.request.choice("product", of: 3)
    if choice != 2, try LibraryProducts.append(plan, to: &self) { return }
    try OwnProducts.append(plan, to: &self)
  }
}

/// A product all of whose operands are where they will be.
struct ProductPlan {
  let request: CUDARequest
  var form: ProductForm
  let batches: ProductBatches
  let finish: ProductFinish
  let factors: DataType
  let usesTF32: Bool
  let result: DataType
  var a: Launch.Argument
  var b: Launch.Argument
  /// What the right factor lies as, where that is not `factors`: another type of 8 bits.
  var rightFactors: DataType?

  /// Whether no step writes the right factor.
  var isRightFixed: Bool {
    switch b {
    case .resident: true
    case .input(let index, _): request.input(index)?.constant != nil
    default: false
    }
  }
  var width: Int { factors.bitWidth / 8 }
  var resultWidth: Int { result.bitWidth / 8 }
  /// Products in all.
  var count: Int { form.batch * batches.items.count }
  /// Elements of the result.
  var resultCount: Int { count * form.m * form.n }
}

/// A step that is several kernels one after the other, all with the step's operands.
final class SequenceKernel: Kernel, @unchecked Sendable {
  private let steps: ContiguousArray<Kernel>

  init(_ steps: [Kernel]) {
    self.steps = ContiguousArray(steps)
    super.init(steps.max { $0.name.utf8.count < $1.name.utf8.count }?.name ?? "nothing")
  }

  override func run(_ call: KernelCall) throws {
    for index in steps.indices { try steps[index].run(call) }
  }
}

extension CUDARequest {
  /// Elements in another floating point type.
  func cast(
    _ from: Launch.Argument, _ type: DataType, to place: Launch.Argument, _ target: DataType, count: Int
  ) throws -> Kernel {
    LaunchKernel("cast", [try castLaunch(from, type, to: place, target, count: count)])
  }

  func castLaunch(
    _ from: Launch.Argument, _ type: DataType, to place: Launch.Argument, _ target: DataType, count: Int
  ) throws -> Launch {
    let function = try function(
      "product_cast", in: ["elements.cuh", "product.cuh", "product_finish.cu"],
      macros: ["SUM": try ProductType(type).rawValue, "RESULT": try ProductType(target).rawValue])
    return Launch(
      function, grid: LaunchSize(min(context.info.multiprocessors * 16, (count + 1023) / 1024)), block: LaunchSize(256),
      [from, place, .int64(count)])
  }

  /// Matrices of rows as such of columns, in another floating point type.
  func turnLaunch(
    _ from: Launch.Argument, _ type: DataType, to place: Launch.Argument, _ target: DataType, rows: Int, columns: Int,
    matrices: Int = 1
  ) throws -> Launch {
    guard matrices <= 65535 else { throw Refusal("\(matrices) matrices") }
    let function = try function(
      "product_turn", in: ["elements.cuh", "product.cuh", "product_turn.cu"],
      macros: ["SUM": try ProductType(type).rawValue, "RESULT": try ProductType(target).rawValue])
    return Launch(
      function, grid: LaunchSize((columns + 31) / 32, min(65535, (rows + 31) / 32), matrices), block: LaunchSize(32, 8),
      [from, place, .int64(rows), .int64(columns)])
  }

  /// A constant matrix by its rows, or (`turns`) by its columns, in another floating point type; made once a session, on the device. Deferred
  /// columns are the rows that they are made of, and need no turn.
  func resident(_ tensor: Tensor, as target: DataType, turns: Bool = false) throws -> DeviceStorage {
    let rows = turns ? tensor.deferredRows : nil
    func make() throws -> DeviceStorage {
      let count = try Tensor.elementCount(tensor.shape)
      let given = try context.memory(byteCount: tensor.byteCount)
      var place = 0
      for part in rows ?? [tensor] {
        try part.withUnsafeBytes { bytes in
          guard let base = bytes.baseAddress, bytes.count > 0 else { return }
          try context.upload(base, to: given.address + place, byteCount: bytes.count)
          place += bytes.count
        }
      }
      let isTurn = turns && rows == nil
      if tensor.dataType == target, !isTurn { return given }
      let made = try context.memory(byteCount: count * (target.bitWidth / 8))
      let (from, to) = (Launch.Argument.resident(given, offset: 0), Launch.Argument.resident(made, offset: 0))
      if isTurn {
        let (height, width) = (tensor.shape[tensor.rank - 2], tensor.shape[tensor.rank - 1])
        try context.perform([
          try turnLaunch(from, tensor.dataType, to: to, target, rows: height, columns: width)
        ])
      } else {
        try context.perform([try castLaunch(from, tensor.dataType, to: to, target, count: count)])
      }
      return made
    }
    guard let residents = request.residents else { return try make() }
    return try residents.storage(tensor, "\(turns ? "turned" : "plain") as \(target.name)", make)
  }
}
