import GraphIR
import PassKit
import Tensors

/// An operand with the scales taken out of it. They are found behind data movement, too, which is then repeated on what was
/// scaled: `Transpose(Reshape(x * c))` is c times `Transpose(Reshape(x))`.
struct ScaledOperand {
  /// What remains.
  private(set) var value: ValueID
  /// The product of the scales.
  private(set) var factor = 1.0
  /// Data movement between `value` and the operand, in order.
  private(set) var movements: [NodeID] = []
  /// The scales and the movement behind them.
  private(set) var covers: [NodeID] = []

  /// The operand as it is.
  init(plain value: ValueID) { self.value = value }

  init(_ source: ValueID, _ context: PassContext) {
    value = source
    let graph = context.graph
    var current = source
    var passed: [NodeID] = []
    for _ in 0..<12 {
      guard let id = graph.producer(current), graph[id].domain.isEmpty else { return }
      if let (next, number) = ScaledOperand.scale(id, current, context) {
        // Movement of what is read elsewhere would be there twice.
        guard passed.isEmpty || graph.hasSingleUse(current) else { return }
        factor *= number
        covers += passed + [id]
        movements = passed.reversed() + movements
        (value, current, passed) = (next, next, [])
      } else if ScaledOperand.moves.contains(graph[id].type), graph.hasSingleUse(current),
        let next = graph[id].input(0)
      {
        passed.append(id)
        current = next
      } else {
        return
      }
    }
  }

  private static let moves: Set<String> = [
    "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Expand",
  ]

  /// x of `x * c`, `x / c` or `-x`, and the factor.
  private static func scale(_ id: NodeID, _ output: ValueID, _ context: PassContext) -> (ValueID, Double)? {
    let node = context.graph[id]
    guard let a = node.input(0) else { return nil }
    if node.type == "Neg" { return (a, -1) }
    guard node.type == "Mul" || node.type == "Div", let b = node.input(1) else { return nil }
    if let number = context.scalar(b, beside: a, result: output) {
      if node.type == "Div" { return number == 0 ? nil : (a, 1 / number) }
      return (a, number)
    }
    if node.type == "Mul", let number = context.scalar(a, beside: b, result: output) { return (b, number) }
    return nil
  }
}
