import GraphIR
import Operators
import PassKit
import Tensors

/// Finds the chains that FuseElementwise joins. O(nodes + edges).
struct ElementwiseChains {
  struct Chain {
    /// The last node first, as they were found.
    var nodes: [NodeID]
    /// The shape that its steps walk.
    let shape: [Dim]
    /// What its nodes read, or write within the chain, constants of the body aside.
    var operands: Set<ValueID>
    var results: Set<ValueID>
    /// Of the nodes, in their graph.
    var positions: [NodeID: Int]
  }

  private let context: PassContext
  private let rule: String
  private let graph: Graph
  private let runtimeValues: Set<ValueID>

  init(_ context: PassContext, rule: String) {
    self.context = context
    self.rule = rule
    graph = context.graph
    runtimeValues = ElementwiseChains.runtimeValues(context.graph)
  }

  /// True for constants that go into the body, so that equal chains of several layers have one body.
  static func isParameter(_ tensor: Tensor) -> Bool {
    tensor.count == 1 || tensor.dataType == .int64 && tensor.rank == 1 && tensor.count <= 8
  }

  /// Chains of two nodes and more, in the order of their last nodes.
  func find() -> [Chain] {
    var result: [Chain] = []
    for region in graph.allRegions {
      if let parent = graph[region].parent, FusedElementwise.is(graph[parent]) { continue }
      result += chains(in: region)
    }
    return result
  }

  /// Values that may differ between two runs of one shape.
  private static func runtimeValues(_ graph: Graph) -> Set<ValueID> {
    var result: Set<ValueID> = []
    for region in graph.allRegions { result.formUnion(graph[region].inputs) }
    for id in graph.allNodes {
      let node = graph[id]
      if node.is("Shape") || node.is("Size") { continue }
      let isFixed = OperatorRegistry[node.operatorName].map { !$0.traits.contains(.random) } ?? false
      let reads = node.inputs.contains { $0.map { result.contains($0) } ?? false }
      if !isFixed || reads || !node.regions.isEmpty { result.formUnion(node.outputs.compactMap { $0 }) }
    }
    return result
  }

  private func chains(in region: RegionID) -> [Chain] {
    var found: [Chain] = []
    var chainOf: [NodeID: Int] = [:]
    for (position, id) in graph.nodes(in: region).enumerated().reversed() {
      guard let output = graph[id].output(0), graph[id].outputs.count == 1 else { continue }
      let isReduction = ElementwiseVocabulary.reductions.contains(graph[id].type) && graph[id].domain.isEmpty
      guard isReduction || ElementwiseVocabulary.knows(graph[id].operatorName) else { continue }
      let readers = readers(of: output, chainOf)
      do {
        let shape = isReduction ? reducedShape(id) : try stepShape(id, output)
        guard let shape else { continue }
        if graph[id].is("DequantizeLinear") {
          let joined = dequantize(id, output, shape, position, readers.chains.sorted(), &found)
          // What it reads may follow it into the one chain that reads nothing else of it.
          if !readers.others, readers.chains.count == 1 { chainOf[id] = joined.first }
          continue
        }
        if !isReduction, !readers.chains.isEmpty {
          do {
            let target = try target(id, readers, shape, found)
            found[target].nodes.append(id)
            found[target].operands.formUnion(operands(id))
            found[target].results.insert(output)
            found[target].positions[id] = position
            chainOf[id] = target
            continue
          } catch let refusal as Refusal {
            context.refuse(rule, at: id, refusal)
          }
        }
        chainOf[id] = found.count
        found.append(
          Chain(nodes: [id], shape: shape, operands: operands(id), results: [output], positions: [id: position]))
      } catch let refusal as Refusal {
        if !readers.chains.isEmpty { context.refuse(rule, at: id, refusal) }
      } catch {}
    }
    return found.reversed().filter { $0.nodes.count > 1 }
  }

