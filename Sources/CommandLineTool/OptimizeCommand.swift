import ArgumentParser
import Cameo
import GraphIR
import ONNXFormat
import Operators
import PassKit
import Passes
import Tensors

/// `cameo optimize`: writes a smaller graph that computes the same.
struct OptimizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "optimize",
    abstract: "Optimizes a model, checks that it still computes the same, writes it.",
    discussion: """
      Levels: 0 nothing; 1 clean-up and folding; 2 also fusions; 3 also forms tied to this machine (cameo run does those by
      itself). -O1 to -O4 are Optimum's names: -O1 is level 1, -O2 and above are level 2 (no level lowers precision).

      Verification runs source and result on seeded inputs. Where they differ, the pass that makes the difference is found and
      left out, the verified file is written, and the exit code is 1 (--keep-going: 0); if they still differ, nothing is written.

      --verify each checks each change where it is made: the new nodes are computed from recorded values of the source. It takes
      the memory of all values, and names the rule that is wrong.

      --explain says what almost fused and what stood in the way; --explain PASS keeps to one pass.

      EXAMPLE
        cameo optimize model.onnx -o small.onnx --report report.html
        cameo optimize model.onnx -o small.onnx --dim batch=1 --assert-count 'Attention>=6'
      """)

  @Argument(help: "An .onnx file.") var model: String
  @Option(
    name: [.customShort("o"), .long], help: ArgumentHelp("The file to write; may be MODEL itself.", valueName: "file"))
  var output: String

  @Option(help: ArgumentHelp("0 to 3.", valueName: "level")) var level: Int?
  @Option(
    name: .customShort("O", allowingJoined: true),
    help: ArgumentHelp("1 to 4, as Optimum names its levels.", valueName: "n"))
  var optimum: Int?

  @OptionGroup var optimization: OptimizationArguments
  @OptionGroup var plugins: PluginArguments
  @OptionGroup var dims: DimArguments

  @Option(
    name: .customLong("input"),
    help: ArgumentHelp("A fixed shape for an input: NAME=1x3x224x224. Repeatable.", valueName: "name=shape"))
  var inputShapes: [InputShape] = []
  @Option(
    help: ArgumentHelp("Keep only what lies between these values, both comma-separated.", valueName: "in..:out.."))
  var extract: String?

  @Option(help: ArgumentHelp("Write a report: FILE.html, .json or .md. Repeatable.", valueName: "file")) var report:
    [String] = []
  @Option(
    defaultAsFlag: "",
    help: ArgumentHelp("Say what almost fused and why not; of one pass, if named.", valueName: "pass"))
  var explain: String?

  @Flag(help: "Print what became of which nodes.") var diff = false
  @Flag(
    inversion: .prefixedNo,
    help: "Run source and result on seeded inputs and compare. `--verify each`: also each change by itself.")
  var verify = true
  @Flag(name: .customLong(OptimizeCommand.verifyEachName), help: .hidden) var verifyEach = false
  @Flag(help: "Go on, and exit with 0, although a pass had to be left out.") var keepGoing = false
  @Flag(help: "Write the tensors beside the file, to OUT.data.") var externalData = false
  @Flag(
    help: ArgumentHelp(
      "Also write the weights as this machine's kernels read them, to OUT.packed: run maps them. Means --level 3 --target cameo."
    ))
  var prepacked = false
  @Option(help: ArgumentHelp("The precision that --prepacked packs weights for (default: fp32).", valueName: "type"))
  var precision: Precision?
  @Option(
    help: ArgumentHelp(
      "Exit with 1 unless the result has so many nodes of an operator: 'Attention>=6'. Repeatable.", valueName: "op>=n")
  )
  var assertCount: [CountAssertion] = []
  @Option(help: ArgumentHelp("Exit with 1 where the result has more nodes.", valueName: "n")) var maxNodes: Int?
  @OptionGroup var console: OutputArguments

  func validate() throws {
    if let level, !(0...3).contains(level) { throw ValidationError("--level is 0 to 3") }
    if let optimum, !(1...4).contains(optimum) { throw ValidationError("-O is 1 to 4") }
    if level != nil, optimum != nil { throw ValidationError("--level and -O say the same: give one") }
    if prepacked, optimum != nil || level ?? 3 != 3 || optimization.target ?? .cameo != .cameo {
      throw ValidationError("--prepacked means --level 3 --target cameo")
    }
    if precision != nil, !prepacked { throw ValidationError("--precision goes with --prepacked") }
    for path in report where (try? ReportFormat(path: path)) == nil {
      throw ValidationError("--report is FILE.html, FILE.json or FILE.md, not \(path)")
    }
  }

  func run() throws {
    try plugins.load()
    let extra = try optimization.ruleFiles.passes(disabled: optimization.disable)
    var settings = try optimization.options(
      level: prepacked ? 3 : level ?? optimum.map { min($0, 2) } ?? 2, bindings: dims.bindings, extra: extra)
    if prepacked { settings.target = .cameo }
    var explained: String?
    if let explain, !explain.isEmpty {
      guard
        let pass = (Pipelines.all(with: PluginArguments.passes) + extra).first(where: {
          $0.name.lowercased() == explain.lowercased()
        })
      else {
        throw CameoError.badInput("--explain \(explain): there is no such pass; cameo passes lists them")
      }
      explained = pass.name
    }
    let progress = console.progress
    progress.show("reading \(model)")
    defer { progress.clear() }
    var source = try ONNXImporter.load(path: model)
    try within("file \(model)") {
      try dims.check(against: source.inputSymbols)
      if let extract { source = try Extraction(extract, of: source).model(from: source) }
    }
    var options = settings
    // Level 3 is for running; a file has ai.cameo where it may.
    if options.target != .cameo {
      options.disabled.formUnion(["FuseElementwise", "FuseBlockMatMul", "JoinBlockMatMuls", "GatherQuantizedRows"])
    }
    options.inputTypes = try within("file \(model)") { try inputTypes(of: source) }

    var optimizer = Optimizer(options: options, verification: verification(of: source, options))
    optimizer.extraPasses = extra
    let (result, outcome) = try within("file \(model)") {
      try optimizer.optimizeWatched(source, keepGoing: keepGoing) { progress.show("pass \($0)") }
    }
    progress.clear()
    if let verification = outcome.verification, !verification.passed {
      try writeReports(ReportDocument(outcome), progress)
      console.note(
        "cameo: \(model): the result differs: max|a-b| / max|a| is \(Figures.short(verification.maxRel)), allowed "
          + "\(Figures.short(verification.tolerance)); nothing was written")
      if console.json { Console.out(ReportJSON.document(ReportDocument(outcome)).text()) }
      throw AnsweredNo()
    }

    progress.show("writing \(output)")
    var export = ExportOptions(opset: optimization.opset)
    if externalData { export.externalData = .beside }
    if options.target == .cameo { export.opsetLimit = ONNXImporter.newestOpset }
    var document = ReportDocument(outcome, output: output)
    let written: ONNXExporter.Summary
    if prepacked {
      var preparation = PreparedFile.WriteOptions()
      preparation.export = export
      preparation.precision = precision ?? .fp32
      preparation.bindings = [options.bindings.compactMapValues(\.value)]
      let prepared = try PreparedFile.write(result, to: output, options: preparation)
      written = prepared.model
      document.packedBytes = prepared.packedByteCount
      document.packing = prepared.packing
    } else {
      written = try ONNXExporter.save(result, to: output, options: export)
    }
    document.outputOpset = written.opset
    document.outputBytes = written.byteCount + (written.externalByteCount ?? 0)
    if !report.isEmpty {
      progress.show("planning memory")
      document.memory = MemoryTimeline.plan(
        result, bindings: options.bindings.compactMapValues(\.value), verification: outcome.verification)
    }
    try writeReports(document, progress)
    progress.clear()
    let difference = diff ? GraphDifference(from: source, to: result) : nil
    if console.json {
      Console.out(ReportJSON.document(document, difference: difference).text())
    } else {
      if !console.quiet { Console.out(OptimizeSummary.text(document, written)) }
      if let difference { Console.out("\n" + DifferenceText.text(difference, from: model, to: output)) }
      if explain != nil { Console.out(OptimizeSummary.explanation(document, pass: explained)) }
    }
    try answer(outcome)
  }

  /// Stands for `--verify each`; see `rewritten`.
  static let verifyEachName = "verify-each"

  /// The arguments with `--verify each` as one flag: as an option with a value, `--verify MODEL` would take the model for it.
  static func rewritten(_ arguments: [String]) -> [String] {
    var result: [String] = []
    for argument in arguments {
      if argument == "each", result.last == "--verify" {
        result[result.count - 1] = "--" + verifyEachName
      } else {
        result.append(argument == "--verify=each" ? "--" + verifyEachName : argument)
      }
    }
    return result
  }

  /// nil where it is switched off, or where an operator cannot be computed here (said aloud).
  private func verification(of source: Model, _ options: OptimizationOptions) -> VerificationOptions? {
    guard verify || verifyEach else { return nil }
    if let unknown = source.firstUnknownOperator {
      console.note("cameo: \(model): not verified: \(unknown) cannot be computed here")
      return nil
    }
    var verification = VerificationOptions()
    verification.bindings = options.bindings.compactMapValues(\.value)
    verification.checksEachChange = verifyEach
    return verification
  }

  private func inputTypes(of source: Model) throws -> [String: ValueType] {
    var types: [String: ValueType] = [:]
    for given in inputShapes {
      guard let input = source.graph.inputs.first(where: { source.graph[$0].name == given.name }) else {
        throw CameoError.badInput(
          "--input \(given.name): the model's inputs are \(source.graph.inputs.map { source.graph[$0].name }.joined(separator: ", "))"
        )
      }
      let declared = source.graph[input].type
      if let shape = declared?.shape {
        guard shape.count == given.shape.count,
          zip(shape, given.shape).allSatisfy({ $0.value == nil || $1.value == nil || $0 == $1 })
        else {
          throw CameoError.badInput(
            "--input \(given.name): the model declares \(declared.map { "\($0)" } ?? "another type")")
        }
      }
      types[given.name] = .tensor(declared?.dataType, given.shape)
    }
    return types
  }

  private func writeReports(_ document: ReportDocument, _ progress: Console.Progress) throws {
    for path in report {
      progress.show("writing \(path)")
      try ReportWriter.write(document, to: path)
    }
  }

  /// Throws where a question was answered "no".
  private func answer(_ outcome: OptimizationReport) throws {
    var isNo = false
    if let culprit = outcome.verification?.culprit {
      console.note("cameo: \(model): pass \(culprit) changes the result and was left out")
      isNo = !keepGoing
    }
    for assertion in assertCount where !assertion.holds(in: outcome.operatorsAfter) {
      Console.note(
        "cameo: \(output): assertion \(assertion.text) fails: there are \(outcome.operatorsAfter[assertion.name] ?? 0)")
      isNo = true
    }
    if let maxNodes, outcome.nodesAfter > maxNodes {
      Console.note("cameo: \(output): \(outcome.nodesAfter) nodes, more than --max-nodes \(maxNodes)")
      isNo = true
    }
    if isNo { throw AnsweredNo() }
  }
}

