import GraphIR
import Operators
import PassKit
import Tensors

/// Reads past an Expand, Tile or ConstantOfShape where the reader broadcasts anyway and its result keeps its shape.
///
/// Before: `Add(Expand(b[1,C], {N,C}), x[N,C])`. After: `Add(b, x)`. Every axis that the Expand lengthens must be there, of that
/// length, in another operand of the reader; of a MatMul, batch axes only. A filled tensor becomes its number.
public enum DropBroadcasts {
  public static let pass = RewritePass(
    "DropBroadcasts", level: 1, summary: "reads past Expand and Tile where readers broadcast anyway", rules: [Rule()])

  static let broadcasting: Set<String> = [
    "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Sum", "Mean", "And", "Or", "Xor", "Equal", "Less",
    "Greater",
    "LessOrEqual", "GreaterOrEqual", "Where", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift", "MatMul",
  ]

  /// A value that stands for a broadcast one: the shapes of both, aligned at the right.
  struct Source {
    let shape: [Dim]
    let expanded: [Dim]
  }

  struct Rule: RewriteRule {
    let name = "DropBroadcasts"
    let anchors = Set(["Expand", "Tile", "ConstantOfShape"].map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0), let source = try source(id, context) else { return nil }
      let readers = graph[output].uses.compactMap { use -> (node: NodeID, index: Int)? in
        guard case .node(let reader, let index) = use, graph[reader].domain.isEmpty,
          DropBroadcasts.broadcasting.contains(graph[reader].type)
        else { return nil }
        return (reader, index)
      }
      if readers.isEmpty { return nil }
      var change = GraphChange(rule: name, covers: [id], region: graph[id].region)
      var obstacle: Refusal?
      var value: GraphChange.Ref?
      var changed: Set<NodeID> = []
      for reader in readers {
        // One operand at a time: two that lean on each other would both lose the shape.
        if changed.contains(reader.node) { continue }
        do {
          try check(reader, source, context)
          let ref = try value ?? replacement(id, &change, context)
          value = ref
          change.setInput(reader.index, of: reader.node, to: ref)
          changed.insert(reader.node)
        } catch let refusal as Refusal {
          obstacle = refusal
        }
      }
      if changed.isEmpty, let obstacle { throw obstacle }
      return changed.isEmpty ? nil : change
    }

    private func replacement(
      _ id: NodeID, _ change: inout GraphChange, _ context: PassContext
    ) throws -> GraphChange.Ref? {
      let node = context.graph[id]
      guard node.is("ConstantOfShape") else { return node.input(0).map { .existing($0) } }
      let number = try AttributeReader(node).tensor("value") ?? Tensor.scalar(Float(0), .float)
      return change.constant(try number.reshaped([]))
    }

    /// What may be read instead; nil where the lengths are not sure.
    private func source(_ id: NodeID, _ context: PassContext) throws -> Source? {
      let node = context.graph[id]
      switch node.type {
      case "ConstantOfShape":
        guard let asked = node.input(0).flatMap({ context.facts($0).symbols }) else { return nil }
        return Source(shape: [], expanded: asked)
      case "Tile":
        guard let own = context.shape(node.input(0)), let repeats = try context.constant(node.input(1))?.ints(),
          repeats.count == own.count
        else { return nil }
        guard zip(own, repeats).allSatisfy({ $1 == 1 || $0.value == 1 }) else {
          throw Refusal("the Tile repeats more than lengths of 1", at: id)
        }
        return Source(shape: own, expanded: zip(own, repeats).map { $1 == 1 ? $0 : Dim($1) })
      default:
        guard let own = context.shape(node.input(0)), let asked = node.input(1).flatMap({ context.facts($0).symbols })
        else { return nil }
        return try expanded(own, asked, id)
      }
    }

    /// An Expand's result. Inference takes two symbols as equal where one of them may be 1: here only what is sure counts.
    private func expanded(_ own: [Dim], _ asked: [Dim], _ id: NodeID) throws -> Source {
      let rank = max(own.count, asked.count)
      let result = try (0..<rank).map { axis -> Dim in
        let mine = axis - (rank - own.count)
        let other = axis - (rank - asked.count)
        if mine < 0 { return asked[other] }
        if other < 0 || asked[other] == 1 || asked[other] == own[mine] { return own[mine] }
        if own[mine] == 1 || asked[other].value != nil { return asked[other] }
        throw Refusal("whether \(own[mine]) or \(asked[other]) is the length of axis \(axis) is not known", at: id)
      }
      return Source(shape: own, expanded: result)
    }

    /// Throws where the reader's result would lose an axis or length.
    private func check(_ reader: (node: NodeID, index: Int), _ source: Source, _ context: PassContext) throws {
      let node = context.graph[reader.node]
      let others = try node.inputs.enumerated().compactMap { index, input -> [Dim]? in
        guard let input, index != reader.index else { return nil }
        guard let shape = context.shape(input) else {
          throw Refusal("the shape of another operand is not known", at: reader.node)
        }
        return shape
      }
      let rank = source.expanded.count
      let fixed = node.type == "MatMul" ? 2 : 0
      guard source.shape.count >= fixed, rank >= fixed else {
        throw Refusal("the matrix itself is broadcast", at: reader.node)
      }
      for axis in 0..<rank {
        let back = rank - axis
        let own = source.shape.count - back
        if own >= 0, source.shape[own] == source.expanded[axis] { continue }
        if back <= fixed { throw Refusal("the matrix itself is broadcast", at: reader.node) }
        let isHeld = others.contains { $0.count >= back && $0[$0.count - back] == source.expanded[axis] }
        if !isHeld {
          throw Refusal("no other operand has the length \(source.expanded[axis]) on axis \(axis)", at: reader.node)
        }
      }
    }
  }
}
