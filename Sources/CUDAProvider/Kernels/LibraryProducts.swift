internal import CCUDA
import InferenceRuntime
import Tensors

/// Products by cuBLASLt, with what it does by itself of what follows; the rest is a kernel behind it.
enum LibraryProducts {
  /// False where the library is not there or does not take the product.
  static func append(_ plan: ProductPlan, to builder: inout ProductBuilder) throws -> Bool {
    guard let library = plan.request.context.products, takes(plan) else { return false }
    // What it does not take with what follows it may take without.
    return try append(plan, to: &builder, library, mayJoin: true)
      || (plan.factors.isFloat8 && append(plan, to: &builder, library, mayJoin: false))
  }

  private static func append(
    _ plan: ProductPlan, to builder: inout ProductBuilder, _ library: ProductLibrary, mayJoin: Bool
  ) throws -> Bool {
    let request = plan.request
    var problem = ProductProblem(
      form: plan.form, factors: plan.factors, rightFactors: plan.rightFactors, result: plan.result,
      arithmetic: arithmetic(plan))
    // What the library does not write is written as float32, or double, and cast behind it; sums that are yet to be scaled are float32.
    if !writes(plan.result, from: plan.factors) || plan.finish.isScaled {
      problem.result = plan.factors == .double ? .double : .float
    }
    problem.alignments = [
      alignment(plan.batches.items.map { $0.a * plan.width }, plan.a),
      alignment(plan.batches.items.map { $0.b * plan.width }, plan.b),
      alignment(plan.batches.items.map { $0.c * problem.result.bitWidth / 8 }, .output()),
    ]
    var operands = LibraryProduct.Operands(a: plan.a, b: plan.b, c: .output())
    var beta = 0.0
    var finishes = !plan.finish.isNothing
    var attempt = builder
    if problem.result == plan.result {
      if mayJoin { finishes = try !joins(plan, &problem, &operands, &beta) }
    } else {
      operands.c = .scratch(offset: attempt.room(plan.resultCount * (problem.result.bitWidth / 8)))
    }
    guard let algorithm = try library.algorithm(problem, tunes: request.tunesProducts) else { return false }
    let items = plan.batches.items.map {
      LibraryProduct.Item(
        a: $0.a * plan.width, b: $0.b * plan.width, c: $0.c * (problem.result.bitWidth / 8))
    }
    // A factor alpha goes with the sums; a kernel behind them leaves it out.
    let workspace = attempt.room(algorithm.workspaceBytes)
    attempt.append(
      try LibraryProduct(
        problem, algorithm, library, operands, items: items, alpha: Double(plan.finish.alpha), beta: beta,
        workspace: workspace))
    if finishes {
      var rest = plan.finish
      rest.alpha = 1
      attempt.append(try OwnProducts.finish(plan, rest, of: operands.c, problem.result))
    } else if problem.result != plan.result {
      attempt.append(
        try request.cast(operands.c, problem.result, to: .output(), plan.result, count: plan.resultCount))
    }
    builder = attempt
    return true
  }

  /// Whether the library is there and takes factors of these types and sizes, as far as that is known.
  static func takes(_ plan: ProductPlan) -> Bool {
    guard plan.request.context.products != nil, ProductProblem.code(plan.factors) != nil,
      plan.factors != .double || plan.result == .double
    else { return false }
    // 8-bit floats: both by rows of the depth, all of them in whole groups of 16 bytes.
    return !plan.factors.isFloat8
      || (plan.factors == .float8e4m3fn || plan.rightFactors == .float8e4m3fn) && plan.form.isBTurned
        && plan.form.k % 16 == 0 && plan.form.n % 16 == 0
  }

  /// Whether the library leaves nothing to do behind the product.
  static func finishes(_ plan: ProductPlan) -> Bool {
    guard takes(plan), writes(plan.result, from: plan.factors) else { return false }
    if plan.finish.isNothing { return true }
    if plan.finish.isScaled { return false }
    let isHalf = plan.result != .float && plan.result != .double
    let name = plan.finish.activation?.name
    let activates = name == nil || name == "Relu" || (name == "GeluTanh" && isHalf)
    if let residual = plan.finish.residual {
      guard name == nil, residual.type == plan.result, plan.finish.addend.map({ $0.row == 0 }) ?? true else {
        return false
      }
    }
    guard let addend = plan.finish.addend else { return activates }
    guard let operand = plan.request.input(addend.index) else { return false }
    if addend.row == 0, addend.column == 1 { return activates && operand.constant != nil && addsRow(plan) }
    return name == nil && addend.row == plan.form.n && addend.column == 1 && operand.type == plan.result
  }

