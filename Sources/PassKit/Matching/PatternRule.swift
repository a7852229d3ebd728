public import GraphIR
import Operators
import Tensors

/// One rewrite: looks at a node, hands over a change, or says why not.
public protocol RewriteRule: Sendable {
  /// Unique within its pass, for reports.
  var name: String { get }
  /// Operators whose nodes it is tried on; canonical respellings are added by the driver's matcher.
  var anchors: Set<OperatorName> { get }
  /// The change, nil where the rule has nothing to say about this node. Throws `Refusal` for a near miss.
  func rewrite(_ node: NodeID, in context: PassContext) throws -> GraphChange?
}

/// A rule of a pattern, guards and a replacement.
public struct PatternRule: RewriteRule {
  public let name: String
  public let pattern: Pattern
  private let isFusion: Bool
  private let body: @Sendable (Match, PassContext, inout GraphChange) throws -> Void
  /// Results whose inner values are read elsewhere are refused unless this is set.
  public var allowsSharedInner = false

  /// `rewrite` checks its guards (throwing `Refusal`) and fills the change, which already covers the matched nodes.
  public init(
    _ name: String, isFusion: Bool = true, match pattern: Pattern,
    rewrite: @escaping @Sendable (Match, PassContext, inout GraphChange) throws -> Void
  ) {
    self.name = name
    self.pattern = pattern
    self.isFusion = isFusion
    body = rewrite
  }

  public var anchors: Set<OperatorName> {
    guard let result = pattern.results.first, let node = pattern.nodes.first(where: { $0.outputs.contains(result) })
    else { return [] }
    var anchors = Set(node.operators)
    // The spellings that `CanonicalView` sees through.
    if anchors.contains(OperatorName("Mul")) { anchors.formUnion([OperatorName("Div"), OperatorName("Pow")]) }
    if anchors.contains(OperatorName("Add")) { anchors.formUnion([OperatorName("Sub"), OperatorName("Sum")]) }
    if anchors.contains(OperatorName("Pow")) { anchors.insert(OperatorName("Mul")) }
    return anchors
  }

  public func rewrite(_ node: NodeID, in context: PassContext) throws -> GraphChange? {
    let matcher = Matcher(pattern, context)
    guard let match = matcher.match(at: node) else {
      if let deepest = matcher.deepest { throw deepest.refusal }
      return nil
    }
    if !allowsSharedInner { try checkSharing(match, context) }
    var change = GraphChange(
      rule: name, covers: match.matchedNodes, isFusion: isFusion, region: context.graph[node].region)
    try body(match, context, &change)
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

/// A pass of rules, run to a fixed point over a worklist of nodes.
public struct RewritePass: Pass {
  public let name: String
  public let summary: String
  public let level: Int
  public let documentation: String
  public let rules: [any RewriteRule]

  public init(_ name: String, level: Int, summary: String, documentation: String = "", rules: [any RewriteRule]) {
    self.name = name
    self.level = level
    self.summary = summary
    self.documentation = documentation.isEmpty ? summary : documentation
    self.rules = rules
  }

  public func run(_ context: PassContext) throws {
    var byOperator: [OperatorName: [Int]] = [:]
    var general: [Int] = []
    for (index, rule) in rules.enumerated() {
      let anchors = rule.anchors
      if anchors.isEmpty { general.append(index) }
      for anchor in anchors { byOperator[anchor, default: []].append(index) }
    }
    var work = context.graph.allNodes
    var queued = Set(work)
    work.reverse()
    // No rule set that comes to an end changes each node so often.
    let limit = 1000 + 20 * work.count
    var changes = 0
    var refusals: [(rule: String, node: NodeID, refusal: Refusal)] = []
    while let id = work.popLast() {
      queued.remove(id)
      guard context.graph[id].isAlive else { continue }
      let candidates = ((byOperator[context.graph[id].operatorName] ?? []) + general).sorted()
      for index in candidates {
        do {
          guard let change = try proposal(rules[index], id, context) else { continue }
          changes += 1
          if changes > limit {
            throw CameoError(.limit, "more than \(limit) changes: the rule does not come to an end").within(
              "rule \(rules[index].name)")
          }
          let place = context.graph.describe(id)
          let result: AppliedChange
          do { result = try context.apply(change) } catch let error as CameoError { throw error.within(place) }
          var again = result.added + result.touched
          for added in result.added {
            for case .some(let output) in context.graph[added].outputs { again += context.graph.consumers(output) }
          }
          for node in again where context.graph[node].isAlive && queued.insert(node).inserted { work.append(node) }
          break
        } catch let refusal as Refusal {
          refusals.append((rules[index].name, id, refusal))
        }
      }
    }
    // What was refused and still stands is a near miss; what another rule fused since is not.
    for (rule, node, refusal) in refusals where context.graph[node].isAlive { context.refuse(rule, at: node, refusal) }
  }

  /// What the rule wants to change at a node; nil for nothing. Throws `Refusal`, or an error that names rule and node.
  private func proposal(_ rule: any RewriteRule, _ id: NodeID, _ context: PassContext) throws -> GraphChange? {
    do {
      guard let change = try rule.rewrite(id, in: context), !change.isEmpty else { return nil }
      return change
    } catch let error as CameoError {
      throw error.within(context.graph.describe(id)).within("rule \(rule.name)")
    }
  }
}
