import GraphIR
import Operators
import Tensors

/// `IN..:OUT..`: a part of a model, cut at named values.
struct Extraction {
  private let inputs: [ValueID]
  private let outputs: [ValueID]

  /// Names may hold colons themselves: the colon is taken that leaves known names on both sides. An empty left side keeps the
  /// model's inputs, an empty right side its outputs.
  init(_ text: String, of model: Model) throws {
    let graph = model.graph
    var byName: [String: ValueID] = [:]
    for id in graph.allValues where graph[id].region == .main && !graph[id].isConstant { byName[graph[id].name] = id }
    func values(_ part: Substring) -> [ValueID]? {
      var result: [ValueID] = []
      for name in part.split(separator: ",") {
        guard let id = byName[String(name)] else { return nil }
        result.append(id)
      }
      return result
    }
    for colon in text.indices where text[colon] == ":" {
      if let left = values(text[..<colon]), let right = values(text[text.index(after: colon)...]) {
        inputs = left.isEmpty ? graph.inputs : left
        outputs = right.isEmpty ? graph.outputs : right
        return
      }
    }
    guard text.contains(":") else { throw CameoError.badInput("--extract \(text): IN,..:OUT,.. is needed") }
    let unknown = text.split(whereSeparator: { $0 == ":" || $0 == "," }).map(String.init).first { byName[$0] == nil }
    throw CameoError.badInput("--extract: the main graph has no value \(unknown ?? text)")
  }

  /// The part as a model. Types come from shape inference. Throws where an output depends on a model input that was not named.
  func model(from source: Model) throws -> Model {
    var options = ShapeInference.Options()
    options.isLenient = true
    let inference = ShapeInference(source.graph, functions: source.functions, options: options)
    try inference.run()
    var graph = source.graph
    for id in outputs where graph[id].type == nil { graph.setType(inference[id].type, of: id) }
    graph.setOutputs(outputs)
    // A computed value at the cut: its readers get a new one of the same name, which becomes the input.
    var kept: [ValueID] = []
    for id in inputs {
      guard graph.producer(id) != nil else {
        kept.append(id)
        continue
      }
      let fresh = graph.addValue(name: graph[id].name, type: inference[id].type ?? graph[id].type)
      graph.setName(graph.freshName("cut"), of: id)
      graph.replaceAllUses(of: id, with: fresh)
      kept.append(fresh)
    }
    let needed = try neededNodes(graph, inputs: Set(kept))
    for id in graph.nodes.reversed() where !needed.contains(id) { graph.removeNode(id) }
    graph.setInputs(kept)
    graph.removeUnreadConstants()
    try graph.verify()
    graph.compact()
    var part = source
    part.graph = graph
    return part
  }

  /// The nodes that the outputs need, down to the inputs.
  private func neededNodes(_ graph: Graph, inputs: Set<ValueID>) throws -> Set<NodeID> {
    var needed: Set<NodeID> = []
    var work = graph.outputs
    var seen: Set<ValueID> = []
    while let value = work.popLast() {
      if !seen.insert(value).inserted || inputs.contains(value) || graph[value].isConstant { continue }
      guard let producer = graph.producer(value) else {
        throw CameoError.badInput("--extract: the outputs also need input \(graph[value].name); name it too")
      }
      if !needed.insert(producer).inserted { continue }
      work += graph[producer].inputs.compactMap { $0 }
      for region in graph[producer].regions { work += graph.capturedValues(of: region) }
    }
    return needed
  }
}
