import Tensors

/// Writes one graph as text.
struct TextPrinter {
  let graph: Graph
  let options: TextPrintOptions
  /// Function bodies have no initializers and untyped parameters: constants stand as Constant nodes.
  let isFunction: Bool
  private(set) var text = ""
  private var indent = ""
  private var names: [ValueID: String] = [:]
  /// Constants to write, by the region that declares them.
  private var constants: [RegionID: [ValueID]] = [:]
  private var dimNames: [String: String] = [:]

  init(_ graph: Graph, _ options: TextPrintOptions, isFunction: Bool = false) {
    self.graph = graph
    self.options = options
    self.isFunction = isFunction
    if options.canonical { nameCanonically() } else { nameAsTheyAre() }
    nameAnonymousDims()
  }

  // MARK: Names

  private mutating func nameAsTheyAre() {
    var used: Set<String> = []
    var rest: [ValueID] = []
    for id in graph.allValues {
      let name = graph[id].name
      if !name.isEmpty, used.insert(name).inserted { names[id] = name } else { rest.append(id) }
      if graph[id].isConstant { constants[graph[id].region, default: []].append(id) }
    }
    var counter = 0
    for id in rest {
      let stem = graph[id].name.isEmpty ? "v" : graph[id].name
      var name: String
      repeat {
        name = "\(stem)_\(counter)"
        counter += 1
      } while !used.insert(name).inserted
      names[id] = name
    }
  }

  /// Names by first appearance; constants that nothing reads get none.
  private mutating func nameCanonically() {
    var order: [ValueID] = []
    func note(_ value: ValueID?) {
      guard let value, names[value] == nil else { return }
      names[value] = "v\(names.count)"
      order.append(value)
    }
    func walk(_ region: RegionID) {
      graph[region].inputs.forEach { note($0) }
      for id in graph.nodes(in: region) {
        graph[id].inputs.forEach { note($0) }
        for attribute in graph[id].attributes.sorted(by: { $0.name < $1.name }) {
          attribute.value.regions.forEach { walk($0) }
        }
        graph[id].outputs.forEach { note($0) }
      }
      graph[region].outputs.forEach { note($0) }
    }
    walk(.main)
    constants[.main] = order.filter { graph[$0].isConstant }
  }

  /// A dimension written `?` keeps its number only where it stands more than once.
  private mutating func nameAnonymousDims() {
    var counts: [String: Int] = [:]
    var order: [String] = []
    func note(_ type: ValueType) {
      switch type {
      case .tensor(_, let shape), .sparse(_, let shape):
        for dim in shape ?? [] {
          let alone = dim.symbolName != nil
          for symbol in dim.isKnown ? [] : dim.symbols.sorted() where Self.isAnonymous(symbol) {
            if counts[symbol] == nil { order.append(symbol) }
            counts[symbol, default: 0] += alone ? 1 : 2
          }
        }
      case .sequence(let inner), .optional(let inner), .map(_, let inner): note(inner)
      case .opaque: break
      }
    }
    let boundary = graph.inputs + graph.outputs
    for id in options.canonical ? boundary : graph.allValues { if let type = graph[id].type { note(type) } }
    var next = 1
    for symbol in order {
      if counts[symbol] == 1 {
        dimNames[symbol] = "?"
      } else if options.canonical {
        dimNames[symbol] = Self.quoted("?\(next)")
        next += 1
      }
    }
  }

  private func name(_ id: ValueID) -> String { Self.name(names[id] ?? graph[id].name) }

  private func text(of type: ValueType) -> String {
    Self.text(of: type) { dim in dim.symbolName.flatMap { dimNames[$0] } ?? Self.dimText(dim) }
  }

  /// `float[N] x`, or `x`.
  private func parameter(_ id: ValueID, in region: RegionID) -> String {
    let isTyped = options.boundaryTypes && (!options.canonical || region == .main)
    guard isTyped, let type = graph[id].type else { return name(id) }
    return text(of: type) + " " + name(id)
  }

  // MARK: Graphs

