// Feeds mutated models to the whole pipeline, in child processes, and reports crashes and hangs with the case that makes them.
//   fuzz-runner MODEL.onnx... [--seed N] [--count N] [--from N] [--jobs N] [--address-space GIB] [--show N FILE]
// Exit code 1 where a case crashed or hung. A case runs under 10 s and 4 GiB of address space (0: any; a sanitizer needs it).
import Foundation
import Tensors

/// Unbuffered: what a child said before it died is read.
@Sendable func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

let arguments = Array(CommandLine.arguments.dropFirst())
func option(_ name: String) -> String? {
  arguments.firstIndex(of: "--" + name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
}
let seed = option("seed").flatMap { UInt64($0) } ?? 1
let count = option("count").flatMap { Int($0) } ?? 500
let from = option("from").flatMap { Int($0) } ?? 0
let jobs = max(1, option("jobs").flatMap { Int($0) } ?? 2)
let addressSpace = max(0, min(option("address-space").flatMap { Int($0) } ?? 4, 1 << 20))
let batch = 100
let paths = arguments.filter { $0.hasSuffix(".onnx") }.sorted()
let mutator = Mutator(paths.compactMap { path in FileManager.default.contents(atPath: path).map { (path, Array($0)) } })
guard !mutator.sources.isEmpty else {
  say("usage: fuzz-runner MODEL.onnx... [--seed N] [--count N] [--from N] [--jobs N] [--show N FILE]")
  exit(64)
}

if let show = option("show").flatMap({ Int($0) }), let at = arguments.firstIndex(of: "--show"), at + 2 < arguments.count
{
  let made = mutator.make(seed: seed, index: show)
  try Data(made.bytes).write(to: URL(fileURLWithPath: arguments[at + 2]))
  say(made.name)
  exit(0)
}

if arguments.contains("--child") {
  // The parent reads "case INDEX", then stages, then "end PLACE"; what is missing tells where it died.
  if addressSpace > 0 {
    var limit = rlimit(rlim_cur: rlim_t(addressSpace) << 30, rlim_max: rlim_t(addressSpace) << 30)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  }
  var core = rlimit(rlim_cur: 0, rlim_max: 0)
  setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core)
  MemoryBudget.shared.limit = 256 << 20
  for index in from..<from + count {
    let made = mutator.make(seed: seed, index: index)
    say("case \(index) \(made.name)")
    alarm(10)
    if arguments.contains("--trap"), index % 50 == 7 { fatalError("as asked") }
    let folder = (paths[0] as NSString).deletingLastPathComponent
    let start = ContinuousClock.now
    let place = Pipeline.run(made.bytes, folder: folder, index: index) { say("stage \($0)") }
    alarm(0)
    say("end \(place) \(start.duration(to: .now))")
  }
  exit(0)
}

/// What the children found, from all threads.
final class Findings: @unchecked Sendable {
  private let lock = NSLock()
  private(set) var failures: [String] = []
  private(set) var places: [String: Int] = [:]
  private var next = from

  func take() -> Range<Int>? {
    lock.withLock {
      guard next < from + count else { return nil }
      defer { next += batch }
      return next..<min(next + batch, from + count)
    }
  }
  func record(_ failure: String) {
    lock.withLock {
      failures.append(failure)
      say("FAILED \(failure)")
    }
  }
  func note(_ place: String) { lock.withLock { places[place, default: 0] += 1 } }
}

let findings = Findings()
let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()

@Sendable func work() {
  while var range = findings.take() {
    while !range.isEmpty {
      let child = Process()
      child.executableURL = own
      child.arguments =
        paths + ["--child"] + (arguments.contains("--trap") ? ["--trap"] : []) + [
          "--seed", "\(seed)", "--from", "\(range.lowerBound)", "--count", "\(range.count)", "--address-space",
          "\(addressSpace)",
        ]
      child.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { _, own in own
      }
      let pipe = Pipe()
      let errors = Pipe()
      child.standardOutput = pipe
      child.standardError = errors
      guard (try? child.run()) != nil else { return findings.record("cannot start \(own.path)") }
      let complaint = Thread.detachedRead(errors)
      let output = String(decoding: (try? pipe.fileHandleForReading.readToEnd()) ?? Data(), as: UTF8.self)
      child.waitUntilExit()
      var current: String?
      var stage = ""
      var last = range.lowerBound - 1
      for line in output.split(separator: "\n") {
        let words = line.split(separator: " ", maxSplits: 1)
        switch words[0] {
        case "case":
          current = String(words[1])
          last += 1
        case "stage": stage = String(words[1])
        default:
          let place = String(words[1].split(separator: " ")[0])
          findings.note(place)
          if place.hasSuffix(":") { findings.record("case \(current ?? ""): \(words[1])") }
          current = nil
        }
      }
      if let current {
        let status = child.terminationStatus
        let reason = status == SIGALRM ? "hang" : "signal \(status)"
        let fatal = complaint().split(separator: "\n").first { $0.contains("rror") } ?? ""
        findings.record("seed \(seed) case \(current), \(stage): \(reason) \(fatal)")
        range = last + 1..<range.upperBound
      } else {
        if child.terminationStatus != 0 {
          findings.record("cases \(range): exit \(child.terminationStatus) \(complaint())")
        }
        break
      }
    }
  }
}

extension Thread {
  /// Reads on a thread of its own, so that a full pipe stops nobody; call the result for the text.
  static func detachedRead(_ pipe: Pipe) -> () -> String {
    final class Box: @unchecked Sendable { var text = "" }
    let box = Box()
    let done = DispatchSemaphore(value: 0)
    let handle = pipe.fileHandleForReading
    Thread.detachNewThread {
      box.text = String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self)
      done.signal()
    }
    return {
      done.wait()
      return box.text
    }
  }
}

let group = DispatchGroup()
for _ in 0..<jobs { DispatchQueue.global().async(group: group) { work() } }
group.wait()
let places = findings.places.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
say("\(count) cases of seed \(seed): \(findings.failures.count) failed; stopped at: \(places)")
exit(findings.failures.isEmpty ? 0 : 1)
