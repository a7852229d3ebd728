import InferenceRuntime
import Tensors

/// Products by kernels of Sources/CCUDA/Kernels: on tensor cores for halves and TF32, else by ordinary arithmetic.
enum OwnProducts {
  private static let common = ["elements.cuh", "product.cuh"]

  static func append(_ plan: ProductPlan, to builder: inout ProductBuilder) throws {
    if plan.factors == .float16 || plan.factors == .bfloat16 || plan.usesTF32 {
      try appendTensorCores(plan, to: &builder)
    } else {
      builder.append(LaunchKernel("gemm", try simple(plan)))
    }
  }

  /// A kernel behind a product: output = finish(sums).
  static func finish(
    _ plan: ProductPlan, _ finish: ProductFinish, of sums: Launch.Argument, _ type: DataType
  ) throws -> Kernel {
    guard [.float, .float16, .bfloat16].contains(plan.result) else { throw Refusal("a result of \(plan.result)") }
    var macros = try finish.macros(result: try ProductType(plan.result))
    macros["SUM"] = try ProductType(type).rawValue
    let function = try plan.request.function("product_finish", in: common + ["product_finish.cu"], macros: macros)
    let rows = plan.resultCount / plan.form.n
    return LaunchKernel(
      "gemm",
      [
        Launch(
          function, grid: LaunchSize((plan.form.n + 255) / 256, min(65535, (rows + 3) / 4)), block: LaunchSize(64, 4),
          [sums, .output(), .int64(rows), .int32(plan.form.n)] + finish.arguments)
      ])
  }

  /// The launches of a function over all items, 65535 products at most at once.
  private static func launches(
    _ plan: ProductPlan, _ make: (_ item: ProductBatches.Item, _ count: Int) -> Launch
  ) -> [Launch] {
    plan.batches.items.flatMap { item in
      stride(from: 0, to: plan.form.batch, by: 32768).map { first in
        let place = ProductBatches.Item(
          a: item.a + first * plan.form.aStep, b: item.b + first * plan.form.bStep, c: item.c + first * plan.form.cStep)
        return make(place, min(32768, plan.form.batch - first))
      }
    }
  }

  private static func places(_ plan: ProductPlan, _ item: ProductBatches.Item) -> [Launch.Argument] {
    [
      plan.a.advanced(item.a * plan.width), plan.b.advanced(item.b * plan.width),
      .output(0, offset: item.c * plan.resultWidth),
    ]
  }

  private static func numbers(_ form: ProductForm) -> [Launch.Argument] {
    [
      .int32(form.m), .int32(form.n), .int32(form.k), .int64(form.aPitch), .int64(form.bPitch), .int64(form.aStep),
      .int64(form.bStep), .int64(form.cStep),
    ]
  }

  private static func simple(_ plan: ProductPlan) throws -> [Launch] {
    let form = plan.form
    let multiprocessors = plan.request.context.info.multiprocessors
    let isWide = plan.factors == .float && (form.m + 127) / 128 * ((form.n + 127) / 128) * form.batch >= multiprocessors
    let tile = isWide ? 128 : 64
    if plan.factors == .double, plan.result != .double { throw Refusal("a result of \(plan.result)") }
    var macros = try plan.finish.macros(result: try ProductType(plan.result))
    if plan.factors != .float, plan.finish.activation != nil { throw Refusal("an activation of \(plan.factors)") }
    if plan.factors.isInteger, plan.finish.addend != nil || plan.finish.residual != nil || plan.finish.alpha != 1 {
      throw Refusal("a sum with C in \(plan.factors)")
    }
    let type = try ProductType(plan.factors).rawValue
    macros.merge([
      "A": type, "B": type, "SUM": type, "A_TURNED": form.isATurned ? 1 : 0, "B_TURNED": form.isBTurned ? 1 : 0,
      "WIDE": isWide ? 1 : 0,
    ]) { $1 }
    let function = try plan.request.function("product_simple", in: common + ["product_simple.cu"], macros: macros)
    guard (form.m + tile - 1) / tile <= 65535 else { throw Refusal("\(form.m) rows") }
    return launches(plan) { item, count in
      Launch(
        function, grid: LaunchSize((form.n + tile - 1) / tile, (form.m + tile - 1) / tile, count),
        block: LaunchSize(256), places(plan, item) + numbers(form) + plan.finish.arguments)
    }
  }

  // MARK: Tensor cores

  /// A block's tile and how many blocks share the depth of one tile.
  private struct Tile {
    let rows: Int
    let columns: Int
    let warps: (Int, Int)
    let depth: Int
    let stages: Int
    var splits = 1

