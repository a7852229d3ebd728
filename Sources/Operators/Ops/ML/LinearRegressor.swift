import GraphIR
import Tensors

/// LinearRegressor: X W^T + b for `targets` targets, then the transform; [N, F] (or [F]) to float [N, targets].
///
/// ONNX Runtime takes float only and leaves a single target as it is for all transforms but PROBIT; here it is transformed, as
/// the standard's text says.
struct LinearRegressor: Operator {
  let name = OperatorName("LinearRegressor", domain: "ai.onnx.ml")

  func infer(_ context: inout InferenceContext) throws {
    let targets = try LinearRegressor.targets(context.attributes)
    context.set(0, .float, try context.mlOutputShape(Dim(targets)))
  }

  private static func targets(_ attributes: AttributeReader) throws -> Int {
    let targets = try attributes.int("targets", default: 1)
    guard targets > 0 else { throw CameoError.badInput("targets is \(targets), 1 or more was expected") }
    return targets
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let shape = try MLRows(x)
    let targets = try LinearRegressor.targets(context.attributes)
    let model = try MLLinear(context.attributes, targets: targets, shape)
    let transform = try MLTransform(context.attributes)
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(.float, [shape.rows, targets], as: Double.self) { out in
          view.withBase { model.run($0, shape, columns: targets, into: out) }
          for row in 0..<shape.rows { transform.apply(out + row * targets, targets) }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(LinearRegressor(), to: $0) })
