import GraphIR
import Operators
import Tensors

/// Turns messages into a `Graph`: resolves names by scope, folds Constant nodes, keeps everything else as it is.
struct GraphBuilder {
  var graph: Graph
  /// Before IR 4 every initializer was listed among the inputs and was no default but the value.
  let initializersAreConstants: Bool
  /// Every node of the file in order; grows as graphs are built.
  var sourceNodes: [SourceNode]
  /// True where a node reads a later one.
  private(set) var isUnsorted = false

  private struct Scope {
    var region: RegionID
    var values: [String: ValueID]
  }

  private var scopes: [Scope] = []
  /// By value: its node has been added, or it needs none.
  private var isDefined: [Bool] = []

  init(name: String, irVersion: Int, sourceNodes: [SourceNode]) {
    graph = Graph(name: name)
    initializersAreConstants = irVersion < 4
    self.sourceNodes = sourceNodes
  }

  // MARK: Graphs

  mutating func build(_ message: GraphMessage, in region: RegionID) throws {
    scopes.append(Scope(region: region, values: [:]))
    defer { scopes.removeLast() }
    graph.modify(region) {
      $0.name = message.name
      $0.documentation = message.documentation
      $0.metadata = message.metadata
      $0.unknownFields = message.unknown
    }
    var initializers: [String: Int] = [:]
    initializers.reserveCapacity(message.initializers.count)
    for (index, initializer) in message.initializers.enumerated() {
      if initializers.updateValue(index, forKey: initializer.name) != nil {
        throw CameoError.badInput("initializer \(initializer.name) is defined twice")
      }
    }
    for input in message.inputs {
      let index = initializers[input.name]
      if initializersAreConstants && index != nil { continue }
      let id = try define(input.name, as: "input")
      describe(id, by: input)
      graph.addInput(id, to: region)
      if let index {
        graph.setConstant(message.initializers[index].value, of: id)
        initializers[input.name] = nil
      }
    }
    for (index, initializer) in message.initializers.enumerated() where initializers[initializer.name] == index {
      let id = try define(initializer.name, as: "initializer")
      graph.setConstant(initializer.value, of: id)
      graph.modify(id) {
        $0.documentation = initializer.documentation
        $0.metadata = initializer.metadata
        $0.unknownFields = initializer.unknown
      }
    }
    let nodes = try declareOutputs(of: message.nodes)
    for value in message.values + message.outputs {
      if let id = scopes[scopes.count - 1].values[value.name] { describe(id, by: value) }
    }
    try addNodes(nodes, from: message.nodes)
    var outputs: [ValueID] = []
    for output in message.outputs {
      guard let id = lookup(output.name) else {
        throw CameoError.badInput("output \(output.name) of graph \(message.name) is not defined")
      }
      outputs.append(id)
    }
    graph.setOutputs(outputs, of: region)
  }

  /// The body of a function: formal parameters are its inputs and outputs.
  mutating func build(_ message: FunctionMessage) throws {
    scopes.append(Scope(region: .main, values: [:]))
    defer { scopes.removeLast() }
    for input in message.inputs { graph.addInput(try define(input, as: "input")) }
    let nodes = try declareOutputs(of: message.nodes)
    for value in message.values {
      if let id = scopes[0].values[value.name] { describe(id, by: value) }
    }
    try addNodes(nodes, from: message.nodes)
    graph.setOutputs(
      try message.outputs.map { name in
        guard let id = lookup(name) else { throw CameoError.badInput("output \(name) is not defined") }
        return id
      })
  }

  // MARK: Values

  private mutating func define(_ name: String, as what: String) throws -> ValueID {
    guard !name.isEmpty else { throw CameoError.badInput("an \(what) without a name") }
    let top = scopes.count - 1
    let id = graph.addValue(name: name, in: scopes[top].region)
    isDefined.append(true)
    if scopes[top].values.updateValue(id, forKey: name) != nil {
      throw CameoError.badInput("\(what) \(name): a value of that name is defined twice")
    }
    return id
  }

  private func lookup(_ name: String) -> ValueID? {
    for scope in scopes.reversed() {
      if let id = scope.values[name] { return id }
    }
    return nil
  }

  private mutating func describe(_ id: ValueID, by message: ValueMessage) {
    graph.modify(id) { info in
      if let type = message.type, info.constant == nil || info.producer != .none {
        if info.type == nil || type.shape != nil || info.type?.shape == nil { info.type = type }
      }
      if !message.documentation.isEmpty && info.documentation.isEmpty { info.documentation = message.documentation }
      if !message.metadata.isEmpty && info.metadata.isEmpty { info.metadata = message.metadata }
      if !message.unknown.isEmpty && info.unknownFields.isEmpty { info.unknownFields = message.unknown }
    }
  }

