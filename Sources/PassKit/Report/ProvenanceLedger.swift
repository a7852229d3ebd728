import GraphIR

/// Where each source node is while passes run: at a node, in constants, or gone, with the pass that let it go.
struct ProvenanceLedger {
  private enum Place {
    /// Not part of the main graph so far: nodes of function bodies.
    case elsewhere
    case node, constant, gone
  }

  private var places: [Place]
  private var passes: [Int: String] = [:]

  init(_ graph: Graph, sourceNodes count: Int) {
    places = Array(repeating: .elsewhere, count: count)
    for (index, place) in Self.survey(graph, count: count).enumerated() where place != .gone { places[index] = place }
  }

  /// Sees what has become of the source nodes after a pass. O(nodes + values).
  mutating func note(_ pass: String, _ graph: Graph) {
    for (index, place) in Self.survey(graph, count: places.count).enumerated()
    where place != places[index] && !(places[index] == .elsewhere && place == .gone) {
      places[index] = place
      passes[index] = place == .node ? nil : pass
    }
  }

  /// The source nodes that no node stands for, by pass. Constants of the source that went with their readers are left out.
  func departures(_ model: Model) -> [DepartureRecord] {
    var order: [String] = []
    var records: [String: DepartureRecord] = [:]
    for (index, pass) in passes.sorted(by: { $0.key < $1.key }) {
      if index < model.sourceNodes.count, model.sourceNodes[index].operatorName == OperatorName("Constant") { continue }
      let isFolded = places[index] == .constant
      let key = "\(pass) \(isFolded)"
      if records[key] == nil {
        order.append(key)
        records[key] = DepartureRecord(pass: pass, isFolded: isFolded, nodes: [], origins: [])
      }
      records[key]?.nodes.append(model.sourceLabel(UInt32(index)))
      records[key]?.origins.append(UInt32(index))
    }
    return order.compactMap { records[$0] }
  }

  private static func survey(_ graph: Graph, count: Int) -> [Place] {
    var result = [Place](repeating: .gone, count: count)
    for id in graph.allValues where graph[id].isConstant {
      for origin in graph[id].origins.indices where origin < count { result[Int(origin)] = .constant }
    }
    for id in graph.allNodes {
      for origin in graph[id].origins.indices where origin < count { result[Int(origin)] = .node }
    }
    return result
  }
}

/// Source nodes that no node of the result stands for.
public struct DepartureRecord: Sendable, Codable {
  /// The pass that let them go.
  public var pass: String
  /// True where constants of the result hold what they computed, else nothing that is left depended on them.
  public var isFolded: Bool
  /// Their names.
  public var nodes: [String]
  /// Their indices in `Model.sourceNodes`.
  public var origins: [UInt32]
}
