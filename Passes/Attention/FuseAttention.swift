import GraphIR
import Operators
import PassKit
import Tensors

/// The core softmax(Q K^T * scale + bias) V becomes one Attention (opset 23).
///
/// Scale as Mul or Div by constants on the product, on Q, on K, or its root on both; bias as Add or Where; a cast around the
/// softmax; an IsNaN guard behind it. Q, K, V of rank 4 (batch, heads, length, size) or 3 (batch * heads, length, size).
///
/// Fully masked rows: a bias of finfo.min gives mean(V) before and after. Where every score of a row is -inf, the decomposed
/// form gives NaN and Attention 0; with an IsNaN guard both give 0.
public enum FuseAttention {
  public static let pass = RewritePass(
    "FuseAttention", level: 2, summary: "recognises softmax(QK)V as Attention", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "Attention"
    let anchors: Set<OperatorName> = [OperatorName("Softmax")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      guard let found = try Core(softmax: id, context) else { return nil }
      guard context.mayEmit(opset: 23) else {
        throw Refusal("Attention needs opset 23, the output is limited to \(context.options.opsetCeiling)")
      }
      return try found.change(name, context)
    }
  }

  /// What stands around one Softmax.
  struct Core {
    var covers: [NodeID]
    var query: ValueID
    var key: ValueID
    var value: ValueID
    var result: ValueID
    var scale = 1.0
    var biases: [Bias] = []
    let rank: Int
    let type: DataType

    enum Bias {
      case added(ValueID)
      /// Where(condition, fill, scores) or Where(condition, scores, fill).
      case filled(condition: ValueID, fill: ValueID, whenTrue: Bool)
    }

    /// nil where the Softmax has nothing of attention (no product on either side). Throws where it has, but something hinders.
    init?(softmax id: NodeID, _ context: PassContext) throws {
      let graph = context.graph
      let node = graph[id]
      guard let probabilities = node.output(0), let scores = node.input(0) else { return nil }
      // Behind: [Cast] [guard] MatMul with the probabilities on the left.
      var covers = [id]
      var current = probabilities
      var behind: NodeID?
      for _ in 0..<4 {
        let readers = graph.consumers(current)
        if readers.count == 1,
          graph[readers[0]].is("Cast") || graph[readers[0]].is("Dropout") || graph[readers[0]].is("Identity"),
          graph.hasSingleUse(current), let next = graph[readers[0]].output(0)
        {
          covers.append(readers[0])
          current = next
        } else if let (nodes, next) = Core.nanGuard(current, readers, context) {
          covers += nodes
          current = next
        } else {
          behind = readers.first { graph[$0].is("MatMul") && graph[$0].input(0) == current }
          break
        }
      }
      guard let product = behind, let value = graph[product].input(1), let result = graph[product].output(0) else {
        return nil
      }
      // In front: [Cast], biases, scales, MatMul.
      var front = scores
      var scale = 1.0
      var biases: [Bias] = []
      var inner: NodeID?
      var blocked: NodeID?
      search: for _ in 0..<8 {
        guard let producer = graph.producer(front) else { break }
        let step = graph[producer]
        switch step.type {
        case "MatMul":
          inner = producer
          break search
        case "Cast", "Identity":
          guard let next = step.input(0) else { break search }
          covers.append(producer)
          front = next
        case "Mul", "Div":
          guard let (next, factor) = Core.scaled(producer, context) else { blocked = producer; break search }
          covers.append(producer)
          scale *= factor
          front = next
        case "Add":
          guard let a = step.input(0), let b = step.input(1) else { break search }
          guard let (next, other) = Core.split(a, b, context) else { blocked = producer; break search }
          covers.append(producer)
          // A bias in front of a scale is scaled with it.
          if scale != 1 { throw Refusal("the bias is added before the scale", at: producer) }
          biases.append(.added(other))
          front = next
        case "Where":
          guard let condition = step.input(0), let a = step.input(1), let b = step.input(2) else { break search }
          if scale != 1 { throw Refusal("the mask is applied before the scale", at: producer) }
          covers.append(producer)
          if Core.leadsToProduct(a, context), context.uniform(b) != nil {
            biases.append(.filled(condition: condition, fill: b, whenTrue: false))
            front = a
          } else if Core.leadsToProduct(b, context), context.uniform(a) != nil {
            biases.append(.filled(condition: condition, fill: a, whenTrue: true))
            front = b
          } else {
            throw Refusal("a Where mixes the scores with a computed value", at: producer)
          }
        default:
          blocked = producer
          break search
        }
      }
      guard let inner else {
        if let blocked { throw Refusal("\(graph[blocked].operatorName) stands between QK and Softmax", at: blocked) }
        return nil
      }
      guard var query = graph[inner].input(0), var transposedKey = graph[inner].input(1) else { return nil }
      guard let rank = context.rank(query), rank == 4 || rank == 3, context.rank(transposedKey) == rank,
        context.rank(value) == rank
      else {
        throw Refusal("Q, K and V are not all of rank 4 or all of rank 3", at: inner)
      }
      let axis = try AttributeReader(node).int("axis", default: -1)
      guard axis == -1 || axis == rank - 1 else {
        throw Refusal("Softmax runs over axis \(axis), not the last", at: id)
      }
      guard let type = context.dataType(query), [.float, .float16, .bfloat16, .double].contains(type),
        context.dataType(value) == type
      else { throw Refusal("Q, K and V are not of one floating-point type", at: inner) }
      covers += [inner, product]
      for _ in 0..<3 {
        if let producer = graph.producer(query), let (next, factor) = Core.scaled(producer, context),
          context.rank(next) == rank
        {
          scale *= factor
          query = next
          covers.append(producer)
        }
        if let producer = graph.producer(transposedKey), let (next, factor) = Core.scaled(producer, context),
          context.rank(next) == rank
        {
          scale *= factor
          transposedKey = next
          covers.append(producer)
        }
      }
      self.covers = covers
      self.query = query
      key = transposedKey
      self.value = value
      self.result = result
      self.scale = scale
      self.biases = biases
      self.rank = rank
      self.type = type
    }

