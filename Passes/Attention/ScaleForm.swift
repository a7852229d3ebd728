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
