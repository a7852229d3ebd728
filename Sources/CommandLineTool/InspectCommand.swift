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
      symbol unless --dim gives it a value. --memory plans a run at --level; dimensions without --dim take small values, which
      are named.

      EXAMPLE
        cameo inspect model.onnx --dim batch=1
        cameo inspect model.onnx --memory --dim batch=8
        cameo inspect model.onnx --graph | less
      """)

  @Argument(help: "An .onnx file.") var model: String
  @OptionGroup var dims: DimArguments
  @Flag(help: "Print the graph as text; long constants are elided.") var graph = false
  @Flag(help: "Print the plan of a run: the arena's peak, the sum of all buffers, the lower bound.") var memory = false
  @Flag(help: "Print the signature of every operator that the model uses.") var schema = false
  @Option(
    help: ArgumentHelp("How far the model is optimized for --memory and --graph (default 3 and 0).", valueName: "level")
  )
  var level: Int?
  @OptionGroup var plugins: PluginArguments
  @OptionGroup var output: OutputArguments

  func validate() throws {
    if let level, !(0...3).contains(level) { throw ValidationError("--level is 0 to 3") }
    if graph, output.json { throw ValidationError("--graph prints text: it does not go with --json") }
  }

  func run() throws {
    try plugins.load()
    let model = try ONNXImporter.load(path: model)
    try within("file \(self.model)") {
      try dims.check(against: model.inputSymbols)
      if graph {
        Console.out(ONNXText.print(try optimized(model, level: level ?? 0), options: .brief), terminator: "")
        return
      }
      var plan: MemoryTimeline?
      if memory {
        plan = MemoryTimeline.plan(
          try optimized(model, level: level ?? 3), bindings: dims.bindings.compactMapValues(\.value))
        if plan == nil {
          output.note("cameo: \(self.model): no plan: shapes depend on data, or a dimension needs --dim")
        }
      }
      let summary = try ModelSummary(model, bindings: dims.bindings)
      if output.json {
        Console.out(json(model, summary, plan).text())
        return
      }
      Console.out(text(model, summary))
      if let plan { Console.out("\n" + text(plan)) }
      if schema { Console.out("\n" + schemas(model)) }
    }
  }

  private func optimized(_ model: Model, level: Int) throws -> Model {
    if level == 0 { return model }
    var options = OptimizationOptions()
    options.level = level
    options.bindings = dims.bindings
    var optimizer = Optimizer(options: options, verification: nil)
    return try optimizer.optimizeWatched(model).model
  }

  private func text(_ plan: MemoryTimeline) -> String {
    var table = Table(alignments: [.left, .right, .left])
    table.add("arena", Figures.bytes(plan.peakBytes), "what a run takes for its intermediates")
    table.add(
      "lower bound", Figures.bytes(plan.lowerBound),
      "largest sum of live buffers"
        + (plan.lowerBound > 0 ? " (\(Figures.fixed(Double(plan.peakBytes) / Double(plan.lowerBound), 3)) x)" : ""))
    table.add("sum", Figures.bytes(plan.sumBytes), "all buffers without sharing")
    table.add("steps", "\(plan.stepCount)", "")
    let signature = plan.signature.isEmpty ? "" : " for \(plan.signature)"
    return Console.styled("memory", .bold) + signature + ", level \(level ?? 3)\n" + table.text()
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
    facts.add(
      "nodes",
      "\(summary.nodeCount)" + (model.graph.allRegions.count > 1 ? " in \(model.graph.allRegions.count) graphs" : ""))
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
      lines.append(list(ports))
    }
    heading("\noperators")
    var table = Table(alignments: [.right, .left, .left])
    for (name, count) in summary.operators.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
      let cost =
        summary.multiplyAdds.byOperator[name].flatMap(\.value).map { "\(Figures.count($0)) multiply-adds" } ?? ""
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

  /// Runs of ports of one type (a cache's layers) are shown by their ends.
  private func list(_ ports: [ModelSummary.Port]) -> String {
    var table = Table(alignments: [.left, .left])
    func add(_ port: ModelSummary.Port) {
      table.add(port.name, (port.type?.shown ?? "unknown type") + (port.hasDefault ? "  (has a default)" : ""))
    }
    var index = 0
    while index < ports.count {
      var end = index
      while end + 1 < ports.count, isAlike(ports[end + 1], ports[index]) { end += 1 }
      if end - index >= 7 {
        add(ports[index])
        add(ports[index + 1])
        table.add("… \(end - index - 2) more of this type")
        add(ports[end])
      } else {
        ports[index...end].forEach(add)
      }
      index = end + 1
    }
    return table.text()
  }

  /// True where element types and ranks are the same, and dimensions but for names that inference made up.
  private func isAlike(_ a: ModelSummary.Port, _ b: ModelSummary.Port) -> Bool {
    guard a.hasDefault == b.hasDefault, let x = a.type, let y = b.type else { return false }
    if x == y { return true }
    guard x.dataType == y.dataType, let s = x.shape, let t = y.shape, s.count == t.count else { return false }
    return zip(s, t).allSatisfy { $0 == $1 || ($0.isUnnamed && $1.isUnnamed) }
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
    if !summary.multiplyAdds.uncounted.isEmpty {
      text += " (\(summary.multiplyAdds.uncounted.count) nodes of open shape not counted)"
    }
    return text
  }

  private func brief(_ items: [String]) -> String {
    items.prefix(6).joined(separator: ", ") + (items.count > 6 ? ", … (\(items.count))" : "")
  }

  private func json(_ model: Model, _ summary: ModelSummary, _ plan: MemoryTimeline?) -> JSON {
    func ports(_ ports: [ModelSummary.Port]) -> JSON {
      .array(
        ports.map { port in
          .object([
            ("name", .string(port.name)), ("type", JSON(port.type?.dataType?.name)),
            (
              "shape",
              port.type?.shape.map { .array($0.map { dim in dim.value.map { .int($0) } ?? .string(dim.description) }) }
                ?? .null
            ),
            ("text", JSON(port.type.map { "\($0)" })), ("has_default", .bool(port.hasDefault)),
          ])
        })
    }
    var members: [(String, JSON)] = [
      ("model", .string(self.model)), ("ir_version", .int(model.irVersion)),
      (
        "opsets",
        .object(model.opsets.sorted { $0.key < $1.key }.map { ($0.key.isEmpty ? "ai.onnx" : $0.key, .int($0.value)) })
      ),
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
    if let plan {
      members.append(
        (
          "memory",
          .object([
            ("signature", .string(plan.signature)), ("level", .int(level ?? 3)), ("peak_bytes", .int(plan.peakBytes)),
            ("sum_bytes", .int(plan.sumBytes)), ("lower_bound_bytes", .int(plan.lowerBound)),
            ("steps", .int(plan.stepCount)),
          ])
        ))
    }
    if schema { members.append(("schemas", .array(usedSchemas(model).map { .string(SchemaText.describe($0)) }))) }
    return .object(members)
  }

  private func usedSchemas(_ model: Model) -> [OperatorSchema] {
    let names = Set(model.graph.allNodes.map { model.graph[$0].operatorName }).sorted { "\($0)" < "\($1)" }
    return names.compactMap { SchemaRegistry.newest(domain: $0.domain, name: $0.name) }
  }

  private func schemas(_ model: Model) -> String {
    usedSchemas(model).map(SchemaText.describe).joined(separator: "\n\n")
  }
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
