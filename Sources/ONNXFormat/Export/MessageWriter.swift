import GraphIR
import Operators
import Tensors

/// Writes a lowered graph's messages.
struct MessageWriter {
  let model: Model
  let opset: Int
  let irVersion: Int
  let writeProvenance: Bool
  /// nil: everything inline.
  var external: ExternalPlan?

  static func entry(_ entry: MetadataEntry) -> WireWriter {
    var writer = WireWriter()
    writer.string(1, entry.key)
    writer.string(2, entry.value)
    return writer
  }

  static func opset(_ domain: String, _ version: Int) -> WireWriter {
    var writer = WireWriter()
    writer.string(1, domain)
    writer.int64(2, Int64(version))
    return writer
  }

  // MARK: Graphs

  private struct Context {
    let graph: Graph
    let names: NameTable
    let constants: [RegionID: [ValueID]]
    let relabelled: [NodeID: String]

    init(_ graph: Graph) {
      self.graph = graph
      names = NameTable(graph)
      var table: [RegionID: [ValueID]] = [:]
      for id in graph.allValues where graph[id].isConstant { table[graph[id].region, default: []].append(id) }
      constants = table
      relabelled = Self.relabelled(graph)
    }

    /// New labels of nodes that have one which an earlier node has, too: ONNX Runtime refuses such files. O(nodes).
    private static func relabelled(_ graph: Graph) -> [NodeID: String] {
      var seen: Set<String> = []
      var repeated: [NodeID] = []
      for id in graph.allNodes where !graph[id].name.isEmpty && !seen.insert(graph[id].name).inserted {
        repeated.append(id)
      }
      var result: [NodeID: String] = [:]
      var next: [String: Int] = [:]
      for id in repeated {
        let stem = graph[id].name
        var number = next[stem, default: 2]
        while !seen.insert("\(stem)_\(number)").inserted { number += 1 }
        result[id] = "\(stem)_\(number)"
        next[stem] = number + 1
      }
      return result
    }
  }

  mutating func graph(_ graph: Graph) throws -> WireWriter {
    try self.graph(.main, Context(graph))
  }

  private mutating func graph(_ region: RegionID, _ context: Context) throws -> WireWriter {
    let graph = context.graph
    let names = context.names
    var writer = WireWriter()
    var initializers = WireWriter()
    for id in context.constants[region] ?? [] {
      if try constantNode(id, context, into: &writer, force: false) { continue }
      try within("constant \(names[id])") { try initializer(id, name: names[id], graph, into: &initializers) }
    }
    let nodes = graph.nodes(in: region)
    for id in nodes {
      do {
        writer.message(1, try node(id, context))
      } catch let error as CameoError {
        throw error.within(graph.describe(id))
      }
    }
    let record = graph[region]
    writer.string(2, record.name)
    for id in record.inputs where graph[id].constant != nil {
      try initializer(id, name: names[id], graph, into: &initializers)
    }
    if initializers.byteCount > 0 { writer.fields(initializers) }
    writer.optionalString(10, record.documentation)
    for id in record.inputs { writer.message(11, TypeWriter.value(graph[id], name: names[id])) }
    for id in record.outputs { writer.message(12, TypeWriter.value(graph[id], name: names[id])) }
    let outputs = Set(record.outputs)
    for id in nodes {
      for case .some(let output) in graph[id].outputs where !outputs.contains(output) && isWorthStating(graph[output]) {
        writer.message(13, TypeWriter.value(graph[output], name: names[output]))
      }
    }
    for entry in record.metadata { writer.message(16, Self.entry(entry)) }
    writer.fields(record.unknownFields)
    return writer
  }

  private func isWorthStating(_ info: ValueInfo) -> Bool {
    info.type != nil || !info.documentation.isEmpty || !info.metadata.isEmpty || !info.unknownFields.isEmpty
  }

  private mutating func initializer(_ id: ValueID, name: String, _ graph: Graph, into writer: inout WireWriter) throws {
    let info = graph[id]
    // The documentation of an input with a default is the input's.
    let isInput = info.producer != .none
    switch info.constant {
    case .tensor(let tensor):
      let place = external?.place(tensor)
      writer.message(
        5,
        TensorWriter.message(
          tensor, name: name, documentation: isInput ? "" : info.documentation, metadata: isInput ? [] : info.metadata,
          unknown: isInput ? [] : info.unknownFields,
          external: place.map { (external?.location ?? "", $0) }))
    case .sparse(let sparse):
      writer.message(15, TensorWriter.sparse(sparse, name: name, info: isInput ? nil : info))
    default:
      throw CameoError.unsupported("a constant sequence, optional or map cannot be written")
    }
  }

