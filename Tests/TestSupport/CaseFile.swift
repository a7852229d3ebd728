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
/// Options behind the name: `opset 17`, `level 2` (else 3), `target onnx` (else cameo), `prefer standard`.
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

  public var description: String { "\(pass): \(name)" }

  /// The cases of a pass; none where it has no file.
  public static func of(_ pass: String) -> [RewriteCase] {
    let file = Repository.root.appending(path: "Tests/PassesTests/Cases/\(pass).onnxtxt")
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
    options.enabled = [pass]
    return options
  }

  public static func parse(_ text: String, pass: String) -> [RewriteCase] {
    var cases: [RewriteCase] = []
    var after: String?
    func close() {
      if let text = after, !cases.isEmpty { cases[cases.count - 1].expectation = .becomes(text) }
      after = nil
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
        }
        cases.append(new)
      } else if line.hasPrefix("--- after") {
        after = ""
      } else if line.hasPrefix("--- unchanged") {
        let parts = line.split(separator: "\"", maxSplits: 1)
        if !cases.isEmpty {
          cases[cases.count - 1].expectation = .unchanged(parts.count > 1 ? String(parts[1].dropLast()) : nil)
        }
      } else if after != nil {
        after?.append(line + "\n")
      } else if !cases.isEmpty {
        cases[cases.count - 1].before.append(line + "\n")
      }
    }
    close()
    return cases
  }
}
