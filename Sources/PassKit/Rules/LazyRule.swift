import GraphIR
import Tensors

/// A built-in rule whose forms are replaced by their alternatives when a graph may hold one of its spellings.
final class LazySpellings: RewriteRule {
  let name: String
  private let match: [MatchStatement]
  private let forms: FormExpander
  private let make: @Sendable ([MatchStatement]) -> any RewriteRule
  private let made = Mutex<[any RewriteRule]?>(nil)

  init(
    _ name: String, _ match: [MatchStatement], _ forms: FormExpander,
    _ make: @escaping @Sendable ([MatchStatement]) -> any RewriteRule
  ) {
    self.name = name
    self.match = match
    self.forms = forms
    self.make = make
  }

  var anchors: Set<OperatorName> { [] }

  func mayApply(to operators: Set<OperatorName>) -> Bool { forms.mayHold(match, operators) }

  var spellings: [any RewriteRule]? {
    made.withLock { made in
      if let made { return made }
      var forms = forms
      let rules: [any RewriteRule]
      do { rules = try forms.expand(match).map(make) } catch { rules = [WrongRule(name: name, error: error)] }
      made = rules
      return rules
    }
  }

  func rewrite(_ node: NodeID, in context: PassContext) throws -> GraphChange? { nil }
}

/// Stands for a rule whose text is wrong: tried on every node, it says so.
private struct WrongRule: RewriteRule {
  let name: String
  let error: any Error
  var anchors: Set<OperatorName> { [] }
  func rewrite(_ node: NodeID, in context: PassContext) throws -> GraphChange? { throw error }
}

/// One spelling of a built-in rule, made when a graph has the operators that it asks for: most graphs lack those of most spellings.
final class LazyRule: RewriteRule {
  let name: String
  /// For each node that a match must have, the operators one of which the graph must hold.
  private let needed: [Set<OperatorName>]
  private let make: @Sendable () throws -> PatternRule
  private let made = Mutex<Result<PatternRule, CameoError>?>(nil)

  init(_ name: String, _ statements: [MatchStatement], _ make: @escaping @Sendable () throws -> PatternRule) {
    self.name = name
    self.make = make
    needed = statements.lazy.filter { !$0.call.isOptional }.map { PatternOutline.written($0.call.operators) }
  }

  private func rule() throws -> PatternRule {
    try made.withLock { made in
      if let made { return try made.get() }
      let result: Result<PatternRule, CameoError>
      do {
        result = .success(try make())
      } catch let error as CameoError {
        result = .failure(error)
      }
      made = result
      return try result.get()
    }
  }

  func mayApply(to operators: Set<OperatorName>) -> Bool { needed.allSatisfy { !$0.isDisjoint(with: operators) } }

  /// None where the text is wrong: it is tried on every node then, and says so.
  var anchors: Set<OperatorName> { (try? rule())?.anchors ?? [] }

  func rewrite(_ node: NodeID, in context: PassContext) throws -> GraphChange? {
    try rule().rewrite(node, in: context)
  }
}
