public import GraphIR
public import Operators
public import Tensors

/// A pass's view of the model while it runs: the graph to read, what is known of each value, and the way to hand over changes.
public final class PassContext {
  public private(set) var graph: Graph
  public let functions: [Function]
  public let options: OptimizationOptions
  /// The model's declared opset of the standard domain.
  public let sourceOpset: Int
  private let inference: ShapeInference
  /// The facts are asked for by few passes of a stage, and by none where nothing matches.
  private(set) var isInferred = false
  /// The operators of `graph`; nil after an edit.
  private var operators: Set<OperatorName>?
  /// False once inference has met a node that breaks its operator's rules.
  public private(set) var isSound = true

  public internal(set) var applied: [AppliedRecord] = []
  public private(set) var nearMisses: [NearMiss] = []
  private var refused: Set<RefusalKey> = []
  /// Why the graph is no longer right: a change was made and turned out wrong. The pass is rolled back whatever it does.
  private(set) var damage: CameoError?
  /// Asked about each change after it has been made.
  var auditor: (any ChangeAuditor)?
  /// Most changes of one pass: no pass that comes to an end changes each node so often.
  private var changeLimit = Int.max

  private struct RefusalKey: Hashable {
    let rule: String
    let node: NodeID
  }

  /// A change that was made.
  public struct AppliedRecord: Sendable {
    public let rule: String
    public let isFusion: Bool
    public let added: [NodeID]
    public let before: [SubgraphNode]
    /// Results of covered nodes that are gone.
    let consumed: [Int32]
  }

  /// `checksSignatures` false: every node has been held against its operator's signature before.
  public init(
    graph: Graph, functions: [Function], options: OptimizationOptions, sourceOpset: Int, checksSignatures: Bool = true
  ) {
    self.graph = graph
    self.functions = functions
    self.options = options
    self.sourceOpset = sourceOpset
    var settings = ShapeInference.Options()
    settings.isLenient = true
    settings.bindings = options.bindings
    settings.checksSignatures = checksSignatures
    inference = ShapeInference(graph, functions: functions, options: settings)
  }

  /// Infers the graph when facts are first asked for, or before the first edit.
  private func infer() {
    if isInferred { return }
    isInferred = true
    // A lenient inference lists problems; whatever else it may throw is the pass's that asked.
    do { try inference.run() } catch {
      damage = damage ?? (error as? CameoError) ?? CameoError(.invariant, "\(error)")
    }
    isSound = inference.problems.isEmpty
  }

  /// The operators that the graph has, bodies included.
  public var presentOperators: Set<OperatorName> {
    if let operators { return operators }
    var found: Set<OperatorName> = []
    for id in graph.allNodes { found.insert(graph[id].operatorName) }
    operators = found
    return found
  }

  /// Forgets what the last pass did; what is known of values stays.
  func beginPass() {
    applied = []
    nearMisses = []
    refused = []
    damage = nil
    let nodes = functions.reduce(graph.nodeCount) { $0 + $1.body.nodeCount }
    changeLimit = min(options.maximumChanges, 10_000 + 100 * nodes)
  }

  /// Lets go of the graph, so that its new owner edits it in place.
  func discard() {
    inference.release()
    graph = Graph()
    operators = nil
  }

  /// Puts the order of nodes right and checks the graph after a pass.
  func settle() throws {
    infer()
    operators = nil
    inference.release()
    defer { inference.extend(to: graph, inferring: [], then: []) }
    graph.removeUnreadConstants()
    try graph.sortTopologically()
    try graph.verify()
  }

  /// What is known of `value`.
  public func facts(_ value: ValueID) -> ValueFacts {
    infer()
    return inference[value]
  }
  public func shape(_ value: ValueID?) -> [Dim]? { value.flatMap { facts($0).shape } }
  public func dataType(_ value: ValueID?) -> DataType? { value.flatMap { facts($0).dataType } }
  public func rank(_ value: ValueID?) -> Int? { shape(value)?.count }

  /// The tensor that `value` always is: an initializer, or folded shape arithmetic.
  public func constant(_ value: ValueID?) -> Tensor? {
    guard let value else { return nil }
    return graph.constant(value) ?? facts(value).tensor
  }

  /// The one number that every element of a constant is.
  public func uniform(_ value: ValueID?) -> Double? {
    guard let tensor = constant(value), tensor.count >= 1, tensor.dataType != .string, !tensor.dataType.isComplex else {
      return nil
    }
    if tensor.count == 1 { return try? tensor.scalar(as: Double.self) }
    guard tensor.count <= 1 << 20, let view = try? ElementView<Double>(tensor) else { return nil }
    let first = view[0]
    for index in 1..<view.count where view[index] != first { return nil }
    return first
  }

  /// True where both have equal, known or symbolic, dimensions.
  public func haveSameShape(_ a: ValueID, _ b: ValueID) -> Bool {
    guard let x = shape(a), let y = shape(b) else { return false }
    return x == y
  }

  /// True where operators of that since-version may be emitted.
  public func mayEmit(opset: Int) -> Bool { opset <= emittableOpset }

