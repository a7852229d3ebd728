import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// ai.cameo.Float8MatMul: by cuBLASLt or on Hopper's own instructions, where device and sizes allow; else as a product of float16, which holds every
/// 8-bit float.
/// Scales that are known go with the sums' factor, others are read behind the sums.
enum Float8ProductKernels {
  static let makers: [String: CUDAProvider.Maker] = ["ai.cameo.Float8MatMul": { try make($0) }]

  /// Places of the inputs.
  private static let (a, aScale, b, bScale, bias, residual) = (0, 1, 2, 3, 4, 5)
  /// Inputs that are numbers for all of a tensor: not to be stored in less than they are given in.
  static let scales: Set<Int> = [aScale, bScale]

  /// The first device with instructions for 8-bit floats.
  static func knowsFloat8(_ capability: CUDAVersion) -> Bool { capability >= CUDAVersion(8, 9) }

  private static func make(_ request: CUDARequest) throws -> PreparedKernel {
    let (left, right) = (try request.operand(a), try request.operand(b))
    for operand in [left, right] where !operand.type.isFloat8 { throw Refusal("factors of \(operand.type)") }
    let (form, batches) = try ProductBatches.product(
      left, right, transA: false, transB: try request.attributes.bool("transB"))
    var finish = ProductFinish()
    finish.activation = try FusedActivation(request.attributes)
    try finish.add(request, bias: bias, residual: residual, form, batches)
    let known = try scale(&finish, request, form)
    if var builder = try direct(request, form, batches, finish) {
      known.forEach { builder.leave($0) }
      return builder.prepared
    }
    var builder = try ProductBuilder(request, form, batches, finish, as: .float16)
    var plan = try builder.left()
    try builder.right(&plan, b)
    try builder.append(plan)
    known.forEach { builder.leave($0) }
    return builder.prepared
  }

  /// Puts the scales into `finish`; those that are known numbers, which no kernel reads.
  private static func scale(
    _ finish: inout ProductFinish, _ request: CUDARequest, _ form: ProductForm
  ) throws -> [Int] {
    var known: [Int] = []
    func place(_ index: Int) throws -> ProductFinish.Addend? {
      let operand = try request.operand(index)
      guard operand.count == 1 || (index == bScale && operand.count == form.n) else {
        throw Refusal("input \(index) has the shape \(operand.shape)")
      }
      guard operand.count == 1, let constant = operand.constant else {
        return .init(index: index, type: operand.type, row: 0, column: operand.count == 1 ? 0 : 1)
      }
      finish.alpha *= try constant.scalar(as: Float.self)
      known.append(index)
      return nil
    }
    finish.leftScale = try place(aScale)
    finish.rightScale = try place(bScale)
    return known
  }

  /// The product of the factors as they are; nil where nothing takes it.
  private static func direct(
    _ request: CUDARequest, _ form: ProductForm, _ batches: ProductBatches, _ finish: ProductFinish
  ) throws -> ProductBuilder? {
    guard knowsFloat8(request.context.info.capability), request.request.choice("float8", of: 2) == 0 else { return nil }
    let (left, right) = (try request.operand(a), try request.operand(b))
    var builder = try ProductBuilder(request, form, batches, finish, as: left.type)
    var plan = try builder.left()
    if right.type != left.type { plan.rightFactors = right.type }
    plan.form.isBTurned = true
    guard LibraryProducts.takes(plan) || HopperProduct.takes(plan) else { return nil }
    plan.b = try byColumns(right, form, &builder)
    if try HopperProduct.append(plan, to: &builder) { return builder }
    return try LibraryProducts.append(plan, to: &builder) ? builder : nil
  }

  /// Where B lies as [.., n, k].
  private static func byColumns(
    _ operand: Operand, _ form: ProductForm, _ builder: inout ProductBuilder
  ) throws -> Launch.Argument {
    if form.isBTurned { return .input(b) }
    let request = builder.request
    if let constant = operand.constant, operand.count == form.k * form.n {
      builder.leave(b)
      return .resident(try request.resident(constant, as: operand.type, turns: true), offset: 0)
    }
    let place = Launch.Argument.scratch(offset: builder.room(operand.count))
    builder.append(
      LaunchKernel(
        "turn",
        [
          try request.turnLaunch(
            .input(b), operand.type, to: place, operand.type, rows: form.k, columns: form.n,
            matrices: operand.count / (form.k * form.n))
        ]))
    return place
  }
}
