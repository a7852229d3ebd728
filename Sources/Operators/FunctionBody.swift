internal import CRegistry
public import GraphIR
public import Tensors

/// An operator said in other operators: the function body that the standard gives it, or ours where it gives none.
///
/// One file under `Bodies/` writes it as ONNX text over the newest dialect, for the very call at hand (its attributes, which
/// inputs are there, their types), and registers it:
///
///     private let body = FunctionBody("Softsign") { call in
///       try call.scalar("one", 1)
///       try call.write("absolute = Abs (input)  below = Add (one, absolute)  output = Div (input, below)")
///     }
///
///     @used @section("cameo_operators")
///     private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
///
/// Inputs and outputs have the names of the published signature; the file is named `<Operator>Body.swift`. Export to an opset that lacks the operator, the pass
/// ExpandOperators, and operators without evaluation of their own run through it.
public struct FunctionBody: Sendable {
  public let name: OperatorName
  private let write: @Sendable (inout CallBuilder) throws -> Void

  /// `write` throws `.unsupported` for a call that has no body.
  public init(
    _ name: String, domain: String = "", _ write: @escaping @Sendable (inout CallBuilder) throws -> Void
  ) {
    self.name = OperatorName(name, domain: domain)
    self.write = write
  }

  /// The body for one call: a graph whose inputs are the call's inputs by position (those left out are not read) and whose
  /// outputs are the call's, without those left out. nil where the operator has none. Throws `.unsupported` where this
  /// call has none.
  public static func graph(of node: Node, inputTypes: [ValueType?]) throws -> Graph? {
    guard let body = all[node.operatorName] else {
      do {
        return try WritingComposer.body(of: node, inputs: inputTypes.map { type in type.map { ValueFacts(type: $0) } })
      } catch let undecided as Undecided { throw CameoError.unsupported(undecided.description) }
    }
    var call = try CallBuilder(node, inputTypes)
    try body.write(&call)
    return try call.finish()
  }

  /// True for composed operators, too: their composition is their body.
  public static func exists(for name: OperatorName) -> Bool {
    all[name] != nil || OperatorRegistry[name] is any ComposedOperator
  }

  /// Every operator that has a body, sorted.
  public static var names: [OperatorName] { all.keys.sorted { ($0.domain, $0.name) < ($1.domain, $1.name) } }

  /// Called by registrations during the walk.
  public static func submit(_ body: FunctionBody, to context: UnsafeMutableRawPointer) {
    Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue().bodies.append(body)
  }

  private final class Collector { var bodies: [FunctionBody] = [] }

  private static let all: [OperatorName: FunctionBody] = {
    let collector = Collector()
    withExtendedLifetime(collector) { cameo_registry_walk(2, Unmanaged.passUnretained(collector).toOpaque()) }
    var table: [OperatorName: FunctionBody] = [:]
    for body in collector.bodies {
      precondition(table.updateValue(body, forKey: body.name) == nil, "\(body.name) has two function bodies")
    }
    return table
  }()
}

/// What the author of a function body sees of the call, and the body that grows.
public struct CallBuilder {
  public let node: Node
  public let attributes: AttributeReader
  private let types: [ValueType?]
  private let schema: OperatorSchema
  fileprivate var graph: Graph
  private var names: [String: ValueID] = [:]

  init(_ node: Node, _ types: [ValueType?]) throws {
    guard let schema = SchemaRegistry.newest(domain: node.domain, name: node.type) else {
      throw CameoError.unsupported("operator \(node.operatorName) has no signature")
    }
    self.node = node
    self.schema = schema
    self.types = types
    attributes = AttributeReader(node)
    graph = Graph(name: node.type)
    for index in node.inputs.indices {
      let formal = schema.input(at: index)?.name ?? "input"
      let name = names[formal] == nil ? formal : "\(formal)_\(index)"
      let value = graph.addValue(name: name, type: index < types.count ? types[index] : nil)
      graph.addInput(value)
      if node.inputs[index] != nil { names[name] = value }
    }
  }

