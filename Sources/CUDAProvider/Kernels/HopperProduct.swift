internal import CCUDA
import InferenceRuntime
import Tensors

/// Products of halves on Hopper's own instructions, with everything that follows in one kernel: where a library's product would leave a pass over
/// its result.
enum HopperProduct {
  private static let stages = 3
  private static let tile = 128

  /// False where the product is none of this kind.
  static func append(_ plan: ProductPlan, to builder: inout ProductBuilder) throws -> Bool {
    let form = plan.form
    guard plan.request.context.info.capability.major == 9, plan.factors == .float16 || plan.factors == .bfloat16,
      form.isBTurned, !form.isATurned, form.k % 8 == 0, plan.batches.items.count == 1, form.batch <= 65535,
      form.aStep % 8 == 0, form.bStep % 8 == 0, [.float, .float16, .bfloat16].contains(plan.result)
    else { return false }
    let tiles = (form.m + tile - 1) / tile * ((form.n + tile - 1) / tile)
    // Fewer tiles than that leave too many multiprocessors idle.
    let isFull = tiles * form.batch * 4 >= plan.request.context.info.multiprocessors * 3
    let seemsBest = isFull && !LibraryProducts.finishes(plan)
    guard (plan.request.request.choice("hopper", of: 2) == 1) != seemsBest else { return false }
    var macros = try plan.finish.macros(result: try ProductType(plan.result))
    macros["ELEMENT"] = plan.factors == .float16 ? 0 : 1
    macros["STAGES"] = stages
    let shared = stages * 32768 + 1024
    let files = ["elements.cuh", "product.cuh", "product_tiles.cuh", "bulk_copy.cuh", "wgmma.cuh", "product_wgmma.cu"]
    let function = try plan.request.function(
      "product_wgmma", in: files, macros: macros, architecture: "sm_90a", sharedBytes: shared)
    builder.append(
      HopperKernel(plan, function, grid: LaunchSize(tiles, 1, form.batch), sharedBytes: shared))
    return true
  }
}

/// The maps say where the operands lie, so they are made in each run; a recorded run keeps them.
private final class HopperKernel: Kernel, @unchecked Sendable {
  private let plan: ProductPlan
  private let function: CUDAFunction
  private let grid: LaunchSize
  private let sharedBytes: Int

  init(_ plan: ProductPlan, _ function: CUDAFunction, grid: LaunchSize, sharedBytes: Int) {
    (self.plan, self.function, self.grid, self.sharedBytes) = (plan, function, grid, sharedBytes)
    super.init("gemm (wgmma)")
  }

  override func run(_ call: KernelCall) throws {
    let queue = unsafeDowncast(call.queue, to: CUDAQueue.self)
    guard let a = plan.a.address(call), let b = plan.b.address(call) else {
      throw CameoError(.invariant, "a product without operands")
    }
    let form = plan.form
    let left = try map(a, rows: form.m, batches: form.aStep == 0 ? 1 : form.batch, step: form.aStep, queue)
    let right = try map(b, rows: form.n, batches: form.bStep == 0 ? 1 : form.batch, step: form.bStep, queue)
    var bytes: [UInt8] = []
    func append<T>(_ value: T) {
      while bytes.count % MemoryLayout<T>.alignment != 0 { bytes.append(0) }
      withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }
    bytes += left + right
    // Parameters one by one: where the driver puts one that is aligned to 64 bytes is its own matter.
    var places = [0, 128]
    places.append(bytes.count)
    append(Launch.Argument.output().address(call).map(\.word) ?? 0)
    let batches = (form.aStep == 0 ? 1 : form.batch, form.bStep == 0 ? 1 : form.batch)
    for value in [form.m, form.n, form.k, batches.0, batches.1] {
      places.append(bytes.count)
      append(Int32(value))
    }
    append(Int64(form.cStep))
    places += [bytes.count - 8, bytes.count]
    for argument in plan.finish.arguments {
      switch argument {
      case .int64(let value): append(Int64(value))
      case .float(let value): append(value)
      default: append(argument.address(call).map(\.word) ?? 0)
      }
    }
    try queue.launch(function, grid: grid, block: LaunchSize(288), sharedBytes: sharedBytes, bytes, at: places)
  }

  /// Boxes of 128 rows of 64 elements of [1][batches][rows][k].
  private func map(
    _ address: UnsafeMutableRawPointer, rows: Int, batches: Int, step: Int, _ queue: CUDAQueue
  ) throws -> [UInt8] {
    let k = plan.form.k
    let sizes = [UInt64(k), UInt64(rows), UInt64(batches), 1]
    let each = UInt64(batches > 1 ? step : rows * k) * 2
    let strides = [UInt64(k * 2), each, each * UInt64(batches)]
    // CU_TENSOR_MAP_DATA_TYPE_FLOAT16 or BFLOAT16; no interleaving, CU_TENSOR_MAP_SWIZZLE_128B, ..._L2_PROMOTION_L2_256B, zeros outside.
    var made: [UInt8] = []
    let code = withUnsafeTemporaryAllocation(byteCount: 128, alignment: 64) { memory -> Int32 in
      guard let base = memory.baseAddress else { return Int32(CAMEO_CUDA_ERROR_OUT_OF_MEMORY) }
      let code = queue.context.driver.table.pointee.tensor_map_tiled(
        OpaquePointer(base), plan.factors == .float16 ? 6 : 9, 4, address, sizes, strides, [64, 128, 1, 1],
        [1, 1, 1, 1], 0, 3, 3, 0)
      made = Array(memory)
      return code
    }
    try queue.context.driver.check(code, "cuTensorMapEncodeTiled")
    return made
  }
}
