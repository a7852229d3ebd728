import InferenceRuntime
import Tensors

/// Products of halves and 8-bit floats on Hopper's own instructions, with everything that follows in one kernel: where a library's product would
/// leave a pass over its result.
enum HopperProduct {
  /// False where the product is none of this kind.
  static func append(_ plan: ProductPlan, to builder: inout ProductBuilder) throws -> Bool {
    let (form, request) = (plan.form, plan.request)
    guard let tile = tile(plan) else { return false }
    let seemsBest = seemsBest(plan, tile)
    guard (request.request.choice("hopper", of: 2) == 1) != seemsBest else { return false }
    var macros = try plan.finish.macros(result: try ProductType(plan.result))
    macros["ELEMENT"] = plan.factors == .float16 ? 0 : plan.factors == .bfloat16 ? 1 : 5
    if plan.factors.isFloat8 {
      macros["A_E5M2"] = plan.factors == .float8e5m2 ? 1 : 0
      macros["B_E5M2"] = (plan.rightFactors ?? plan.factors) == .float8e5m2 ? 1 : 0
    }
    let launch = try tile.launch(
      request, "product_wgmma", macros: macros, a: plan.a, b: plan.b, bPitch: form.k, bStep: form.bStep,
      rest: [.int64(form.cStep)] + plan.finish.arguments)
    builder.append(LaunchKernel("gemm (wgmma)", [launch]))
    return true
  }

  /// Nil where the product is none of this kind.
  private static func tile(_ plan: ProductPlan) -> WgmmaTile? {
    let element: TensorMap.Element
    switch plan.factors {
    case .float16: element = .float16
    case .bfloat16: element = .bfloat16
    case .float8e4m3fn, .float8e5m2: element = .uint8
    default: return nil
    }
    guard plan.form.isBTurned, plan.batches.items.count == 1, [.float, .float16, .bfloat16].contains(plan.result) else {
      return nil
    }
    return WgmmaTile(
      plan.form, element, aIsRows: !plan.form.isATurned, pitch: plan.form.k, on: plan.request.context)
  }

  private static func seemsBest(_ plan: ProductPlan, _ tile: WgmmaTile) -> Bool {
    guard tile.fills(plan.request.context), !LibraryProducts.finishes(plan) else { return false }
    // Of a deep product of 8-bit floats the pass over the result is the lesser part.
    return !plan.factors.isFloat8 || plan.form.k <= 4096 || !LibraryProducts.takes(plan)
  }

  /// Whether the product would be computed so by default.
  static func takes(_ plan: ProductPlan) -> Bool { tile(plan).map { seemsBest(plan, $0) } ?? false }
}
