import GraphIR
import PassKit

/// Removes nodes whose outputs nobody reads, outputs that nobody reads, and unused constants.
public struct EliminateDeadNodes: Pass {
  public let name = "EliminateDeadNodes"
  public let summary = "removes nodes that no output depends on"
  public let level = 1

  public init() {}

  public func run(_ context: PassContext) throws {
    for id in context.graph.allNodes.reversed() where context.graph[id].isAlive {
      let node = context.graph[id]
      let isRead = node.outputs.contains { output in output.map { !context.graph[$0].uses.isEmpty } ?? false }
      if isRead { continue }
      var change = GraphChange(rule: name, covers: [])
      change.remove(id)
      try context.apply(change)
    }
  }
}
