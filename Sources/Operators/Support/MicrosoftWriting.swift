public import GraphIR
public import Tensors

/// Writes a composed operator's nodes into a graph of their own: its function body for one call.
public struct WritingComposer: Composer {
  public struct Ref {
    fileprivate var value: ValueID
    fileprivate var facts: ValueFacts
  }

  /// What the body may be written with.
  public struct Vocabulary: Sendable {
    /// The newest opset of the standard whose operators may be used.
    public var opset = Int.max
    public var hasCameo = false
    public init() {}
  }

  public let node: Node
  private let vocabulary: Vocabulary
  private let inputs: [Ref?]
  private var inference: InferringComposer
  private var graph: Graph

  /// The body of a call, as `FunctionBody.graph` has it. nil where the operator is not composed. Throws `Undecided` where the
  /// composition hangs on what is not known of the inputs, `.unsupported` where the vocabulary lacks a word.
  public static func body(
    of node: Node, inputs: [ValueFacts?], vocabulary: Vocabulary = Vocabulary(), prefix: String = "body"
  ) throws -> Graph? {
    guard let op = OperatorRegistry[node.operatorName] as? any ComposedOperator else { return nil }
    var composer = WritingComposer(node, inputs, vocabulary, prefix)
    let results = try op.compose(&composer)
    return try composer.finish(results)
  }

  private init(_ node: Node, _ facts: [ValueFacts?], _ vocabulary: Vocabulary, _ prefix: String) {
    self.node = node
    self.vocabulary = vocabulary
    inference = InferringComposer(node, inputs: facts, prefix: prefix)
    var graph = Graph(name: node.type)
    var refs: [Ref?] = []
    for (index, input) in node.inputs.enumerated() {
      let known = (index < facts.count ? facts[index] : nil) ?? .unknown
      let value = graph.addValue(name: "input_\(index)", type: known.type)
      graph.addInput(value)
      refs.append(input == nil ? nil : Ref(value: value, facts: known))
    }
    inputs = refs
    self.graph = graph
  }

  public var mayEmitCameo: Bool { vocabulary.hasCameo }
  public func mayEmit(opset: Int) -> Bool { opset <= vocabulary.opset }
  public func input(_ index: Int) -> Ref? { index < inputs.count ? inputs[index] : nil }
  public func facts(_ ref: Ref) -> ValueFacts { ref.facts }

  public mutating func constant(_ tensor: Tensor) -> Ref {
    let value = graph.addConstant(tensor, name: graph.freshName("constant"))
    return Ref(value: value, facts: ValueFacts(constant: .tensor(tensor)))
  }

  public mutating func nodes(
    _ type: OperatorName, _ inputs: [Ref?], _ attributes: [NamedAttribute], outputs: Int
  ) throws -> [Ref] {
    if type.domain.isEmpty, let first = SchemaRegistry.versions(domain: "", name: type.name).first,
      !mayEmit(opset: first)
    {
      throw CameoError.unsupported("\(type) needs opset \(first), the output is limited to \(vocabulary.opset)")
    }
    let facts = try inference.nodes(type, inputs.map { $0?.facts }, attributes, outputs: outputs)
    let refs = facts.map { fact in
      Ref(value: graph.addValue(name: graph.freshName(type.name), type: fact.type), facts: fact)
    }
    graph.addNode(
      type, name: type.name, inputs: inputs.map { $0?.value }, outputs: refs.map(\.value), attributes: attributes)
    return refs
  }

  private mutating func finish(_ results: [Ref?]) throws -> Graph {
    var outputs: [ValueID] = []
    for (index, output) in node.outputs.enumerated() where output != nil {
      guard index < results.count, let result = results[index] else {
        throw CameoError.unsupported("output \(index) has no counterpart in the standard")
      }
      outputs.append(result.value)
    }
    graph.setOutputs(outputs)
    // What served to look at shapes only.
    for id in graph.allNodes.reversed() {
      let isRead = graph[id].outputs.contains { output in output.map { !graph[$0].uses.isEmpty } ?? false }
      if !isRead { graph.removeNode(id) }
    }
    graph.removeUnreadConstants()
    return graph
  }
}
