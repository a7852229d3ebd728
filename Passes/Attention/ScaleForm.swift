import GraphIR
import PassKit
import Tensors

/// The scales of a `ScoreForm`, its soft cap, and what multiplies the scores behind each step.
struct ScaleForm {
  /// A tensor that scales the scores and does not differ between keys: it scales Q instead.
  struct Factor {
    let value: ValueID
    let divides: Bool
    let node: NodeID
    let place: ScorePlace

    /// True where the tensor has one element and may stand beside Q whatever Q's axes are.
    func isScalar(_ context: PassContext) -> Bool {
      context.shape(value).map { $0.count <= 2 && $0.allSatisfy { $0 == 1 } } ?? false
    }
  }

  /// The product of all numbers.
  private(set) var scale = 1.0
  /// c of c * tanh(s / c).
  private(set) var cap: Double?
  private(set) var factors: [Factor] = []
  /// For each step what multiplies the scores between it and the Softmax.
  private(set) var outer: [Double] = []

  init(_ form: ScoreForm, at softmax: NodeID) throws {
    for step in form.steps {
      outer.append(cap == nil ? scale : 1)
      switch step.kind {
      case .scale(let number): scale *= number
      case .tanh:
        guard cap == nil else { throw Refusal("the scores pass two Tanh", at: step.node) }
        guard factors.isEmpty else { throw Refusal("the soft cap is a computed number", at: step.node) }
        guard scale > 0 else { throw Refusal("the soft cap is \(scale)", at: step.node) }
        cap = scale
      case .factor(let value, let divides):
        factors.append(Factor(value: value, divides: divides, node: step.node, place: step.place))
      case .add, .select, .floor:
        if cap != nil { throw Refusal("a bias or mask is applied before the soft cap", at: step.node) }
        if !factors.isEmpty {
          throw Refusal("a bias or mask is applied before a computed scale", at: step.node)
        }
      case .cast: break
      }
    }
  }
}

/// The types of an attention core.
struct AttentionTypes {
  /// Of Q, K, V and the bias.
  let compute: DataType
  /// The Softmax's, where it is wider.
  let precision: DataType?
  let result: DataType

  init(_ core: AttentionCore, _ context: PassContext) throws {
    let graph = context.graph
    let product = core.scores.product
    func type(_ value: ValueID?, _ label: String) throws -> DataType {
      guard let type = context.dataType(value) else {
        throw Refusal("the type of \(label) is not known", at: core.softmax)
      }
      guard [.float, .float16, .bfloat16, .double].contains(type) else {
        throw Refusal("\(label) is \(type), not of a floating-point type", at: core.softmax)
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
    if query == value || value.isNarrower(than: query) {
      compute = query
    } else if query.isNarrower(than: value) {
      compute = value
    } else {
      throw Refusal("Q is \(query), V is \(value)", at: core.probabilities.product.node)
    }
    precision = compute.isNarrower(than: softmax) ? softmax : nil
  }
}
