import GraphIR
import Operators
import PassKit
import Tensors

/// The embeddings of a BERT and the normalization of their sum become one node, for ONNX Runtime.
///
/// Before: `LayerNormalization(Add(Add(Gather(W, ids), Gather(P, positions)), Gather(S, segments)), scale, bias)`, the sum in
/// any order, S perhaps absent, a constant [length, width] or [1, length, width] in the place of the positions' Gather.
/// After: `com.microsoft.EmbedLayerNormalization(ids, segments, W, P, S, scale, bias, , positions)`, ids as int32.
///
/// Written for sums of fixed shape, else only where this pass is named by `--enable`: behind the node ONNX Runtime 1.31 knows the
/// shapes of all sums that follow, and turns them into its SkipLayerNormalization when it loads the file, which is slower than Add
/// and LayerNormalization (MiniLM took 1.14 times as long).
///
/// A negative index, which Gather counts from the end, is an error there.
public enum FuseEmbedLayerNormalization {
  public static let pass = RewritePass(
    "FuseEmbedLayerNormalization", level: 2,
    summary: "writes com.microsoft.EmbedLayerNormalization for the embeddings of a BERT (target ort)", rules: [Rule()])

  /// One term of the sum.
  private struct Term {
    let table: ValueID
    /// nil: rows one after the other from the first.
    let ids: ValueID?
    let node: NodeID?
    /// True where all items of the batch have the same rows.
    let isShared: Bool
  }

  struct Rule: RewriteRule {
    let name = "MicrosoftEmbedLayerNormalization"
    let anchors: Set<OperatorName> = [OperatorName("LayerNormalization")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard Microsoft.isTarget(context), let sum = node.input(0), let scale = node.input(1),
        let output = node.output(0),
        let (values, adds) = summands(sum, of: id, context), values.count == 2 || values.count == 3,
        values.contains(where: { lookup($0, context) != nil })
      else { return nil }
      try Microsoft.requireFloat(sum, "EmbedLayerNormalization", at: id, context)
      guard let shape = context.shape(sum), shape.count == 3 else {
        throw Refusal("the sum has rank \(context.rank(sum) ?? 0), not batch, length and width", at: id)
      }
      guard shape.allSatisfy(\.isKnown) || context.options.enabled.contains(FuseEmbedLayerNormalization.pass.name)
      else {
        throw Refusal(
          "behind EmbedLayerNormalization ONNX Runtime writes SkipLayerNormalization, which is slower (--enable writes it)",
          at: id)
      }
      let terms = try values.map { try term($0, shape, at: id, context) }
      guard let place = terms.firstIndex(where: \.isShared) ?? terms.indices.dropFirst().first,
        let word = terms.indices.first(where: { $0 != place }), !terms[word].isShared, let ids = terms[word].ids
      else { throw Refusal("each embedding is the same for all items of the batch", at: id) }
      let segment = terms.indices.first { $0 != place && $0 != word }
      if let segment, terms[segment].isShared {
        throw Refusal("two embeddings are the same for all items of the batch", at: id)
      }
      let axis = try AttributeReader(node).int("axis", default: -1)
      guard axis == -1 || axis == 2 else { throw Refusal("the normalization runs over several axes", at: id) }
      for parameter in [scale, node.input(2)].compactMap({ $0 }) {
        guard Microsoft.isRow(parameter, shape[2], context) else {
          throw Refusal("a parameter is not one constant row of the last axis", at: id)
        }
      }
      if let extra = node.outputs.dropFirst().compactMap({ $0 }).first(where: { !graph[$0].uses.isEmpty }) {
        throw Refusal("the statistics \(graph[extra].name) are read", at: id)
      }
      var change = GraphChange(rule: name, covers: adds + terms.compactMap(\.node) + [id], isFusion: true)
      func whole(_ ids: ValueID?) -> GraphChange.Ref? {
        guard let ids else { return nil }
        if context.dataType(ids) == .int32 { return .existing(ids) }
        return change.node(
          "Cast", [.existing(ids)], [NamedAttribute("to", .int(Int64(DataType.int32.rawValue)))], covers: [])
      }
      func bias() throws -> GraphChange.Ref {
        if let bias = node.input(2) { return try Microsoft.row(bias, context, &change) }
        let width = shape[2].value ?? 0
        return change.constant(try Tensor.of([Float](repeating: 0, count: width), .float, shape: [width]))
      }
      var inputs: [GraphChange.Ref?] = [
        whole(ids), whole(segment.flatMap { terms[$0].ids }), .existing(terms[word].table),
        try table(terms[place], context, &change), segment.map { .existing(terms[$0].table) },
        try Microsoft.row(scale, context, &change), try bias(), nil, whole(terms[place].ids),
      ]
      while case .some(.none) = inputs.last { inputs.removeLast() }
      let epsilon = try AttributeReader(node).float("epsilon", default: 1e-5)
      let isReadAgain = !graph.hasSingleUse(sum)
      // ONNX Runtime wants the second output, the masks' lengths, whether or not anything reads it.
      let made = change.nodes(
        "EmbedLayerNormalization", domain: Microsoft.domain, inputs, [NamedAttribute("epsilon", .float(epsilon))],
        present: isReadAgain ? [true, true, true] : [true, true], name: node.name)
      if let result = made[0] { change.replace(output, with: result) }
      if isReadAgain, let total = made[2] { change.replace(sum, with: total) }
      return change
    }