/// What `cameo optimize` prints.
enum OptimizeSummary {
  static func text(_ document: ReportDocument, _ written: ONNXExporter.Summary) -> String {
    let report = document.report
    var table = Table(alignments: [.left, .right, .right, .right])
    table.add("", "before", "after", "")
    table.add(
      "nodes", "\(report.nodesBefore)", "\(report.nodesAfter)", Figures.change(report.nodesBefore, report.nodesAfter))
    table.add(
      "weights", Figures.bytes(report.bytesBefore), Figures.bytes(report.bytesAfter),
      Figures.change(report.bytesBefore, report.bytesAfter))
    var lines = [
      Console.styled("\(report.model) -> \(document.output)", .bold)
        + " (opset \(written.opset), \(Figures.bytes(document.outputBytes ?? 0)))", table.text(),
    ]
    if let packed = document.packedBytes {
      lines.append(
        "  packed   \(Figures.bytes(packed)) in \(document.output)\(PreparedFile.suffix) (level 3, target cameo), for "
          + (document.packing ?? ""))
    }
    if !report.fusions.isEmpty {
      lines.append("  fused    " + document.fusedOperators.map { "\($0.count) \($0.name)" }.joined(separator: ", "))
    }
    if !report.nearMisses.isEmpty {
      lines.append("  almost   \(report.nearMisses.count) near misses (--explain says why)")
    }
    if let verification = report.verification {
      let mark = verification.passed ? Console.styled("verified", .green) : Console.styled("differs", .red)
      lines.append(
        "  \(mark) max|a-b| / max|a| \(Figures.short(verification.maxRel)) over \(verification.cases.count) input sets "
          + "in \(Figures.milliseconds(verification.milliseconds))")
      if let most = verification.outputs.compactMap(\.allowed).max() {
        lines.append("           the source quantizes: its own rounding allows up to \(Figures.short(most))")
      }
      if let compared = verification.comparedValues {
        lines.append(
          "           \(compared) values compared where they changed"
            + (verification.uncheckedChanges.map { $0 > 0 ? ", \($0) changes with none to compare" : "" } ?? ""))
      }
    } else {
      lines.append("  " + Console.styled("not verified", .yellow))
    }
    lines.append("  passes   \(Figures.milliseconds(report.milliseconds))")
    lines += report.failures.map { "  " + Console.styled($0, .red) }
    return lines.joined(separator: "\n")
  }