  /// The newest since-version that may be emitted.
  public var emittableOpset: Int { max(options.opsetCeiling, options.maximumOpset == nil ? sourceOpset : 0) }

  /// Makes the change. Returns what was added, removed and touched.
  @discardableResult
  public func apply(_ change: GraphChange) throws -> AppliedChange {
    guard !change.isEmpty else { return AppliedChange() }
    guard applied.count < changeLimit else {
      throw CameoError(.limit, "more than \(changeLimit) changes: the pass does not come to an end")
    }
    try graph.check(change)
    let before = change.isFusion ? describe(change.covers) : []
    let covered = change.isFusion ? change.covers.flatMap { graph[$0].outputs.compactMap { $0 } } : []
    infer()
    let known = Dictionary(change.replacements.map { ($0.old, inference[$0.old]) }, uniquingKeysWith: { a, _ in a })
    operators = nil
    inference.release()
    let result = graph.apply(change)
    inference.extend(to: graph, inferring: result.added, then: result.touched)
    do {
      try auditor?.check(
        graph, rule: change.rule, result, edited: change.inputEdits.map(\.node) + change.attributeEdits.map(\.node))
    } catch {
      let located = ((error as? CameoError) ?? CameoError(.invariant, "\(error)")).within("rule \(change.rule)")
      damage = located
      throw located
    }
    for (old, new) in result.replaced {
      guard let before = known[old], let reason = before.contradiction(of: inference[new]) else { continue }
      let error = CameoError(
        .invariant, "\(graph[new].name) takes the place of a value of another kind: \(reason)"
      ).within("rule \(change.rule)")
      damage = error
      throw error
    }
    // A program takes what no other form has taken: what hindered the others is still of interest.
    let isProgram = result.added.contains { FusedElementwise.is(graph[$0]) }
    applied.append(
      AppliedRecord(
        rule: change.rule, isFusion: change.isFusion, added: result.added, before: before,
        consumed: isProgram ? [] : covered.filter { !graph[$0].isAlive }.map(\.index)))
    return result
  }

  /// Records that `rule` almost applied at `node`. Once per rule and node.
  public func refuse(_ rule: String, at node: NodeID, _ refusal: Refusal) {
    guard refused.insert(RefusalKey(rule: rule, node: node)).inserted else { return }
    func result(_ id: NodeID) -> Int32 { graph[id].outputs.lazy.compactMap { $0 }.first?.index ?? -1 }
    nearMisses.append(
      NearMiss(
        rule: rule, node: graph.describe(node), reason: refusal.reason,
        obstacle: refusal.node.flatMap { graph[$0].isAlive ? graph.describe($0) : nil },
        origins: graph[node].origins.indices.map { Int($0) }, place: result(node), key: result(refusal.key ?? node),
        reach: refusal.reach))
  }

  /// Edits the graph by its primitives, for passes that renumber nothing and only tidy (sorting, names).
  func editGraph(_ body: (inout Graph) throws -> Void) rethrows {
    infer()
    operators = nil
    inference.release()
    defer { inference.extend(to: graph, inferring: [], then: []) }
    try body(&graph)
  }

  /// How the covered nodes looked, for the report's little pictures.
  func describe(_ nodes: [NodeID]) -> [SubgraphNode] {
    nodes.sorted().prefix(48).map { id in
      let node = graph[id]
      var described = SubgraphNode(
        type: node.operatorName.description, name: node.name,
        inputs: node.inputs.map { input in
          guard let input else { return "" }
          if let tensor = graph.constant(input) {
            return tensor.count == 1 && tensor.dataType != .string
              ? ((try? tensor.scalar(as: Double.self)).map { "\($0)" } ?? "const") : "\(tensor)"
          }
          return graph[input].name
        },
        outputs: node.outputs.map { $0.map { graph[$0].name } ?? "" },
        attributes: node.attributes.compactMap(\.shortText), origins: node.origins.indices.map { Int($0) })
      described.constantInputs = node.inputs.indices.filter { graph.constant(node.inputs[$0]) != nil }
      return described
    }
  }
}

extension NamedAttribute {
  /// `axis=1`, where it is short enough for a picture.
  fileprivate var shortText: String? {
    switch value {
    case .int(let value): "\(name)=\(value)"
    case .float(let value): "\(name)=\(value)"
    case .string(let value) where value.utf8.count <= 32: "\(name)=\(value)"
    case .ints(let values) where values.count <= 8: "\(name)=\(values)"
    default: nil
    }
  }
}

extension ValueFacts {
  /// Why a value with the facts `other` cannot stand where this one stood; nil where nothing speaks against it.
  func contradiction(of other: ValueFacts) -> String? {
    if let a = dataType, let b = other.dataType, a != b { return "\(a) became \(b)" }
    guard let a = shape, let b = other.shape else { return nil }
    let differs = a.count != b.count || zip(a, b).contains { $0.isKnown && $1.isKnown && $0 != $1 }
    func text(_ shape: [Dim]) -> String { "[" + shape.map(\.description).joined(separator: ", ") + "]" }
    return differs ? "the shape \(text(a)) became \(text(b))" : nil
  }
}
