import ArgumentParser
import Cameo
import GraphIR
import ONNXFormat
import Operators
import Tensors

/// `cameo inspect`: what a model holds.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Shows a model's inputs, outputs, operators, size and cost.",
    discussion: """
      Multiply-adds count products, convolutions, attention and recurrences; a dimension that the model leaves open stays a
      symbol unless --dim gives it a value.

      EXAMPLE
        cameo inspect model.onnx --dim batch=1
      """)

  @Argument(help: "An .onnx file.") var model: String
  @OptionGroup var dims: DimArguments
  @Flag(help: "Print the signature of every operator that the model uses.") var schema = false
  @OptionGroup var output: OutputArguments

  func run() throws {
    let model = try ONNXImporter.load(path: model)
    try within("file \(self.model)") {
      try dims.check(against: model.inputSymbols)
      let summary = try ModelSummary(model, bindings: dims.bindings)
      if output.json {
        Console.out(json(model, summary).text())
        return
      }
      Console.out(text(model, summary))
      if schema { Console.out("\n" + schemas(model)) }
    }
  }

  private func text(_ model: Model, _ summary: ModelSummary) -> String {
    var lines: [String] = []
    func heading(_ text: String) { lines.append(Console.styled(text, .bold)) }
    heading(self.model)
    var facts = Table(alignments: [.left, .left])
    let producer = [model.producerName, model.producerVersion].filter { !$0.isEmpty }.joined(separator: " ")
    if !producer.isEmpty { facts.add("producer", producer) }
    let opsets = model.opsets.sorted { $0.key < $1.key }.map { "\($0.key.isEmpty ? "ai.onnx" : $0.key) \($0.value)" }
    facts.add("format", "IR \(model.irVersion), opset \(opsets.joined(separator: ", "))")
    facts.add("nodes", "\(summary.nodeCount)" + (model.graph.allRegions.count > 1 ? " in \(model.graph.allRegions.count) graphs" : ""))
    facts.add("parameters", Figures.count(summary.parameters))
    let types = summary.bytesByType.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(4)
      .map { "\($0.key) \(Figures.bytes($0.value))" }.joined(separator: ", ")
    facts.add("weights", Figures.bytes(summary.weightBytes) + (types.isEmpty ? "" : " (\(types))"))
    facts.add("multiply-adds", multiplyAdds(summary))
    if !model.functions.isEmpty {
      facts.add("functions", "\(model.functions.count): " + brief(model.functions.map { "\($0.operatorName)" }))
    }
    lines.append(facts.text())
    for (title, ports) in [("inputs", summary.inputs), ("outputs", summary.outputs)] {
      heading("\n\(title)")
      var table = Table(alignments: [.left, .left])
      for port in ports {
        table.add(port.name, (port.type?.shown ?? "unknown type") + (port.hasDefault ? "  (has a default)" : ""))
      }
      lines.append(table.text())
    }
    heading("\noperators")
    var table = Table(alignments: [.right, .left, .left])
    for (name, count) in summary.operators.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
      let cost = summary.multiplyAdds.byOperator[name].flatMap(\.value).map { "\(Figures.count($0)) multiply-adds" } ?? ""
      table.add("\(count)", name, cost)
    }
    lines.append(table.text())
    if !summary.unknownOperators.isEmpty {
      heading("\noperators that cannot be computed here")
      for unknown in summary.unknownOperators { lines.append("  \(unknown.count)  \(unknown.name): \(unknown.reason)") }
    }
    if !summary.problems.isEmpty {
      heading("\nshape inference")
      lines += summary.problems.prefix(10).map { "  \($0)" }
      if summary.problems.count > 10 { lines.append("  and \(summary.problems.count - 10) more") }
    }
    return lines.joined(separator: "\n")
  }

  private func multiplyAdds(_ summary: ModelSummary) -> String {
    let total = summary.multiplyAdds.total
    var text: String
    if let value = total.value {
      text = Figures.count(value)
    } else {
      let formula = total.description
      text = formula.count <= 90 ? formula : "depend on \(brief(total.symbols.sorted())); give --dim"
    }
    if !summary.multiplyAdds.uncounted.isEmpty { text += " (\(summary.multiplyAdds.uncounted.count) nodes of open shape not counted)" }
    return text
  }

  private func brief(_ items: [String]) -> String {
    items.prefix(6).joined(separator: ", ") + (items.count > 6 ? ", … (\(items.count))" : "")
  }

  private func json(_ model: Model, _ summary: ModelSummary) -> JSON {
    func ports(_ ports: [ModelSummary.Port]) -> JSON {
      .array(
        ports.map { port in
          .object([
            ("name", .string(port.name)), ("type", JSON(port.type?.dataType?.name)),
            (
              "shape",
              port.type?.shape.map { .array($0.map { dim in dim.value.map { .int($0) } ?? .string(dim.description) }) } ?? .null
            ),
            ("text", JSON(port.type.map { "\($0)" })), ("has_default", .bool(port.hasDefault)),
          ])
        })
    }
    var members: [(String, JSON)] = [
      ("model", .string(self.model)), ("ir_version", .int(model.irVersion)),
      ("opsets", .object(model.opsets.sorted { $0.key < $1.key }.map { ($0.key.isEmpty ? "ai.onnx" : $0.key, .int($0.value)) })),
      ("producer", .string(model.producerName)), ("producer_version", .string(model.producerVersion)),
      ("inputs", ports(summary.inputs)), ("outputs", ports(summary.outputs)), ("symbols", JSON(summary.symbols)),
      ("nodes", .int(summary.nodeCount)), ("operators", JSON(summary.operators)),
      ("parameters", .int(summary.parameters)), ("weights_bytes", .int(summary.weightBytes)),
      ("weights_bytes_by_type", JSON(summary.bytesByType)),
      ("multiply_adds", JSON(summary.multiplyAdds.total.value)),
      ("multiply_adds_formula", .string(summary.multiplyAdds.total.description)),
      ("uncounted_nodes", .int(summary.multiplyAdds.uncounted.count)),
      ("functions", JSON(model.functions.map { "\($0.operatorName)" })),
      (
        "unknown_operators",
        .array(
          summary.unknownOperators.map {
            .object([("operator", .string("\($0.name)")), ("count", .int($0.count)), ("reason", .string($0.reason))])
          })
      ),
      ("problems", JSON(summary.problems.map { "\($0)" })),
      ("metadata", .object(model.metadata.map { ($0.key, .string($0.value)) })),
    ]
    if schema { members.append(("schemas", .array(usedSchemas(model).map { .string(SchemaText.describe($0)) }))) }
    return .object(members)
  }

  private func usedSchemas(_ model: Model) -> [OperatorSchema] {
    let names = Set(model.graph.allNodes.map { model.graph[$0].operatorName }).sorted { "\($0)" < "\($1)" }
    return names.compactMap { SchemaRegistry.newest(domain: $0.domain, name: $0.name) }
  }

  private func schemas(_ model: Model) -> String { usedSchemas(model).map(SchemaText.describe).joined(separator: "\n\n") }
}

