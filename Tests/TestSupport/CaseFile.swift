import Foundation
public import PassKit

/// A file of named rewrites:
///
///     === name, opset 17, target onnx
///     g (float[2] x) => (float[2] y) {...}
///     --- after
///     g (float[2] x) => (float[2] y) {...}
///     === another
///     g ...
///     --- unchanged "the sentence of the near miss"
///
/// Options behind the name: `opset 17`, `level 2` (else 3), `target onnx` (else cameo), `prefer standard`; `not enabled` where the
/// pass runs by its level alone, and is not named by `--enable`; `not run` where the graph cannot be computed, since a loader lets
/// through what no kernel takes. A sentence behind `--- after`, too, is one that a near miss says.
///
/// `{3 x 1000}` stands for a thousand times 3.
///
/// A line that starts with `#` outside a case says something to the reader.
public struct RewriteCase: Sendable, CustomStringConvertible {
  public var pass: String
  public var name: String
  public var before = ""
  public var expectation = RewriteCheck.Expectation.unchanged(nil)
  /// The output's highest opset, where the case sets one.
  public var opset: Int?
  /// Which operators it may have, where the case says so: `target onnx`.
  public var target: OptimizationOptions.Target?
  /// Else 2 for the target onnx, 3 for all others.
  public var level: Int?
  public var prefersStandard = false
  /// Named by `--enable`.
  public var isEnabled = true
  /// Computed before and after.
  public var isRun = true
  /// What a near miss says beside the rewrite, where the case says so.
  public var nearMiss: String?

  /// The sentence that the case expects of a guard.
  public var sentence: String? {
    if case .unchanged(let sentence) = expectation { sentence } else { nearMiss }
  }

  public var description: String { "\(pass): \(name)" }

  private static let folder = Repository.root.appending(path: "Tests/PassesTests/Cases")

  /// The passes that have a file of cases.
  public static func passes() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".onnxtxt") }.sorted()
      .map { String($0.dropLast(".onnxtxt".count)) }
  }

  /// The cases of a pass; none where it has no file.
  public static func of(_ pass: String) -> [RewriteCase] {
    let file = folder.appending(path: "\(pass).onnxtxt")
    guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
    return parse(text, pass: pass)
  }

  /// What the optimizer is asked for where the case is tried.
  public var options: OptimizationOptions {
    var options = OptimizationOptions()
    options.target = target ?? .cameo
    options.level = level ?? (target == .onnx ? 2 : 3)
    options.prefersStandard = prefersStandard
    options.maximumOpset = opset
    if isEnabled { options.enabled = [pass] }
    return options
  }

  /// What is wrong with the rewrite by `pass`, none where all is well.
  public func problems(of pass: any Pass) throws -> [String] {
    var check = RewriteCheck(passes: [pass], options: options)
    check.isRun = isRun
    check.nearMiss = nearMiss
    return try check.problems(before: before, expectation)
  }

  public static func parse(_ text: String, pass: String) -> [RewriteCase] {
    var cases: [RewriteCase] = []
    var after: String?
    func close() {
      if let text = after, !cases.isEmpty { cases[cases.count - 1].expectation = .becomes(text) }
      after = nil
    }
    func sentence(_ line: Substring) -> String? {
      let parts = line.split(separator: "\"", maxSplits: 1)
      return parts.count > 1 ? String(parts[1].dropLast()) : nil
    }
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("=== ") {
        close()
        let parts = line.dropFirst(4).split(separator: ",").map { String($0.drop { $0 == " " }) }
        var new = RewriteCase(pass: pass, name: parts[0])
        for option in parts.dropFirst() {
          if option.hasPrefix("opset ") { new.opset = Int(option.dropFirst(6)) }
          if option.hasPrefix("target ") {
            new.target = OptimizationOptions.Target(rawValue: String(option.dropFirst(7)))
          }
          if option.hasPrefix("level ") { new.level = Int(option.dropFirst(6)) }
          if option == "prefer standard" { new.prefersStandard = true }
          if option == "not enabled" { new.isEnabled = false }
          if option == "not run" { new.isRun = false }
        }
        cases.append(new)
      } else if line.hasPrefix("--- after") {
        after = ""
        if !cases.isEmpty { cases[cases.count - 1].nearMiss = sentence(line) }
      } else if line.hasPrefix("--- unchanged") {
        if !cases.isEmpty { cases[cases.count - 1].expectation = .unchanged(sentence(line)) }
      } else if after != nil {
        after?.append(spelledOut(line) + "\n")
      } else if !cases.isEmpty {
        cases[cases.count - 1].before.append(spelledOut(line) + "\n")
      }
    }
    close()
    return cases
  }

  /// The line with each `{3 x 1000}` written as the numbers that it stands for.
  private static func spelledOut(_ line: Substring) -> String {
    String(line).replacing(/\{(-?[0-9.]+) x ([0-9]+)\}/) { found in
      let count = min(Int(found.2) ?? 0, 1 << 20)
      return "{" + [String](repeating: String(found.1), count: count).joined(separator: ",") + "}"
    }
  }
}
