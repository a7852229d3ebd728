// Runs a model on tensors dumped beside it, compares with golden outputs, prints the plan's memory and times.
//   runtime-probe MODEL CASE_DIR [--provider reference|cpu] [--threads N] [--iterations N] [--level N] [--profile FILE] [--nodes]
import CPUProvider
import Foundation
import GraphIR
import InferenceRuntime
import MallocCounter
import ONNXFormat
import Operators
import PassKit
import Passes
import Tensors

func readList(_ path: String) throws -> [(String, Tensor)] {
  guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
  return try text.split(separator: "\n").map { line in
    let fields = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard fields.count == 4 else { throw CameoError.badInput("\(path): \(line) is no tensor") }
    let types: [String: DataType] = ["float32": .float, "float64": .double, "float16": .float16]
    let shape = fields[2].split(separator: ",").compactMap { Int($0) }
    guard let type = types[fields[1]] ?? DataType(name: fields[1]), shape.count == fields[2].split(separator: ",").count
    else { throw CameoError.badInput("\(path): \(fields[1]) [\(fields[2])] is no type") }
    let data = try Data(contentsOf: URL(fileURLWithPath: fields[3]))
    return (fields[0], try Tensor.makeRaw(type, shape) { bytes in data.copyBytes(to: bytes) })
  }
}

func milliseconds(_ body: () throws -> Void) rethrows -> Double {
  let start = ThreadPool.nanoseconds()
  try body()
  return Double(ThreadPool.nanoseconds() - start) / 1e6
}

func main() throws {
  let arguments = CommandLine.arguments
  func option(_ name: String) -> String? {
    arguments.firstIndex(of: "--" + name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
  }
  let path = arguments[1]
  let folder = arguments[2]
  var model: Model!
  let load = try milliseconds { model = try ONNXImporter.load(path: path) }
  let level = Int(option("level") ?? "0") ?? 0
  var optimize = 0.0
  if level > 0 {
    optimize = try milliseconds {
      try model.graph.sortTopologically(); try Probe.optimize(&model, level: level)
    }
  }
  var options = SessionOptions()
  options.threads = Int(option("threads") ?? "2") ?? 2
  let provider = option("provider") ?? "cpu"
  let session = try Session(
    model, providers: provider == "cpu" ? [CPUProvider()] : [ReferenceProvider()], options: options)
  let inputs = try readList(folder + "/inputs/list.txt")
  let golden = try readList(folder + "/golden/list.txt")
  let named = Dictionary(uniqueKeysWithValues: inputs)
  var results: [String: Tensor] = [:]
  let prepare = milliseconds { _ = try? session.prepare(inputs: named.mapValues(\.shape)) }
  let first = try milliseconds { results = try session.run(named) }
  var worst = 0.0
  for (name, expected) in golden {
    guard let got = results[name] else { print("MISSING \(name)"); worst = .infinity; continue }
    if got.shape != expected.shape { print("SHAPE \(name) \(got) expected \(expected)"); worst = .infinity; continue }
    let a = try got.elements(as: Double.self)
    let b = try expected.elements(as: Double.self)
    let most = b.map(\.magnitude).max() ?? 0
    let difference = zip(a, b).map { ($0 - $1).magnitude }.reduce(0) { $1.isNaN ? .infinity : max($0, $1) }
    worst = max(worst, difference / max(most, 1e-30))
  }
  let iterations = Int(option("iterations") ?? "0") ?? 0
  var times: [Double] = []
  var how = "run"
  var allocations = -1
  if let binding = try? Binding(
    session, inputs: Dictionary(uniqueKeysWithValues: inputs.map { ($0.0, $0.1.shape) }), values: named)
  {
    how = "bound"
    for (name, tensor) in inputs { try binding.bind(input: name, to: tensor) }
    var bound: [Tensor] = []
    for output in session.outputs { bound.append(try binding.bindOutput(output.name)) }
    try binding.run()
    for (index, output) in session.outputs.enumerated() {
      guard let result = results[output.name], bound[index].isIdentical(to: result) else {
        how = "bound(DIFFERS \(output.name))"
        continue
      }
    }
    let before = malloc_counter_all()
    try binding.run()
    allocations = malloc_counter_all() - before
    for _ in 0..<iterations { times.append(try milliseconds { try binding.run() }) }
  } else {
    for _ in 0..<iterations { times.append(try milliseconds { _ = try session.run(named) }) }
  }
  times.sort()
  let plans = session.plans
  let peak = plans.map(\.memory.peakBytes).max() ?? 0
  let sum = plans.map(\.memory.sumBytes).reduce(0, +)
  let bound = plans.map(\.memory.lowerBound).max() ?? 0
  let scratch = plans.map(\.memory.scratchBytes).max() ?? 0
  func mib(_ bytes: Int) -> String { String(format: "%.2f", Double(bytes) / 1_048_576) }
  let name = (path as NSString).deletingLastPathComponent.split(separator: "/").last ?? ""
  let p50 = times.isEmpty ? 0 : times[times.count / 2]
  print(
    "\(name)/\((folder as NSString).lastPathComponent) err \(String(format: "%.2e", worst)) load \(String(format: "%.1f", load)) opt \(String(format: "%.1f", optimize)) prepare \(String(format: "%.1f", prepare)) first \(String(format: "%.1f", first)) p50 \(String(format: "%.2f", p50)) min \(String(format: "%.2f", times.first ?? 0)) \(how) | stages \(plans.count) steps \(plans.map(\.assignments.count).reduce(0, +)) mallocs \(allocations) peak \(mib(peak)) bound \(mib(bound)) ratio \(String(format: "%.3f", Double(peak) / Double(max(1, bound)))) sum \(mib(sum)) scratch \(mib(scratch)) packed \(mib(session.packedBytes))"
  )
  var reference: [String: Int] = [:]
  for plan in plans {
    for step in plan.allAssignments where step.provider == "reference" && !step.isElided {
      reference["\(step.operatorName) <- \(step.refusals.joined(separator: "; "))", default: 0] += 1
    }
  }
  if provider == "cpu" {
    for (key, count) in reference.sorted(by: { $0.value > $1.value }).prefix(12) {
      print("    reference x\(count): \(key)")
    }
  }
  if arguments.contains("--nodes") {
    for plan in plans { for step in plan.allAssignments { print("  \(step.provider) \(step.kernel) \(step.label)") } }
  }
  if arguments.contains("--blocks") {
    for plan in plans {
      for block in plan.memory.blocks.sorted(by: { $0.size > $1.size }).prefix(24) {
        print("  \(block.label) \(mib(block.size)) @\(mib(block.offset)) [\(block.first), \(block.last)]")
      }
    }
  }
  if let file = option("profile") {
    let profile = Profile(model)
    for _ in 0..<3 { _ = try session.run(named, profile: profile) }
    try profile.traceJSON().write(toFile: file, atomically: true, encoding: .utf8)
    for total in profile.byKernel.prefix(14) {
      print("    \(String(format: "%8.3f", Double(total.nanoseconds) / 3e6)) ms  x\(total.calls / 3)  \(total.name)")
    }
    for total in profile.byNode.prefix(10) {
      print("    \(String(format: "%8.3f", Double(total.nanoseconds) / 3e6)) ms  \(total.name)")
    }
  }
}

do { try main() } catch {
  print("FAIL \(CommandLine.arguments.dropFirst().prefix(2).joined(separator: " ")): \(error)")
  exit(2)
}
