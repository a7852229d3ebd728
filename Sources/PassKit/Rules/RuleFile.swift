import GraphIR
import Tensors

/// Passes written as text: see docs/rules.md.
public enum RuleFile {
  /// The passes of a rule file, in order. Rules of one name are the spellings of one pass. `file` names the text in messages.
  /// Throws `.badInput` that starts with "file:line:column: ".
  public static func parse(_ text: String, file: String) throws -> [any Pass] {
    try parse(text, file: file, isLazy: false)
  }

  /// `isLazy`: only the grammar is checked; a spelling is made when a graph may hold it.
  static func parse(_ text: String, file: String, isLazy: Bool) throws -> [any Pass] {
    do {
      var parser = RuleParser(text)
      let syntax = try parser.file()
      var forms = try FormExpander(syntax.forms, parser.scanner)
      var order: [String] = []
      var groups: [String: [RuleSyntax]] = [:]
      for rule in syntax.rules {
        if groups[rule.name] == nil { order.append(rule.name) }
        if let first = groups[rule.name]?.first, first.level != rule.level {
          throw parser.scanner.error(at: rule.offset, "the rules \(rule.name) have different levels")
        }
        groups[rule.name, default: []].append(rule)
      }
      return try order.map { name in
        let rules = groups[name] ?? []
        let compiled = try rules.enumerated().flatMap { index, rule in
          try RuleCompiler.compile(
            rule, name: index == 0 ? name : "\(name)#\(index + 1)", parser, &forms, isLazy: isLazy)
        }
        let used = forms.used(in: rules.flatMap(\.match))
        let source = syntax.forms.filter { used.contains($0.name) }.map(\.source) + rules.map(\.source)
        return RewritePass(
          name, level: rules.first?.level ?? 2, summary: rules.first?.summary ?? name,
          documentation: source.joined(separator: "\n\n"), rules: compiled)
      }
    } catch let error as CameoError {
      throw located(error, file)
    }
  }

  /// "line 3, column 7: reason" becomes "x.rules:3:7: reason".
  private static func located(_ error: CameoError, _ file: String) -> CameoError {
    let words = error.reason.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: false)
    guard words.count == 5, words[0] == "line", words[2] == "column", words[1].hasSuffix(","), words[3].hasSuffix(":")
    else {
      return CameoError(error.kind, "\(file): \(error.reason)", path: error.path)
    }
    return CameoError(
      error.kind, "\(file):\(words[1].dropLast()):\(words[3].dropLast()): \(words[4])", path: error.path)
  }
}
