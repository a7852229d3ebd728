import GraphIR

/// A name for every value, unique where it is visible: labels are kept unless they clash, the main graph's inputs and outputs
/// keep theirs.
struct NameTable {
  private var names: [String]
  private var used: Set<String> = []
  private var counters: [String: Int] = [:]

  init(_ graph: Graph) {
    names = [String](repeating: "", count: graph.valueCapacity)
    var constants: [RegionID: [ValueID]] = [:]
    for id in graph.allValues where graph[id].isConstant { constants[graph[id].region, default: []].append(id) }
    used.reserveCapacity(graph.valueCapacity)
    for id in graph.inputs + graph.outputs where names[Int(id.index)].isEmpty { assign(id, graph) }
    visit(.main, graph, constants)
  }

  subscript(id: ValueID) -> String { names[Int(id.index)] }

  private mutating func assign(_ id: ValueID, _ graph: Graph) {
    let label = graph[id].name
    var name = label
    if name.isEmpty || used.contains(name) {
      let stem = label.isEmpty ? "value" : label
      repeat {
        let number = counters[stem, default: 0] + 1
        counters[stem] = number
        name = "\(stem)_\(number)"
      } while used.contains(name)
    }
    used.insert(name)
    names[Int(id.index)] = name
  }

  private mutating func visit(_ region: RegionID, _ graph: Graph, _ constants: [RegionID: [ValueID]]) {
    var own: [ValueID] = []
    func take(_ id: ValueID) { if names[Int(id.index)].isEmpty { own.append(id) } }
    for id in graph[region].inputs { take(id) }
    for id in constants[region] ?? [] { take(id) }
    let nodes = graph.nodes(in: region)
    for id in nodes {
      for case .some(let output) in graph[id].outputs { take(output) }
    }
    for id in own { assign(id, graph) }
    for id in nodes where !graph[id].attributes.isEmpty {
      for inner in graph[id].regions { visit(inner, graph, constants) }
    }
    // Sibling bodies may use the same names.
    if region != .main { for id in own { used.remove(names[Int(id.index)]) } }
  }
}