/// A published signature in words.
enum SchemaText {
  static func describe(_ schema: OperatorSchema) -> String {
    var lines = [
      Console.styled(OperatorName(schema.name, domain: schema.domain).description, .bold)
        + " (since opset \(schema.sinceVersion)\(schema.isDeprecated ? ", withdrawn" : ""))"
    ]
    func parameter(_ kind: String, _ formal: OperatorSchema.FormalParameter) {
      var note = ""
      switch formal.option {
      case .single: break
      case .optional: note = ", optional"
      case .variadic(_, let least): note = ", \(least) or more"
      }
      lines.append("  \(kind) \(formal.name): \(formal.type)\(note)")
    }
    schema.inputs.forEach { parameter("in ", $0) }
    schema.outputs.forEach { parameter("out", $0) }
    for attribute in schema.attributes {
      var note = attribute.isRequired ? ", required" : ""
      switch attribute.defaultValue {
      case .none: break
      case .int(let value): note = " = \(value)"
      case .float(let value): note = " = \(value)"
      case .string(let value): note = " = \"\(value)\""
      case .ints(let values): note = " = \(values)"
      case .floats(let values): note = " = \(values)"
      case .strings(let values): note = " = \(values)"
      }
      lines.append("  @\(attribute.name): \(attribute.type.name)\(note)")
    }
    for constraint in schema.typeConstraints {
      lines.append("  \(constraint.name): \(constraint.allowedTypes.joined(separator: ", "))")
    }
    return lines.joined(separator: "\n")
  }
}
