import ArgumentParser
import Cameo
import Dispatch
import InferenceRuntime
import ONNXFormat
import Tensors

import struct Synchronization.Atomic

/// `cameo conformance`: the ONNX backend tests.
struct ConformanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conformance",
    abstract: "Runs ONNX backend test folders (model.onnx with test_data_set_N beside it).",
    discussion: """
      As ONNX's own runner: each element may differ by 1e-7 + 1e-3 |expected| (bfloat16: 2^-6), unless a data.json beside the
      model says rtol and atol; kinds, shapes, element types and strings are equal. Draws of random operators are checked by
      shape, type, rate and repeatability of the seed, and the test says so. Exit code 1 where a test fails; what is not
      supported is listed with the reason and is no failure.

      EXAMPLE
        cameo conformance onnx/backend/test/data/node --provider cpu --level 0 --filter softmax
        cameo conformance onnx/backend/test/data/node --round-trip
      """)

  @Argument(help: "A folder that holds test folders, or one of them.") var folder: String
  @Option(help: ArgumentHelp("auto, cpu or reference, in order of preference. Repeatable.", valueName: "name"))
  var provider: [ProviderChoice] = [.auto]
  @Option(help: ArgumentHelp("How far the models are optimized first, 0 to 3.", valueName: "level")) var level = 0
  @Option(help: ArgumentHelp("Only tests whose name holds this. Repeatable.", valueName: "text")) var filter: [String] =
    []
  @Option(help: ArgumentHelp("Tests that run at once; 0: one for each core.", valueName: "n")) var threads = 0
  @Flag(
    help: """
      Write each model from the dialect, in its own opset and in the newest, read it again, and test that.
      """)
  var roundTrip = false
  @Option(
    help: ArgumentHelp(
      "Write in this opset instead; what it cannot say is unsupported. Repeatable.", valueName: "n"))
  var opset: [Int] = []
  @Option(
    help: ArgumentHelp("Keep the files of --round-trip in this folder, as TEST.opsetN.onnx.", valueName: "dir"))
  var keep: String?
  @OptionGroup var plugins: PluginArguments
  @OptionGroup var output: OutputArguments

  func validate() throws {
    if !(0...3).contains(level) { throw ValidationError("--level is 0 to 3") }
    if threads < 0 || threads > 4096 { throw ValidationError("--threads is 0 to 4096") }
    if (keep != nil || !opset.isEmpty) && !roundTrip {
      throw ValidationError("--keep and --opset go with --round-trip")
    }
    if opset.contains(where: { !(1...ONNXImporter.newestOpset).contains($0) }) {
      throw ValidationError("--opset is 1 to \(ONNXImporter.newestOpset)")
    }
  }

  func run() throws {
    try plugins.load()
    let tests = ConformanceTest.find(in: folder, filter: filter)
    guard !tests.isEmpty else {
      throw CameoError.badInput(
        "it holds no folder with model.onnx and test_data_set_N" + (filter.isEmpty ? "" : " of that name")
      ).within("file \(folder)")
    }
    if let keep { try Folder.make(keep) }
    let outcomes = all(
      tests,
      ConformanceRunner(
        level: level, providers: provider, isRoundTrip: roundTrip, exportOpsets: opset, exportFolder: keep))
    let counts = Dictionary(grouping: outcomes, by: \.status).mapValues(\.count)
    if output.json { Console.out(json(outcomes, counts).text()) } else { list(outcomes, counts) }
    if counts[.fail] != nil { throw AnsweredNo() }
  }

  /// Runs the tests on several threads; the outcomes in the tests' order.
  private func all(_ tests: [ConformanceTest], _ runner: ConformanceRunner) -> [ConformanceOutcome] {
    let progress = output.progress
    let state = Mutex<(outcomes: [ConformanceOutcome?], done: Int)>((.init(repeating: nil, count: tests.count), 0))
    let next = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: min(tests.count, ThreadPool(threads: threads).threads)) { _ in
      let pool = ThreadPool(threads: 1)
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < tests.count else { return }
        let outcome = runner.outcome(tests[index], pool)
        state.withLock {
          $0.outcomes[index] = outcome
          $0.done += 1
          progress.show(outcome.name, $0.done, of: tests.count)
        }
      }
    }
    progress.clear()
    return state.withLock { $0.outcomes.compactMap { $0 } }
  }

  private func list(_ outcomes: [ConformanceOutcome], _ counts: [ConformanceOutcome.Status: Int]) {
    for outcome in outcomes where !output.quiet && !(outcome.status == .pass && outcome.note.isEmpty) {
      let color: Console.Style =
        switch outcome.status {
        case .pass: .green
        case .fail: .red
        case .unsupported: .yellow
        }
      let text = outcome.status == .pass ? outcome.note : outcome.reason
      Console.out("\(Console.styled(outcome.status.rawValue, color))  \(outcome.name): \(text)")
    }
    Console.out(
      "\(outcomes.count) tests: \(counts[.pass] ?? 0) passed, \(counts[.fail] ?? 0) failed, \(counts[.unsupported] ?? 0) unsupported"
    )
  }

  private func json(_ outcomes: [ConformanceOutcome], _ counts: [ConformanceOutcome.Status: Int]) -> JSON {
    func totals(_ counts: [ConformanceOutcome.Status: Int]) -> [(String, JSON)] {
      [
        ("passed", .int(counts[.pass] ?? 0)), ("failed", .int(counts[.fail] ?? 0)),
        ("unsupported", .int(counts[.unsupported] ?? 0)),
      ]
    }
    var byOperator: [String: [ConformanceOutcome.Status: Int]] = [:]
    for outcome in outcomes {
      for name in outcome.operators { byOperator[name, default: [:]][outcome.status, default: 0] += 1 }
    }
    let tests = outcomes.map { outcome in
      var members: [(String, JSON)] = [
        ("name", .string(outcome.name)), ("status", .string(outcome.status.rawValue)),
        ("reason", .string(outcome.reason)),
      ]
      if !outcome.note.isEmpty { members.append(("note", .string(outcome.note))) }
      if let onHost = outcome.onHost {
        members.append(("on_host", .int(onHost.count)))
        members.append(("host_reasons", .array(onHost.map { .string("\($0.node): \($0.reason)") })))
      }
      return JSON.object(members)
    }
    return .object(
      [("total", .int(outcomes.count))] + totals(counts) + [
        ("tests", .array(tests)),
        ("operators", .object(byOperator.sorted { $0.key < $1.key }.map { ($0.key, .object(totals($0.value))) })),
      ])
  }
}
