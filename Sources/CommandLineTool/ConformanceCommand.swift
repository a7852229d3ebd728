import ArgumentParser
import Cameo
import GraphIR
import InferenceRuntime
import Tensors

/// `cameo conformance`: the ONNX backend tests.
struct ConformanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conformance",
    abstract: "Runs ONNX backend test folders (model.onnx with test_data_set_N beside it).",
    discussion: """
      Each element may differ by 1e-7 + 1e-3 |expected|, as in ONNX's own runner. Exit code 1 where a test fails; what is not
      supported is listed with the reason and is no failure.

      EXAMPLE
        cameo conformance onnx/backend/test/data/node --provider cpu --level 0 --filter softmax
      """)

  @Argument(help: "A folder that holds test folders, or one of them.") var folder: String
  @Option(help: ArgumentHelp("auto, cpu or reference, in order of preference. Repeatable.", valueName: "name"))
  var provider: [ProviderChoice] = [.auto]
  @Option(help: ArgumentHelp("How far the models are optimized first, 0 to 3.", valueName: "level")) var level = 0
  @Option(help: ArgumentHelp("Only tests whose name holds this. Repeatable.", valueName: "text")) var filter: [String] =
    []
  @OptionGroup var plugins: PluginArguments
  @OptionGroup var output: OutputArguments

  enum Status: String { case pass, fail, unsupported }

  struct Outcome {
    let name: String
    let status: Status
    let reason: String
    let operators: [String]
  }

  func validate() throws { if !(0...3).contains(level) { throw ValidationError("--level is 0 to 3") } }

  func run() throws {
    try plugins.load()
    let tests = find()
    guard !tests.isEmpty else {
      throw CameoError.badInput(
        "it holds no folder with model.onnx and test_data_set_N" + (filter.isEmpty ? "" : " of that name")
      ).within("file \(folder)")
    }
    let pool = ThreadPool(threads: 0)
    var outcomes: [Outcome] = []
    for (index, test) in tests.enumerated() {
      output.progress.show(test.name, index, of: tests.count)
      outcomes.append(outcome(test.name, test.path, pool))
    }
    output.progress.clear()
    let counts = Dictionary(grouping: outcomes, by: \.status).mapValues(\.count)
    if output.json {
      Console.out(json(outcomes, counts).text())
    } else {
      for outcome in outcomes where outcome.status != .pass && !output.quiet {
        Console.out(
          "\(Console.styled(outcome.status.rawValue, outcome.status == .fail ? .red : .yellow))  \(outcome.name): \(outcome.reason)"
        )
      }
      Console.out(
        "\(tests.count) tests: \(counts[.pass] ?? 0) passed, \(counts[.fail] ?? 0) failed, \(counts[.unsupported] ?? 0) unsupported"
      )
    }
    if counts[.fail] != nil { throw AnsweredNo() }
  }

  /// Test folders up to three levels down.
  private func find() -> [(name: String, path: String)] {
    var result: [(name: String, path: String)] = []
    func walk(_ path: String, _ name: String, _ depth: Int) {
      guard let files = Folder.files(path) else { return }
      if files.contains("model.onnx"), files.contains(where: { $0.hasPrefix("test_data_set_") }) {
        if filter.isEmpty || filter.contains(where: name.contains) { result.append((name, path)) }
        return
      }
      if depth == 3 { return }
      for file in files where Folder.isFolder("\(path)/\(file)") { walk("\(path)/\(file)", file, depth + 1) }
    }
    walk(folder, folder.split(separator: "/").last.map(String.init) ?? folder, 0)
    return result
  }

  private func outcome(_ name: String, _ path: String, _ pool: ThreadPool) -> Outcome {
    var operators: [String] = []
    do {
      let prepared = try PreparedModel(
        path: "\(path)/model.onnx", level: level, providers: provider, threads: 0, pool: pool)
      operators = prepared.source.graph.operatorCounts.keys.sorted()
      for set in TestData.folders(in: path) {
        let data = try TestData(folder: set, model: prepared.source)
        let results = try prepared.session.run(values: data.inputs)
        for (port, expected) in zip(prepared.session.outputs, data.outputs) {
          guard let expected else { continue }
          guard let found = results[port.name] else {
            return Outcome(name: name, status: .fail, reason: "output \(port.name) is missing", operators: operators)
          }
          if let reason = TestData.mismatch(expected, found) {
            return Outcome(name: name, status: .fail, reason: "output \(port.name): \(reason)", operators: operators)
          }
        }
      }
      return Outcome(name: name, status: .pass, reason: "", operators: operators)
    } catch let error as CameoError {
      return Outcome(
        name: name, status: error.kind == .unsupported ? .unsupported : .fail, reason: error.description,
        operators: operators)
    } catch {
      return Outcome(name: name, status: .fail, reason: "\(error)", operators: operators)
    }
  }

  private func json(_ outcomes: [Outcome], _ counts: [Status: Int]) -> JSON {
    var byOperator: [String: [Status: Int]] = [:]
    for outcome in outcomes {
      for name in outcome.operators { byOperator[name, default: [:]][outcome.status, default: 0] += 1 }
    }
    return .object([
      ("total", .int(outcomes.count)), ("passed", .int(counts[.pass] ?? 0)), ("failed", .int(counts[.fail] ?? 0)),
      ("unsupported", .int(counts[.unsupported] ?? 0)),
      (
        "tests",
        .array(
          outcomes.map {
            .object([
              ("name", .string($0.name)), ("status", .string($0.status.rawValue)), ("reason", .string($0.reason)),
            ])
          })
      ),
      (
        "operators",
        .object(
          byOperator.sorted { $0.key < $1.key }.map { name, counts in
            (
              name,
              .object([
                ("passed", .int(counts[.pass] ?? 0)), ("failed", .int(counts[.fail] ?? 0)),
                ("unsupported", .int(counts[.unsupported] ?? 0)),
              ])
            )
          })
      ),
    ])
  }
}