  mutating func write(function title: String, parameters: [String]) {
    text += Self.name(title)
    if !parameters.isEmpty { text += " <" + parameters.joined(separator: ", ") + ">" }
    writeSignatureAndBody(.main)
  }

  mutating func write(graph region: RegionID) {
    text += options.canonical ? "g" : Self.name(graph[region].name)
    writeSignatureAndBody(region)
  }

  private mutating func writeSignatureAndBody(_ region: RegionID) {
    let record = graph[region]
    var declarations: [String] = []
    var parameters: [String] = []
    for id in record.inputs {
      var parameter = parameter(id, in: region)
      if case .tensor(let value)? = graph[id].constant {
        if !options.canonical, graph[id].type == .tensor(value.dataType, value.shape.map { Dim($0) }) {
          parameter += " = " + Self.elements(of: value, elidingAbove: options.elideConstantsAbove)
        } else {
          declarations.append(constantText(value, id))
        }
      }
      parameters.append(parameter)
    }
    text += " (" + parameters.joined(separator: ", ") + ") => ("
    text += record.outputs.map { parameter($0, in: region) }.joined(separator: ", ") + ")"
    var statements: [ValueID] = []
    for id in constants[region] ?? [] {
      if case .tensor(let value)? = graph[id].constant, isDeclared(id) {
        declarations.append(constantText(value, id))
      } else {
        statements.append(id)
      }
    }
    if options.valueTypes {
      let outputs = Set(record.outputs)
      for node in graph.nodes(in: region) {
        for case .some(let id) in graph[node].outputs where !outputs.contains(id) {
          if let type = graph[id].type { declarations.append(text(of: type) + " " + name(id)) }
        }
      }
    }
    if !declarations.isEmpty {
      text += "\n\(indent)<\n\(indent)  " + declarations.joined(separator: ",\n\(indent)  ") + "\n\(indent)>"
    }
    text += "\n\(indent){\n"
    let outer = indent
    indent += "  "
    for id in statements { write(constant: id) }
    for id in graph.nodes(in: region) {
      text += indent
      write(node: id)
      text += "\n"
    }
    indent = outer
    text += indent + "}"
  }

  private func isDeclared(_ id: ValueID) -> Bool {
    if isFunction { return false }
    if options.canonical { return true }
    if case .initializer = graph[id].constantForm { return true }
    return false
  }

  private func constantText(_ value: Tensor, _ id: ValueID) -> String {
    "\(Self.type(of: value)) \(name(id)) = \(Self.elements(of: value, elidingAbove: options.elideConstantsAbove))"
  }

  // MARK: Nodes

  private mutating func write(constant id: ValueID) {
    var label = ""
    var attribute = "value"
    if case .node(let node, let stated, _) = graph[id].constantForm {
      if options.nodeNames, !node.isEmpty { label = "[\(Self.name(node))] " }
      attribute = stated
    }
    text += "\(indent)\(label)\(name(id)) = Constant <\(attributeOfConstant(graph[id].constant, attribute))> ()\n"
  }

  /// The attribute of the form that the file had, where the value still has that form.
  private func attributeOfConstant(_ value: Value?, _ stated: String) -> String {
    switch value {
    case .sparse(let sparse):
      return "sparse_value = " + Self.sparse(sparse, elidingAbove: options.elideConstantsAbove)
    case .tensor(let tensor):
      let forms: [String: (DataType, Int)] = [
        "value_int": (.int64, 0), "value_ints": (.int64, 1), "value_float": (.float, 0), "value_floats": (.float, 1),
        "value_string": (.string, 0), "value_strings": (.string, 1),
      ]
      if let (type, rank) = forms[stated], tensor.dataType == type, tensor.rank == rank {
        let kind = AttributeKind(textName: String(stated.dropFirst("value_".count)))
        let elements = Self.elements(of: tensor, elidingAbove: options.elideConstantsAbove).dropFirst().dropLast()
        return "\(stated): \(kind?.textName ?? "") = " + (rank == 1 ? "[\(elements)]" : String(elements))
      }
      return "value = " + tensorText(tensor)
    default: return "value = ..."
    }
  }

