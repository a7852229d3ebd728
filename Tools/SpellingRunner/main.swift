// Draws spellings of attention, norms and activations, optimizes each and says which were not seen through.
//   spelling-runner [--seed N] [--count N] [--family NAME]... [--axis NAME=VALUE]... [--write DIR] [--jobs N]
//     [--target onnx|ort|cameo] [--full] [--summary] [--item NAME] [--plain PERCENT] [--misses]
// Seeds N ..< N + count of each family. --write stores model.onnx, optimized.onnx and inputs of each seed under DIR.
// --plain takes the plainest value of an axis in PERCENT of the draws: 100 and one --axis tries that axis alone.
// --guards lists the sentences of the guards around attention, each with the flaws and cases that expect it.
// --misses counts the near misses' sentences, numbers and names left out. --item lists only failures of that kind. Exit code 1 where an expectation was not met.
import Foundation
import PassKit
import SpellingSupport
import Tensors

let arguments = Array(CommandLine.arguments.dropFirst())
func options(_ name: String) -> [String] {
  arguments.indices.filter { arguments[$0] == "--" + name && $0 + 1 < arguments.count }.map { arguments[$0 + 1] }
}
let seed = options("seed").first.flatMap { UInt64($0) } ?? 1
let count = options("count").first.flatMap { Int($0) } ?? 200
let jobs = max(1, options("jobs").first.flatMap { Int($0) } ?? 2)
let wanted = options("family")
let families = wanted.isEmpty ? Spellings.families + Spellings.breakers : wanted
let folder = options("write").first
let item = options("item").first
let plain = options("plain").first.flatMap { Int($0) } ?? 0
var forced: [String: String] = [:]
for pair in options("axis") {
  let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
  if parts.count == 2 { forced[parts[0]] = parts[1] }
}
if arguments.contains("--help") || families.contains(where: { !(Spellings.families + Spellings.breakers).contains($0) })
{
  print("usage: spelling-runner [--seed N] [--count N] [--family NAME] [--axis NAME=VALUE] [--write DIR] [--target T]")
  print("families: \((Spellings.families + Spellings.breakers).joined(separator: " "))")
  exit(64)
}

if arguments.contains("--guards") {
  for line in try GuardCoverage().lines {
    print("\(line.file): \(line.sentence)\n    \((line.flaws + line.cases).joined(separator: "; "))")
  }
  exit(0)
}

/// The seeds in work, for the handler of a crash.
nonisolated(unsafe) let inWork = UnsafeMutablePointer<UInt64>.allocate(capacity: 64)
inWork.initialize(repeating: .max, count: 64)
for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT] {
  signal(number) { number in
    var text = "CRASH signal \(number) in one of the seeds"
    for worker in 0..<64 where inWork[worker] != .max { text += " \(inWork[worker])" }
    text += "\n"
    FileHandle.standardOutput.write(Data(text.utf8))
    _exit(70)
  }
}

final class Results: @unchecked Sendable {
  private let lock = NSLock()
  var totals = SpellingTotals()
  var lines: [(UInt64, String)] = []
  /// By near miss: how many seeds have it, and one of them.
  private var misses: [String: (count: Int, seed: UInt64)] = [:]
  private var next: UInt64 = 0
  private let forced: [String: String]
  private let item: String?

  init(forced: [String: String], item: String?) {
    self.forced = forced
    self.item = item
  }

  func take(below count: Int) -> UInt64? {
    lock.withLock {
      guard next < UInt64(count) else { return nil }
      defer { next += 1 }
      return next
    }
  }

