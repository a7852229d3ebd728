import GraphIR
import Operators
import PassKit
import Tensors

/// Writes an `AttentionCore` as an Attention of operands [batch, heads, length, size], or [batch, length, size] where there is
/// one head.
struct AttentionWriter {
  let core: AttentionCore
  let context: PassContext
  private let scale: ScaleForm
  private let total: Float
  private let query: ScaledOperand
  private let key: ScaledOperand
  /// Scores or probabilities that are also read elsewhere.
  private let handedOn: ScoreOutput?

  init(_ core: AttentionCore, _ context: PassContext) throws {
    self.core = core
    self.context = context
    let exposed = core.exposed([core.softmax] + core.scores.nodes + core.probabilities.nodes, context)
    // What runs here has no kernel for it: flash attention never has all scores.
    if let first = exposed.first, exposed.count > 1 || context.options.level >= 3 { throw first.refusal }
    scale = try ScaleForm(core.scores, at: core.softmax)
    if let first = exposed.first {
      handedOn = try ScoreOutput(first.value, core, scale, else: first.refusal, context)
    } else {
      handedOn = nil
    }
    query = ScaledOperand(core.query.value, context)
    key = ScaledOperand(core.key.value, context)
    let product = scale.scale * query.factor * key.factor
    guard product > 0, Float(product).isNormal else {
      throw Refusal("the scale is \(product), Attention takes positive ones", at: core.scores.product.node)
    }
    total = Float(product)
  }

  /// Throws what stood in the way of the likeliest layout where none will do.
  func change(_ rule: String) throws -> GraphChange? {
    let (scores, probabilities) = (core.scores, core.probabilities)
    var seen: Set<NodeID> = []
    let covers = ([core.softmax] + scores.nodes + probabilities.nodes + query.covers + key.covers).filter {
      seen.insert($0).inserted
    }
    guard Set(covers.map { context.graph[$0].region }).count == 1 else {
      throw Refusal("the Softmax and its products stand in different bodies", at: core.softmax)
    }
    let place = scores.productPlace
    let resultLead = probabilities.product.shape.dropLast(2)
    let atoms = try HeadLayout.atoms(
      of: (scores.places + probabilities.places).map(\.lead) + [Array(resultLead)] + leadsBehindMovement(),
      at: core.softmax)
    let (rows, columns) = (place.shape[place.shape.count - 2], place.shape[place.shape.count - 1])
    let layout = HeadLayout(
      atoms: atoms, split: 0, queries: place.isFlipped ? columns : rows, keys: place.isFlipped ? rows : columns)
    var refusal: Refusal?
    // What half precision cannot say (a wider bias, a fill that swallows scores) float32 can.
    let types = try [false, true].map { try AttentionTypes(core, isWide: $0, context) }
    for types in types[0].compute == types[1].compute ? [types[0]] : types {
      var first: Refusal?
      defer { refusal = first }
      for split in HeadLayout.splits(atoms: atoms, product: place.lead) {
        do {
          var change = GraphChange(rule: rule, covers: covers, isFusion: true)
          try write(layout.with(split: split), types, &change)
          return change
        } catch let problem as Refusal { first = first ?? problem }
      }
    }
    if let refusal { throw refusal }
    return nil
  }

  /// Leading axes that the queries had in front of a reshape which keeps their last two axes.
  private func leadsBehindMovement() -> [[Dim]] {
    guard let own = context.shape(core.query.value), own.count == 3 else { return [] }
    var value = core.query.value
    var lengths = Array(own.suffix(2))
    for _ in 0..<8 {
      guard let id = context.graph.producer(value), context.graph[id].domain.isEmpty, let after = context.shape(value)
      else { return [] }
      let node = context.graph[id]
      var next = node.input(0)
      if MergeReshapes.kinds.contains(node.type) {
        if let before = context.shape(next), before.count == 4, before.suffix(2) == lengths[...] {
          return [Array(before.dropLast(2))]
        }
      } else if context.swapsLastTwo(id) {
        lengths.reverse()
      } else {
        guard ["Mul", "Div", "Cast", "Neg", "Identity"].contains(node.type) else { return [] }
        next = node.inputs.lazy.compactMap { $0 }.first { context.shape($0) == after }
      }
      guard let next else { return [] }
      value = next
    }
    return []
  }

  private func write(_ layout: HeadLayout, _ types: AttentionTypes, _ change: inout GraphChange) throws {
    let (scores, probabilities) = (core.scores, core.probabilities)
    let lead = scores.productPlace.lead
    var q = try operand(core.query, query, scale.factors, layout, lead, "Q", types, &change)
    var k = try operand(core.key, key, [], layout, lead, "K", types, &change)
    var v = try operand(
      probabilities.values, ScaledOperand(plain: probabilities.values.value), [], layout,
      probabilities.places.last?.lead ?? lead, "V", types, &change)
    guard k.heads == v.heads else {
      throw Refusal("K has \(k.heads) heads, V has \(v.heads)", at: probabilities.product.node)
    }
    guard q.heads == layout.heads else {
      throw Refusal("Q is broadcast along the heads, Attention does not broadcast it", at: scores.product.node)
    }
    try fill(&q, &k, &v, layout, &change)
    var mask = MaskForm(layout, type: types.compute, scores.steps, context)
    for (step, factor) in zip(scores.steps, scale.outer).reversed() {
      try mask.apply(step, factor: factor, &change)
    }
    var inputs: [GraphChange.Ref?] = [q.ref, k.ref, v.ref]
    if let bias = try mask.finished(queries: q.ref, keys: k.ref, &change) { inputs.append(bias) }
    let present = handedOn == nil ? [true] : [true, false, false, true]
    let outputs = change.nodes("Attention", inputs, attributes(layout, types), present: present)
    guard let output = outputs[0] else { return }
    if let handedOn, let scores = outputs.last ?? nil {
      try handedOn.replace(with: scores, layout, types.compute, context, &change)
    }
    try replaceResult(output, layout, types, size: v.size, &change)
  }

