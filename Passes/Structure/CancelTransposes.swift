import GraphIR
import Operators
import PassKit
import Tensors

/// Computes between Transposes in the layout in front of them, where that takes fewer Transposes.
///
/// Before: `a = Transpose<perm=[0,2,3,1]>(x)  b = Relu(Add(a, c))  y = Transpose<perm=[0,3,1,2]>(b)`.
/// After: `y = Relu(Add(x, c'))`, c' the constant transposed likewise. What lies between is computed element by element, or along an axis
/// (Concat, Split, Softmax, reductions that keep their axes). Other values that go in or come out get a Transpose; the change
/// is made where at least one less is left.
public enum CancelTransposes {
  public static let pass = RewritePass(
    "CancelTransposes", level: 1, summary: "moves Transposes over element-wise operators until they cancel",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "CancelTransposes"
    let anchors: Set<OperatorName> = [OperatorName("Transpose")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      guard let start = context.graph[id].output(0), let permutation = try Movement.permutation(id, context),
        permutation != Array(0..<permutation.count),
        context.graph.consumers(start).contains(where: { Transparency.isKnown(context.graph[$0]) })
      else { return nil }
      guard let area = try TransposedArea(entry: id, permutation, context), area.gain > 0 else { return nil }
      return try area.change(name, context)
    }
  }
}

/// Which operators compute the same in another order of axes.
private enum Transparency {
  static let elementwise: Set<String> = [
    "Abs", "Add", "And", "Cast", "Ceil", "Celu", "Clip", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu",
    "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "IsNaN", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max",
    "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu",
    "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Where",
    "Xor",
  ]
  /// With an attribute `axis`.
  static let along: Set<String> = ["Concat", "LogSoftmax", "Softmax", "Split"]
  /// With constant axes as second input.
  static let reductions: Set<String> = [
    "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare",
  ]

  static func isKnown(_ node: Node) -> Bool {
    node.domain.isEmpty
      && (elementwise.contains(node.type) || along.contains(node.type) || reductions.contains(node.type))
  }

  /// True where the node's tensors of rank `rank` can all change their order of axes.
  static func holds(_ id: NodeID, rank: Int, _ context: PassContext) throws -> Bool {
    let node = context.graph[id]
    guard isKnown(node), node.outputs.allSatisfy({ $0 == nil || context.rank($0) == rank }) else { return false }
    if reductions.contains(node.type) {
      guard context.rank(node.input(0)) == rank, context.constant(node.input(1)) != nil,
        try AttributeReader(node).int("keepdims", default: 1) == 1
      else { return false }
      return true
    }
    return operands(node).allSatisfy { value in
      guard let constant = context.constant(value) else {
        return context.rank(value) == rank || context.rank(value) == 0
      }
      // A constant that others read, too, would stand in the file twice.
      return constant.rank <= rank && constant.dataType != .string && constant.dataType.bitWidth % 8 == 0
        && (constant.byteCount <= 1024 || context.graph.hasSingleUse(value))
    }
  }

  /// The inputs whose axes are the result's.
  static func operands(_ node: Node) -> [ValueID] {
    if along.contains(node.type) && node.type != "Concat" || reductions.contains(node.type) {
      return node.inputs.prefix(1).compactMap { $0 }
    }
    return node.inputs.compactMap { $0 }
  }
}

/// Nodes between Transposes that can all be computed in the order of axes in front of them.
private struct TransposedArea {
  /// Most nodes that one change moves.
  static let most = 256

  let permutation: [Int]
  let inverse: [Int]
  private(set) var members: [NodeID] = []
  private var isMember: Set<NodeID> = []
  /// Transposes that make values of the area, and others that do not come out of one.
  private var entries: Set<NodeID> = []
  private var incoming: Set<ValueID> = []
  /// Transposes that read values of the area, and values that something else reads.
  private var exits: Set<NodeID> = []
  private var outgoing: Set<ValueID> = []
  private let region: RegionID
  /// How many Transposes fewer there are afterwards, at least.
  private(set) var gain = 0

  /// nil where the area grows too large.
  init?(entry: NodeID, _ permutation: [Int], _ context: PassContext) throws {
    self.permutation = permutation
    var inverse = permutation
    for (index, axis) in permutation.enumerated() { inverse[axis] = index }
    self.inverse = inverse
    let graph = context.graph
    region = graph[entry].region
    guard let start = graph[entry].output(0) else { return nil }
    var work = graph.consumers(start)
    while let id = work.popLast() {
      guard !isMember.contains(id), graph[id].region == region,
        try Transparency.holds(id, rank: permutation.count, context)
      else { continue }
      guard isMember.count < Self.most else { return nil }
      isMember.insert(id)
      members.append(id)
      for value in Transparency.operands(graph[id]) where context.rank(value) == permutation.count {
        if let producer = graph.producer(value) { work.append(producer) }
      }
      for output in graph[id].outputs.compactMap({ $0 }) { work += graph.consumers(output) }
    }
    members.sort()
    try border(context)
    try count(context)
  }