    /// x of `x * c` or `x / c`, and the factor.
    static func scaled(_ id: NodeID, _ context: PassContext) -> (ValueID, Double)? {
      let node = context.graph[id]
      guard node.domain.isEmpty, let a = node.input(0), let b = node.input(1) else { return nil }
      switch node.type {
      case "Mul":
        if let factor = context.uniform(b), (context.constant(b)?.count ?? 0) == 1 { return (a, factor) }
        if let factor = context.uniform(a), (context.constant(a)?.count ?? 0) == 1 { return (b, factor) }
      case "Div":
        if let factor = context.uniform(b), (context.constant(b)?.count ?? 0) == 1, factor != 0 {
          return (a, 1 / factor)
        }
      default: break
      }
      return nil
    }

    /// (scores, bias) of an Add's operands.
    static func split(_ a: ValueID, _ b: ValueID, _ context: PassContext) -> (ValueID, ValueID)? {
      if leadsToProduct(a, context) { return (a, b) }
      if leadsToProduct(b, context) { return (b, a) }
      return nil
    }

    /// True where a few scales, biases and casts back there is a MatMul.
    static func leadsToProduct(_ value: ValueID, _ context: PassContext, depth: Int = 0) -> Bool {
      guard depth < 6, let producer = context.graph.producer(value) else { return false }
      let node = context.graph[producer]
      switch node.type {
      case "MatMul": return true
      case "Mul", "Div", "Add", "Cast", "Where":
        return node.inputs.contains {
          $0.map { context.uniform($0) == nil && leadsToProduct($0, context, depth: depth + 1) } ?? false
        }
      default: return false
      }
    }

    /// `Where(IsNaN(p), 0, p)`.
    static func nanGuard(_ value: ValueID, _ readers: [NodeID], _ context: PassContext) -> ([NodeID], ValueID)? {
      let graph = context.graph
      guard readers.count == 2, !graph.isRegionOutput(value),
        let test = readers.first(where: { graph[$0].is("IsNaN") }),
        let choice = readers.first(where: { graph[$0].is("Where") }), let flag = graph[test].output(0),
        graph.hasSingleUse(flag),
        graph[choice].input(0) == flag, graph[choice].input(2) == value, context.uniform(graph[choice].input(1)) == 0,
        let output = graph[choice].output(0)
      else { return nil }
      return ([test, choice], output)
    }

