import GraphIR
import PassKit
import Tensors

/// The types of an attention core.
struct AttentionTypes {
  /// Of Q, K, V and the bias.
  let compute: DataType
  /// The Softmax's, where it is wider.
  let precision: DataType?
  let result: DataType

  /// `isWide`: in float32 where the operands are of half precision.
  init(_ core: AttentionCore, isWide: Bool, _ context: PassContext) throws {
    let graph = context.graph
    let product = core.scores.product
    func type(_ value: ValueID?, _ label: String) throws -> DataType {
      guard let type = context.dataType(value), [.float, .float16, .bfloat16, .double].contains(type) else {
        let own = context.dataType(value).map { "\($0)" } ?? "of an unknown type"
        throw Refusal("\(label) is \(own), not of a floating-point type", at: core.softmax)
      }
      return type
    }
    let query = try type(product.left, "Q")
    let softmax = try type(graph[core.softmax].output(0), "the Softmax")
    let value = try type(core.probabilities.values.value, "V")
    result = try type(core.result, "the result")
    var current = query
    for step in core.scores.steps.reversed() {
      guard case .cast(let next) = step.kind, next != current else { continue }
      guard current.isNarrower(than: next) else {
        throw Refusal("the scores are cast from \(current) to \(next) before the Softmax", at: step.node)
      }
      current = next
    }
    var compute = query
    if query.isNarrower(than: value) {
      compute = value
    } else if query != value, !value.isNarrower(than: query) {
      throw Refusal("Q is \(query), V is \(value)", at: core.probabilities.product.node)
    }
    if isWide, compute.isNarrower(than: .float) { compute = .float }
    self.compute = compute
    precision = compute.isNarrower(than: softmax) ? softmax : nil
  }
}