  func note(_ spelling: Spelling, _ outcome: SpellingOutcome) {
    lock.withLock {
      totals.note(spelling, outcome)
      for miss in Set(outcome.nearMisses.map(general)) {
        misses[miss] = ((misses[miss]?.count ?? 0) + 1, misses[miss]?.seed ?? spelling.seed)
      }
      let shown = outcome.failures.filter { item == nil || $0.item == item }
      guard !shown.isEmpty else { return }
      let what = shown.map { "\($0.item): \($0.detail)" }.joined(separator: "; ")
      let axes = spelling.axes.filter { forced[$0.axis] == nil }.map { "\($0.axis)=\($0.value)" }.joined(separator: " ")
      let misses = outcome.nearMisses.isEmpty ? "" : "\n    near misses: " + outcome.nearMisses.joined(separator: " | ")
      lines.append((spelling.seed, "\(spelling.family) seed \(spelling.seed): \(what)\n    \(axes)\(misses)"))
    }
  }

  /// The sentence with N for each number and name of a value.
  private func general(_ miss: String) -> String {
    miss.split(separator: " ", omittingEmptySubsequences: false).map { word in
      word.contains { $0.isNumber || $0 == "_" || $0 == "/" } ? "N" : String(word)
    }.joined(separator: " ")
  }

  var missLines: [String] {
    misses.sorted { (-$0.value.count, $0.key) < (-$1.value.count, $1.key) }.map {
      "  \($0.value.count) x  \($0.key)  (seed \($0.value.seed))"
    }
  }

  func fail(_ seed: UInt64, _ text: String) { lock.withLock { lines.append((seed, text)) } }
}

@Sendable func store(_ spelling: Spelling, _ outcome: SpellingOutcome, in folder: String) throws {
  let place = URL(fileURLWithPath: folder).appending(path: "\(spelling.family)-\(spelling.seed)")
  try FileManager.default.createDirectory(
    at: place.appending(path: "test_data_set_0"), withIntermediateDirectories: true)
  func write(_ bytes: [UInt8], _ name: String) throws { try Data(bytes).write(to: place.appending(path: name)) }
  try write(spelling.bytes, "model.onnx")
  if !outcome.optimized.isEmpty { try write(outcome.optimized, "optimized.onnx") }
  for (index, input) in spelling.inputs.enumerated() {
    try write(Spellings.proto(input.tensor, name: input.name), "test_data_set_0/input_\(index).pb")
  }
  for (index, tensor) in outcome.expected.enumerated() {
    try write(Spellings.proto(tensor, name: ""), "test_data_set_0/output_\(index).pb")
  }
  let axes = spelling.axes.map { "\($0.axis)=\($0.value)" } + outcome.failures.map { "failed=\($0.item)" }
  try write(Array((axes.joined(separator: "\n") + "\n").utf8), "axes.txt")
}

var isGood = true
for family in families {
  let results = Results(forced: forced, item: item)
  let (seed, count, forced, folder, plain) = (seed, count, forced, folder, plain)
  var settings = SpellingCheck()
  if let target = options("target").first.flatMap({ OptimizationOptions.Target(rawValue: $0) }) {
    settings.options.target = target
  }
  let check = settings
  let start = ContinuousClock.now
  DispatchQueue.concurrentPerform(iterations: jobs) { worker in
    while let index = results.take(below: count) {
      inWork[worker % 64] = seed + index
      do {
        guard let spelling = try Spellings.make(family, seed: seed + index, forced: forced, plain: plain) else {
          continue
        }
        let outcome = check.run(spelling)
        results.note(spelling, outcome)
        if let folder { try store(spelling, outcome, in: folder) }
      } catch {
        results.fail(seed + index, "\(family) seed \(seed + index): the generator failed: \(error)")
      }
    }
    inWork[worker % 64] = .max
  }
  if !arguments.contains("--summary") { for line in results.lines.sorted(by: { $0.0 < $1.0 }) { print(line.1) } }
  print("\(family): \(results.totals.text)")
  if arguments.contains("--misses") { for line in results.missLines { print(line) } }
  print("  \(start.duration(to: .now))")
  if !results.lines.isEmpty { isGood = false }
}
exit(isGood ? 0 : 1)
