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
    guard let output = node.output(0), let input = node.input(0), AttentionProduct.stands(.before, [id], context),
      AttentionProduct.stands(.behind, [id], context)
    else { return nil }
    guard let rank = context.rank(input) else {
      throw Refusal("the rank of the Softmax's input is not known", at: id)
    }
    let axis = try AttributeReader(node).int("axis", default: -1)
    let fromEnd = axis < 0 ? axis : axis - rank
    guard fromEnd == -1 || fromEnd == -2, rank >= 2 else {
      if try ProbabilityForm(of: output, flipped: false, context) == nil { return nil }
      throw Refusal("Softmax runs over axis \(axis), not the last", at: id)
    }
    let behind: ProbabilityForm?
    do { behind = try ProbabilityForm(of: output, flipped: fromEnd == -2, context) } catch {
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

  private var query: AttentionProduct.Operand {
    let product = scores.product
    return scores.productPlace.isFlipped
      ? AttentionProduct.Operand(value: product.right, isTurned: !product.rightIsTurned)
      : AttentionProduct.Operand(value: product.left, isTurned: product.leftIsTurned)
  }

  private var key: AttentionProduct.Operand {
    let product = scores.product
    return scores.productPlace.isFlipped
      ? AttentionProduct.Operand(value: product.left, isTurned: product.leftIsTurned)
      : AttentionProduct.Operand(value: product.right, isTurned: !product.rightIsTurned)
  }

  // MARK: The change

  func change(_ rule: String, _ context: PassContext) throws -> GraphChange {
    let graph = context.graph
    var covers = [softmax] + scores.nodes + probabilities.nodes
    guard covers.allSatisfy({ graph[$0].region == graph[softmax].region }) else {
      throw Refusal("the Softmax and its products stand in different bodies", at: softmax)
    }
    try checkReaders(covers, context)
    let types = try AttentionTypes(self, context)
    let scale = try ScaleForm(scores, at: softmax)
    let (q, k) = (ScaledOperand(query.value, context), ScaledOperand(key.value, context))
    covers += q.covers + k.covers
    var covered: Set<NodeID> = []
    covers = covers.filter { covered.insert($0).inserted }
    let total = scale.scale * q.factor * k.factor
    guard total > 0, Float(total).isNormal else {
      throw Refusal("the scale is \(total), Attention takes positive ones", at: scores.product.node)
    }
    var firstRefusal: Refusal?
    let atoms = try HeadLayout.atoms(
      of: (scores.places + probabilities.places).map(\.lead) + [Array((context.shape(result) ?? []).dropLast(2))]
        + leadsBehindMovement(context), at: softmax)
    let place = scores.productPlace
    let (rows, columns) = (place.shape[place.shape.count - 2], place.shape[place.shape.count - 1])
    let layout = HeadLayout(
      atoms: atoms, split: 0, queries: place.isFlipped ? columns : rows, keys: place.isFlipped ? rows : columns)
    for split in HeadLayout.splits(atoms: atoms, product: place.lead) {
      do {
        var change = GraphChange(rule: rule, covers: covers, isFusion: true)
        try fill(
          &change, layout.with(split: split), types, scale, Float(total), query: q, key: k, context)
        return change
      } catch let refusal as Refusal { firstRefusal = firstRefusal ?? refusal }
    }
    throw firstRefusal ?? Refusal("the heads cannot be told from the batch", at: softmax)
  }

  /// Leading axes that operands had in front of a reshape which keeps their last two axes.
  private func leadsBehindMovement(_ context: PassContext) -> [[Dim]] {
    guard let own = context.shape(query.value), own.count == 3 else { return [] }
    var value = query.value
    for _ in 0..<2 {
      guard let id = context.graph.producer(value), let input = context.graph[id].input(0) else { return [] }
      if context.swapsLastTwo(id) { value = input; continue }
      guard MergeReshapes.kinds.contains(context.graph[id].type), let before = context.shape(input),
        let after = context.shape(value), before.count == 4, before.suffix(2) == after.suffix(2)
      else { return [] }
      return [Array(before.dropLast(2))]
    }
    return []
  }

  private func fill(
    _ change: inout GraphChange, _ layout: HeadLayout, _ types: AttentionTypes, _ scale: ScaleForm, _ total: Float,
    query q: ScaledOperand, key k: ScaledOperand, _ context: PassContext
  ) throws {
    let place = scores.productPlace
    let queryRef = try operand(query, q, scale.factors, layout, place.lead, "Q", types, context, &change)
    let keyRef = try operand(key, k, [], layout, place.lead, "K", types, context, &change)
    let valueLead = probabilities.places.last?.lead ?? place.lead
    let valueRef = try operand(
      probabilities.values, ScaledOperand(plain: probabilities.values.value), [], layout, valueLead, "V", types,
      context,
      &change)
    guard keyRef.heads == valueRef.heads else {
      throw Refusal("K has \(keyRef.heads) heads, V has \(valueRef.heads)", at: probabilities.product.node)
    }
    guard queryRef.heads == layout.heads else {
      throw Refusal("Q is broadcast along the heads, Attention does not broadcast it", at: scores.product.node)
    }
    var mask = MaskForm(layout, type: types.compute, context)
    for (step, factor) in zip(scores.steps, scale.outer).reversed() {
      try mask.apply(step, factor: factor, &change)
    }
    var inputs: [GraphChange.Ref?] = [queryRef.ref, keyRef.ref, valueRef.ref]
    if let bias = try mask.finished(queries: queryRef.ref, &change) { inputs.append(bias) }
    var attributes = [NamedAttribute("scale", .float(total))]
    if let cap = scale.cap { attributes.append(NamedAttribute("softcap", .float(Float(cap)))) }
    if let precision = types.precision {
      attributes.append(NamedAttribute("softmax_precision", .int(Int64(precision.rawValue))))
    }
    var output = change.node("Attention", inputs, attributes)
    var shape = [layout.batch, layout.heads, layout.queries, valueRef.size]
    if types.compute != types.result {
      output = change.node(
        "Cast", [output], [NamedAttribute("to", .int(Int64(types.result.rawValue)))], covers: [])
    }
    if probabilities.isFlipped {
      output = Reshaping.turn(output, rank: 4, &change)
      shape.swapAt(2, 3)
    }
    guard let wanted = context.shape(result) else {
      throw Refusal("the shape of the result is not known", at: probabilities.product.node)
    }
    // A reshape behind the result that gives what Attention gives goes, too.
    if wanted != shape, !context.graph.isRegionOutput(result), let next = context.graph.consumers(result).first,
      context.graph.hasSingleUse(result), MergeReshapes.kinds.contains(context.graph[next].type),
      let after = context.graph[next].output(0), context.shape(after) == shape
    {
      change.covers.append(next)
      change.replace(after, with: output)
      return
    }
    // The same axes: a length that reads otherwise is that of a mask which was cut to fit.
    if wanted.count == shape.count, layout.atoms.count == 2, layout.split == 1 {
      return change.replace(result, with: output)
    }
    change.replace(result, with: try Reshaping.reshape(output, from: shape, to: wanted, &change))
  }

  /// An operand as [batch, heads, length, size] in the type of the computation.
  private func operand(
    _ operand: AttentionProduct.Operand, _ scaled: ScaledOperand, _ factors: [ScaleForm.Factor], _ layout: HeadLayout,
    _ lead: [Dim], _ label: String, _ types: AttentionTypes, _ context: PassContext, _ change: inout GraphChange
  ) throws -> (ref: GraphChange.Ref, heads: Dim, size: Dim) {
    guard let shape = context.shape(operand.value), shape.count >= 2 else {
      throw Refusal("the shape of \(label) is not known", at: scores.product.node)
    }
    let own = try layout.spread(Array(shape.dropLast(2)), over: lead, label)
    let heads = try layout.groupedHeads(own, label)
    var (rows, size) = (shape[shape.count - 2], shape[shape.count - 1])
    if operand.isTurned { swap(&rows, &size) }
    let target = [layout.batch, heads, rows, size]
    var ref: GraphChange.Ref
    var (movements, isTurned) = (scaled.movements, operand.isTurned)
    if isTurned, let last = movements.last, context.swapsLastTwo(last) {
      movements.removeLast()
      isTurned = false
    }
    if movements.isEmpty && factors.isEmpty {
      ref = try Reshaping.place(scaled.value, isTurned: isTurned, as: target, context, &change)
    } else {
      ref = change.repeating(movements, on: .existing(scaled.value), in: context.graph)
      for factor in factors {
        guard factor.isScalar(context) || !isTurned && factor.place.lead == lead && shape.count - 2 == lead.count
        else {
          throw Refusal("a computed scale stands where the scores have other leading axes than Q", at: factor.node)
        }
        ref = change.node(factor.divides ? "Div" : "Mul", [ref, .existing(factor.value)], covers: [])
      }
      if isTurned { ref = Reshaping.turn(ref, rank: shape.count, &change) }
      ref = try Reshaping.reshape(ref, from: Array(shape.dropLast(2)) + [rows, size], to: target, &change)
    }
    if context.dataType(operand.value) != types.compute {
      ref = change.node("Cast", [ref], [NamedAttribute("to", .int(Int64(types.compute.rawValue)))], covers: [])
    }
    return (ref, heads, size)
  }

  /// Refuses where a value inside is read outside: it would have to be computed a second time.
  private func checkReaders(_ covers: [NodeID], _ context: PassContext) throws {
    let graph = context.graph
    let inside = Set(covers)
    for id in covers {
      for case .some(let output) in graph[id].outputs where output != result {
        for reader in graph.consumers(output) where !inside.contains(reader) {
          throw Refusal("the value \(graph[output].name) inside the attention is also read elsewhere", at: reader)
        }
        if graph.isRegionOutput(output) {
          throw Refusal("the value \(graph[output].name) inside the attention is an output of the graph", at: id)
        }
      }
    }
  }
}
