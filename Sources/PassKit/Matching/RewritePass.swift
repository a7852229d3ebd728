import GraphIR
import Operators
import Tensors

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
    var present = context.presentOperators
    var (rules, byOperator, general) = table(present)
    if byOperator.isEmpty && general.isEmpty { return }
    var work = context.graph.allNodes
    var queued = NodeFlags(work, capacity: context.graph.nodeCapacity)
    work.reverse()
    // No rule set that comes to an end changes each node so often.
    let limit = 1000 + 20 * work.count
    var changes = 0
    var refusals = RefusalList()
    while let id = work.popLast() {
      queued.remove(id)
      guard context.graph[id].isAlive else { continue }
      let own = byOperator[context.graph[id].operatorName] ?? []
      for index in general.isEmpty ? own : (own + general).sorted() {
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
          let new = result.added.map { context.graph[$0].operatorName }.filter { !present.contains($0) }
          if !new.isEmpty {
            present.formUnion(new)
            (rules, byOperator, general) = table(present)
          }
          var again = result.added + result.touched + result.released
          for added in result.added {
            for case .some(let output) in context.graph[added].outputs { again += context.graph.consumers(output) }
          }
          for node in again where context.graph[node].isAlive && queued.insert(node) { work.append(node) }
          break
        } catch let refusal as Refusal {
          if refusal.reason.isEmpty { continue }
          refusals.note(rules[index].name, id, refusal)
        }
      }
    }
    // What was refused and still stands is a near miss; what another rule fused since is not.
    for (rule, node, refusal) in refusals.items
    where context.graph[node].isAlive && refusal.key.map({ context.graph[$0].isAlive }) ?? true {
      context.refuse(rule, at: node, refusal)
    }
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

  /// The rules that may apply to a graph of these operators, and their places by the operators that they are tried on.
  private func table(_ present: Set<OperatorName>) -> (
    rules: [any RewriteRule], byOperator: [OperatorName: [Int]], general: [Int]
  ) {
    var candidates: [any RewriteRule] = []
    var byOperator: [OperatorName: [Int]] = [:]
    var general: [Int] = []
    for rule in rules where rule.mayApply(to: present) {
      for spelling in rule.spellings?.filter({ $0.mayApply(to: present) }) ?? [rule] {
        let anchors = spelling.anchors
        if anchors.isEmpty { general.append(candidates.count) }
        for anchor in anchors where present.contains(anchor) {
          byOperator[anchor, default: []].append(candidates.count)
        }
        candidates.append(spelling)
      }
    }
    return (candidates, byOperator, general)
  }
}

/// A set of nodes as bits by their numbers.
private struct NodeFlags {
  private var flags: [Bool]

  init(_ nodes: [NodeID], capacity: Int) {
    flags = [Bool](repeating: false, count: capacity)
    for node in nodes { flags[Int(node.index)] = true }
  }

  /// False where the node was in the set.
  mutating func insert(_ node: NodeID) -> Bool {
    let index = Int(node.index)
    if index >= flags.count { flags += [Bool](repeating: false, count: index + 64 - flags.count) }
    if flags[index] { return false }
    flags[index] = true
    return true
  }

  mutating func remove(_ node: NodeID) {
    if Int(node.index) < flags.count { flags[Int(node.index)] = false }
  }
}

/// The refusals of a run, one for each rule and key node: that of the spelling that came furthest.
private struct RefusalList {
  private struct Key: Hashable {
    let rule: String
    let node: NodeID
  }

  private(set) var items: [(rule: String, node: NodeID, refusal: Refusal)] = []
  private var places: [Key: Int] = [:]

  mutating func note(_ rule: String, _ node: NodeID, _ refusal: Refusal) {
    // `Name#2` is another spelling of `Name`.
    let name = rule.split(separator: "#", maxSplits: 1).first.map { String($0) } ?? rule
    let key = Key(rule: name, node: refusal.key ?? node)
    if let place = places[key] {
      if refusal.depth > items[place].refusal.depth { items[place] = (rule, node, refusal) }
    } else {
      places[key] = items.count
      items.append((rule, node, refusal))
    }
  }
}
