// Mutates the ONNX backend's node tests and runs them in child processes: what traps, hangs, or lets through what the standard
// forbids is listed with its case.
//   audit-runner FOLDER [--filter TEXT] [--all] [--jobs N] [--address-space GIB] [--messages FILE] [--accepted FOLDER]
//     [--refused FOLDER]
//   audit-runner FOLDER --shapes
// Without --all, up to three tests of each operator that differ in structure are taken. --address-space limits a child (default 4,
// 0: without a limit, which a sanitizer needs). --messages keeps what was said;
// --accepted and --refused keep the mutations that went through, and those that inference refused, as models for another checker
// to judge. --shapes lists what shape inference leaves open or has wrong. Exit code 1 where something is wrong.
import AuditSupport
import Foundation
import Tensors

/// Unbuffered: what a child said before it died is read.
@Sendable func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

let arguments = Array(CommandLine.arguments.dropFirst())
func option(_ name: String) -> String? {
  arguments.firstIndex(of: "--" + name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
}
guard let folder = arguments.first, !folder.hasPrefix("--") else {
  say(
    """
    usage: audit-runner FOLDER [--filter TEXT] [--all] [--jobs N] [--address-space GIB] [--messages FILE]
      [--accepted FOLDER] [--refused FOLDER] [--shapes]
    """
  )
  exit(64)
}

let addressSpace = max(0, min(option("address-space").flatMap { Int($0) } ?? 4, 1 << 20))

if let list = option("child") {
  runChild(
    folder, list.split(separator: ",").map(String.init), skipping: option("skip").flatMap { Int($0) } ?? 0,
    accepted: option("accepted"), refused: option("refused"), addressSpace: addressSpace)
  exit(0)
}

let filter = option("filter")
let names = NodeTest.names(in: folder).filter { name in filter.map { name.contains($0) } ?? true }
guard !names.isEmpty else {
  say("\(folder) holds no node tests")
  exit(2)
}
if arguments.contains("--shapes") {
  var isWrong = false
  for name in names {
    guard let test = try? NodeTest(folder: folder, name: name) else { continue }
    for mode in ShapeAudit.Mode.allCases {
      for finding in try ShapeAudit.findings(test, mode) {
        say("\(finding.isWrong ? "WRONG" : "open") \(finding)")
        isWrong = isWrong || finding.isWrong
      }
    }
  }
  exit(isWrong ? 1 : 0)
}
let chosen = choose(names, in: folder, all: arguments.contains("--all"))
let findings = Findings(chosen)
let group = DispatchGroup()
for _ in 0..<max(1, option("jobs").flatMap { Int($0) } ?? 2) {
  DispatchQueue.global().async(group: group) { findings.work(folder) }
}
group.wait()
if let path = option("messages") {
  try Data(findings.messages.sorted().joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: path))
}
say(
  "\(findings.cases) mutations of \(chosen.count) tests, \(findings.refused) refused; \(findings.complaints.count) complaints"
)
exit(findings.complaints.isEmpty ? 0 : 1)
