import ArgumentParser
import Cameo
import GraphIR
import InferenceRuntime
import ONNXFormat
import PassKit
import Tensors

/// `cameo run`: computes a model's outputs.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Runs a model and shows or writes its outputs.",
    discussion: """
      Every input that has no default is given by --input or --inputs. Types come from the model; dimensions that it leaves open
      come from the given tensors or from --dim.

      EXAMPLE
        cameo run model.onnx --input image=random --dim batch=1
        cameo run model.onnx --inputs in.npz --output out.npz --profile trace.json
      """)

  @Argument(help: "An .onnx file.") var model: String
  @OptionGroup var tensors: TensorArguments
  @OptionGroup var runtime: RuntimeArguments
  @OptionGroup var optimization: OptimizationArguments
  @OptionGroup var plugins: PluginArguments

  @Option(
    name: [.long, .customShort("o")],
    help: ArgumentHelp("Write the outputs: FILE.npz, or a folder of .npy files.", valueName: "dir|file.npz"))
  var output: String?
  @Option(help: ArgumentHelp("Also give this value, or the results of this node. Repeatable.", valueName: "node|value"))
  var dump: [String] = []
  @Option(help: ArgumentHelp("Write a trace that Perfetto opens.", valueName: "trace.json")) var profile: String?
  @Option(help: ArgumentHelp("Run a test_data_set_N folder and compare with its outputs.", valueName: "dir"))
  var testData: String?
  @Option(help: ArgumentHelp("Largest max|a-b| / max|a| for --test-data.", valueName: "x")) var tolerance = 1e-3
  @Option(
    help: ArgumentHelp(
      "Write a report of how the model was prepared: FILE.html, .json or .md. Repeatable.", valueName: "file"))
  var report: [String] = []
  @OptionGroup var console: OutputArguments

  func validate() throws {
    if testData != nil, !tensors.isEmpty { throw ValidationError("--test-data brings its own inputs") }
    for path in report where (try? ReportFormat(path: path)) == nil {
      throw ValidationError("--report is FILE.html, FILE.json or FILE.md, not \(path)")
    }
  }

  func run() throws {
    try plugins.load()
    runtime.applyMemoryLimit()
    console.progress.show("preparing \(model)")
    defer { console.progress.clear() }
    let tuning = try runtime.tuning()
    let prepared = try PreparedModel(
      path: model, level: runtime.level, providers: runtime.provider, threads: runtime.threads, seed: tensors.seed,
      optimization: optimization, keeping: dump, affinity: try runtime.applyAffinity(),
      precision: runtime.precision, mode: runtime.mode, accuracyDrop: runtime.accuracyDrop, tuning: tuning,
      progress: { console.progress.show($0) }, quiet: console.quiet,
      sample: { model in
        try testData.map { try TestData(folder: $0, model: model).inputs } ?? tensors.values(for: model, fills: false)
      })
    try within("file \(model)") {
      var data: TestData?
      if let testData { data = try TestData(folder: testData, model: prepared.source) }
      let inputs = try data?.inputs ?? tensors.values(for: prepared.source, fills: false)
      let trace = profile.map { _ in Profile(prepared.optimized) }
      console.progress.show("running \(model)")
      let start = ContinuousClock.now
      let results = try prepared.session.run(values: inputs, profile: trace)
      let milliseconds = (ContinuousClock.now - start).milliseconds
      console.progress.clear()
      try runtime.keep(tuning, console)
      let named = prepared.session.outputs.compactMap { port in results[port.name].map { (name: port.name, value: $0) }
      }
      if let output { try OutputFiles.write(named, to: output) }
      if let profile, let trace { try ReportWriter.writeFile(trace.traceJSON(), to: profile) }
      try writeReports(prepared)
      if console.json {
        Console.out(json(named, milliseconds).text())
      } else if !console.quiet, data == nil, output == nil || !dump.isEmpty {
        var table = Table(alignments: [.left, .left])
        for (name, value) in named { table.add(name, ValueText.summary(value)) }
        Console.out(table.text(indent: 0))
      }
      if let data { try compare(data, named) }
    }
  }

  private func writeReports(_ prepared: PreparedModel) throws {
    if report.isEmpty { return }
    var document = ReportDocument(prepared.report)
    document.report.model = model
    if !prepared.hasRunPasses {
      document.report.level = 0
      document.report.nodesBefore = prepared.source.graph.nodeCount
      document.report.nodesAfter = document.report.nodesBefore
      document.report.operatorsBefore = prepared.source.graph.operatorCounts
      document.report.operatorsAfter = document.report.operatorsBefore
      document.report.bytesBefore = prepared.source.graph.constantBytes
      document.report.bytesAfter = document.report.bytesBefore
    }
    if let plan = prepared.session.plans.first {
      document.memory = MemoryTimeline(plan.memory, signature: "the inputs of this run")
    }
    for path in report { try ReportWriter.write(document, to: path) }
  }

  private func compare(_ data: TestData, _ found: [(name: String, value: Value)]) throws {
    var isEqual = true
    for (expected, result) in zip(data.outputs, found) {
      guard let expected else { continue }
      let closeness = Closeness.between(expected, result.value)
      let isClose = closeness.maxRel <= tolerance
      isEqual = isEqual && isClose
      if !console.json, !console.quiet || !isClose {
        Console.out(
          "\(result.name)  max|a-b| \(Figures.short(closeness.maxAbs))  / max|a| \(Figures.short(closeness.maxRel))  \(isClose ? "ok" : "differs")"
        )
      }
    }
    if !isEqual { throw AnsweredNo() }
  }

  private func json(_ outputs: [(name: String, value: Value)], _ milliseconds: Double) -> JSON {
    .object([
      ("model", .string(model)), ("ms", .double(milliseconds)),
      (
        "outputs",
        .array(
          outputs.map { name, value in
            var members: [(String, JSON)] = [("name", .string(name))]
            if let tensor = value.tensor {
              members += [("type", .string(tensor.dataType.name)), ("shape", JSON(tensor.shape))]
              if tensor.count <= 16, tensor.dataType != .string, let values = try? tensor.elements(as: Double.self) {
                members.append(("values", .array(values.map { .double($0) })))
              }
            }
            members.append(("summary", .string(ValueText.summary(value))))
            return .object(members)
          })
      ),
    ])
  }
}