  private static func arithmetic(_ plan: ProductPlan) -> ProductProblem.Arithmetic {
    plan.factors == .double ? .double : plan.usesTF32 ? .tf32 : .float
  }

  /// To a result of float32 from 8-bit floats it adds a row of bfloat16 only.
  private static func addsRow(_ plan: ProductPlan) -> Bool { !plan.factors.isFloat8 || plan.result != .float }

  private static func writes(_ result: DataType, from factors: DataType) -> Bool {
    if factors.isFloat8 { return [.float, .float16, .bfloat16].contains(result) }
    return result == factors || (result == .float && [.float16, .bfloat16].contains(factors))
  }

  /// Bytes that all addresses are a multiple of, up to 16.
  private static func alignment(_ offsets: [Int], _ place: Launch.Argument) -> Int {
    var all = 16
    for offset in offsets { all |= offset }
    if case .input(_, let offset) = place { all |= offset }
    return min(16, all & -all)
  }

  /// Lets the library add and activate where it does just that: one number a column of the result's type, a matrix, Relu, and Gelu by tanh
  /// into halves; a residual of the result's type. Its other Gelu is by tanh too, and none of ours.
  private static func joins(
    _ plan: ProductPlan, _ problem: inout ProductProblem, _ operands: inout LibraryProduct.Operands,
    _ beta: inout Double
  ) throws -> Bool {
    let isHalf = plan.result != .float && plan.result != .double
    var epilogue = 0
    switch plan.finish.activation?.name {
    case nil: break
    case "Relu": epilogue = CAMEO_CUBLASLT_RELU
    case "GeluTanh" where isHalf: epilogue = CAMEO_CUBLASLT_GELU_TANH
    default: return false
    }
    if plan.result == .double, epilogue != 0 { return false }
    if plan.finish.isScaled { return false }
    if let addend = plan.finish.addend {
      guard let operand = plan.request.input(addend.index) else { return false }
      if addend.row == 0, addend.column == 1, plan.result != .double, addsRow(plan), let constant = operand.constant,
        let bias = try plan.request.bias(constant, times: plan.finish.beta, as: plan.result)
      {
        epilogue |= CAMEO_CUBLASLT_BIAS
        operands.bias = bias
      } else if addend.row == plan.form.n, addend.column == 1, operand.type == plan.result, plan.form.batch == 1,
        plan.batches.items.count == 1, epilogue == 0
      {
        operands.addend = .input(addend.index)
        problem.adds = true
        beta = Double(plan.finish.beta)
      } else {
        return false
      }
    }
    if let residual = plan.finish.residual {
      guard residual.type == plan.result, plan.finish.activation == nil, !problem.adds else { return false }
      operands.addend = .input(residual.index)
      problem.adds = true
      beta = 1
    }
    problem.epilogue = epilogue == 0 ? CAMEO_CUBLASLT_NOTHING : epilogue
    return true
  }
}

extension CUDARequest {
  /// A constant row of floats times a factor, in a type; nil where its elements are none of float, float16 and bfloat16.
  fileprivate func bias(_ tensor: Tensor, times factor: Float, as type: DataType) throws -> DeviceStorage? {
    guard [.float, .float16, .bfloat16].contains(tensor.dataType) else { return nil }
    if factor == 1 { return try resident(tensor, as: type) }
    guard tensor.dataType == .float, type == .float else { return nil }
    let values = try tensor.elements(as: Float.self)
    return try resident(tensor, "times \(factor)", byteCount: values.count * 4) { target in
      for (index, value) in values.enumerated() {
        target.storeBytes(of: value * factor, toByteOffset: 4 * index, as: Float.self)
      }
    }
  }

  /// Whether products are timed, to find the fastest algorithm of each.
  var tunesProducts: Bool { context.tunesProducts || request.mode.timesKernels }
}
