import GraphIR
import Operators
import PassKit
import Tensors

/// What stands around one Softmax between two products.
struct AttentionCore {
  let softmax: NodeID
  let scores: ScoreForm
  let probabilities: ProbabilityForm
  let result: ValueID

  /// nil where the Softmax has nothing of attention: no product in front or none behind. Throws where it has both, but
  /// something hinders.
  init?(softmax id: NodeID, _ context: PassContext) throws {
    let graph = context.graph
    let node = graph[id]
    guard let input = node.input(0), AttentionProduct.stands(.before, [id], context),
      AttentionProduct.stands(.behind, [id], context)
    else { return nil }
    guard let rank = context.rank(input) else {
      throw Refusal("the rank of the Softmax's input is not known", at: id)
    }
    let axis = try AttributeReader(node).int("axis", default: -1)
    let fromEnd = axis < 0 ? axis : axis - rank
    guard fromEnd == -1 || fromEnd == -2, rank >= 2 else {
      if try ProbabilityForm(of: id, flipped: false, context) == nil { return nil }
      throw Refusal("Softmax runs over axis \(axis), not the last", at: id)
    }
    let behind: ProbabilityForm?
    do { behind = try ProbabilityForm(of: id, flipped: fromEnd == -2, context) } catch {
      // Without a product in front it is no attention, whatever is behind.
      var walk = ScoreWalk(context, region: node.region)
      if walk.form(of: input, flipped: fromEnd == -2) == nil, walk.obstacle == nil { return nil }
      if fromEnd == -2 { throw Refusal("Softmax runs over axis \(axis), not the last", at: id) }
      throw error
    }
    guard let behind, let result = graph[behind.product.node].output(0) else { return nil }
    var walk = ScoreWalk(context, region: node.region)
    guard let front = walk.form(of: input, flipped: fromEnd == -2) else {
      if let obstacle = walk.obstacle { throw obstacle.refusal }
      return nil
    }
    softmax = id
    scores = front
    probabilities = behind
    self.result = result
  }

  // MARK: The operands

  var query: AttentionProduct.Operand {
    let product = scores.product
    return scores.productPlace.isFlipped
      ? product.rightOperand(isTurned: !product.rightIsTurned)
      : product.leftOperand(isTurned: product.leftIsTurned)
  }

  var key: AttentionProduct.Operand {
    let product = scores.product
    return scores.productPlace.isFlipped
      ? product.leftOperand(isTurned: product.leftIsTurned)
      : product.rightOperand(isTurned: !product.rightIsTurned)
  }

  /// The values inside that are read outside, and what says so: they would have to be computed a second time.
  func exposed(_ covers: [NodeID], _ context: PassContext) -> [(value: ValueID, refusal: Refusal)] {
    let graph = context.graph
    let inside = Set(covers)
    var found: [(value: ValueID, refusal: Refusal)] = []
    for id in covers {
      for case .some(let output) in graph[id].outputs where output != result {
        let reader = graph.consumers(output).first { !inside.contains($0) && !endsInside($0, inside, graph) }
        if reader == nil && !graph.isRegionOutput(output) { continue }
        if found.contains(where: { $0.value == output }) { continue }
        found.append((output, AttentionCore.exposure(output, at: reader, else: id, graph)))
      }
    }
    return found
  }

  /// `reader`: nil where the value is an output of the graph.
  static func exposure(_ value: ValueID, at reader: NodeID?, else node: NodeID, _ graph: Graph) -> Refusal {
    let name = graph[value].name
    return reader == nil
      ? Refusal("the value \(name) inside the attention is an output of the graph", at: node)
      : Refusal("the value \(name) inside the attention is also read elsewhere", at: reader)
  }

  /// True for a Shape whose length arithmetic serves nothing but nodes inside: it goes with them.
  private func endsInside(_ reader: NodeID, _ inside: Set<NodeID>, _ graph: Graph) -> Bool {
    guard graph[reader].is("Shape") else { return false }
    var work = [reader]
    var seen: Set<NodeID> = [reader]
    while let id = work.popLast() {
      guard seen.count <= 32, graph[id].regions.isEmpty else { return false }
      for case .some(let output) in graph[id].outputs {
        if graph.isRegionOutput(output) { return false }
        for next in graph.consumers(output) where !inside.contains(next) && seen.insert(next).inserted {
          work.append(next)
        }
      }
    }
    // Every way ended at nodes inside; a node without readers would have ended it elsewhere.
    return true
  }
}
