import AuditSupport
import Foundation
import GraphIR
import Tensors

/// Tests of one node whose operator is known: all, or up to three an operator that differ in structure.
func choose(_ names: [String], in folder: String, all: Bool) -> [String] {
  var seen: [OperatorName: Set<String>] = [:]
  return names.filter { name in
    guard let test = try? NodeTest(folder: folder, name: name), let op = test.operatorName else { return false }
    if all { return true }
    guard seen[op]?.count ?? 0 < 3 else { return false }
    return seen[op, default: []].insert(test.shapeSignature).inserted
  }
}

/// What the children found, from all threads.
final class Findings: @unchecked Sendable {
  private let lock = NSLock()
  private var waiting: [String]
  private(set) var complaints: [String] = []
  private(set) var messages: Set<String> = []
  private(set) var cases = 0
  private(set) var refused = 0
  private let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()

  init(_ names: [String]) { waiting = names.reversed() }

  private func take() -> [String] {
    lock.withLock {
      let batch = Array(waiting.suffix(8).reversed())
      waiting.removeLast(batch.count)
      return batch
    }
  }

  private func complain(_ text: String) {
    lock.withLock {
      complaints.append(text)
      say("WRONG \(text)")
    }
  }

  /// Takes batches of tests until none is left. A child that dies is started again behind the case that killed it.
  func work(_ folder: String) {
    while true {
      var batch = take()
      if batch.isEmpty { return }
      var skip = 0
      while !batch.isEmpty {
        guard let place = run(folder, batch, skip) else { break }
        batch.removeFirst(batch.firstIndex(of: place.test) ?? batch.count)
        skip = place.index + 1
      }
    }
  }

  /// The case in which the child died, nil where it came to its end.
  private func run(_ folder: String, _ batch: [String], _ skip: Int) -> (test: String, index: Int)? {
    let child = Process()
    child.executableURL = own
    child.arguments = [folder, "--child", batch.joined(separator: ","), "--skip", "\(skip)"]
    for kept in ["accepted", "refused", "address-space"] {
      if let folder = option(kept) { child.arguments? += ["--\(kept)", folder] }
    }
    child.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { _, own in own }
    let pipe = Pipe()
    let errors = FileManager.default.temporaryDirectory.appending(path: "audit-\(UUID().uuidString)")
    _ = FileManager.default.createFile(atPath: errors.path, contents: nil)
    defer { try? FileManager.default.removeItem(at: errors) }
    child.standardOutput = pipe
    child.standardError = try? FileHandle(forWritingTo: errors)
    guard (try? child.run()) != nil else {
      complain("cannot start \(own.path)")
      return nil
    }
    let output = String(decoding: (try? pipe.fileHandleForReading.readToEnd()) ?? Data(), as: UTF8.self)
    child.waitUntilExit()
    var current: Substring?
    var stage: Substring = ""
    for line in output.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1)
      let rest = words.count > 1 ? words[1] : ""
      switch words[0] {
      case "case":
        current = rest
        lock.withLock { cases += 1 }
      case "stage": stage = rest
      case "message":
        lock.withLock {
          refused += 1
          _ = messages.insert("\(current ?? "")\t\(rest)")
        }
      case "complaint": complain("\(current ?? ""): \(rest)")
      default: current = nil
      }
    }
    guard let current else {
      if child.terminationStatus != 0 { complain("\(batch): exit \(child.terminationStatus)") }
      return nil
    }
    let said = (try? String(contentsOf: errors, encoding: .utf8)) ?? ""
    let fatal = said.split(separator: "\n").first { $0.contains("rror") } ?? ""
    let reason = child.terminationStatus == SIGALRM ? "hang" : "signal \(child.terminationStatus)"
    complain("\(current), \(stage): \(reason) \(fatal)")
    let words = current.split(separator: " ")
    return (String(words[0]), words.count > 1 ? Int(words[1]) ?? 0 : 0)
  }
}
