import InferenceRuntime
import Tensors

/// Products of few rows with a right side that lies by its columns: all time goes into reading it.
enum SkinnyProduct {
  /// False where the product is none of this kind.
  static func append(_ plan: ProductPlan, to builder: inout ProductBuilder) throws -> Bool {
    let form = plan.form
    let isFloat = plan.factors == .float
    let most = isFloat ? 4 : 16
    // A single row is the same either way.
    guard form.m <= most, form.isBTurned || form.n == 1, !form.isATurned || form.m == 1 else { return false }
    guard form.k * plan.width % 16 == 0, form.k >= 64, form.batch <= 65535 else { return false }
    let items = plan.batches.items
    guard (items.map(\.a) + items.map(\.b) + [form.aStep, form.bStep]).allSatisfy({ $0 * plan.width % 16 == 0 }) else {
      return false
    }
    guard plan.request.request.choice("skinny", of: 2) == 0 else { return false }
    let columns = isFloat ? 4 : 16
    let blocks = (form.n + columns - 1) / columns
    // A warp's turn takes a depth of 128.
    let turns = (form.k + 127) / 128
    let wanted = blocks * form.batch >= 8 * plan.request.context.info.multiprocessors ? 4 : 16
    let warps = min(wanted, turns)
    var macros = try plan.finish.macros(result: try ProductType(plan.result))
    macros["ELEMENT"] = try ProductType(plan.factors).rawValue
    macros["GROUPS"] = isFloat ? (form.m == 1 ? 1 : 4) : form.m <= 8 ? 1 : 2
    macros["WARPS"] = warps
    let function = try plan.request.function(
      "skinny", in: ["elements.cuh", "product.cuh", "skinny.cu"], macros: macros)
    builder.append(
      LaunchKernel(
        "gemv",
        items.map { item in
          Launch(
            function, grid: LaunchSize(blocks, 1, form.batch), block: LaunchSize(warps * 32),
            [
              plan.a.advanced(item.a * plan.width), plan.b.advanced(item.b * plan.width),
              .output(0, offset: item.c * plan.resultWidth), .int32(form.m), .int32(form.n), .int32(form.k),
              .int32(plan.isRightFixed ? 1 : 0), .int64(form.aStep), .int64(form.bStep), .int64(form.cStep),
            ] + plan.finish.arguments)
        }))
    return true
  }
}