    /// What `sum` is the sum of, and the Adds; nil where it is none.
    private func summands(_ sum: ValueID, of id: NodeID, _ context: PassContext) -> (values: [ValueID], adds: [NodeID])?
    {
      let graph = context.graph
      func sides(_ value: ValueID) -> (NodeID, [ValueID])? {
        guard let add = graph.producer(value), graph[add].is("Add"), graph[add].region == graph[id].region,
          let a = graph[add].input(0), let b = graph[add].input(1)
        else { return nil }
        return (add, [a, b])
      }
      guard let (outer, operands) = sides(sum) else { return nil }
      for (index, operand) in operands.enumerated() where graph.hasSingleUse(operand) {
        guard let (inner, parts) = sides(operand) else { continue }
        return (index == 0 ? parts + [operands[1]] : [operands[0]] + parts, [inner, outer])
      }
      return (operands, [outer])
    }

    /// The Gather of rows of a constant table that makes `value`.
    private func lookup(_ value: ValueID, _ context: PassContext) -> NodeID? {
      let graph = context.graph
      guard let node = graph.producer(value), graph[node].is("Gather"), graph.constant(graph[node].input(0))?.rank == 2,
        (try? AttributeReader(graph[node]).int("axis", default: 0)) == 0
      else { return nil }
      return node
    }

    private func term(_ value: ValueID, _ shape: [Dim], at id: NodeID, _ context: PassContext) throws -> Term {
      let graph = context.graph
      if let node = lookup(value, context), let table = graph[node].input(0), let ids = graph[node].input(1),
        let places = context.shape(ids)
      {
        guard graph.hasSingleUse(value) else { throw Refusal("an embedding is also read elsewhere", at: node) }
        if let isPlain = prefix(ids, length: shape[1], context) {
          return Term(table: table, ids: isPlain ? nil : ids, node: node, isShared: true)
        }
        guard places.count == 2, places[1] == shape[1], places[0] == shape[0] || places[0] == 1 else {
          throw Refusal("the indices of an embedding have another shape than [batch, length]", at: node)
        }
        return Term(table: table, ids: ids, node: node, isShared: places[0] != shape[0])
      }
      guard let rows = graph.constant(value), rows.rank == 2 || rows.rank == 3 && rows.shape[0] == 1,
        Dim(rows.shape[rows.rank - 2]) == shape[1], Dim(rows.shape[rows.rank - 1]) == shape[2]
      else { throw Refusal("\(graph[value].name) is no embedding", at: id) }
      return Term(table: value, ids: nil, node: nil, isShared: true)
    }

    /// For the first `length` columns of a constant [1, n]: whether they count 0, 1, 2, ...; nil for anything else.
    private func prefix(_ ids: ValueID, length: Dim, _ context: PassContext) -> Bool? {
      let graph = context.graph
      guard let slice = graph.producer(ids), graph[slice].is("Slice"), let row = graph.constant(graph[slice].input(0)),
        row.rank == 2, row.shape[0] == 1, row.shape[1] > 1, context.uniform(graph[slice].input(1)) == 0,
        let end = graph[slice].input(2), context.facts(end).symbols == [length],
        let axis = context.uniform(graph[slice].input(3)), axis == 1 || axis == -1,
        graph[slice].input(4) == nil || context.uniform(graph[slice].input(4)) == 1, let numbers = try? row.ints()
      else { return nil }
      return numbers == Array(0..<numbers.count)
    }

    private func table(_ term: Term, _ context: PassContext, _ change: inout GraphChange) throws -> GraphChange.Ref {
      guard term.ids == nil, let rows = context.graph.constant(term.table), rows.rank == 3 else {
        return .existing(term.table)
      }
      return change.constant(try rows.reshaped(Array(rows.shape.dropFirst())))
    }
  }
}
