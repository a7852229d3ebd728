import GraphIR
import Operators
import PassKit
import Tensors

/// A Concat of every phase of an image (the Focus of YOLO) is a SpaceToDepth.
///
/// Before: `Conv(Concat<axis = 1>(x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]), W)`.
/// After: `Conv(SpaceToDepth<blocksize = 2>(x), W')`: SpaceToDepth counts phases along the width first, and the Conv's weights are
/// put in that order; without a Conv of constant weights a Gather orders the channels.
public enum FuseSpaceToDepth {
  public static let pass = RewritePass(
    "FuseSpaceToDepth", level: 2, summary: "turns a Concat of an image's phases into SpaceToDepth", rules: [Rule()])

  /// Every `step`th row from `row` on and column from `column` on.
  struct Phase: Hashable {
    var row: Int
    var column: Int
  }

  struct Rule: RewriteRule {
    let name = "FuseSpaceToDepth"
    let anchors: Set<OperatorName> = [OperatorName("Concat")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0), graph[id].inputs.count >= 4,
        try Movement.axis(id, rank: 4, context) == 1, context.rank(output) == 4
      else { return nil }
      var covered = [id]
      var phases: [Phase] = []
      var origin: ValueID?
      var step: Int?
      for input in graph[id].inputs {
        guard let input, let walk = try Walk(input, graph[id].region, context), let own = walk.step else { return nil }
        if origin == nil { (origin, step) = (walk.data, own) }
        guard walk.data == origin, own == step else { return nil }
        phases.append(walk.phase)
        covered += walk.nodes
      }
      guard let origin, let step, let channels = context.shape(origin)?[1].value, context.rank(origin) == 4 else {
        throw Refusal("the number of channels is not known", at: id)
      }
      guard phases.count == step * step, Set(phases).count == phases.count else {
        throw Refusal("the Concat has \(Set(phases).count) of the \(step * step) phases", at: id)
      }
      if let type = context.dataType(origin), type != .float, type != .double {
        throw Refusal("runtimes have no SpaceToDepth of \(type)", at: id)
      }
      // Channel c of phase p stands at place[p] * channels + c of the SpaceToDepth.
      let places = phases.map { $0.row * step + $0.column }
      var change = GraphChange(rule: name, covers: covered, isFusion: true, region: graph[id].region)
      let fused = change.node(
        "SpaceToDepth", [.existing(origin)], [NamedAttribute("blocksize", .int(Int64(step)))])
      if places == Array(0..<places.count) {
        change.replace(output, with: fused)
      } else if let conv = conv(behind: output, context), let weights = graph[conv].input(1),
        let weight = graph.constant(weights)
      {
        let sources = places.indices.map { place in places.firstIndex(of: place) ?? 0 }
        let order = sources.flatMap { source in (0..<channels).map { source * channels + $0 } }
        guard let moved = try FuseSpaceToDepth.gathered(weight, order) else { return nil }
        change.covers.append(conv)
        let inputs: [GraphChange.Ref?] = [fused, change.constant(moved, name: graph[weights].name + "_ordered")]
        let rest = graph[conv].inputs.dropFirst(2).map { $0.map { GraphChange.Ref.existing($0) } }
        guard let result = graph[conv].output(0) else { return nil }
        change.replace(
          result,
          with: change.node("Conv", inputs + rest, graph[conv].attributes, name: graph[conv].name, covers: [conv]))
      } else {
        let order = places.flatMap { place in (0..<channels).map { place * channels + $0 } }
        let indices = change.constant(try .ints(order))
        change.replace(
          output, with: change.node("Gather", [fused, indices], [NamedAttribute("axis", .int(1))], covers: [id]))
      }
      return change
    }

    /// The Conv that alone reads the phases, with weights that are constant and its own.
    private func conv(behind value: ValueID, _ context: PassContext) -> NodeID? {
      let graph = context.graph
      guard graph.hasSingleUse(value), let reader = graph.consumers(value).first, graph[reader].is("Conv"),
        graph[reader].region == graph[graph.producer(value) ?? reader].region, let weights = graph[reader].input(1),
        graph.constant(weights) != nil, graph.hasSingleUse(weights),
        (try? AttributeReader(graph[reader]).int("group", default: 1)) == 1
      else { return nil }
      return reader
    }
  }

  /// The slices that lead from an image to one phase of it.
  struct Walk {
    var data: ValueID
    var nodes: [NodeID] = []
    var phase = Phase(row: 0, column: 0)
    var steps = [1, 1]
    /// The step of both axes, where it is the same and more than 1.
    var step: Int? { steps[0] == steps[1] && steps[0] > 1 ? steps[0] : nil }

    /// nil where something else than strided Slices of rows and columns stands there.
    init?(_ value: ValueID, _ region: RegionID, _ context: PassContext) throws {
      data = value
      let graph = context.graph
      while steps.contains(1), let producer = graph.producer(data), graph[producer].is("Slice"),
        graph[producer].region == region, let source = graph[producer].input(0)
      {
        guard try take(producer, context) else { return nil }
        nodes.append(producer)
        data = source
      }
      if nodes.isEmpty { return nil }
    }

    private mutating func take(_ id: NodeID, _ context: PassContext) throws -> Bool {
      let node = context.graph[id]
      guard let starts = try context.constant(node.input(1))?.ints(),
        let ends = try context.constant(node.input(2))?.ints(),
        let axes = try context.constant(node.input(3))?.ints(),
        let strides = try context.constant(node.input(4))?.ints(),
        let shape = context.shape(node.input(0)), shape.count == 4, starts.count == axes.count,
        ends.count == axes.count, strides.count == axes.count
      else { return false }
      for index in axes.indices {
        let axis = axes[index] < 0 ? axes[index] + 4 : axes[index]
        let reachesEnd = ends[index] >= (shape[axis & 3].value ?? Int(Int32.max))
        guard axis == 2 || axis == 3, reachesEnd, steps[axis - 2] == 1, strides[index] > 1,
          (0..<strides[index]).contains(starts[index])
        else { return false }
        steps[axis - 2] = strides[index]
        if axis == 2 { phase.row = starts[index] } else { phase.column = starts[index] }
      }
      return true
    }
  }

  /// Weights with input channel i taken from channel order[i]; nil where they have not as many.
  static func gathered(_ weight: Tensor, _ order: [Int]) throws -> Tensor? {
    guard weight.rank >= 2, weight.shape[1] == order.count, weight.dataType.bitWidth % 8 == 0 else {
      return nil
    }
    let bytes = weight.shape[2...].reduce(weight.dataType.bitWidth / 8, *)
    return try Tensor.makeRaw(weight.dataType, weight.shape) { out in
      weight.withUnsafeBytes { source in
        for row in 0..<weight.shape[0] {
          for (place, from) in order.enumerated() {
            let run = UnsafeRawBufferPointer(
              rebasing: source[(row * order.count + from) * bytes..<(row * order.count + from + 1) * bytes])
            let start = (row * order.count + place) * bytes
            UnsafeMutableRawBufferPointer(rebasing: out[start..<start + bytes]).copyMemory(from: run)
          }
        }
      }
    }
  }
}