  mutating func write(node id: NodeID) {
    let node = graph[id]
    if options.nodeNames, !node.name.isEmpty { text += "[\(Self.name(node.name))] " }
    text += node.outputs.map { $0.map { name($0) } ?? "\"\"" }.joined(separator: ", ")
    text += (node.outputs.isEmpty ? "= " : " = ") + Self.text(of: node.operatorName)
    if !node.overload.isEmpty { text += ":" + Self.name(node.overload) }
    let hasBody = !node.regions.isEmpty
    if !hasBody { write(attributes: node.attributes) }
    text += " (" + node.inputs.map { $0.map { name($0) } ?? "\"\"" }.joined(separator: ", ") + ")"
    if hasBody { write(attributes: node.attributes) }
  }

  /// One node's statement by itself.
  mutating func statement(of id: NodeID) -> String {
    text = ""
    write(node: id)
    return text
  }

  /// What a node is, whatever it reads: its operator and those attributes that hold no graph, by name.
  func label(of id: NodeID) -> String {
    let node = graph[id]
    let plain = node.attributes.filter(\.value.regions.isEmpty).sorted { $0.name < $1.name }
    let title = Self.text(of: node.operatorName) + (node.overload.isEmpty ? "" : ":" + Self.name(node.overload))
    return plain.isEmpty ? title : title + " <" + plain.map { text(of: $0) }.joined(separator: ", ") + ">"
  }

  // MARK: Attributes

  private mutating func write(attributes: [NamedAttribute]) {
    if attributes.isEmpty { return }
    let ordered = options.canonical ? attributes.sorted { $0.name < $1.name } : attributes
    text += " <"
    for (index, attribute) in ordered.enumerated() {
      if index > 0 { text += ", " }
      switch attribute.value {
      case .graph(let region):
        text += Self.name(attribute.name) + " = "
        write(body: region)
      case .graphs(let regions) where !regions.isEmpty:
        text += Self.name(attribute.name) + " = ["
        for (index, region) in regions.enumerated() {
          if index > 0 { text += ", " }
          write(body: region)
        }
        text += "]"
      default: text += text(of: attribute)
      }
    }
    text += ">"
  }

  private mutating func write(body region: RegionID) {
    let outer = indent
    indent += "  "
    write(graph: region)
    indent = outer
  }

  /// An attribute that holds no graph, with its name.
  func text(of attribute: NamedAttribute) -> String {
    let limit = options.elideConstantsAbove
    func list(_ items: [String]) -> String {
      items.isEmpty
        ? ": \(attribute.value.kind.textName) = []" : " = [" + items.joined(separator: ", ") + "]"
    }
    let value: String =
      switch attribute.value {
      case .int(let value): " = \(value)"
      case .float(let value): " = \(value)"
      case .string(let value): " = " + Self.quoted(value)
      case .bytes(let bytes): " = hex \"" + bytes.map { Self.hexadecimal(UInt64($0)).suffix(2) }.joined() + "\""
      case .tensor(let tensor): " = " + tensorText(tensor)
      case .sparse(let sparse): " = " + Self.sparse(sparse, elidingAbove: limit)
      case .type(let type): " = " + text(of: type)
      case .ints(let values): list(values.map { "\($0)" })
      case .floats(let values): list(values.map { "\($0)" })
      case .strings(let values): list(values.map { Self.quoted($0) })
      case .tensors(let values): list(values.map { tensorText($0) })
      case .sparses(let values): list(values.map { Self.sparse($0, elidingAbove: limit) })
      case .types(let values): list(values.map { text(of: $0) })
      case .graph, .graphs: list([])
      case .reference(let name, let kind): ": \(kind.textName) = @" + Self.name(name)
      }
    return Self.name(attribute.name) + value
  }

  private func tensorText(_ tensor: Tensor) -> String {
    Self.type(of: tensor) + " " + Self.elements(of: tensor, elidingAbove: options.elideConstantsAbove)
  }
}
