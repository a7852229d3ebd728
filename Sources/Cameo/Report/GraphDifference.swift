public import GraphIR
import PassKit

/// What became of each node of a source graph: the nodes that stayed as they are, and groups of nodes that others stand for.
///
/// Grouping follows provenance, never names: source and result nodes belong together where the result's origins hold the source
/// node. Nodes of local functions count as the calls that they were inlined from. O(nodes log nodes).
public struct GraphDifference: Sendable {
  public struct Entry: Sendable {
    /// `y = Relu (x)`.
    public let statement: String
    /// The operator with its attributes.
    public let label: String
    /// The node's name, or that of its first output.
    public let name: String
  }

  /// Nodes that went and the nodes that stand for them; either may be empty.
  public struct Hunk: Sendable {
    public let removed: [Entry]
    public let added: [Entry]
    /// How many groups of the same operators and attributes there are; the entries are those of the first.
    public internal(set) var count: Int
  }

  public private(set) var hunks: [Hunk] = []
  public private(set) var kept = 0
  public private(set) var removed = 0
  public private(set) var added = 0

  public init(from source: Model, to result: Model) {
    let old = source.graph.allNodes
    let new = result.graph.allNodes
    let oldEntries = GraphDifference.entries(old, source.graph)
    let newEntries = GraphDifference.entries(new, result.graph)
    var place: [UInt32: Int] = [:]
    for (index, id) in old.enumerated() {
      for origin in source.graph[id].origins.indices { place[origin] = index }
    }
    var groups = Groups(count: old.count)
    let members = new.map { id in result.graph[id].origins.indices.compactMap { place[$0] } }
    for places in members { for other in places.dropFirst() { groups.join(places[0], other) } }

    var pairs: [Int: (removed: [Int], added: [Int])] = [:]
    for index in old.indices { pairs[groups.root(index), default: ([], [])].removed.append(index) }
    var orphans: [Int] = []
    for (index, places) in members.enumerated() {
      if let first = places.first { pairs[groups.root(first)]?.added.append(index) } else { orphans.append(index) }
    }
    var seen: [String: Int] = [:]
    func add(_ gone: [Entry], _ come: [Entry]) {
      if gone.count == 1, come.count == 1, gone[0].label == come[0].label {
        kept += 1
        return
      }
      removed += gone.count
      added += come.count
      let key =
        gone.map(\.label).sorted().joined(separator: "\n") + "\n=>\n"
        + come.map(\.label).sorted().joined(separator: "\n")
      if let index = seen[key] {
        hunks[index].count += 1
      } else {
        seen[key] = hunks.count
        hunks.append(Hunk(removed: gone, added: come, count: 1))
      }
    }
    for (_, pair) in pairs.sorted(by: { ($0.value.removed.first ?? 0) < ($1.value.removed.first ?? 0) }) {
      add(pair.removed.map { oldEntries[$0] }, pair.added.map { newEntries[$0] })
    }
    for index in orphans { add([], [newEntries[index]]) }
  }

  private static func entries(_ nodes: [NodeID], _ graph: Graph) -> [Entry] {
    var options = TextPrintOptions.brief
    options.nodeNames = false
    return zip(nodes, ONNXText.describe(nodes, of: graph, options: options)).map { id, text in
      let node = graph[id]
      let name = node.name.isEmpty ? node.output(0).map { graph[$0].name } ?? "" : node.name
      return Entry(statement: text.statement, label: text.label, name: name)
    }
  }

  /// Sets of source nodes, joined as they turn out to belong together.
  private struct Groups {
    private var parents: [Int]

    init(count: Int) { parents = Array(0..<count) }

    mutating func root(_ index: Int) -> Int {
      var current = index
      while parents[current] != current {
        parents[current] = parents[parents[current]]
        current = parents[current]
      }
      return current
    }

    mutating func join(_ a: Int, _ b: Int) {
      let x = root(a)
      let y = root(b)
      if x != y { parents[max(x, y)] = min(x, y) }
    }
  }
}

extension GraphDifference {
  public var json: JSON {
    func statements(_ entries: [Entry]) -> JSON { JSON(entries.map(\.statement)) }
    return .object([
      ("kept", .int(kept)), ("removed", .int(removed)), ("added", .int(added)),
      (
        "hunks",
        .array(
          hunks.map {
            .object([
              ("count", .int($0.count)), ("removed", statements($0.removed)), ("added", statements($0.added)),
              ("first", .string(($0.removed.first ?? $0.added.first)?.name ?? "")),
            ])
          })
      ),
    ])
  }
}
