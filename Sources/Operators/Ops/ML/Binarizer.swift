import GraphIR
import Tensors

/// Binarizer: 1 where an element is above the threshold, else 0 (also for NaN).
struct Binarizer: Operator {
  let name = OperatorName("Binarizer", domain: "ai.onnx.ml")

  func infer(_ context: inout InferenceContext) throws { context.set(0, context.dataType(0), context.shape(0)) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let threshold = Double(try context.attributes.float("threshold"))
    if x.dataType.isInteger { return [.tensor(try integers(x, threshold))] }
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, x.shape, as: Double.self) { out in
          NNParallel.ranges(x.count, grain: 1 << 16) { range in
            for i in range { out[i] = view[i] > threshold ? 1 : 0 }
          }
        })
    ]
  }

  /// An integer is above t where it is above the greatest integer up to t.
  private func integers(_ x: Tensor, _ threshold: Double) throws -> Tensor {
    let view = try ElementView<Int64>(x)
    let floor = threshold.rounded(.down)
    let isNever = threshold.isNaN || floor >= 0x1p63
    let isAlways = floor < -0x1p63
    let limit = isNever || isAlways ? 0 : Int64(floor)
    return try Tensor.make(x.dataType, x.shape, as: Int64.self) { out in
      NNParallel.ranges(x.count, grain: 1 << 16) { range in
        for i in range { out[i] = isAlways || !isNever && view[i] > limit ? 1 : 0 }
      }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Binarizer(), to: $0) })
