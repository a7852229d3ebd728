import GraphIR
import Tensors

/// DequantizeLinear: (x - zero point) * scale; per tensor, axis or block.
struct DequantizeLinear: Operator {
  let name = OperatorName("DequantizeLinear")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, try context.attributes.dataType("output_dtype") ?? context.dataType(1), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let scale = try context.tensor(1)
    let zero = try context.optionalTensor(2)
    let type = try context.attributes.dataType("output_dtype") ?? scale.dataType
    let at = try NNQuantizationLayout(
      shape: x.shape, scale: scale, axis: context.attributes.int("axis", default: 1),
      blockSize: context.attributes.int("block_size", default: 0))
    if let zero {
      guard zero.count == scale.count else {
        throw CameoError.badInput("scale \(scale) and zero point \(zero) must have one shape")
      }
      guard zero.dataType == x.dataType else {
        throw CameoError.badInput("x is \(x.dataType), its zero point \(zero.dataType)")
      }
    }
    let values = try ElementView<Double>(x)
    let scales = try ElementView<Double>(scale)
    let zeros = try zero.map { try ElementView<Double>($0) }
    return [
      .tensor(
        try Tensor.make(type, x.shape, as: Double.self) { out in
          for i in 0..<x.count {
            let place = at(i)
            out[i] = (values[i] - (zeros?[place] ?? 0)) * scales[place]
          }
        })
    ]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    try NNVersions.dropAxisOfScalar(of: node, in: &graph, version: version)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(DequantizeLinear(), to: $0) })