  /// Writes the constant as a Constant node where it stood as one, or where `force` says that there is no other way.
  private mutating func constantNode(
    _ id: ValueID, _ context: Context, into writer: inout WireWriter, force: Bool, field: Int = 1
  ) throws -> Bool {
    let info = context.graph[id]
    var nodeName = ""
    var attributeName = "value"
    var labels: AttributeLabels?
    if case .node(let name, let attribute, let stated) = info.constantForm {
      (nodeName, attributeName, labels) = (name, attribute, stated)
    } else if !force {
      return false
    }
    let attribute: Attribute
    switch info.constant {
    case .tensor(let tensor):
      // Large values of a model with external data go there, and attributes do not.
      if external != nil && !force && tensor.byteCount >= ExternalPlan.threshold { return false }
      // Before opset 9 a Constant held floats only; an initializer holds every type.
      let formal = SchemaRegistry.schema(domain: "", name: "Constant", opset: opset)?.output(at: 0)
      if !force, formal?.types.containsTensor(Int(tensor.dataType.rawValue)) == false { return false }
      (attributeName, attribute) = opset < 12 ? ("value", .tensor(tensor)) : constantAttribute(attributeName, tensor)
    case .sparse(let sparse):
      if opset < 11 && !force { return false }
      (attributeName, attribute) = ("sparse_value", .sparse(sparse))
    default:
      throw CameoError.unsupported("a constant sequence, optional or map cannot be written")
    }
    var node = WireWriter()
    node.string(2, context.names[id])
    node.optionalString(3, nodeName)
    node.string(4, "Constant")
    node.message(5, try self.attribute(NamedAttribute(attributeName, attribute, labels: labels), context))
    node.optionalString(6, info.documentation)
    for entry in info.metadata where !entry.key.hasPrefix(DenotationKey.prefix) { node.message(9, Self.entry(entry)) }
    writer.message(field, node)
    return true
  }

  /// The attribute that the node had, where it still holds the value, else `value`.
  private func constantAttribute(_ name: String, _ tensor: Tensor) -> (String, Attribute) {
    switch (name, tensor.dataType, tensor.rank) {
    case ("value_int", .int64, 0): if let value = try? tensor.scalar(as: Int64.self) { return (name, .int(value)) }
    case ("value_ints", .int64, 1):
      if let values = try? tensor.elements(as: Int64.self) { return (name, .ints(values)) }
    case ("value_float", .float, 0): if let value = try? tensor.scalar(as: Float.self) { return (name, .float(value)) }
    case ("value_floats", .float, 1):
      if let values = try? tensor.elements(as: Float.self) { return (name, .floats(values)) }
    case ("value_string", .string, 0): return (name, .string(tensor.strings[0]))
    case ("value_strings", .string, 1): return (name, .strings(tensor.strings))
    default: break
    }
    return ("value", .tensor(tensor))
  }

  // MARK: Nodes

  private mutating func node(_ id: NodeID, _ context: Context) throws -> WireWriter {
    let node = context.graph[id]
    var writer = WireWriter()
    for input in node.inputs { writer.string(1, input.map { context.names[$0] } ?? "") }
    for output in node.outputs { writer.string(2, output.map { context.names[$0] } ?? "") }
    writer.optionalString(3, context.relabelled[id] ?? node.name)
    writer.string(4, node.type)
    for attribute in node.attributes { writer.message(5, try self.attribute(attribute, context)) }
    writer.optionalString(6, node.documentation)
    writer.optionalString(7, node.domain)
    writer.optionalString(8, node.overload)
    for entry in node.metadata { writer.message(9, Self.entry(entry)) }
    if let origins = provenance(node) { writer.message(9, Self.entry(origins)) }
    writer.fields(node.unknownFields)
    return writer
  }

  static let provenanceKey = "cameo.origins"

  /// The source nodes that a new node stands for; nil for a node that is its own only origin.
  private func provenance(_ node: Node) -> MetadataEntry? {
    guard writeProvenance, irVersion >= 10, !node.origins.isEmpty,
      !node.metadata.contains(where: { $0.key == Self.provenanceKey })
    else { return nil }
    let sources = node.origins.indices.compactMap { index in
      Int(index) < model.sourceNodes.count ? (index, model.sourceNodes[Int(index)]) : nil
    }
    if sources.count == 1, sources[0].1.name == node.name, sources[0].1.operatorName == node.operatorName { return nil }
    if sources.isEmpty { return nil }
    let names = sources.map { index, _ in model.sourceLabel(index) }
    return MetadataEntry(key: Self.provenanceKey, value: names.joined(separator: "\n"))
  }