  public func has(_ input: Int) -> Bool { node.input(input) != nil }
  public func hasOutput(_ output: Int) -> Bool { node.output(output) != nil }

  /// The element type of an input. Throws where it is not known.
  public func element(_ input: Int = 0) throws -> DataType {
    guard input < types.count, let type = types[input]?.dataType else {
      throw CameoError.unsupported("the element type of input \(input) is not known")
    }
    return type
  }

  /// nil where the rank is not known.
  public func shape(_ input: Int = 0) -> [Dim]? { input < types.count ? types[input]?.shape : nil }

  public func rank(_ input: Int = 0) throws -> Int {
    guard let rank = shape(input)?.count else {
      throw CameoError.unsupported("the rank of input \(input) is not known")
    }
    return rank
  }

  /// The axes from the attribute `axis` to the last.
  public func axesFromAttribute() throws -> [Int] {
    let axis = try attributes.int("axis", default: -1)
    let limit = try axis < 0 ? shape()?.count ?? 64 : rank()
    guard axis >= -limit, axis < limit else { throw CameoError.badInput("axis \(axis) lies outside the tensor") }
    return Array(axis < 0 ? axis..<0 : axis..<limit)
  }

  /// A constant of rank 0; of the first input's element type unless one is given.
  public mutating func scalar(_ name: String, _ value: Double, _ type: DataType? = nil) throws {
    names[name] = graph.addConstant(try Tensor.of([value], type ?? element(), shape: []), name: name)
  }

  /// A constant of type int64 and rank 1.
  public mutating func ints(_ name: String, _ values: [Int]) throws {
    names[name] = graph.addConstant(try Tensor.of(values.map(Int64.init), .int64), name: name)
  }

  public mutating func constant(_ name: String, _ tensor: Tensor) {
    names[name] = graph.addConstant(tensor, name: name)
  }

  /// Appends node statements in ONNX text. They read inputs, constants and what was written before.
  /// `attributes` go to the last of them, as they are.
  public mutating func write(_ text: String, attributes: [NamedAttribute] = []) throws {
    names = try ONNXText.append(text, to: &graph, names: names)
    guard let last = graph.allNodes.last else { return }
    for attribute in attributes { graph.setAttribute(attribute, of: last) }
  }

  /// Appends `result`: `value` of that rank with its last two axes exchanged where `turns`, as it is otherwise. Less than two axes stay as they are.
  public mutating func matrix(_ value: String, turns: Bool, rank: Int, as result: String) throws {
    guard turns, rank > 1 else { return try write("\(result) = Identity (\(value))") }
    let order = Array(0..<rank - 2) + [rank - 1, rank - 2]
    try write("\(result) = Transpose <perm = \(order)> (\(value))")
  }

  /// Appends the activation that the call's attributes name (`FusedActivation`): `result` of `value`, which is of the first input's
  /// element type unless one is given.
  public mutating func activate(_ value: String, _ type: DataType? = nil, as result: String) throws {
    guard let activation = try FusedActivation(attributes) else { return try write("\(result) = Identity (\(value))") }
    let p = activation.parameters
    switch activation.name {
    case "LeakyRelu", "Elu", "Swish": try write("\(result) = \(activation.name) <alpha = \(p[0])> (\(value))")
    case "HardSigmoid": try write("\(result) = HardSigmoid <alpha = \(p[0]), beta = \(p[1])> (\(value))")
    case "GeluTanh": try write("\(result) = Gelu <approximate = \"tanh\"> (\(value))")
    case "Clip":
      try scalar("least", Double(p[0]), type)
      try scalar("most", Double(p[1]), type)
      try write("\(result) = Clip (\(value), least, most)")
    default: try write("\(result) = \(activation.name) (\(value))")
    }
  }

