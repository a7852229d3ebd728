public import GraphIR
import Tensors

/// Replaces `Gradient` nodes by the nodes that compute the derivatives: reverse-mode differentiation on the graph.
///
/// The attributes xs, zs and y name tensors of the file. `bind` turns the names into operands while they still mean something;
/// `expand`, once every node is in its newest version, appends the backward pass and removes the node. The result holds ordinary
/// nodes only, so a Gradient of a Gradient's result needs nothing further.
///
/// - The differentiated function is what computes y from the tensors xs and zs, each taken as independent. Where the node is fed
///   other tensors than those named, the part of the graph that depends on them is repeated with these.
/// - The gradient of a y of several elements is that of their sum.
/// - Where y does not depend on an x its gradient is zeros.
/// - At kinks: Relu and Abs have slope 0 at 0, equal maxima share the gradient evenly, Clip passes it at its bounds.
public enum GradientExpansion {
  /// Where Gradient lives: a model that does not import it has none.
  public static let domain = "ai.onnx.preview.training"
  static let name = OperatorName("Gradient", domain: domain)
  /// Metadata of a Gradient node that could not be expanded: why.
  static let reasonKey = "cameo.gradient"

  /// Appends to the inputs of every Gradient node the tensors that xs, zs and y name, in this order. Throws where a name is
  /// unknown or the inputs do not fit the names. O(nodes) where there is none.
  public static func bind(_ graph: inout Graph) throws {
    let nodes = graph.allNodes.filter { graph[$0].operatorName == name }
    if nodes.isEmpty { return }
    struct Key: Hashable {
      let region: RegionID
      let name: String
    }
    var values: [Key: ValueID] = [:]
    for id in graph.allValues { values[Key(region: graph[id].region, name: graph[id].name)] = id }
    for id in nodes {
      try within(graph.describe(id)) {
        let names = try Names(graph[id])
        guard graph[id].inputs.count == names.count else {
          throw CameoError.badInput("\(graph[id].inputs.count) inputs for the \(names.count) names of xs and zs")
        }
        let named = try names.all.map { name in
          var region = graph[id].region
          while true {
            if let value = values[Key(region: region, name: name)] { return value }
            guard let parent = graph[region].parent else {
              throw CameoError.badInput("its attributes name \(name), which is no tensor here")
            }
            region = graph[parent].region
          }
        }
        graph.replaceInputs(of: id, with: graph[id].inputs + named.map { Optional($0) }, keepingSource: true)
      }
    }
  }

  /// Replaces every bound Gradient node. One that meets an operator without a derivative rule, or a shape that a rule needs and
  /// inference does not know, stays as it was in the file; evaluating it throws the reason. Throws `.limit` where derivatives of
  /// derivatives make the graph grow without measure.
  public static func expand(_ graph: inout Graph, functions: [Function] = []) throws {
    guard graph.allNodes.contains(where: { graph[$0].operatorName == name }) else { return }
    try graph.sortTopologically()
    let nodes = graph.allNodes.filter { graph[$0].operatorName == name }
    let limit = max(20_000, 16 * graph.nodeCapacity)
    var inference = try inferred(graph, functions)
    for id in nodes {
      guard graph.nodeCapacity <= limit else {
        throw CameoError.limit("the derivatives need more than \(limit) nodes").within(graph.describe(id))
      }
      let place = graph.describe(id)
      let before = graph
      inference.release()
      do {
        try expand(id, &graph, inference, functions)
      } catch let error as CameoError where error.kind == .unsupported {
        graph = before
        let count = try Names(graph[id]).count
        graph.replaceInputs(of: id, with: Array(graph[id].inputs.prefix(count)), keepingSource: true)
        graph.modify(id) {
          $0.metadata.removeAll { $0.key == reasonKey }
          $0.metadata.append(MetadataEntry(key: reasonKey, value: error.description))
        }
        inference = try inferred(graph, functions)
      } catch let error as CameoError { throw error.within(place) }
    }
    inference.release()
    try graph.sortTopologically()
    graph.removeUnreadConstants()
  }

  private static func inferred(_ graph: Graph, _ functions: [Function]) throws -> ShapeInference {
    var options = ShapeInference.Options()
    options.isLenient = true
    let inference = ShapeInference(graph, functions: functions, options: options)
    try inference.run()
    return inference
  }

  private struct Names {
    let xs: [String]
    let zs: [String]
    let y: String

