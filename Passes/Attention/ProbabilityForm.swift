import GraphIR
import Operators
import PassKit
import Tensors

/// What stands between a Softmax and the product with the values: casts, Dropout, a guard against NaN, reshapes.
struct ProbabilityForm {
  /// All nodes in between, the product among them.
  var nodes: [NodeID] = []
  /// The probabilities, the Softmax's first, and where they stand.
  var stages: [ValueID] = []
  var places: [ScorePlace] = []
  var product: AttentionProduct
  /// The values V; `isTurned` where they stand as V'.
  var values: AttentionProduct.Operand
  /// The result is Y': V' P'.
  var isFlipped: Bool

  /// nil where no product is behind. Throws where one is, but something stands between.
  init?(of softmax: NodeID, flipped: Bool, _ context: PassContext) throws {
    let graph = context.graph
    guard let probabilities = graph[softmax].output(0) else { return nil }
    var current = probabilities
    var isFlipped = flipped
    for _ in 0..<16 {
      if let shape = context.shape(current), shape.count >= 2 {
        stages.append(current)
        places.append(ScorePlace(shape: shape, isFlipped: isFlipped))
      }
      let readers = graph.consumers(current)
      if let (guards, next) = ProbabilityForm.nanGuard(current, readers, context)
        ?? EmptyRowGuard(softmax, context).matching(current, readers)
      {
        nodes += guards
        current = next
        continue
      }
      if readers.contains(where: { graph[$0].is("IsNaN") }),
        let choice = readers.first(where: { graph[$0].is("Where") }),
        AttentionProduct.stands(.behind, [choice], context)
      {
        throw Refusal("a Where puts something else than 0 in the place of NaN behind the Softmax", at: choice)
      }
      // Others may read the probabilities, too: `AttentionCore.exposed` finds them.
      let onward =
        readers.first { AttentionProduct($0, context) != nil }
        ?? readers.first { reader in
          ProbabilityForm.movement(reader, of: current, context) != nil
            && AttentionProduct.stands(.behind, [reader], context)
        }
      guard let id = onward ?? (readers.count == 1 ? readers.first : nil) else {
        guard let product = readers.first(where: { AttentionProduct.stands(.behind, [$0], context) }) else {
          return nil
        }
        throw AttentionCore.exposure(current, at: readers.first { $0 != product }, else: product, graph)
      }
      if let product = AttentionProduct(id, context) {
        self.product = product
        nodes.append(id)
        guard product.left != product.right else { return nil }
        let isLeft = product.left == current
        let standsFlipped = isFlipped != (isLeft ? product.leftIsTurned : product.rightIsTurned)
        guard isLeft != standsFlipped else {
          throw Refusal("the product behind the Softmax sums over the queries, not over the keys", at: id)
        }
        if product.factor != 1 || product.addend != nil {
          throw Refusal("the product with V is a Gemm that scales or adds", at: id)
        }
        values =
          isLeft
          ? product.rightOperand(isTurned: product.rightIsTurned)
          : product.leftOperand(isTurned: !product.leftIsTurned)
        self.isFlipped = !isLeft
        return
      }
      let node = graph[id]
      guard let next = node.output(0), let movement = ProbabilityForm.movement(id, of: current, context) else {
        guard AttentionProduct.stands(.behind, [id], context) else { return nil }
        throw Refusal("\(node.operatorName) stands between Softmax and the product with V", at: id)
      }
      if movement { isFlipped.toggle() }
      nodes.append(id)
      current = next
    }
    return nil
  }

  /// Whether the node turns queries and keys round; nil where it is nothing that the probabilities may pass.
  private static func movement(_ id: NodeID, of value: ValueID, _ context: PassContext) -> Bool? {
    let node = context.graph[id]
    guard node.domain.isEmpty, node.input(0) == value, let output = node.output(0) else { return nil }
    switch node.type {
    case "Identity": return false
    case "Cast": return context.dataType(output)?.isFloatingPoint ?? false ? false : nil
    case "Dropout":
      if let training = node.input(2), context.uniform(training) != 0 { return nil }
      if let mask = node.output(1), !context.graph[mask].uses.isEmpty { return nil }
      return false
    case "Transpose": return context.swapsLastTwo(id) ? true : nil
    case "Reshape", "Squeeze", "Unsqueeze", "Flatten":
      guard let before = context.shape(value), let after = context.shape(output), before.count >= 2, after.count >= 2
      else { return nil }
      return before.suffix(2) == after.suffix(2) ? false : nil
    default: return nil
    }
  }

  /// `Where(IsNaN(p), 0, p)` or `Where(Not(IsNaN(p)), p, 0)`.
  private static func nanGuard(_ value: ValueID, _ readers: [NodeID], _ context: PassContext) -> ([NodeID], ValueID)? {
    let graph = context.graph
    guard readers.count == 2, !graph.isRegionOutput(value), let test = readers.first(where: { graph[$0].is("IsNaN") }),
      let choice = readers.first(where: { graph[$0].is("Where") }), let output = graph[choice].output(0),
      var flag = graph[test].output(0), graph.hasSingleUse(flag)
    else { return nil }
    var nodes = [test]
    var (kept, filled) = (2, 1)
    if let not = graph.consumers(flag).first, graph[not].is("Not"), let inverse = graph[not].output(0),
      graph.hasSingleUse(inverse)
    {
      nodes.append(not)
      flag = inverse
      (kept, filled) = (1, 2)
    }
    guard graph[choice].input(0) == flag, graph[choice].input(kept) == value,
      context.uniform(graph[choice].input(filled)) == 0
    else { return nil }
    return (nodes + [choice], output)
  }
}
