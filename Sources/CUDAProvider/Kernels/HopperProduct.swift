import InferenceRuntime
import Tensors

/// Products of halves on Hopper's own instructions, with everything that follows in one kernel: where a library's product would leave a pass over
/// its result.
enum HopperProduct {
  /// False where the product is none of this kind.
  static func append(_ plan: ProductPlan, to builder: inout ProductBuilder) throws -> Bool {
    let (form, request) = (plan.form, plan.request)
    guard plan.factors == .float16 || plan.factors == .bfloat16, form.isBTurned, plan.batches.items.count == 1,
      [.float, .float16, .bfloat16].contains(plan.result),
      let tile = WgmmaTile(
        form, plan.factors == .float16 ? .float16 : .bfloat16, aIsRows: !form.isATurned, pitch: form.k,
        on: request.context)
    else { return false }
    let seemsBest = tile.fills(request.context) && !LibraryProducts.finishes(plan)
    guard (request.request.choice("hopper", of: 2) == 1) != seemsBest else { return false }
    var macros = try plan.finish.macros(result: try ProductType(plan.result))
    macros["ELEMENT"] = plan.factors == .float16 ? 0 : 1
    let launch = try tile.launch(
      request, "product_wgmma", macros: macros, a: plan.a, b: plan.b, bPitch: form.k, bStep: form.bStep,
      rest: [.int64(form.cStep)] + plan.finish.arguments)
    builder.append(LaunchKernel("gemm (wgmma)", [launch]))
    return true
  }
}
