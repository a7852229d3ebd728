import GraphIR
import Tensors

/// FeatureVectorizer: the inputs side by side, in float. Input i takes `inputdimensions[i]` columns: further ones are cut off,
/// missing ones are 0 (without the attribute each input keeps its width). A vector is one row, as the standard and ONNX Runtime
/// say (`onnx.reference`: a column); axes past the second are joined with it.
struct FeatureVectorizer: Operator {
  let name = OperatorName("FeatureVectorizer", domain: "ai.onnx.ml")

  func infer(_ context: inout InferenceContext) throws {
    let given = try FeatureVectorizer.widths(context.attributes, inputs: context.inputs.count)
    var rows: Dim?
    var total: Dim? = 0
    for index in context.inputs.indices {
      try context.require(rank: 1...Int.max, of: index)
      let shape = context.shape(index)
      if let shape {
        let own = shape.count == 1 ? 1 : shape[0]
        rows = try rows.map { try context.unify($0, own, "rows of input 0 and input \(index)") } ?? own
      }
      let own = shape.map { shape in (shape.count == 1 ? shape[...] : shape.dropFirst()).reduce(Dim(1)) { $0 * $1 } }
      let width = given.map { Dim($0[index]) } ?? own
      total = total.flatMap { sum in width.map { sum + $0 } }
    }
    context.set(0, .float, [rows ?? context.unknownDim(), total ?? context.unknownDim()])
  }

  /// The attribute, checked against the number of inputs; nil where it is left out. The sum does not overflow.
  private static func widths(_ attributes: AttributeReader, inputs: Int) throws -> [Int]? {
    guard let widths = try attributes.optionalInts("inputdimensions"), !widths.isEmpty else { return nil }
    guard widths.count == inputs else {
      throw CameoError.badInput("inputdimensions has \(widths.count) entries, \(inputs) were expected: one an input")
    }
    var total = 0
    for width in widths {
      guard width >= 0, total <= Int.max - width else {
        throw CameoError.badInput("inputdimensions holds \(width), 0 or more was expected")
      }
      total += width
    }
    return widths
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let tensors = try context.inputs.indices.map { try context.tensor($0) }
    guard !tensors.isEmpty else { throw CameoError.badInput("there is no input, 1 or more were expected") }
    let given = try FeatureVectorizer.widths(context.attributes, inputs: tensors.count)
    var sizes: [(rows: Int, own: Int)] = []
    for (index, tensor) in tensors.enumerated() {
      guard tensor.rank > 0 else { throw CameoError.badInput("input \(index) is a scalar, [N, C] or [C] was expected") }
      let rows = tensor.rank == 1 ? 1 : tensor.shape[0]
      let own = try Tensor.elementCount(tensor.rank == 1 ? tensor.shape[...] : tensor.shape.dropFirst())
      if let first = sizes.first, first.rows != rows {
        throw CameoError.badInput("input \(index) has \(rows) rows, \(first.rows) were expected")
      }
      sizes.append((rows, own))
    }
    let rows = sizes[0].rows
    let widths = given ?? sizes.map(\.own)
    let total = try widths.reduce(0) { sum, width in
      let (next, overflow) = sum.addingReportingOverflow(width)
      guard !overflow else { throw CameoError.limit("the widths \(widths) overflow") }
      return next
    }
    return [
      .tensor(
        try Tensor.make(.float, [rows, total], as: Float.self) { out in
          var column = 0
          for (tensor, (size, width)) in zip(tensors, zip(sizes, widths)) {
            let view = try ElementView<Float>(tensor)
            let kept = min(width, size.own)
            if kept > 0 {
              for row in 0..<rows {
                for i in 0..<kept { out[row * total + column + i] = view[row * size.own + i] }
              }
            }
            column += width
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(FeatureVectorizer(), to: $0) })