  private func attributes(_ layout: HeadLayout, _ types: AttentionTypes) -> [NamedAttribute] {
    var attributes = [NamedAttribute("scale", .float(total))]
    if layout.isFlat {
      attributes += ["q_num_heads", "kv_num_heads"].map { NamedAttribute($0, .int(1)) }
    }
    if let cap = scale.cap { attributes.append(NamedAttribute("softcap", .float(Float(cap)))) }
    if let precision = types.precision {
      attributes.append(NamedAttribute("softmax_precision", .int(Int64(precision.rawValue))))
    }
    if let mode = handedOn?.mode, mode != 0 {
      attributes.append(NamedAttribute("qk_matmul_output_mode", .int(Int64(mode))))
    }
    return attributes
  }

  // MARK: The operands

  private struct Written {
    var ref: GraphChange.Ref
    var heads: Dim
    var size: Dim
    /// The batch is 1 and is broadcast to the scores'.
    var isOneBatch: Bool
  }

  /// An operand in the layout's axes and in the type of the computation.
  private func operand(
    _ operand: AttentionProduct.Operand, _ scaled: ScaledOperand, _ factors: [ScaleForm.Factor], _ layout: HeadLayout,
    _ lead: [Dim], _ label: String, _ types: AttentionTypes, _ change: inout GraphChange
  ) throws -> Written {
    let shape = operand.shape
    let own = try layout.spread(Array(shape.dropLast(2)), over: lead, label)
    let (heads, isOneBatch) = try layout.groupedHeads(own, label)
    var (rows, size) = (shape[shape.count - 2], shape[shape.count - 1])
    if operand.isTurned { swap(&rows, &size) }
    let target = layout.shape(batch: isOneBatch ? 1 : layout.batch, heads: heads, rows, size)
    var (movements, isTurned) = (scaled.movements, operand.isTurned)
    if isTurned, let last = movements.last, context.swapsLastTwo(last), context.graph.hasSingleUse(operand.value) {
      movements.removeLast()
      isTurned = false
    }
    var ref = scaled.write(movements, context, in: &change)
    if movements.isEmpty && factors.isEmpty {
      ref = try Reshaping.place(scaled.value, isTurned: isTurned, as: target, context, &change)
    } else {
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
    if context.dataType(operand.value) != types.compute { ref = cast(ref, to: types.compute, &change) }
    return Written(ref: ref, heads: heads, size: size, isOneBatch: isOneBatch)
  }

  /// Repeats operands of batch 1 along the batch: Attention does not broadcast.
  private func fill(
    _ q: inout Written, _ k: inout Written, _ v: inout Written, _ layout: HeadLayout, _ change: inout GraphChange
  ) throws {
    guard q.isOneBatch || k.isOneBatch || v.isOneBatch else { return }
    let count: GraphChange.Ref
    let ones = [Int](repeating: 1, count: layout.isFlat ? 2 : 3)
    if let batch = layout.batch.value {
      count = change.constant(try .ints([batch] + ones))
    } else {
      // What the scores' batch comes from: the product has one of its operands' batch.
      guard let source = [q, k, v].first(where: { !$0.isOneBatch }) else { throw layout.partialBatch("Q") }
      let length = change.node(
        "Shape", [source.ref], [NamedAttribute("start", .int(0)), NamedAttribute("end", .int(1))], covers: [])
      count = change.node(
        "Concat", [length, change.constant(try .ints(ones))], [NamedAttribute("axis", .int(0))], covers: [])
    }
    func expand(_ operand: inout Written, _ change: inout GraphChange) {
      if operand.isOneBatch { operand.ref = change.node("Expand", [operand.ref, count], covers: []) }
    }
    expand(&q, &change)
    expand(&k, &change)
    expand(&v, &change)
  }

  private func cast(_ ref: GraphChange.Ref, to type: DataType, _ change: inout GraphChange) -> GraphChange.Ref {
    change.node("Cast", [ref], [NamedAttribute("to", .int(Int64(type.rawValue)))], covers: [])
  }

  // MARK: The result

  private func replaceResult(
    _ attention: GraphChange.Ref, _ layout: HeadLayout, _ types: AttentionTypes, size: Dim, _ change: inout GraphChange
  ) throws {
    let result = core.result
    var output = attention
    var shape = layout.shape(batch: layout.batch, heads: layout.heads, layout.queries, size)
    if types.compute != types.result { output = cast(output, to: types.result, &change) }
    if core.probabilities.isFlipped {
      output = Reshaping.turn(output, rank: shape.count, &change)
      shape.swapAt(shape.count - 1, shape.count - 2)
    }
    let wanted = core.probabilities.product.shape
    // A reshape behind the result that gives what Attention gives goes, too.
    if wanted != shape, !context.graph.isRegionOutput(result), let next = context.graph.consumers(result).first,
      context.graph.hasSingleUse(result), MergeReshapes.kinds.contains(context.graph[next].type),
      let after = context.graph[next].output(0), context.shape(after) == shape
    {
      change.covers.append(next)
      return change.replace(after, with: output)
    }
    // The same axes: a length that reads otherwise is that of a mask which was cut to fit.
    if wanted.count == shape.count, layout.isFlat || layout.atoms.count == 2 && layout.split == 1 {
      return change.replace(result, with: output)
    }
    change.replace(result, with: try Reshaping.reshape(output, from: shape, to: wanted, &change))
  }
}