  /// Puts a DequantizeLinear into every chain that reads it, whoever else does: integers are a quarter of the floats to read, and the
  /// product of each costs less than that. A chain may broadcast it. Returns the chains that took it.
  private func dequantize(
    _ id: NodeID, _ output: ValueID, _ shape: [Dim], _ position: Int, _ readers: [Int], _ found: inout [Chain]
  ) -> [Int] {
    var joined: [Int] = []
    for target in readers {
      let chain = found[target]
      do {
        guard shape.count <= chain.shape.count,
          zip(shape.reversed(), chain.shape.reversed()).allSatisfy({ $0 == $1 || $0 == 1 })
        else { throw Refusal("its shape is not the chain's", at: chain.nodes[0]) }
        try checkRoom(id, in: chain)
        found[target].nodes.append(id)
        found[target].operands.formUnion(operands(id))
        found[target].results.insert(output)
        found[target].positions[id] = position
        joined.append(target)
      } catch let refusal as Refusal {
        context.refuse(rule, at: id, refusal)
      } catch {}
    }
    return joined
  }

  /// The chains that read a value, and whether something else does.
  private func readers(of value: ValueID, _ chainOf: [NodeID: Int]) -> (chains: Set<Int>, others: Bool) {
    var chains: Set<Int> = []
    var others = false
    for use in graph[value].uses {
      if case .node(let id, _) = use, let chain = chainOf[id] { chains.insert(chain) } else { others = true }
    }
    return (chains, others)
  }

  private func operands(_ id: NodeID) -> Set<ValueID> {
    Set(
      graph[id].inputs.compactMap { $0 }.filter { value in
        graph.constant(value).map { !ElementwiseChains.isParameter($0) } ?? true
      })
  }

  // MARK: Guards

  /// The shape of a node that may be a step; nil where it is too small to gain anything. Throws a refusal for one that may
  /// not.
  private func stepShape(_ id: NodeID, _ output: ValueID) throws -> [Dim]? {
    let operands = graph[id].inputs.map { input in
      input.map {
        ElementwiseVocabulary.Operand(type: context.dataType($0), isScalar: graph.constant($0)?.count == 1)
      }
    }
    if let reason = ElementwiseVocabulary.refusal(graph[id], operands, result: context.dataType(output)) {
      throw Refusal(reason)
    }
    guard runtimeValues.contains(output) else {
      throw Refusal("it follows from shapes and constants alone: a session computes it once")
    }
    guard let shape = context.shape(output) else { throw Refusal("its rank is not known") }
    if let count = ElementwiseChains.count(shape), count <= FuseElementwise.fewElements { return nil }
    return shape
  }

  /// The shape that a reduction goes over; nil where it cannot end a chain.
  private func reducedShape(_ id: NodeID) -> [Dim]? {
    guard let data = graph[id].input(0), context.dataType(data) == .float, let shape = context.shape(data) else {
      return nil
    }
    var axes: [Int]?
    if let input = graph[id].input(1) {
      guard let tensor = graph.constant(input), ElementwiseChains.isParameter(tensor), let values = try? tensor.ints()
      else { return nil }
      axes = values
    }
    guard ElementwiseVocabulary.reducedFrom(graph[id], axes: axes, rank: shape.count) != nil else { return nil }
    return shape
  }

  /// The chain that the node joins. Throws a refusal where there is none.
  private func target(
    _ id: NodeID, _ readers: (chains: Set<Int>, others: Bool), _ shape: [Dim], _ found: [Chain]
  ) throws -> Int {
    guard let target = readers.chains.first, readers.chains.count == 1, !readers.others else {
      throw Refusal("its result is also read outside the chain, which would compute it twice")
    }
    let chain = found[target]
    let end = chain.nodes[0]
    guard chain.shape == shape else {
      throw Refusal(
        "its shape \(ElementwiseChains.text(shape)) is not the chain's, \(ElementwiseChains.text(chain.shape))", at: end
      )
    }
    try checkRoom(id, in: chain)
    return target
  }

  /// Throws a refusal where the chain takes no further node.
  private func checkRoom(_ id: NodeID, in chain: Chain) throws {
    let end = chain.nodes[0]
    let results = chain.results.union(graph[id].outputs.compactMap { $0 })
    let outside = chain.operands.union(operands(id)).subtracting(results).count
    let nodes = chain.nodes.count + 1
    guard nodes <= FuseElementwise.maximumNodes, outside <= FuseElementwise.maximumInputs else {
      throw Refusal("the chain would have \(nodes) nodes and \(outside) operands", at: end)
    }
  }

  private static func count(_ shape: [Dim]) -> Int? {
    let known = shape.compactMap(\.value)
    return known.count == shape.count ? try? Tensor.elementCount(known) : nil
  }

  private static func text(_ shape: [Dim]) -> String {
    "[" + shape.map(\.description).joined(separator: ", ") + "]"
  }
}
