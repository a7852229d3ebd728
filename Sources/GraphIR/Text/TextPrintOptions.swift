import Tensors

/// How `ONNXText.print` writes a graph.
public struct TextPrintOptions: Sendable {
  /// Constants with more elements than this are written `{... 1f3a...}`, a hash of their contents; such text does not parse.
  /// nil writes every element.
  public var elideConstantsAbove: Int?
  /// The types of values between nodes, where they are known.
  public var valueTypes = true
  /// Types of inputs and outputs.
  public var boundaryTypes = true
  /// The labels of nodes.
  public var nodeNames = true
  /// Values named v0, v1, ... in the order they appear, attributes by name, all constants together, body names left out: two
  /// graphs that are equal but for names and the placing of constants print equally.
  public var canonical = false

  public init() {}

  /// For people: long constants elided.
  public static let brief: TextPrintOptions = {
    var options = TextPrintOptions()
    options.elideConstantsAbove = 8
    return options
  }()
}

extension ONNXText {
  /// The model as text that `parseModel` reads back. Not in it: documentation and metadata of single nodes and values,
  /// unknown fields, origins, source forms. O(size of the model).
  public static func print(_ model: Model, options: TextPrintOptions = TextPrintOptions()) -> String {
    var header = ["ir_version: \(model.irVersion)", "opset_import: \(opsets(model.opsets))"]
    func add(_ key: String, _ text: String) {
      if !text.isEmpty { header.append("\(key): \(TextPrinter.quoted(text))") }
    }
    add("producer_name", model.producerName)
    add("producer_version", model.producerVersion)
    add("domain", model.domain)
    if model.modelVersion != 0 { header.append("model_version: \(model.modelVersion)") }
    add("doc_string", model.documentation)
    if !model.metadata.isEmpty { header.append("metadata_props: \(metadata(model.metadata))") }
    var text = "<\n  " + header.joined(separator: ",\n  ") + "\n>\n" + print(model.graph, options: options)
    for function in model.functions { text += "\n" + print(function, options: options) }
    return text
  }

  /// The graph as text that `parseGraph` reads back (without elision).
  public static func print(_ graph: Graph, options: TextPrintOptions = TextPrintOptions()) -> String {
    var printer = TextPrinter(graph, options)
    printer.write(graph: .main)
    return printer.text + "\n"
  }

  /// The function as text that `parseFunction` reads back.
  public static func print(_ function: Function, options: TextPrintOptions = TextPrintOptions()) -> String {
    var header = ["domain: \(TextPrinter.quoted(function.operatorName.domain))"]
    if !function.overload.isEmpty { header.append("overload: \(TextPrinter.quoted(function.overload))") }
    header.append("opset_import: \(opsets(function.opsets))")
    if !function.documentation.isEmpty { header.append("doc_string: \(TextPrinter.quoted(function.documentation))") }
    if !function.metadata.isEmpty { header.append("metadata_props: \(metadata(function.metadata))") }
    var printer = TextPrinter(function.body, options, isFunction: true)
    var parameters = function.attributeNames.map { TextPrinter.name($0) }
    for attribute in function.attributeDefaults { parameters.append(printer.text(of: attribute)) }
    printer.write(function: function.operatorName.name, parameters: parameters)
    return "<\n  " + header.joined(separator: ",\n  ") + "\n>\n" + printer.text + "\n"
  }

  /// One node as a statement, with the names its values have.
  public static func print(
    _ node: NodeID, of graph: Graph, options: TextPrintOptions = TextPrintOptions.brief
  ) -> String {
    var printer = TextPrinter(graph, options)
    printer.write(node: node)
    return printer.text
  }

  /// Nodes as statements, and as labels without values (`Transpose <perm = [0, 2, 1, 3]>`). O(graph + nodes).
  public static func describe(
    _ nodes: [NodeID], of graph: Graph, options: TextPrintOptions = TextPrintOptions.brief
  ) -> [(statement: String, label: String)] {
    var printer = TextPrinter(graph, options)
    return nodes.map { (printer.statement(of: $0), printer.label(of: $0)) }
  }

  /// A type as ONNX text: `float` is a scalar, `float[]` unknown rank.
  public static func print(_ type: ValueType) -> String { TextPrinter.text(of: type) { TextPrinter.dimText($0) } }

  /// A tensor as ONNX text that `parseTensor` reads back (without elision).
  public static func print(_ tensor: Tensor, options: TextPrintOptions = TextPrintOptions()) -> String {
    TextPrinter.type(of: tensor) + " " + TextPrinter.elements(of: tensor, elidingAbove: options.elideConstantsAbove)
  }

  /// A text that two graphs share where they are equal but for names, order of attributes and placing of constants. Constants of
  /// more than 64 elements stand as a 64-bit hash. `types` includes those of the graph's inputs and outputs.
  public static func canonicalText(_ graph: Graph, types: Bool = true) -> String {
    var options = TextPrintOptions()
    options.canonical = true
    options.elideConstantsAbove = 64
    options.valueTypes = false
    options.boundaryTypes = types
    options.nodeNames = false
    return print(graph, options: options)
  }

  private static func opsets(_ opsets: [String: Int]) -> String {
    let entries = opsets.sorted { $0.key < $1.key }.map { "\(TextPrinter.quoted($0.key)) : \($0.value)" }
    return "[" + entries.joined(separator: ", ") + "]"
  }

  private static func metadata(_ entries: [MetadataEntry]) -> String {
    "[" + entries.map { "\(TextPrinter.quoted($0.key)): \(TextPrinter.quoted($0.value))" }.joined(separator: ", ") + "]"
  }
}
