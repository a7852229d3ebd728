import Tensors

/// A main graph with all its nested bodies, or a function body. A value type: a copy is a snapshot that costs two array
/// references until one side is edited.
public struct Graph: Sendable {
  var nodeArena: ContiguousArray<Node> = []
  var valueArena: ContiguousArray<ValueInfo> = []
  var regionArena: ContiguousArray<Region> = []
  /// Counts names given by `freshName`.
  var nameCounter = 0

  /// An empty main region.
  public init(name: String = "main") {
    regionArena.append(Region(name: name, inputs: [], outputs: [], nodes: [], parent: nil))
  }

  public subscript(id: NodeID) -> Node {
    _read { yield nodeArena[Int(id.index)] }
  }

  public subscript(id: ValueID) -> ValueInfo {
    _read { yield valueArena[Int(id.index)] }
  }

  public subscript(id: RegionID) -> Region {
    _read { yield regionArena[Int(id.index)] }
  }

  /// Arena sizes: ids run from 0 to these, dead ones included.
  public var nodeCapacity: Int { nodeArena.count }
  public var valueCapacity: Int { valueArena.count }
  public var regionCapacity: Int { regionArena.count }

  public var inputs: [ValueID] { regionArena[0].inputs }
  public var outputs: [ValueID] { regionArena[0].outputs }
  /// The main region's nodes in topological order.
  public var nodes: [NodeID] { nodes(in: .main) }

  /// The live nodes of a region in order.
  public func nodes(in region: RegionID) -> [NodeID] {
    let listed = regionArena[Int(region.index)].nodes
    return regionArena[Int(region.index)].deadNodes == 0 ? listed : listed.filter { nodeArena[Int($0.index)].isAlive }
  }

  /// Every live node, bodies included; a node comes before the nodes of its own bodies.
  public var allNodes: [NodeID] {
    var result: [NodeID] = []
    result.reserveCapacity(nodeArena.count)
    append(nodesOf: .main, to: &result)
    return result
  }

  private func append(nodesOf region: RegionID, to result: inout [NodeID]) {
    for id in regionArena[Int(region.index)].nodes where nodeArena[Int(id.index)].isAlive {
      result.append(id)
      guard nodeArena[Int(id.index)].ownsRegions else { continue }
      for inner in nodeArena[Int(id.index)].regions { append(nodesOf: inner, to: &result) }
    }
  }

  public var allValues: [ValueID] { valueArena.indices.filter { valueArena[$0].isAlive }.map { ValueID($0) } }
  public var allRegions: [RegionID] { regionArena.indices.filter { regionArena[$0].isAlive }.map { RegionID($0) } }

  /// Live nodes, bodies included. O(arena).
  public var nodeCount: Int { nodeArena.reduce(0) { $0 + ($1.isAlive ? 1 : 0) } }

  /// The node that computes `value`, if one does.
  public func producer(_ value: ValueID?) -> NodeID? {
    guard let value, case .node(let id, _) = valueArena[Int(value.index)].producer else { return nil }
    return id
  }

  /// The tensor that `value` always is.
  public func constant(_ value: ValueID?) -> Tensor? {
    guard let value else { return nil }
    return valueArena[Int(value.index)].constantTensor
  }

  /// The nodes that read `value`, each once.
  public func consumers(_ value: ValueID) -> [NodeID] {
    var seen: Set<NodeID> = []
    var result: [NodeID] = []
    for case .node(let id, _) in valueArena[Int(value.index)].uses where seen.insert(id).inserted { result.append(id) }
    return result
  }

  /// True where exactly one node input (and no region output) reads it.
  public func hasSingleUse(_ value: ValueID) -> Bool {
    let uses = valueArena[Int(value.index)].uses
    if uses.count == 1, case .node = uses[0] { return true }
    return false
  }

  public func isRegionOutput(_ value: ValueID) -> Bool {
    valueArena[Int(value.index)].uses.contains { if case .output = $0 { true } else { false } }
  }

  /// "MatMul_12 (MatMul)": how messages name a node.
  public func describe(_ id: NodeID) -> String {
    let node = self[id]
    if !node.name.isEmpty { return "node \(node.name) (\(node.operatorName))" }
    let output = node.outputs.lazy.compactMap { $0 }.first.map { self[$0].name } ?? "?"
    return "node with output \(output) (\(node.operatorName))"
  }

  /// True where `inner` is `outer` or nested in it.
  public func isRegion(_ inner: RegionID, within outer: RegionID) -> Bool {
    var current = inner
    while current != outer {
      guard let parent = self[current].parent else { return false }
      current = self[parent].region
    }
    return true
  }
}
