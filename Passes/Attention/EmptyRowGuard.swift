import GraphIR
import Operators
import PassKit
import Tensors

/// `Where(rows, 0, p)` where `rows` is true for rows of which every score is -inf, as PyTorch's safe softmax has it:
/// `Not(any(Not(s == -inf)))`. Attention gives 0 for such rows by itself.
struct EmptyRowGuard {
  let softmax: NodeID
  let context: PassContext

  init(_ softmax: NodeID, _ context: PassContext) {
    self.softmax = softmax
    self.context = context
  }

  /// What a value says of the scores: of each one, or of all of a row.
  private enum Meaning {
    /// The score is -inf, or (negated) is not.
    case element(isEmpty: Bool)
    /// Every score of the row is -inf, or (negated) some score is not.
    case row(isEmpty: Bool)
  }

  /// The nodes of the guard behind `value` and the guarded value.
  func matching(_ value: ValueID, _ readers: [NodeID]) -> ([NodeID], ValueID)? {
    let graph = context.graph
    guard readers.count == 1, let choice = readers.first, graph[choice].is("Where"),
      let output = graph[choice].output(0),
      let flag = graph[choice].input(0), !graph.isRegionOutput(value)
    else { return nil }
    var nodes: [NodeID] = []
    guard case .row(let isEmpty) = meaning(of: flag, &nodes, 0), graph[choice].input(isEmpty ? 2 : 1) == value,
      context.uniform(graph[choice].input(isEmpty ? 1 : 2)) == 0
    else { return nil }
    return (nodes + [choice], output)
  }

  private func meaning(of value: ValueID, _ nodes: inout [NodeID], _ depth: Int) -> Meaning? {
    let graph = context.graph
    guard depth < 8, let id = graph.producer(value), graph[id].domain.isEmpty, let input = graph[id].input(0) else {
      return nil
    }
    let node = graph[id]
    nodes.append(id)
    let scores = graph[softmax].input(0)
    if node.is("IsInf"), input == scores {
      return (try? AttributeReader(node).int("detect_positive", default: 1)) == 0 ? .element(isEmpty: true) : nil
    }
    if node.is("Equal"), node.inputs.contains(scores) {
      return node.inputs.contains { context.uniform($0) == -.infinity } ? .element(isEmpty: true) : nil
    }
    guard let inner = meaning(of: input, &nodes, depth + 1) else { return nil }
    switch (node.type, inner) {
    case ("Identity", _), ("Cast", _): return inner
    case ("Not", .element(let isEmpty)): return .element(isEmpty: !isEmpty)
    case ("Not", .row(let isEmpty)): return .row(isEmpty: !isEmpty)
    case ("ReduceMin", .element(true)), ("ReduceProd", .element(true)):
      return runsOverKeys(node) ? .row(isEmpty: true) : nil
    case ("ReduceMax", .element(false)), ("ReduceSum", .element(false)):
      return runsOverKeys(node) ? .row(isEmpty: false) : nil
    case ("Greater", .row(false)): return context.uniform(node.input(1)) == 0 ? inner : nil
    case ("Equal", .row(false)): return context.uniform(node.input(1)) == 0 ? .row(isEmpty: true) : nil
    default: return nil
    }
  }

  private func runsOverKeys(_ node: Node) -> Bool {
    guard let rank = context.rank(node.input(0)), let axes = try? context.constant(node.input(1))?.ints(),
      axes.count == 1, (try? AttributeReader(node).int("keepdims", default: 1)) == 1,
      let axis = try? AttributeReader(context.graph[softmax]).int("axis", default: -1)
    else { return false }
    func fromEnd(_ axis: Int) -> Int { axis < 0 ? axis : axis - rank }
    return fromEnd(axes[0]) == fromEnd(axis)
  }
}
