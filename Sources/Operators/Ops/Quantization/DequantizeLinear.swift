import GraphIR
import Tensors

/// DequantizeLinear: (x - zero point) * scale; per tensor, axis or block.
struct DequantizeLinear: Operator {
  let name = OperatorName("DequantizeLinear")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, try context.attributes.dataType("output_dtype") ?? context.dataType(1), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let scale = try context.tensor(1)
    let type = try context.attributes.dataType("output_dtype") ?? scale.dataType
    return [
      .tensor(
        try DequantizeLinear.compute(
          context.tensor(0), scale, context.optionalTensor(2), type: type,
          axis: context.attributes.int("axis", default: 1), blockSize: context.attributes.int("block_size", default: 0))
      )
    ]
  }

  static func compute(
    _ x: Tensor, _ scale: Tensor, _ zero: Tensor?, type: DataType, axis: Int, blockSize: Int = 0
  ) throws -> Tensor {
    let at = try NNQuantizationLayout(shape: x.shape, scale: scale, axis: axis, blockSize: blockSize)
    if let zero {
      guard zero.count == scale.count else {
        throw CameoError.badInput("scale \(scale) and zero point \(zero) must have one shape")
      }
      guard zero.dataType == x.dataType else {
        throw CameoError.badInput("x is \(x.dataType), its zero point \(zero.dataType)")
      }
    }
    if let fast = try QuantizedLinear.dequantize(x, scale, zero, type, axis: axis, blockSize: blockSize) { return fast }
    let values = try ElementView<Double>(x)
    let scales = try ElementView<Double>(scale)
    let zeros = try zero.map { try ElementView<Double>($0) }
    return try Tensor.make(type, x.shape, as: Double.self) { out in
      for i in 0..<x.count {
        let place = at(i)
        out[i] = (values[i] - (zeros?[place] ?? 0)) * scales[place]
      }
    }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    try NNVersions.dropAxisOfScalar(of: node, in: &graph, version: version)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(DequantizeLinear(), to: $0) })
