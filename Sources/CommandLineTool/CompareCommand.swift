import ArgumentParser
import Cameo
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// `cameo compare`: whether two models compute the same.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Runs two models on the same inputs and says how far apart their outputs are.",
    discussion: """
      A and B may be one file, run at two levels or by two providers. Inputs that are not given are made, as by cameo bench.
      Exit code 1 where an output differs by more than the tolerance.

      --exact evaluates A in float64 as well and says how far A and B are from that: B is as good as A where its error is at most
      twice that of A plus 1e-6.

      EXAMPLE
        cameo compare model.onnx small.onnx --dim batch=2
        cameo compare model.onnx model.onnx --precision-b bf16
        cameo compare model.onnx model.onnx --provider-a reference --level-a 0 --level-b 3 --bisect
      """)

  @Argument(help: "An .onnx file: what is expected.") var a: String
  @Argument(help: "An .onnx file.") var b: String
  @OptionGroup var tensors: TensorArguments
  @Option(help: ArgumentHelp("Largest max|a-b| / max|a| of an output.", valueName: "x")) var tolerance = 1e-3
  @Flag(help: "Find the first node whose value differs.") var bisect = false
  @Flag(help: "Hold both against a float64 evaluation of A.") var exact = false
  @Option(
    name: .customLong("level-a"),
    help: ArgumentHelp(
      "How far A is optimized first, 0 to 3 (default: 0; 3 where A is not computed in fp32, as cameo run does it).",
      valueName: "level"))
  var levelA: Int?
  @Option(
    name: .customLong("level-b"),
    help: ArgumentHelp("How far B is optimized first, 0 to 3 (default: as for A).", valueName: "level"))
  var levelB: Int?
  @Option(name: .customLong("provider-a"), help: ArgumentHelp("What runs A. Repeatable.", valueName: "name"))
  var providerA: [ProviderChoice] = [.auto]
  @Option(name: .customLong("provider-b"), help: ArgumentHelp("What runs B. Repeatable.", valueName: "name"))
  var providerB: [ProviderChoice] = [.auto]
  @Option(name: .customLong("precision-a"), help: ArgumentHelp("What A's products are computed in.", valueName: "type"))
  var precisionA = Precision.fp32
  @Option(name: .customLong("precision-b"), help: ArgumentHelp("What B's products are computed in.", valueName: "type"))
  var precisionB = Precision.fp32
  @Option(
    name: .customLong("accuracy-drop-b"),
    help: ArgumentHelp(
      "With --precision-b bf16 or fp16: nodes of B stay float32 until its outputs are within this of its own float32's.",
      valueName: "x"))
  var accuracyDropB: Double?
  @Option(
    name: .customLong("mode-b"),
    help: ArgumentHelp(
      "How a GPU runs B: default; reduce-overhead and max-autotune compare its third run, the first that is replayed.",
      valueName: "mode"))
  var modeB = ExecutionMode.standard
  @Option(help: ArgumentHelp("Threads that work at once; 0: one for each core.", valueName: "n")) var threads = 0
  @OptionGroup var plugins: PluginArguments
  @OptionGroup var console: OutputArguments

  func validate() throws {
    if ![levelA, levelB].allSatisfy({ (0...3).contains($0 ?? 0) }) {
      throw ValidationError("--level-a and --level-b are 0 to 3")
    }
    try PreparedModel.validate(accuracyDropB, precisionB, "--accuracy-drop-b")
    if !(tolerance >= 0) { throw ValidationError("--tolerance is 0 or more") }
  }

  /// As it stands; a lower precision is that of the optimized model: at level 0 many products are computed in fp32 whatever is asked for.
  private static func level(_ given: Int?, _ precision: Precision) -> Int { given ?? (precision == .fp32 ? 0 : 3) }

  func run() throws {
    try plugins.load()
    let progress = console.progress
    defer { progress.clear() }
    progress.show("preparing \(a)")
    let first = try PreparedModel(
      path: a, level: Self.level(levelA, precisionA), providers: providerA, threads: threads, seed: tensors.seed,
      precision: precisionA, quiet: console.quiet)
    progress.show("preparing \(b)")
    let second = try PreparedModel(
      path: b, level: Self.level(levelB, precisionB), providers: providerB, threads: threads, seed: tensors.seed,
      pool: first.session.pool, precision: precisionB, mode: modeB, accuracyDrop: accuracyDropB,
      progress: { progress.show($0) }, quiet: console.quiet, sample: { try tensors.values(for: $0, fills: true) })
    let inputs = try within("file \(a)") { try tensors.values(for: first.source, fills: true) }
    progress.show("running \(a)")
    let expected = try within("file \(a)") { try first.session.run(values: inputs) }
    progress.show("running \(b)")
    let found = try within("file \(b)") {
      for _ in 0..<(modeB == .standard ? 0 : 2) { _ = try second.session.run(values: inputs) }
      return try second.session.run(values: inputs)
    }
    progress.clear()

    let pairs = try pairing(first.session.outputs.map(\.name), second.session.outputs.map(\.name))
    var rows: [(name: String, closeness: Closeness)] = []
    for (nameA, nameB) in pairs {
      guard let x = expected[nameA], let y = found[nameB] else { continue }
      rows.append((nameA, Closeness.between(x, y)))
    }
    let truth = try exact ? errors(first.source, inputs, pairs, expected, found) : []
    let isEqual =
      exact ? truth.allSatisfy(\.isAsGood) : rows.allSatisfy { $0.closeness.maxRel <= tolerance }
    var difference: ValueBisection.Result?
    if bisect, !isEqual {
      difference = try ValueBisection(first, second).find(inputs, tolerance)
    }
    if console.json {
      Console.out(json(rows, isEqual, difference, truth, second.held).text())
    } else {
      if !console.quiet { Console.out(text(rows)) }
      if exact, !console.quiet { Console.out("\n" + OutputError.text(truth)) }
      if let difference { Console.out("\n" + difference.text) }
      if bisect, !isEqual, difference == nil {
        console.note("cameo: no value of the same name and shape in both differs; only the outputs do")
      }
      if !console.quiet {
        Console.out(
          isEqual
            ? Console.styled("equal", .green)
              + (exact ? ": B is as close to float64 as A" : " within \(Figures.short(tolerance))")
            : Console.styled("different", .red))
      }
    }
    if !isEqual { throw AnsweredNo() }
  }

  /// How far each output of A and of B is from A evaluated in float64.
  private func errors(
    _ source: Model, _ inputs: [String: Value], _ pairs: [(String, String)], _ expected: [String: Value],
    _ found: [String: Value]
  ) throws -> [OutputError] {
    var options = GraphEvaluator.Options()
    options.widensFloats = true
    options.seed = tensors.seed
    let graph = source.graph
    let evaluator = GraphEvaluator(graph, functions: source.functions, options: options)
    let results = try within("file \(a), in float64") {
      try evaluator.run(graph.inputs.map { inputs[graph[$0].name] })
    }
    let truth = Dictionary(zip(graph.outputs.map { graph[$0].name }, results), uniquingKeysWith: { a, _ in a })
    return try pairs.compactMap { nameA, nameB in
      guard let exact = truth[nameA], let x = expected[nameA], let y = found[nameB] else { return nil }
      return OutputError(
        name: nameA, a: Closeness.between(exact, try GraphEvaluator.widened(x)).maxRel,
        b: Closeness.between(exact, try GraphEvaluator.widened(y)).maxRel)
    }
  }

  /// Outputs by name; by position where the names differ.
  private func pairing(_ x: [String], _ y: [String]) throws -> [(String, String)] {
    if x.allSatisfy(y.contains) { return x.map { ($0, $0) } }
    guard x.count == y.count else {
      throw CameoError.badInput("it has \(y.count) outputs, \(x.count) in \(a)").within("file \(b)")
    }
    return Array(zip(x, y))
  }

  private func text(_ rows: [(name: String, closeness: Closeness)]) -> String {
    var table = Table(["output", ">max abs", ">max rel", ">rmse", ">sqnr dB", ">cosine"])
    for (name, c) in rows {
      table.add(
        name, Figures.short(c.maxAbs), Figures.short(c.maxRel), Figures.short(c.rmse),
        c.sqnrDecibel.isFinite ? Figures.fixed(c.sqnrDecibel, 1) : Figures.short(c.sqnrDecibel),
        Figures.fixed(c.cosine, 8))
    }
    return table.text(indent: 0)
  }

  private func json(
    _ rows: [(name: String, closeness: Closeness)], _ isEqual: Bool, _ difference: ValueBisection.Result?,
    _ truth: [OutputError], _ held: HeldPrecision?
  ) -> JSON {
    var members: [(String, JSON)] = [
      (
        "outputs",
        .array(
          rows.map { name, c in
            .object([
              ("name", .string(name)), ("max_abs", .double(c.maxAbs)), ("max_rel", .double(c.maxRel)),
              ("rmse", .double(c.rmse)),
              ("sqnr_db", .double(c.sqnrDecibel)), ("cosine", .double(c.cosine)),
            ])
          })
      ),
      ("equal", .bool(isEqual)), ("tolerance", .double(tolerance)),
    ]
    if let difference {
      members.append(
        (
          "first_difference",
          .object([
            ("value", .string(difference.value)), ("node_a", .string(difference.nodeA)),
            ("node_b", .string(difference.nodeB)),
            ("origins", JSON(difference.origins)), ("max_abs", .double(difference.closeness.maxAbs)),
            ("max_rel", .double(difference.closeness.maxRel)),
          ])
        ))
    }
    if let held { members.append(("narrow", held.json)) }
    if exact { members.append(("exact", .array(truth.map(\.json)))) }
    return .object(members)
  }
}

/// max|x - t| / max|t| of an output of A and of B, t being A's in float64.
struct OutputError {
  let name: String
  let a: Double
  let b: Double
  var isAsGood: Bool { b <= 2 * a + 1e-6 }

  var json: JSON {
    .object([
      ("name", .string(name)), ("error_a", .double(a)), ("error_b", .double(b)), ("as_good", .bool(isAsGood)),
    ])
  }

  static func text(_ errors: [OutputError]) -> String {
    var table = Table(["against float64", ">error of A", ">error of B", ""])
    for error in errors {
      table.add(error.name, Figures.short(error.a), Figures.short(error.b), error.isAsGood ? "" : "worse")
    }
    return table.text(indent: 0)
  }
}