  private mutating func border(_ context: PassContext) throws {
    let graph = context.graph
    for id in members {
      for value in Transparency.operands(graph[id])
      where context.constant(value) == nil && context.rank(value) == permutation.count {
        guard let producer = graph.producer(value) else {
          incoming.insert(value)
          continue
        }
        if isMember.contains(producer) { continue }
        if try isTranspose(producer, context) { entries.insert(producer) } else { incoming.insert(value) }
      }
      for output in graph[id].outputs.compactMap({ $0 }) {
        if graph.isRegionOutput(output) { outgoing.insert(output) }
        for reader in graph.consumers(output) where !isMember.contains(reader) {
          if try isTranspose(reader, context) { exits.insert(reader) } else { outgoing.insert(output) }
        }
      }
    }
  }

  private func isTranspose(_ id: NodeID, _ context: PassContext) throws -> Bool {
    guard context.graph[id].region == region else { return false }
    return try Movement.permutation(id, context) != nil
  }

  private mutating func count(_ context: PassContext) throws {
    let graph = context.graph
    var removed = 0
    var added = incoming.count + outgoing.count
    for entry in entries {
      guard let output = graph[entry].output(0) else { continue }
      // One that others read, too, stays.
      let dies = !graph.isRegionOutput(output) && graph.consumers(output).allSatisfy { isMember.contains($0) }
      if dies { removed += 1 }
      if try Movement.permutation(entry, context) != permutation { added += 1 }
    }
    for exit in exits {
      removed += 1
      if try Movement.permutation(exit, context) != inverse { added += 1 }
    }
    gain = removed - added
  }

  func change(_ rule: String, _ context: PassContext) throws -> GraphChange? {
    let graph = context.graph
    var change = GraphChange(rule: rule, covers: entries.sorted() + members + exits.sorted(), region: region)
    var made: [ValueID: GraphChange.Ref] = [:]
    func transposed(_ ref: GraphChange.Ref, by order: [Int], covers: [NodeID] = []) -> GraphChange.Ref {
      change.node(
        "Transpose", [ref], [NamedAttribute("perm", .ints(order.map { Int64($0) }))], covers: covers)
    }
    for entry in entries.sorted() {
      guard let value = graph[entry].output(0), let source = graph[entry].input(0),
        let order = try Movement.permutation(entry, context)
      else { return nil }
      made[value] =
        order == permutation
        ? .existing(source) : transposed(.existing(source), by: inverse.map { order[$0] })
    }
    for value in incoming.sorted() { made[value] = transposed(.existing(value), by: inverse) }
    func operand(_ value: ValueID, of node: Node) throws -> GraphChange.Ref {
      if let ref = made[value] { return ref }
      guard let tensor = context.constant(value), tensor.rank > 0,
        tensor.count > 1 || Transparency.along.contains(node.type)
      else { return .existing(value) }
      let shape = [Int](repeating: 1, count: permutation.count - tensor.rank) + tensor.shape
      let ref = change.constant(try Movement.transposed(tensor.reshaped(shape), by: inverse))
      made[value] = ref
      return ref
    }
    for id in ordered(context) {
      let node = graph[id]
      let owned = Set(Transparency.operands(node))
      var inputs = try node.inputs.map { input in
        try input.map { owned.contains($0) ? try operand($0, of: node) : .existing($0) }
      }
      var attributes = node.attributes
      func moved(_ axis: Int) -> Int? {
        let normal = axis < 0 ? axis + permutation.count : axis
        return permutation.indices.contains(normal) ? permutation[normal] : nil
      }
      if Transparency.along.contains(node.type) {
        let fallback = node.type == "Split" ? 0 : -1
        guard let axis = moved(try AttributeReader(node).int("axis", default: fallback)) else { return nil }
        attributes.removeAll { $0.name == "axis" }
        attributes.append(NamedAttribute("axis", .int(Int64(axis))))
      } else if Transparency.reductions.contains(node.type) {
        guard let axes = try context.constant(node.input(1))?.ints() else { return nil }
        let places = axes.compactMap(moved)
        guard places.count == axes.count else { return nil }
        if !axes.isEmpty { inputs[1] = change.constant(try .ints(places.sorted())) }
      }
      let results = change.nodes(
        node.type, inputs, attributes, present: node.outputs.map { $0 != nil }, name: node.name, covers: [id])
      for (output, result) in zip(node.outputs, results) {
        if let output, let result { made[output] = result }
      }
    }
    for exit in exits.sorted() {
      guard let value = graph[exit].input(0), let output = graph[exit].output(0), let ref = made[value],
        let order = try Movement.permutation(exit, context)
      else { return nil }
      change.replace(
        output,
        with: order == inverse ? ref : transposed(ref, by: order.map { permutation[$0] }, covers: [exit]))
    }
    for value in outgoing.sorted() {
      guard let ref = made[value] else { return nil }
      change.replace(value, with: transposed(ref, by: permutation))
    }
    return change
  }

  /// The members, producers first.
  private func ordered(_ context: PassContext) -> [NodeID] {
    let graph = context.graph
    var result: [NodeID] = []
    var done: Set<NodeID> = []
    var work = members.reversed().map { (id: $0, isOpen: false) }
    while let (id, isOpen) = work.popLast() {
      if done.contains(id) { continue }
      if isOpen {
        done.insert(id)
        result.append(id)
        continue
      }
      work.append((id, true))
      for value in graph[id].inputs.compactMap({ $0 }) {
        if let producer = graph.producer(value), isMember.contains(producer), !done.contains(producer) {
          work.append((producer, false))
        }
      }
    }
    return result
  }
}
