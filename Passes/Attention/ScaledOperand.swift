import GraphIR
import Operators
import PassKit
import Tensors

/// An operand with the scales taken out of it. They are found behind data movement, too, which is then repeated on what was
/// scaled: `Transpose(Reshape(x * c))` is c times `Transpose(Reshape(x))`. Rotations and casts to a wider type are passed alike.
struct ScaledOperand {
  /// What remains.
  private(set) var value: ValueID
  /// The product of the scales.
  private(set) var factor = 1.0
  /// Data movement between `value` and the operand, in order.
  private(set) var movements: [NodeID] = []
  /// The scales and the movement behind them.
  private(set) var covers: [NodeID] = []
  /// The scales among them.
  private var scales: Set<NodeID> = []

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
        guard passed.isEmpty || ScaledOperand.isReadOnce(current, graph) else { return }
        factor *= number
        covers += passed + [id]
        scales.insert(id)
        movements = passed.reversed() + movements
        (value, current, passed) = (next, next, [])
      } else if ScaledOperand.moves(id, current, context), ScaledOperand.isReadOnce(current, graph),
        let next = graph[id].input(0)
      {
        passed.append(id)
        current = next
      } else {
        return
      }
    }
  }

  /// The operand without its scales. Shapes that were read of what stands between are read of the new values.
  func write(_ movements: [NodeID], _ context: PassContext, in change: inout GraphChange) -> GraphChange.Ref {
    var ref = GraphChange.Ref.existing(value)
    for id in covers.reversed() {
      if !scales.contains(id) {
        guard movements.contains(id) else { continue }
        ref = change.repeating([id], on: ref, in: context.graph)
      }
      guard let old = context.graph[id].output(0) else { continue }
      for reader in context.graph.consumers(old) where context.graph[reader].is("Shape") {
        change.setInput(0, of: reader, to: ref)
      }
    }
    return ref
  }

  private static let moves: Set<String> = [
    "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Expand", "RotaryEmbedding",
  ]

  /// True where the node does to c * x what it does to x, times c.
  private static func moves(_ id: NodeID, _ output: ValueID, _ context: PassContext) -> Bool {
    let node = context.graph[id]
    if node.is("Cast"), let from = context.dataType(node.input(0)), let to = context.dataType(output) {
      return from.isNarrower(than: to)
    }
    return moves.contains(node.type)
  }

  /// One reader, and besides it none but of the shape.
  static func isReadOnce(_ value: ValueID, _ graph: Graph) -> Bool {
    !graph.isRegionOutput(value) && graph.consumers(value).count { !graph[$0].is("Shape") } == 1
  }

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