  mutating func finish() throws -> Graph {
    var outputs: [ValueID] = []
    for (index, output) in node.outputs.enumerated() where output != nil {
      guard index < schema.outputs.count, let value = names[schema.outputs[index].name] else {
        throw CameoError.unsupported("output \(index) has no function body")
      }
      outputs.append(value)
    }
    graph.setOutputs(outputs)
    dropIdentities()
    var options = ShapeInference.Options()
    options.isLenient = true
    let inference = ShapeInference(graph, options: options)
    _ = try? inference.run(inputs: types.map { ValueFacts(type: $0) })
    let facts = inference.facts
    inference.release()
    for id in graph.allValues where Int(id.index) < facts.count && !graph[id].isConstant {
      if let type = facts[Int(id.index)].type { graph.setType(type, of: id) }
    }
    return graph
  }
}

extension CallBuilder {
  /// Bodies name what they leave as it is; only where an input is an output the node stays.
  private mutating func dropIdentities() {
    for id in graph.allNodes where graph[id].is("Identity") {
      guard let input = graph[id].input(0), let output = graph[id].output(0),
        graph.producer(input) != nil || !graph.isRegionOutput(output)
      else { continue }
      graph.replaceAllUses(of: output, with: input)
      graph.removeNode(id)
    }
  }

  /// `result` of `value`, which has the type `from`, as `type`.
  public mutating func cast(_ value: String, from: DataType, to type: DataType, as result: String) throws {
    try write(
      from == type ? "\(result) = Identity (\(value))" : "\(result) = Cast <to = \(type.rawValue)> (\(value))")
  }
}

extension Graph {
  /// Replaces a node by a body whose inputs and outputs are the node's (`FunctionBody.graph`); the nodes that came.
  ///
  /// New nodes carry the node's origins. Throws where the body has control flow.
  @discardableResult
  public mutating func inline(_ body: Graph, at id: NodeID) throws -> [NodeID] {
    let node = self[id]
    let (added, results) = try copy(body, for: node, in: node.region, origins: node.origins)
    for (value, actual) in zip(results, node.outputs.compactMap { $0 }) {
      guard let value else { continue }
      let type = self[actual].type
      if self[value].type == nil || self[value].type?.shape == nil && type?.shape != nil { setType(type, of: value) }
      replaceAllUses(of: actual, with: value)
      setName(self[actual].name, of: value)
    }
    removeNode(id)
    return added
  }

  /// Appends the nodes of `body`, its inputs bound to those of `node`, to `region`: the nodes in order and the values that its
  /// outputs are there; `node` stays. Throws where the body has control flow.
  mutating func copy(
    _ body: Graph, for node: Node, in region: RegionID, origins: Origins
  ) throws -> (nodes: [NodeID], results: [ValueID?]) {
    guard body.allRegions.count == 1 else {
      throw CameoError.unsupported("the body of \(node.operatorName) has control flow")
    }
    var values: [ValueID: ValueID] = [:]
    for (formal, actual) in zip(body.inputs, node.inputs) { values[formal] = actual }
    func place(_ value: ValueID, _ graph: inout Graph) {
      guard values[value] == nil, let constant = body[value].constant else { return }
      values[value] = graph.addConstant(constant, name: graph.freshName(body[value].name), in: region)
    }
    var added: [NodeID] = []
    for inner in body.nodes {
      let source = body[inner]
      for case .some(let input) in source.inputs { place(input, &self) }
      let label = source.outputs.first.flatMap { $0 }.map { body[$0].name } ?? source.type
      var outputs: [ValueID?] = []
      for output in source.outputs {
        guard let output else { outputs.append(nil); continue }
        let value = addValue(name: freshName(body[output].name), type: body[output].type, in: region)
        values[output] = value
        outputs.append(value)
      }
      added.append(
        addNode(
          source.operatorName, name: node.name.isEmpty ? "" : "\(node.name)/\(label)",
          inputs: source.inputs.map { $0.flatMap { values[$0] } }, outputs: outputs, attributes: source.attributes,
          overload: source.overload, origins: origins, in: region))
    }
    for output in body.outputs { place(output, &self) }
    return (added, body.outputs.map { values[$0] })
  }
}
