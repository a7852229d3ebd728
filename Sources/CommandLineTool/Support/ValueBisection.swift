import Cameo
import GraphIR
import InferenceRuntime
import Tensors

/// Finds the first value, in the order of A, that two prepared models compute differently.
///
/// Both run once more with every value that has the same name in both as an output; fusions leave a value its name, so what is
/// compared are the cuts that the two graphs share. Takes the memory of all those values.
struct ValueBisection {
  struct Result {
    let value: String
    let nodeA: String
    let nodeB: String
    /// Names of the source nodes behind B's node.
    let origins: [String]
    let closeness: Closeness
    let compared: Int

    var text: String {
      "first difference: value \(value), max|a-b| / max|a| \(Figures.short(closeness.maxRel)) (\(compared) values compared)\n"
        + "  in A: \(nodeA)\n  in B: \(nodeB)" + (origins.isEmpty ? "" : "\n  from: \(origins.joined(separator: ", "))")
    }
  }

  private let a: PreparedModel
  private let b: PreparedModel

  init(_ a: PreparedModel, _ b: PreparedModel) {
    self.a = a
    self.b = b
  }

  func find(_ inputs: [String: Value], _ tolerance: Double) throws -> Result? {
    let known = computed(b.optimized.graph)
    let names = computedNames(a.optimized.graph).filter { known[$0] != nil }
    let x = try run(a, names, inputs)
    let y = try run(b, names, inputs)
    var compared = 0
    for name in names {
      guard let p = x[name], let q = y[name], sameForm(p, q) else { continue }
      compared += 1
      let closeness = Closeness.between(p, q)
      if closeness.maxRel <= tolerance { continue }
      let graphA = a.optimized.graph
      let graphB = b.optimized.graph
      let nodeA = computed(graphA)[name]
      let nodeB = known[name]
      let origins = nodeB.map { originNames($0, graphB, b.optimized) }
      return Result(
        value: name, nodeA: nodeA.map(graphA.describe) ?? "?", nodeB: nodeB.map(graphB.describe) ?? "?",
        origins: (origins ?? []).filter { !$0.isEmpty }, closeness: closeness, compared: compared)
    }
    return nil
  }

  /// The source nodes that a node stands for: those of the file it came from before, where that file was written here.
  private func originNames(_ id: NodeID, _ graph: Graph, _ model: Model) -> [String] {
    if let written = graph[id].metadata.first(where: { $0.key == "cameo.origins" }) {
      return written.value.split(separator: "\n").map(String.init)
    }
    return graph[id].origins.indices.compactMap {
      Int($0) < model.sourceNodes.count ? model.sourceNodes[Int($0)].name : nil
    }
  }

  private func sameForm(_ p: Value, _ q: Value) -> Bool {
    guard let s = p.tensor, let t = q.tensor else { return p.tensor == nil && q.tensor == nil }
    return s.shape == t.shape && s.dataType == t.dataType
  }

  private func computedNames(_ graph: Graph) -> [String] {
    graph.nodes.flatMap { graph[$0].outputs.compactMap { $0 } }.map { graph[$0].name }.filter { !$0.isEmpty }
  }

  private func computed(_ graph: Graph) -> [String: NodeID] {
    var table: [String: NodeID] = [:]
    for id in graph.nodes { for case .some(let output) in graph[id].outputs { table[graph[output].name] = id } }
    return table
  }

  private func run(
    _ prepared: PreparedModel, _ names: [String], _ inputs: [String: Value]
  ) throws -> [String: Value] {
    var model = prepared.optimized
    let wanted = Set(names)
    var graph = model.graph
    var outputs = graph.outputs
    let present = Set(outputs)
    for id in graph.nodes {
      for case .some(let output) in graph[id].outputs
      where wanted.contains(graph[output].name) && !present.contains(output) {
        outputs.append(output)
      }
    }
    graph.setOutputs(outputs)
    model.graph = graph
    var options = prepared.options
    options.pool = prepared.session.pool
    return try Session(model, providers: prepared.providers, options: options).run(values: inputs)
  }
}