  private mutating func attribute(_ entry: NamedAttribute, _ context: Context?) throws -> WireWriter {
    var writer = WireWriter()
    writer.string(1, entry.name)
    func label(_ index: Int) -> AttributeLabels.TensorLabel? {
      guard let labels = entry.labels?.tensors, index < labels.count else { return nil }
      return labels[index]
    }
    func body(_ region: RegionID) throws -> WireWriter {
      guard let context else { throw CameoError.unsupported("a graph as default of attribute \(entry.name)") }
      return try graph(region, context)
    }
    switch entry.value {
    case .float(let value): writer.float(2, value)
    case .int(let value): writer.int64(3, value)
    case .string(let value): writer.string(4, value)
    case .bytes(let value): writer.bytes(4, value)
    case .tensor(let tensor): writer.message(5, TensorWriter.message(tensor, label: label(0)))
    case .graph(let region): writer.message(6, try body(region))
    case .sparse(let sparse): writer.message(22, TensorWriter.sparse(sparse, label: label(0)))
    case .type(let type): writer.message(14, TypeWriter.message(type))
    case .floats(let values): for value in values { writer.float(7, value) }
    case .ints(let values): writer.int64s(8, values)
    case .strings(let values): for value in values { writer.string(9, value) }
    case .tensors(let values):
      for (index, value) in values.enumerated() {
        writer.message(10, TensorWriter.message(value, label: label(index)))
      }
    case .graphs(let regions): for region in regions { writer.message(11, try body(region)) }
    case .sparses(let values):
      for (index, value) in values.enumerated() { writer.message(23, TensorWriter.sparse(value, label: label(index))) }
    case .types(let values): for value in values { writer.message(15, TypeWriter.message(value)) }
    case .reference(let name, _): writer.string(21, name)
    }
    writer.optionalString(13, entry.documentation)
    writer.int64(20, Int64(entry.value.kind.rawValue))
    writer.fields(entry.labels?.unknownFields ?? [])
    return writer
  }

  // MARK: Functions

  mutating func function(_ function: Function, body: Graph, opsets: [String: Int]) throws -> WireWriter {
    let context = Context(body)
    let names = context.names
    var writer = WireWriter()
    writer.string(1, function.operatorName.name)
    for id in body.inputs { writer.string(4, names[id]) }
    for id in body.outputs { writer.string(5, names[id]) }
    for name in function.attributeNames { writer.string(6, name) }
    for attribute in function.attributeDefaults { writer.message(11, try self.attribute(attribute, nil)) }
    // A function has no initializers.
    for id in context.constants[.main] ?? [] {
      _ = try constantNode(id, context, into: &writer, force: true, field: 7)
    }
    for id in body.nodes {
      do {
        writer.message(7, try node(id, context))
      } catch let error as CameoError {
        throw error.within(body.describe(id))
      }
    }
    writer.optionalString(8, function.documentation)
    for (domain, version) in opsets.sorted(by: { $0.key < $1.key }) { writer.message(9, Self.opset(domain, version)) }
    writer.string(10, function.operatorName.domain)
    if irVersion >= 10 {
      for id in body.allValues where body[id].region == .main && !body[id].isConstant && isWorthStating(body[id]) {
        writer.message(12, TypeWriter.value(body[id], name: names[id]))
      }
    }
    writer.optionalString(13, function.overload)
    for entry in function.metadata { writer.message(14, Self.entry(entry)) }
    writer.fields(function.unknownFields)
    return writer
  }

  // MARK: Models

  func assemble(graph: WireWriter, functions: [WireWriter], opsets: [String: Int]) -> WireWriter {
    var writer = WireWriter()
    writer.int64(1, Int64(irVersion))
    writer.optionalString(2, model.producerName)
    writer.optionalString(3, model.producerVersion)
    writer.optionalString(4, model.domain)
    if model.modelVersion != 0 { writer.int64(5, model.modelVersion) }
    writer.optionalString(6, model.documentation)
    writer.message(7, graph)
    for (domain, version) in opsets.sorted(by: { $0.key < $1.key }) { writer.message(8, Self.opset(domain, version)) }
    for entry in model.metadata { writer.message(14, Self.entry(entry)) }
    for function in functions { writer.message(25, function) }
    writer.fields(model.unknownFields)
    return writer
  }
}
