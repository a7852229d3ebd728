import GraphIR
import Tensors

/// Scaler: (x - offset) * scale in float, one number for all or one a feature (the last axis).
///
/// An attribute that is left out changes nothing; where both are given their lengths agree.
struct Scaler: Operator {
  let name = OperatorName("Scaler", domain: "ai.onnx.ml")

  func infer(_ context: inout InferenceContext) throws { context.set(0, .float, context.shape(0)) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let offset = try context.attributes.optionalFloats("offset") ?? []
    let scale = try context.attributes.optionalFloats("scale") ?? []
    guard offset.isEmpty || scale.isEmpty || offset.count == scale.count else {
      throw CameoError.badInput("offset has \(offset.count) entries and scale \(scale.count), as many were expected")
    }
    let features = x.shape.last ?? 1
    for (name, values) in [("offset", offset), ("scale", scale)] {
      guard values.count <= 1 || values.count == features else {
        throw CameoError.badInput("\(name) has \(values.count) entries, 1 or \(features) (features) were expected")
      }
    }
    let offsets = (offset.isEmpty ? [0] : offset).map { Double($0) }
    let scales = (scale.isEmpty ? [1] : scale).map { Double($0) }
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(.float, x.shape, as: Double.self) { out in
          NNParallel.ranges(x.count, grain: 1 << 16) { range in
            for i in range {
              let feature = i % features
              let shifted = view[i] - offsets[offsets.count == 1 ? 0 : feature]
              out[i] = shifted * scales[scales.count == 1 ? 0 : feature]
            }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Scaler(), to: $0) })