  /// The near misses, by reason.
  static func explanation(_ document: ReportDocument, pass: String?) -> String {
    let misses = document.report.nearMisses.filter { pass == nil || $0.pass == pass }
    if misses.isEmpty {
      return "\nNo near misses" + (pass.map { " of \($0)" } ?? "") + ": no rule was stopped by a guard."
    }
    var groups: [(key: String, members: [NearMiss])] = []
    for miss in misses {
      let key = "\(miss.pass): \(miss.reason)"
      if let index = groups.firstIndex(where: { $0.key == key }) {
        groups[index].members.append(miss)
      } else {
        groups.append((key, [miss]))
      }
    }
    var lines = ["", Console.styled("near misses", .bold)]
    for group in groups.sorted(by: { $0.members.count > $1.members.count }) {
      lines.append("  \(group.members.count)  \(group.key)")
      for miss in group.members.prefix(3) {
        lines.append(
          "       at \(miss.node)" + (miss.obstacle.map { $0 == miss.node ? "" : ", stopped by \($0)" } ?? ""))
      }
      if group.members.count > 3 { lines.append("       and \(group.members.count - 3) more") }
    }
    return lines.joined(separator: "\n")
  }
}

extension Model {
  /// An operator of the model that has no evaluation here and no function body.
  var firstUnknownOperator: OperatorName? {
    for body in [graph] + functions.map(\.body) {
      for id in body.allNodes {
        let node = body[id]
        if OperatorRegistry[node.operatorName] == nil, function(node.operatorName, overload: node.overload) == nil {
          return node.operatorName
        }
      }
    }
    return nil
  }
}
