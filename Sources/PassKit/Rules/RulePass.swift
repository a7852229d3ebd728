import Tensors

/// A built-in pass written as a rule file. The text is parsed when the pass first runs or when its documentation is asked for:
/// a list of passes costs nothing.
public struct RulePass: Pass {
  public let name: String
  public let level: Int
  public let summary: String
  /// The rule file: what `cameo passes NAME --text` prints and `--rules` reads again.
  public let text: String

  private final class Compiled: Sendable {
    let pass = Mutex<RewritePass?>(nil)
  }

  private let compiled = Compiled()

  /// `text` holds forms and rules of one name. Name, level and summary are those of its first rule.
  public init(_ text: String) {
    self.text = text
    let head = RulePass.header(text)
    name = head.name
    level = head.level
    summary = head.summary
  }

  public var documentation: String { text }

  public func run(_ context: PassContext) throws { try rules().run(context) }

  /// The rules of the text. Throws `.badInput` with line and column where it is wrong.
  public func rules() throws -> RewritePass {
    try compiled.pass.withLock { known in
      if let known { return known }
      let passes = try RuleFile.parse(text, file: name, isLazy: true)
      guard passes.count == 1, let pass = passes[0] as? RewritePass else {
        throw CameoError.badInput("\(name) holds \(passes.count) passes, one was expected")
      }
      known = pass
      return pass
    }
  }

  /// What stands behind the first `rule` at the start of a line. Bytes are walked, not characters: every list of passes asks for it.
  private static func header(_ text: String) -> (name: String, level: Int, summary: String) {
    let start = Array("rule ".utf8)
    var line: Substring.UTF8View = ""[...].utf8
    var rest = text.utf8[...]
    while !rest.isEmpty {
      let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
      if rest.starts(with: start) {
        line = rest[..<end]
        break
      }
      rest = rest[end...].dropFirst()
    }
    let words = line.split(separator: UInt8(ascii: " ")).map { String(Substring($0)) }
    let name = words.count > 1 ? words[1] : ""
    let level = words.count > 3 && words[2] == "level" ? Int(words[3]) ?? 2 : 2
    let quoted = line.split(separator: UInt8(ascii: "\""), omittingEmptySubsequences: false)
    return (name, level, quoted.count > 1 ? String(Substring(quoted[1])) : name)
  }
}