    init(_ node: Node) throws {
      let attributes = AttributeReader(node)
      guard let xs = try attributes.optionalStrings("xs"), !xs.isEmpty else {
        throw CameoError.badInput("attribute xs names no tensor")
      }
      self.xs = xs
      zs = try attributes.optionalStrings("zs") ?? []
      y = try attributes.string("y")
      guard Set(xs + zs).count == count else { throw CameoError.badInput("xs and zs name a tensor twice") }
    }

    var count: Int { xs.count + zs.count }
    var all: [String] { xs + zs + [y] }
  }

  // MARK: One node

  /// `inference` has let go of the graph, and has it again afterwards.
  private static func expand(
    _ id: NodeID, _ graph: inout Graph, _ inference: ShapeInference, _ functions: [Function]
  ) throws {
    let node = graph[id]
    let names = try Names(node)
    guard node.outputs.count <= names.xs.count else {
      throw CameoError.badInput("\(node.outputs.count) outputs for \(names.xs.count) names in xs")
    }
    var operands: [ValueID] = []
    for (index, input) in node.inputs.enumerated() {
      guard let input else { throw CameoError.badInput("input \(index) is missing") }
      operands.append(input)
    }
    guard operands.count == 2 * names.count + 1 else { throw CameoError.badInput("its names were not resolved") }
    var function = DifferentiatedFunction(
      independent: Array(operands[names.count..<2 * names.count]), result: operands[2 * names.count])
    var firstNew = graph.nodeCapacity
    func takeOver(_ graph: Graph) {
      inference.extend(
        to: graph, inferring: (firstNew..<graph.nodeCapacity).map { NodeID($0) }.filter { graph[$0].isAlive }, then: [])
    }
    try function.feed(Array(operands[..<names.count]), &graph, like: id)
    var steps = function.nodes(in: graph).map { DerivativeStep.node($0) }
    let xs = Array(function.independent.prefix(names.xs.count))
    let firstCopy = graph.nodeCapacity
    takeOver(graph)
    // What has no rule is differentiated through its body, bodies in bodies included.
    for _ in 0..<16 {
      let facts = inference.facts
      inference.release()
      firstNew = graph.nodeCapacity
      let writer = BodyWriter(functions: functions, facts: facts, gradient: id)
      let isDone = try !writer.write(&steps, xs: xs, &graph)
      takeOver(graph)
      if isDone { break }
    }
    let copies = firstCopy..<graph.nodeCapacity
    let facts = inference.facts
    inference.release()

    firstNew = graph.nodeCapacity
    var builder = GradientBuilder(graph, like: id, facts: facts)
    graph = Graph()
    let gradients = try backward(&builder, steps, function, xs, isWanted: xs.indices.map { node.output($0) != nil })
    graph = builder.graph
    var handedOut: Set<ValueID> = []
    for (output, gradient) in zip(node.outputs, gradients) {
      guard let output, var gradient else { continue }
      let isFresh = (graph.producer(gradient).map { Int($0.index) } ?? -1) >= firstNew
      if !isFresh || !handedOut.insert(gradient).inserted { gradient = graph.emit("Identity", [gradient], like: id) }
      let (name, type) = (graph[output].name, graph[output].type)
      graph.replaceAllUses(of: output, with: gradient)
      graph.setName(name, of: gradient)
      graph.setType(type, of: gradient)
    }
    graph.removeNode(id)
    for copy in copies.reversed().map({ NodeID($0) }) where graph[copy].isAlive {
      let isRead = graph[copy].outputs.contains { output in output.map { !graph[$0].uses.isEmpty } ?? false }
      if !isRead { graph.removeNode(copy) }
    }
    takeOver(graph)
  }