  // MARK: Nodes

  /// Defines every node's outputs, so that order does not matter; gives each node's output ids.
  private mutating func declareOutputs(of nodes: [NodeMessage]) throws -> [[ValueID?]] {
    var result: [[ValueID?]] = []
    result.reserveCapacity(nodes.count)
    for node in nodes {
      var outputs: [ValueID?] = []
      outputs.reserveCapacity(node.outputs.count)
      for name in node.outputs {
        if name.isEmpty {
          outputs.append(nil)
        } else {
          let id = try within(node.description) { try define(name, as: "output") }
          isDefined[Int(id.index)] = false
          outputs.append(id)
        }
      }
      result.append(outputs)
    }
    return result
  }

  private mutating func addNodes(_ outputs: [[ValueID?]], from messages: [NodeMessage]) throws {
    for (message, outputs) in zip(messages, outputs) {
      do {
        try add(message, outputs)
      } catch let error as CameoError {
        throw error.within(message.description)
      }
    }
  }

  private mutating func add(_ message: NodeMessage, _ outputs: [ValueID?]) throws {
    let name = OperatorName(message.type, domain: message.domain)
    let origin = UInt32(sourceNodes.count)
    sourceNodes.append(SourceNode(name: message.name, operatorName: name))
    if try addConstant(message, outputs, origin) { return }

    var inputs: [ValueID?] = []
    inputs.reserveCapacity(message.inputs.count)
    for input in message.inputs {
      if input.isEmpty {
        inputs.append(nil)
        continue
      }
      guard let id = lookup(input) else { throw CameoError.badInput("input \(input) is not defined") }
      if !isDefined[Int(id.index)] { isUnsorted = true }
      inputs.append(id)
    }
    var attributes: [NamedAttribute] = []
    attributes.reserveCapacity(message.attributes.count)
    for attribute in message.attributes {
      if attributes.contains(where: { $0.name == attribute.name }) {
        throw CameoError.badInput("attribute \(attribute.name) is given twice")
      }
      let value: Attribute
      switch attribute.content {
      case .plain(let plain): value = plain
      case .graph(let body): value = .graph(try buildBody(body, attribute.name))
      case .graphs(let bodies):
        var regions: [RegionID] = []
        for body in bodies { regions.append(try buildBody(body, attribute.name)) }
        value = .graphs(regions)
      }
      attributes.append(
        NamedAttribute(
          attribute.name, value, documentation: attribute.documentation, labels: attribute.labels))
    }
    let id = graph.addNode(
      name, name: message.name, inputs: inputs, outputs: outputs, attributes: attributes, overload: message.overload,
      origins: Origins([origin]), in: scopes[scopes.count - 1].region)
    if !message.documentation.isEmpty || !message.metadata.isEmpty || !message.unknown.isEmpty {
      graph.modify(id) {
        $0.documentation = message.documentation
        $0.metadata = message.metadata
        $0.unknownFields = message.unknown
      }
    }
    for case .some(let output) in outputs { isDefined[Int(output.index)] = true }
  }

  private mutating func buildBody(_ message: GraphMessage, _ attribute: String) throws -> RegionID {
    let region = graph.addRegion(name: message.name)
    do {
      try build(message, in: region)
    } catch let error as CameoError {
      throw error.within("attribute \(attribute)")
    }
    return region
  }

  /// A Constant node whose value stands in it becomes a constant; false for every other node.
  private mutating func addConstant(_ message: NodeMessage, _ outputs: [ValueID?], _ origin: UInt32) throws -> Bool {
    guard message.type == "Constant", OperatorName("", domain: message.domain).domain.isEmpty, message.unknown.isEmpty,
      message.inputs.isEmpty, outputs.count == 1, let output = outputs[0], message.attributes.count == 1,
      case .plain(let attribute) = message.attributes[0].content, let make = attribute.constantValue
    else { return false }
    let value = try make()
    graph.setConstant(value, of: output)
    isDefined[Int(output.index)] = true
    graph.modify(output) {
      $0.type = value.staticType
      $0.constantForm = .node(
        name: message.name, attribute: message.attributes[0].name, labels: message.attributes[0].labels)
      $0.origins = Origins([origin])
      if !message.documentation.isEmpty { $0.documentation = message.documentation }
      if !message.metadata.isEmpty { $0.metadata = message.metadata }
    }
    return true
  }
}