    init(_ form: ProductForm, width: Int, multiprocessors: Int) {
      func blocks(_ rows: Int, _ columns: Int) -> Int {
        (form.m + rows - 1) / rows * ((form.n + columns - 1) / columns) * form.batch
      }
      let depth = 64 / width
      if blocks(128, 128) >= multiprocessors {
        (rows, columns, warps, self.depth, stages) = (128, 128, (2, 4), depth, 4)
      } else if form.m <= 32 {
        (rows, columns, warps, self.depth, stages) = (32, 64, (1, 4), 2 * depth, 4)
      } else {
        (rows, columns, warps, self.depth, stages) = (64, 64, (2, 2), 2 * depth, 4)
      }
      let steps = (form.k + self.depth - 1) / self.depth
      let wanted = multiprocessors / max(1, blocks(rows, columns))
      if wanted > 1 { splits = [8, 4, 2].first { $0 <= wanted && steps / $0 >= 4 } ?? 1 }
    }

    func sharedBytes(_ form: ProductForm, width: Int) -> Int {
      func bytes(_ lines: Int, _ elements: Int, _ isTurned: Bool) -> Int {
        lines * (elements * width + (width == 4 && isTurned ? 32 : 16))
      }
      let a = form.isATurned ? bytes(depth, rows, true) : bytes(rows, depth, false)
      let b = form.isBTurned ? bytes(columns, depth, false) : bytes(depth, columns, true)
      return stages * (a + b)
    }
  }

  /// Bytes that every line of a factor begins at a multiple of.
  private static func copyBytes(_ pitch: Int, _ step: Int, _ offsets: [Int], _ width: Int) -> Int {
    var all = 16 | pitch * width | step * width
    for offset in offsets { all |= offset * width }
    return max(width, min(16, all & -all))
  }

  private static func appendTensorCores(_ plan: ProductPlan, to builder: inout ProductBuilder) throws {
    let form = plan.form
    let multiprocessors = plan.request.context.info.multiprocessors
    let tile = Tile(form, width: plan.width, multiprocessors: multiprocessors)
    var macros = try plan.finish.macros(result: try ProductType(plan.result))
    let items = plan.batches.items
    macros.merge([
      "ELEMENT": try ProductType(plan.factors).rawValue, "A_TURNED": form.isATurned ? 1 : 0,
      "B_TURNED": form.isBTurned ? 1 : 0, "ROWS": tile.rows, "COLUMNS": tile.columns, "WARPS_M": tile.warps.0,
      "WARPS_N": tile.warps.1, "DEPTH": tile.depth, "STAGES": tile.stages, "SPLITS": tile.splits,
      "COPY_A": copyBytes(form.aPitch, form.aStep, items.map(\.a), plan.width),
      "COPY_B": copyBytes(form.bPitch, form.bStep, items.map(\.b), plan.width),
    ]) { $1 }
    let shared = tile.sharedBytes(form, width: plan.width)
    let files = common + ["product_tiles.cuh", "product_mma.cu"]
    let function = try plan.request.function("product_mma", in: files, macros: macros, sharedBytes: shared)
    let tiles = (form.m + tile.rows - 1) / tile.rows * ((form.n + tile.columns - 1) / tile.columns)
    let threads = tile.warps.0 * tile.warps.1 * 32
    let parts = tile.splits > 1 ? builder.room(form.batch * tile.splits * form.m * form.n * 4) : 0
    let join = tile.splits > 1 ? try plan.request.function("product_join", in: files, macros: macros) : nil
    let all = plan.batches.items.flatMap { item in
      stride(from: 0, to: form.batch, by: 4096).flatMap { first in
        let count = min(4096, form.batch - first)
        let place = ProductBatches.Item(
          a: item.a + first * form.aStep, b: item.b + first * form.bStep, c: item.c + first * form.cStep)
        var launches = [
          Launch(
            function, grid: LaunchSize(tiles, 1, count * tile.splits), block: LaunchSize(threads), sharedBytes: shared,
            Array(places(plan, place)) + [tile.splits > 1 ? .scratch(offset: parts) : .int64(0)] + numbers(form)
              + plan.finish.arguments)
        ]
        if let join {
          launches.append(
            Launch(
              join, grid: LaunchSize((form.n + 255) / 256, min(65535, (form.m + 3) / 4), count),
              block: LaunchSize(64, 4),
              [
                .scratch(offset: parts), .output(0, offset: place.c * plan.resultWidth), .int32(form.m), .int32(form.n),
                .int64(form.cStep),
              ] + plan.finish.arguments))
        }
        return launches
      }
    }
    builder.append(LaunchKernel("gemm (mma)", all))
  }
}