    func change(_ rule: String, _ context: PassContext) throws -> GraphChange {
      var change = GraphChange(rule: rule, covers: covers, isFusion: true)
      let inside = Set(covers)
      guard let first = covers.first, covers.allSatisfy({ context.graph[$0].region == context.graph[first].region })
      else { return change }
      guard context.rank(result) == rank else {
        throw Refusal(
          "the result has rank \(context.rank(result).map { "\($0)" } ?? "unknown"), Q has rank \(rank)",
          at: context.graph.producer(result))
      }
      for id in covers where context.graph[id].output(0) != result {
        for case .some(let output) in context.graph[id].outputs {
          // Scales of Q and K may serve several heads; what the softmax is made of may not.
          let isOperand = ["Mul", "Div"].contains(context.graph[id].type)
          for reader in context.graph.consumers(output) where !inside.contains(reader) && !isOperand {
            throw Refusal(
              "the value \(context.graph[output].name) inside the attention is also read elsewhere", at: reader)
          }
          if context.graph.isRegionOutput(output) {
            throw Refusal(
              "the value \(context.graph[output].name) inside the attention is an output of the graph", at: id)
          }
        }
      }
      let isFlat = rank == 3
      func four(_ ref: GraphChange.Ref) throws -> GraphChange.Ref {
        isFlat ? change.node("Unsqueeze", [ref, change.constant(try .ints([1]))]) : ref
      }
      let bias = try self.bias(context, &change)
      let permutation = isFlat ? [0, 2, 1] : [0, 1, 3, 2]
      let keyRef = change.node(
        "Transpose", [.existing(key)], [NamedAttribute("perm", .ints(permutation.map(Int64.init)))], covers: [])
      var inputs: [GraphChange.Ref?] = [try four(.existing(query)), try four(keyRef), try four(.existing(value))]
      if let bias { inputs.append(bias) }
      let output = change.node("Attention", inputs, [NamedAttribute("scale", .float(Float(scale)))])
      change.replace(
        result, with: isFlat ? change.node("Squeeze", [output, change.constant(try .ints([1]))], covers: []) : output)
      return change
    }

    /// All biases as one float tensor of rank 2 to 4 whose last dimension is the number of keys.
    private func bias(_ context: PassContext, _ change: inout GraphChange) throws -> GraphChange.Ref? {
      guard let keys = context.shape(key)?.last else { return nil }
      var sum: GraphChange.Ref?
      for bias in biases {
        let shape: [Dim]?
        var term: GraphChange.Ref
        switch bias {
        case .added(let value):
          shape = context.shape(value)
          term = .existing(value)
          guard context.dataType(value) == type else {
            throw Refusal(
              "the bias is \(context.dataType(value)?.name ?? "of unknown type")", at: context.graph.producer(value))
          }
        case .filled(let condition, let fill, let whenTrue):
          shape = context.shape(condition)
          guard let number = context.uniform(fill), number <= -1e30 || context.options.assumesNoEmptyRows else {
            throw Refusal(
              "masked scores are set to \(context.uniform(fill) ?? 0): a row without allowed key would differ",
              at: context.graph.producer(condition))
          }
          let zero = change.constant(try .scalar(0.0, type))
          let low = change.constant(try .scalar(number, type))
          term = change.node("Where", [.existing(condition), whenTrue ? low : zero, whenTrue ? zero : low], covers: [])
        }
        guard let shape else { throw Refusal("the rank of the bias is not known") }
        guard shape.count <= rank else { throw Refusal("the bias has rank \(shape.count)") }
        guard shape.last == keys else {
          throw Refusal("the bias has \(shape.last?.description ?? "no") columns, there are \(keys) keys")
        }
        let scores = Array((context.shape(query) ?? []).dropLast()) + [keys]
        guard zip(shape.reversed(), scores.reversed()).allSatisfy({ $0 == 1 || $0 == $1 || !($0.isKnown || $1 == 1) })
        else {
          throw Refusal("the bias has more rows than the scores")
        }
        if rank == 3 {
          if shape.count == 3 { term = change.node("Unsqueeze", [term, change.constant(try .ints([1]))], covers: []) }
        }
        if shape.count == 1 { term = change.node("Unsqueeze", [term, change.constant(try .ints([0]))], covers: []) }
        sum = sum.map { change.node("Add", [$0, term], covers: []) } ?? term
      }
      return sum
    }
  }
}
