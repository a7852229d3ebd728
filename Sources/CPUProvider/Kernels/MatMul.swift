internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// MatMul, Gemm and ai.cameo.FusedMatMul in float32.
enum MatMulKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "MatMul": { try matmul($0, transA: false, transB: false, alpha: 1, activation: .none) },
    "Gemm": { try gemm($0) },
    "ai.cameo.FusedMatMul": {
      try matmul(
        $0, transA: try $0.attributes.bool("transA"), transB: try $0.attributes.bool("transB"),
        alpha: try $0.attributes.float("alpha", default: 1), activation: try ck_activation($0.attributes))
    },
  ]

  private static func gemm(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireProductOperands()
    let result = try request.result()
    let (a, transA, transB) = (
      try request.operand(0), try request.attributes.bool("transA"), try request.attributes.bool("transB")
    )
    var plan = GemmPlan(
      m: result.shape[0], n: result.shape[1], k: transA ? a.shape[0] : a.shape[1], transA: transA, transB: transB)
    guard plan.k > 0 else { throw Refusal("an empty sum") }
    plan.alpha = try request.attributes.float("alpha", default: 1)
    let beta = try request.attributes.float("beta", default: 1)
    var scaled: Floats?
    if let c = request.input(2), beta != 0 {
      plan.bias = try bias(c, m: plan.m, n: plan.n)
      if beta != 1 {
        guard let values = try request.constantFloats(2) else { throw Refusal("beta with a computed C") }
        scaled = Floats(values.map { $0 * beta })
      }
    }
    return try single(plan, request, biasValues: scaled)
  }

  private static func bias(_ operand: Operand, m: Int, n: Int) throws -> GemmPlan.Bias {
    let shape = [Int](repeating: 1, count: max(0, 2 - operand.rank)) + operand.shape
    if operand.count == 1 { return .one }
    if shape == [m, n] { return m == 1 ? .columns : .matrix }
    if shape == [1, n] { return .columns }
    if shape == [m, 1] { return .rows }
    throw Refusal("C of the shape \(operand.shape)")
  }

  private static func single(
    _ plan: GemmPlan, _ request: KernelRequest, biasValues: Floats? = nil
  ) throws -> PreparedKernel {
    if let rounded = try Bfloat16Product.make(plan, request, biasValues: biasValues) { return rounded }
    try request.requireFloat()
    var plan = plan
    plan.chooseEngine(request)
    try plan.pack(request.input(1), request)
    plan.split(threads: request.threads, form: request.choice("cut", of: GemmPlan.cutForms))
    let fixed = plan
    let scratch = plan.scratchBytes
    let hasBias = plan.bias != .none
    let name = plan.m == 1 ? "gemv" : plan.engine
    let kernel = RangeKernel(name, count: plan.tiles, grain: 1) { call, begin, end, thread in
      let values = hasBias ? biasValues.map { UnsafePointer($0.base) } ?? call.optional(2, Float.self) : nil
      for tile in begin..<end {
        fixed.run(
          tile, call.input(0, Float.self), call.input(1, Float.self), values, call.output(0, Float.self),
          scratch > 0 ? call.scratch + thread * scratch : nil)
      }
    }
    return PreparedKernel(
      kernel, scratchBytes: scratch * request.threads, unreadInputs: plan.isPacked ? [1] : [])
  }

  private static func matmul(
    _ request: KernelRequest, transA: Bool, transB: Bool, alpha: Float, activation: ck_activation
  ) throws -> PreparedKernel {
    try request.requireProductOperands()
    let (a, b, result) = (try request.operand(0), try request.operand(1), try request.result())
    guard a.rank > 0, b.rank > 0 else { throw Refusal("a scalar") }
    var aShape = a.rank == 1 ? [1] + a.shape : a.shape
    let bShape = b.rank == 1 ? b.shape + [1] : b.shape
    let transA = transA && a.rank > 1
    let transB = transB && b.rank > 1
    if transA { aShape.swapAt(aShape.count - 1, aShape.count - 2) }
    let (m, k) = (aShape[aShape.count - 2], aShape[aShape.count - 1])
    let n = transB ? bShape[bShape.count - 2] : bShape[bShape.count - 1]
    guard k > 0 else { throw Refusal("an empty sum") }
    let aBatch = Array(aShape.dropLast(2))
    let bBatch = Array(bShape.dropLast(2))
    func configured(_ rows: Int) throws -> GemmPlan {
      var plan = GemmPlan(m: rows, n: n, k: k, transA: transA, transB: transB)
      plan.alpha = alpha
      plan.activation = activation
      guard request.input(3) == nil else { throw Refusal("a residual") }
      if let bias = request.input(2) {
        guard bias.count == n || bias.count == 1 else { throw Refusal("a bias of the shape \(bias.shape)") }
        plan.bias = bias.count == 1 ? .one : .columns
      }
      return plan
    }
    if product(bBatch) == 1 && (!transA || product(aBatch) == 1) {
      return try single(try configured(product(aBatch) * m), request)
    }
    try request.requireFloat()
    // Each batch is a product of its own, over broadcast operands.
    let batch = try Broadcast.shape(aBatch, bBatch)
    func offsets(_ shape: [Int], _ size: Int) -> Longs {
      let strides = Broadcast.strides(of: shape, to: batch)
      return Longs(
        (0..<product(batch)).map { index in
          var rest = index
          var offset = 0
          for axis in batch.indices.reversed() {
            offset += rest % batch[axis] * strides[axis]
            rest /= batch[axis]
          }
          return offset * size
        })
    }
    let (aOffsets, bOffsets) = (offsets(aBatch, m * k), offsets(bBatch, k * n))
    var plan = try configured(m)
    plan.chooseEngine(request)
    plan.split(threads: request.threads, others: product(batch))
    let fixed = plan
    let scratch = plan.scratchBytes
    let tiles = plan.tiles
    let count = product(batch)
    guard result.count == count * m * n else { throw Refusal("a result of the shape \(result.shape)") }
    let grain = max(1, (1 << 15) / max(1, m * n * k / tiles))
    let kernel = RangeKernel("batched gemm", count: count * tiles, grain: grain) { call, begin, end, thread in
      for index in begin..<end {
        let item = index / tiles
        fixed.run(
          index % tiles, call.input(0, Float.self) + aOffsets[item], call.input(1, Float.self) + bOffsets[item],
          call.optional(2, Float.self), call.output(0, Float.self) + item * m * n,
          scratch > 0 ? call.scratch + thread * scratch : nil)
      }
    }
    return PreparedKernel(kernel, scratchBytes: scratch * request.threads)
  }
}
