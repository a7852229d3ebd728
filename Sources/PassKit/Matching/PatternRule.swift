public import GraphIR
import Operators
import Tensors

/// One rewrite: looks at a node, hands over a change, or says why not.
public protocol RewriteRule: Sendable {
  /// Unique within its pass, for reports.
  var name: String { get }
  /// Operators whose nodes it is tried on; canonical respellings are added by the driver's matcher.
  var anchors: Set<OperatorName> { get }
  /// False where no graph of these operators can hold what the rule looks for.
  func mayApply(to operators: Set<OperatorName>) -> Bool
  /// The rules that this one stands for, in the order in which they are tried; nil where it is one itself.
  var spellings: [any RewriteRule]? { get }
  /// The change, nil where the rule has nothing to say about this node. Throws `Refusal` for a near miss.
  func rewrite(_ node: NodeID, in context: PassContext) throws -> GraphChange?
}

extension RewriteRule {
  public func mayApply(to operators: Set<OperatorName>) -> Bool { true }
  public var spellings: [any RewriteRule]? { nil }
}

/// A rule of a pattern, guards and a replacement.
public struct PatternRule: RewriteRule {
  public let name: String
  public let pattern: Pattern
  private let isFusion: Bool
  private let outline: PatternOutline
  private let body: Body
  /// Results whose inner values are read elsewhere are refused unless this is set.
  public var allowsSharedInner = false

  /// `checkSharing` throws where values inside the match are read elsewhere.
  typealias Body =
    @Sendable (_ match: Match, PassContext, inout GraphChange, _ checkSharing: () throws -> Void) throws -> Void

  /// `rewrite` checks its guards (throwing `Refusal`) and fills the change, which already covers the matched nodes.
  public init(
    _ name: String, isFusion: Bool = true, match pattern: Pattern,
    rewrite: @escaping @Sendable (Match, PassContext, inout GraphChange) throws -> Void
  ) {
    self.init(name, isFusion: isFusion, match: pattern) { match, context, change, checkSharing in
      try checkSharing()
      try rewrite(match, context, &change)
    }
  }

  /// `body` calls `checkSharing` when the guards hold that say whether the rule is meant at all.
  init(_ name: String, isFusion: Bool, match pattern: Pattern, body: @escaping Body) {
    self.name = name
    self.pattern = pattern
    self.isFusion = isFusion
    outline = PatternOutline(pattern)
    self.body = body
  }

  public var anchors: Set<OperatorName> { outline.anchors }

  public func mayApply(to operators: Set<OperatorName>) -> Bool { outline.mayApply(to: operators) }

  public func rewrite(_ node: NodeID, in context: PassContext) throws -> GraphChange? {
    guard outline.mayMatch(at: node, context) else { return nil }
    let matcher = Matcher(pattern, context)
    guard let match = matcher.match(at: node) else {
      if let deepest = matcher.deepest {
        var refusal = deepest.refusal
        refusal.depth = deepest.matched
        refusal.reach = deepest.matched
        throw refusal
      }
      return nil
    }
    var change = GraphChange(
      rule: name, covers: match.matchedNodes, isFusion: isFusion, region: context.graph[node].region)
    do {
      try body(match, context, &change) { if !allowsSharedInner { try checkSharing(match, context) } }
    } catch var refusal as Refusal {
      refusal.reach = match.nodes.count(where: { $0 != nil }) + 1
      refusal.key = pattern.nodes.indices.first { pattern.nodes[$0].isKey }.flatMap { match.nodes[$0] }
      throw refusal
    }
    return change
  }

  /// Refuses where a value inside the match has readers outside: the fused node would compute it a second time.
  private func checkSharing(_ match: Match, _ context: PassContext) throws {
    let inside = Set(match.matchedNodes)
    let results = Set(pattern.results.compactMap { match.value($0) })
    for (index, node) in pattern.nodes.enumerated() where !node.mayBeShared {
      guard let id = match.nodes[index] else { continue }
      for case .some(let output) in context.graph[id].outputs where !results.contains(output) {
        for use in context.graph[output].uses {
          switch use {
          case .output:
            throw Refusal(
              "the value \(context.graph[output].name) inside the pattern is an output of the graph", at: id)
          case .node(let reader, _) where !inside.contains(reader):
            throw Refusal(
              "the value \(context.graph[output].name) inside the pattern is also read elsewhere", at: reader)
          default: break
          }
        }
      }
    }
  }
}
