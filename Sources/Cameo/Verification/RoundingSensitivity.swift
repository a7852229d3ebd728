import GraphIR
import Tensors

/// What float32's own rounding does to the outputs of a model that quantizes between its inputs and outputs.
///
/// A number that lies between two codes goes to either one, by differences far below what counts elsewhere, and the step between codes
/// is large. Two right ways to compute such a model therefore differ by more than a fixed tolerance. What they may differ by is measured:
/// the source, with its float constants moved by 2^-22 of themselves, against the source.
enum RoundingSensitivity {
  private static let quantizing: Set<String> = [
    "QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "QGemm", "QAttention", "QLinearAdd",
    "QLinearMul", "QLinearConcat", "QLinearSigmoid", "QLinearLeakyRelu", "QLinearAveragePool",
    "QLinearGlobalAveragePool", "QLinearSoftmax", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM",
  ]
  /// Larger constants are weights: products of them are moved by their scales, biases and operands.
  private static let mostElements = 1 << 20

  static func quantizes(_ model: Model) -> Bool {
    ([model.graph] + model.functions.map(\.body)).contains { graph in
      graph.allNodes.contains { quantizing.contains(graph[$0].type) }
    }
  }

  /// The model with each number of its float constants moved up or down by 2^-22 of itself, by `seed`.
  static func jittered(_ model: Model, seed: UInt64) throws -> Model {
    var result = model
    var random = SeededRandom(seed)
    for value in model.graph.allValues {
      guard let tensor = model.graph.constant(value), tensor.dataType == .float, tensor.count <= mostElements else {
        continue
      }
      let view = try ElementView<Float>(tensor)
      let moved = try Tensor.make(.float, tensor.shape, as: Float.self) { out in
        for index in 0..<view.count {
          let factor: Float = random.next() >> 63 == 0 ? 1 + 0x1p-22 : 1 - 0x1p-22
          out[index] = view[index] * factor
        }
      }
      result.graph.setConstant(.tensor(moved), of: value)
    }
    return result
  }
}
