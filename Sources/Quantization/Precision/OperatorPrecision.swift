import GraphIR
import Operators
import Tensors

/// What operators have to say about their precision.
enum OperatorPrecision {
  /// Element-wise arithmetic and movement of data: they are worth no Casts of their own and follow what they read.
  static let light: Set<String> = [
    "Abs", "Add", "BatchNormalization", "Ceil", "Celu", "Clip", "Compress", "Concat", "DepthToSpace", "Div",
    "Dropout", "Elu", "Erf", "Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gelu",
    "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "PRelu",
    "Pad", "Reciprocal", "Relu", "Reshape", "ReverseSequence", "Round", "ScatterElements", "ScatterND", "Selu",
    "Shrink", "Sigmoid", "Sign", "Slice", "Softsign", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum",
    "Swish", "Tanh", "ThresholdedRelu", "Tile", "Transpose", "Trilu", "Unsqueeze", "Where", "Equal", "Greater",
    "GreaterOrEqual", "Less", "LessOrEqual", "IsNaN", "IsInf", "MaxPool", "AveragePool", "GlobalMaxPool", "Resize",
  ]

  static func isLight(_ node: Node) -> Bool { node.domain.isEmpty && light.contains(node.type) }

  /// What a number beyond the range flows through: sums, products and movement, up to a Softmax or a product of
  /// matrices.
  static let carriers: Set<String> = [
    "Add", "Cast", "Clip", "Concat", "Expand", "Flatten", "Gather", "Identity", "Max", "Min", "Mul", "Neg",
    "Reshape", "Slice", "Split", "Squeeze", "Sub", "Sum", "Tile", "Transpose", "Unsqueeze", "Where", "If", "Abs",
    "Pad",
  ]

  /// Those of the node's inputs and outputs that may be of `type`; nil where the operator is not known at that opset.
  /// `opset` is that of the standard domain.
  static func slots(_ node: Node, _ type: DataType, opset: Int) -> (inputs: Set<Int>, outputs: Set<Int>)? {
    guard let schema = SchemaRegistry.newest(domain: node.domain, name: node.type) else { return nil }
    let number = Int(type.rawValue)
    var inputs = Set(node.inputs.indices.filter { schema.input(at: $0)?.types.containsTensor(number) == true })
    var outputs = Set(node.outputs.indices.filter { schema.output(at: $0)?.types.containsTensor(number) == true })
    // The version that the file will hold must take it, too; its parameters may have other places.
    if node.domain.isEmpty, schema.sinceVersion > opset {
      guard let written = SchemaRegistry.schema(domain: "", name: node.type, opset: opset),
        written.input(at: 0)?.types.containsTensor(number) == inputs.contains(0)
      else { (inputs, outputs) = ([], []); return (inputs, outputs) }
    }
    return (inputs, outputs)
  }
}
