import Foundation
import GraphIR
import PassKit
import Passes
import Tensors
import TestSupport

/// The page of each pass: what it says of itself, the first case that it rewrites as a drawing, the cases that stay.
enum PassPages {
  static let folders: [(name: String, passes: [any Pass])] = {
    let root = Repository.root.appending(path: "Passes")
    var folders: [String: [any Pass]] = [:]
    for pass in Pipelines.all {
      let all = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
      let home = all.first { folder in
        FileManager.default.fileExists(atPath: root.appending(path: "\(folder)/\(pass.name).swift").path)
      }
      folders[home ?? "", default: []].append(pass)
    }
    return folders.sorted { $0.key < $1.key }.map { ($0.key, $0.value.sorted { $0.name < $1.name }) }
  }()

  static func text() throws -> String {
    var lines = [
      "# Passes", "",
      "Every pass, by folder: what it does, the first of its cases before and after, and what it leaves alone, with the",
      "sentence that the report says then. Written by `CAMEO_WRITE=1 swift test --filter PassPageTests` from the passes and",
      "`Tests/PassesTests/Cases`; a test fails where this page is out of date. `cameo passes NAME` prints a pass's part of it,",
      "`cameo passes NAME --text` the rules of one that is written in the [rule language](rules.md).", "",
    ]
    for folder in folders {
      let links = folder.passes.map { "[\($0.name)](#\($0.name.lowercased()))" }
      lines.append("- **\(folder.name)**: \(links.joined(separator: ", "))")
    }
    for folder in folders {
      lines += ["", "## \(folder.name)"]
      for pass in folder.passes { lines += ["", "### \(pass.name)", ""] + (try page(pass)) }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func page(_ pass: any Pass) throws -> [String] {
    let cases = RewriteCase.of(pass.name)
    let stage = Pipelines.stageName(of: pass.name) ?? "?"
    let kind = pass is RulePass ? "; written in the rule language" : ""
    let first = pass.summary.prefix(1).uppercased() + pass.summary.dropFirst()
    var lines = ["\(first). Level \(pass.level), stage: \(stage)\(kind)."]
    var block: [String] = []
    if let rules = pass as? RulePass {
      block += rules.text.split(separator: "\n").prefix { $0.hasPrefix("#") }.map(String.init)
    } else if pass.documentation != pass.summary {
      block += pass.documentation.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) + [""]
    }
    let rewritten = cases.first { if case .becomes = $0.expectation { true } else { false } }
    if let rewritten, case .becomes(let after) = rewritten.expectation {
      block += try drawing(rewritten.before, after)
    }
    if !block.isEmpty { lines += ["", "```"] + block + ["```"] }
    let kept = cases.compactMap { item -> String? in
      guard case .unchanged(let sentence) = item.expectation else { return nil }
      return "- " + item.name + (sentence.map { ": \"\($0)\"" } ?? "")
    }
    if !kept.isEmpty { lines += ["", "Left alone:", ""] + kept }
    return lines
  }

  /// Both graphs beside each other, or one above the other where they are wide.
  private static func drawing(_ before: String, _ after: String) throws -> [String] {
    let first = try ONNXText.parseModel(before).graph
    var second = try ONNXText.parseModel(after).graph
    // The sides share the names of what goes in and out.
    for (old, new) in zip(first.inputs + first.outputs, second.inputs + second.outputs) {
      second.setName(first[old].name, of: new)
    }
    let (source, left) = statements(first)
    let (_, right) = statements(second)
    let width = (left.map(\.count).max() ?? 0) + 4
    func padded(_ text: String) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
    guard width + (right.map(\.count).max() ?? 0) <= 116 else {
      return [source, "before"] + left.map { "  " + $0 } + ["after"] + right.map { "  " + $0 }
    }
    return [source, padded("before") + "after"]
      + (0..<max(left.count, right.count)).map { index in
        let row = padded(index < left.count ? left[index] : "") + (index < right.count ? right[index] : "")
        return String(row.reversed().drop { $0 == " " }.reversed())
      }
  }

  /// `x: float[2, 3]`, and one line a node with its constants in place.
  private static func statements(_ graph: Graph) -> (inputs: String, lines: [String]) {
    var options = TextPrintOptions.brief
    options.nodeNames = false
    options.valueTypes = false
    func constant(_ value: ValueID) -> String? {
      guard let tensor = graph.constant(value) else { return nil }
      if tensor.count > 8 || tensor.dataType == .string { return "\(tensor)" }
      let text = ONNXText.print(tensor, options: options)
      let elements = text.drop { $0 != "{" }
      return tensor.rank == 0 ? String(elements.dropFirst().dropLast()) : String(elements)
    }
    let described = ONNXText.describe(graph.nodes, of: graph, options: options)
    let lines = zip(graph.nodes, described).map { id, text in
      let node = graph[id]
      let outputs = node.outputs.map { $0.map { graph[$0].name } ?? "_" }.joined(separator: ", ")
      let inputs = node.inputs.map { $0.map { constant($0) ?? graph[$0].name } ?? "\"\"" }.joined(separator: ", ")
      let label = text.label.split(whereSeparator: \.isNewline).map { $0.drop { $0 == " " } }.joined(separator: " ")
      return "\(outputs) = \(label) (\(inputs))"
    }
    let inputs = graph.inputs.map { "\(graph[$0].name): \(graph[$0].type.map { "\(ONNXText.print($0))" } ?? "?")" }
    return (inputs.joined(separator: ", "), lines)
  }
}
