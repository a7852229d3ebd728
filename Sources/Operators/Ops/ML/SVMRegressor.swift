import GraphIR
import Tensors

/// SVMRegressor: a weighted sum of the kernels with the support vectors (or a linear function, where there are none); [N, F]
/// (or [F]) to float [N, 1]. With `one_class` 1 where it is above 0, else -1; that is a class, so no transform is applied.
///
/// ONNX Runtime takes float only and ignores `post_transform`; here it is applied, as the standard's text says.
struct SVMRegressor: Operator {
  let name = OperatorName("SVMRegressor", domain: "ai.onnx.ml")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, .float, try context.mlOutputShape(1))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let attributes = context.attributes
    let x = try context.tensor(0)
    let shape = try MLRows(x)
    let coefficients = (try attributes.optionalFloats("coefficients") ?? []).map { Double($0) }
    let count = try attributes.int("n_supports", default: 0)
    let isOneClass = try attributes.bool("one_class")
    let transform = try MLTransform(attributes)
    guard let rho = try attributes.optionalFloats("rho")?.first else {
      throw CameoError.badInput("rho is empty, one number was expected")
    }
    let expected = count > 0 ? count : shape.features
    guard count >= 0, coefficients.count == expected else {
      throw CameoError.badInput("coefficients has \(coefficients.count) entries, \(expected) were expected")
    }
    let vectors = try supportVectors(attributes, coefficients, count, shape)
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(.float, [shape.rows, 1], as: Double.self) { out in
          try view.withBase { x in
            try vectors.forEachBlock(x, shape) { block, kernels in
              for (index, row) in block.enumerated() {
                var sum = Double(rho)
                if count > 0 {
                  for i in 0..<count { sum += coefficients[i] * kernels[index * count + i] }
                } else {
                  sum += kernels[index]
                }
                out[row] = isOneClass ? (sum > 0 ? 1 : -1) : sum
                if !isOneClass { transform.apply(out + row, 1) }
              }
            }
          }
        })
    ]
  }

  /// The support vectors; a linear model is the product with one vector, its coefficients.
  private func supportVectors(
    _ attributes: AttributeReader, _ coefficients: [Double], _ count: Int, _ shape: MLRows
  ) throws -> MLSupportVectors {
    let kernel = try MLKernel(attributes)
    if count == 0 { return MLSupportVectors(kernel: MLKernel.linear, vectors: coefficients, count: 1) }
    let support = (try attributes.optionalFloats("support_vectors") ?? []).map { Double($0) }
    guard support.count % count == 0, support.count / count == shape.features else {
      throw CameoError.badInput(
        "support_vectors has \(support.count) entries, \(count) vectors of \(shape.features) features were expected")
    }
    return MLSupportVectors(kernel: kernel, vectors: support, count: count)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SVMRegressor(), to: $0) })
