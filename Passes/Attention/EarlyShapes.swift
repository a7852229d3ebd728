import GraphIR
import Operators
import PassKit
import Tensors

/// Shapes of keys and values joined with a cache that an Attention's other inputs depend on. Once Attention joins them itself
/// they would come too late: they are put together from the shapes of the parts.
struct EarlyShapes {
  /// Nodes Shape.
  private(set) var nodes: [NodeID] = []
  private let appended: [CacheAppend]

  /// Throws where the inputs depend on more than the shapes.
  init(_ id: NodeID, _ appended: [CacheAppend], _ context: PassContext) throws {
    self.appended = appended
    let graph = context.graph
    let region = graph[id].region
    let whole = Set(appended.flatMap { $0.values(graph) })
    let own = Set(appended.flatMap(\.steps) + [id])
    let readers = Set(whole.flatMap { graph.consumers($0) }).subtracting(own)
    if readers.isEmpty { return }
    var seen: Set<NodeID> = []
    func isLate(_ producer: NodeID) -> Bool {
      readers.contains(producer)
        || graph[producer].regions.contains { !whole.isDisjoint(with: graph.capturedValues(of: $0)) }
    }
    /// True where a value depends on the whole keys or values.
    func dependsOnWhole(_ start: ValueID) -> Bool {
      var inner: Set<NodeID> = []
      var work = [start]
      while let value = work.popLast() {
        if whole.contains(value) { return true }
        guard let producer = graph.producer(value), graph[producer].region == region, inner.insert(producer).inserted
        else { continue }
        if isLate(producer) { return true }
        work += EarlyShapes.dependencies(producer, graph)
      }
      return false
    }
    var work =
      graph[id].inputs.compactMap { $0 }.filter { !whole.contains($0) } + appended.flatMap { [$0.past, $0.fresh] }
    while let value = work.popLast() {
      guard let producer = graph.producer(value), graph[producer].region == region, seen.insert(producer).inserted
      else { continue }
      if graph[producer].is("Shape"), let source = graph[producer].input(0) {
        if dependsOnWhole(source) { nodes.append(producer) }
        continue
      }
      if isLate(producer) {
        throw Refusal("what Attention reads depends on its keys and values joined with the cache", at: producer)
      }
      work += EarlyShapes.dependencies(producer, graph)
    }
    for node in nodes {
      let targets = EarlyShapes.targets(node, context)
      guard let targets, targets.allSatisfy({ $0.dims.allSatisfy { source($0, context) != nil } }) else {
        throw Refusal(
          "what Attention reads depends on the shape of its keys and values joined with the cache, "
            + "which is not known from the parts", at: node)
      }
    }
  }

  private static func dependencies(_ node: NodeID, _ graph: Graph) -> [ValueID] {
    graph[node].inputs.compactMap { $0 } + graph[node].regions.flatMap { graph.capturedValues(of: $0) }
  }

  /// Values that hold lengths, and these.
  private typealias Target = (value: ValueID, dims: [Dim], isScalar: Bool)

  /// What a Shape says; where its readers only pick among that, what they pick.
  private static func targets(_ node: NodeID, _ context: PassContext) -> [Target]? {
    guard let output = context.graph[node].output(0) else { return nil }
    let readers = context.graph.consumers(output)
    let picks = readers.compactMap { reader -> Target? in
      let next = context.graph[reader]
      guard ["Gather", "Slice"].contains(next.type), next.domain.isEmpty, next.input(0) == output,
        let value = next.output(0)
      else { return nil }
      return target(value, context)
    }
    return picks.count == readers.count ? picks : target(output, context).map { [$0] }
  }

  private static func target(_ value: ValueID, _ context: PassContext) -> Target? {
    guard let dims = context.facts(value).symbols, let rank = context.rank(value), rank <= 1,
      !context.graph.isRegionOutput(value)
    else { return nil }
    return (value, dims, rank == 0)
  }

  // MARK: Writing

  private indirect enum Source: Hashable {
    case number(Int)
    case axis(ValueID, Int)
    /// The length of a cache and of what is appended to it.
    case sum(past: ValueID, fresh: ValueID, axis: Int)
    /// The whole length, or what an input of the graph has in its place.
    case greater(Source, Source)
  }

  private func source(_ dim: Dim, _ context: PassContext) -> Source? {
    if let number = dim.value { return .number(number) }
    for part in appended {
      for value in [part.past, part.fresh] {
        if let axis = context.shape(value)?.firstIndex(of: dim) { return .axis(value, axis) }
      }
      if part.length(part.whole, context) == dim {
        return .sum(past: part.past, fresh: part.fresh, axis: part.axis)
      }
    }
    // A mask of an input's own length, broadcast to the whole.
    for other in dim.symbols.sorted().map({ Dim.symbol($0) }) {
      for part in appended {
        guard let whole = part.length(part.whole, context), whole != other, Dim.max(whole, other) == dim,
          let given = given(other, context)
        else { continue }
        return .greater(.sum(past: part.past, fresh: part.fresh, axis: part.axis), given)
      }
    }
    return nil
  }

  private func given(_ dim: Dim, _ context: PassContext) -> Source? {
    for value in context.graph.inputs {
      if let axis = context.shape(value)?.firstIndex(of: dim) { return .axis(value, axis) }
    }
    return nil
  }

  func replace(_ context: PassContext, in change: inout GraphChange) throws {
    var made: [Source: GraphChange.Ref] = [:]
    func length(_ value: ValueID, _ axis: Int, _ change: inout GraphChange) -> GraphChange.Ref {
      if let ref = made[.axis(value, axis)] { return ref }
      let bounds = [NamedAttribute("start", .int(Int64(axis))), NamedAttribute("end", .int(Int64(axis + 1)))]
      let ref = change.node("Shape", [.existing(value)], bounds, covers: [])
      made[.axis(value, axis)] = ref
      return ref
    }
    func write(_ source: Source, _ change: inout GraphChange) throws -> GraphChange.Ref {
      switch source {
      case .number(let number): return change.constant(try .ints([number]))
      case .axis(let value, let axis): return length(value, axis, &change)
      case .sum(let past, let fresh, let axis):
        if let ref = made[source] { return ref }
        let ref = change.node("Add", [length(past, axis, &change), length(fresh, axis, &change)], covers: [])
        made[source] = ref
        return ref
      case .greater(let a, let b):
        return change.node("Max", [try write(a, &change), try write(b, &change)], covers: [])
      }
    }
    for node in nodes {
      for target in EarlyShapes.targets(node, context) ?? [] {
        let parts = try target.dims.compactMap { source($0, context) }.map { try write($0, &change) }
        var result =
          parts.count == 1 ? parts[0] : change.node("Concat", parts, [NamedAttribute("axis", .int(0))], covers: [])
        if target.isScalar { result = change.node("Squeeze", [result, change.constant(try .ints([0]))], covers: []) }
        change.replace(target.value, with: result)
      }
    }
    change.covers += nodes
  }
}