  /// The gradient of the function's result with respect to each of `xs`; nil where it is not wanted.
  private static func backward(
    _ b: inout GradientBuilder, _ steps: [DerivativeStep], _ function: DifferentiatedFunction, _ xs: [ValueID],
    isWanted: [Bool]
  ) throws -> [ValueID?] {
    let y = function.result
    for value in [y] + zip(xs, isWanted).filter(\.1).map(\.0) {
      if let type = b.type(value), !type.isFloatingPoint {
        throw CameoError.badInput("\(b.graph[value].name) is \(type); only floating-point tensors have derivatives")
      }
    }
    // Values that change when an x does.
    var active = Set(zip(xs, isWanted).filter(\.1).map(\.0))
    for step in steps {
      switch step {
      case .node(let id):
        guard reads(b.graph, id).contains(where: active.contains) else { continue }
        for case .some(let output) in b.graph[id].outputs where b.type(output)?.isFloatingPoint ?? true {
          active.insert(output)
        }
      case .result(let output, let value): if active.contains(value) { active.insert(output) }
      }
    }
    var sums: [ValueID: ValueID] = [:]
    if active.contains(y) { sums[y] = try b.fill(1, like: y) }
    for step in steps.reversed() {
      guard case .node(let id) = step else {
        if case .result(let output, let value) = step, let gradient = sums[output], !function.isIndependent(output) {
          sums[value] = sums[value].map { b.add($0, gradient) } ?? gradient
        }
        continue
      }
      let node = b.graph[id]
      let gradients = node.outputs.map { output in output.flatMap { sums[$0] } }
      guard gradients.contains(where: { $0 != nil }), reads(b.graph, id).contains(where: active.contains) else {
        continue
      }
      let place = b.graph.describe(id)
      try within(place) {
        guard let rule = DerivativeRules[node.operatorName] else {
          throw CameoError.unsupported("\(node.operatorName) has no derivative rule")
        }
        let call = DerivativeCall(
          node: node, gradients: gradients, isNeeded: node.inputs.map { $0.map(active.contains) ?? false })
        for (index, gradient) in try rule.gradients(&b, call).enumerated() {
          guard let gradient, call.needs(index), let input = node.input(index) else { continue }
          sums[input] = sums[input].map { b.add($0, gradient) } ?? gradient
        }
      }
    }
    return try zip(xs, isWanted).map { x, isWanted in
      if !isWanted { return nil }
      return try sums[x] ?? b.fill(0, like: x)
    }
  }

  /// What a node reads, the captures of its bodies included.
  static func reads(_ graph: Graph, _ id: NodeID) -> [ValueID] {
    graph[id].inputs.compactMap { $0 } + graph[id].regions.flatMap { graph.capturedValues(of: $0) }
  }
}

/// The part of a graph that computes one value from others.
private struct DifferentiatedFunction {
  /// Where the walk back ends.
  var independent: [ValueID]
  var result: ValueID

  func isIndependent(_ value: ValueID) -> Bool { independent.contains(value) }

  /// The nodes between, each after those that it reads from.
  func nodes(in graph: Graph) -> [NodeID] {
    let border = Set(independent)
    var order: [NodeID] = []
    var seen: Set<NodeID> = []
    var stack: [(id: NodeID, needs: [NodeID], next: Int)] = []
    func push(_ value: ValueID) {
      guard !border.contains(value), let id = graph.producer(value), seen.insert(id).inserted else { return }
      let needs = GradientExpansion.reads(graph, id).filter { !border.contains($0) }.compactMap { graph.producer($0) }
      stack.append((id, needs, 0))
    }
    push(result)
    while let top = stack.last {
      if top.next < top.needs.count {
        stack[stack.count - 1].next += 1
        let need = top.needs[top.next]
        if let output = graph[need].outputs.lazy.compactMap({ $0 }).first(where: { !border.contains($0) }) {
          push(output)
        }
      } else {
        order.append(top.id)
        stack.removeLast()
      }
    }
    return order
  }

  /// Lets the function have `values` for its independent tensors: where they are others, the nodes that depend on them are
  /// repeated in the region of `node`.
  mutating func feed(_ values: [ValueID], _ graph: inout Graph, like node: NodeID) throws {
    var replacement: [ValueID: ValueID] = [:]
    let order = nodes(in: graph)
    for (index, value) in values.enumerated() where value != independent[index] {
      // A value of its own: the tensor that is fed may stand elsewhere in the function.
      replacement[independent[index]] = graph.emit("Identity", [value], like: node)
    }
    if replacement.isEmpty { return }
    for id in order {
      let source = graph[id]
      guard GradientExpansion.reads(graph, id).contains(where: { replacement[$0] != nil }) else { continue }
      guard source.regions.isEmpty else {
        throw CameoError.unsupported("\(source.operatorName) with a body cannot be repeated for other inputs")
          .within(graph.describe(id))
      }
      let outputs = source.outputs.map { output -> ValueID? in
        guard let output else { return nil }
        let copy = graph.addValue(name: graph.freshName(graph[output].name), type: nil, in: graph[node].region)
        if !independent.contains(output) { replacement[output] = copy }
        return copy
      }
      graph.addNode(
        source.operatorName, inputs: source.inputs.map { $0.map { replacement[$0] ?? $0 } }, outputs: outputs,
        attributes: source.attributes, overload: source.overload, origins: graph[node].origins, in: graph[node].region)
    }
    independent = independent.map { replacement[$0] ?? $0 }
    result = replacement[result] ?? result
  }
}
