public import GraphIR
import Operators
public import PassKit
import Tensors

/// Takes whole output channels of Conv, MatMul and Gemm out, those whose weights have the least L1 norm (Li et al.,
/// "Pruning Filters for Efficient ConvNets", 2017), with the input channels of the products that read them: the model
/// gets smaller and faster anywhere.
///
/// Only where each channel goes by itself from the product to its readers: through element-wise operators,
/// BatchNormalization and pools. What mixes channels on the way (residual sums with other values, LayerNormalization,
/// Reshape, grouped convolutions) is a refusal with the node.
public struct ChannelPruning: Pass {
  public let name = "PruneChannels"
  public let summary = "takes output channels of least weight out, with the inputs that read them"
  public let level = 1
  let fraction: Double
  let multiple: Int
  let kept: Set<NodeID>
  let journal: PruningJournal?

  /// `fraction`: of the output channels of each product; what stays is a multiple of `multiple`. Throws `.badInput`
  /// outside 0 ..< 1.
  public init(
    fraction: Double, multiple: Int = 1, keeping kept: Set<NodeID> = [], journal: PruningJournal? = nil
  ) throws {
    guard fraction >= 0, fraction < 1, multiple >= 1 else {
      throw CameoError.badInput("\(fraction) of the channels, in steps of \(multiple): 0 to less than 1 is meant")
    }
    self.fraction = fraction
    self.multiple = multiple
    self.kept = kept
    self.journal = journal
  }

  public func run(_ context: PassContext) throws {
    for id in context.graph.allNodes where !kept.contains(id) {
      do {
        guard let axis = try outputAxis(id, context) else { continue }
        try prune(id, axis, context)
      } catch let refusal as Refusal {
        context.refuse(name, at: id, refusal)
      }
    }
  }

  /// The axis of a product's constant weight that runs along its output channels; nil for other nodes.
  private func outputAxis(_ id: NodeID, _ context: PassContext) throws -> Int? {
    let node = context.graph[id]
    guard node.is("Conv") || node.is("MatMul") || node.is("Gemm"), let tensor = context.graph.constant(node.input(1)),
      tensor.dataType.isFloatingPoint
    else { return nil }
    if node.is("Conv") {
      guard try AttributeReader(node).int("group", default: 1) == 1 else { throw Refusal("it is grouped", at: id) }
      return 0
    }
    guard tensor.rank == 2 else { throw Refusal("the weight has rank \(tensor.rank)", at: id) }
    let isFlipped = try node.is("Gemm") && AttributeReader(node).bool("transB")
    return isFlipped ? 0 : 1
  }

  private func prune(_ id: NodeID, _ axis: Int, _ context: PassContext) throws {
    let node = context.graph[id]
    guard let weight = context.graph.constant(node.input(1)), let output = node.output(0) else { return }
    let channels = weight.shape[axis]
    let after = max(multiple, Int((Double(channels) * (1 - fraction)).rounded(.up)))
    let count = min(channels, (after + multiple - 1) / multiple * multiple)
    if count == channels { return }
    guard let rank = context.rank(output) else { throw Refusal("the rank is not known", at: id) }
    let path = try ChannelPath(output, axis: node.is("Conv") ? 1 : rank - 1, channels: channels, context)
    var parts = path.parts + [ChannelPath.Part(node: id, slot: 1, axis: axis)]
    if let bias = node.input(2) {
      guard let tensor = context.graph.constant(bias) else { throw Refusal("the bias is no constant", at: id) }
      if tensor.shape.last == channels { parts.append(.init(node: id, slot: 2, axis: tensor.rank - 1)) }
    }
    let places = try strongest(weight, axis, count)
    var change = GraphChange(rule: name, covers: [], region: node.region)
    // In the graph's order, and the nodes without weights, too: shapes are inferred again from the product on.
    for node in context.graph.allNodes where node == id || path.nodes.contains(node) {
      let own = parts.filter { $0.node == node }
      if own.isEmpty { change.setInput(0, of: node, to: context.graph[node].input(0).map { .existing($0) }) }
      for part in own {
        guard let value = context.graph[node].input(part.slot), let tensor = context.graph.constant(value) else {
          continue
        }
        let taken = try Self.taking(places, from: tensor, axis: part.axis)
        change.setInput(part.slot, of: node, to: change.constant(taken, name: context.graph[value].name))
      }
    }
    for (value, axis) in path.values {
      guard case .tensor(let type, var shape?)? = context.graph[value].type, axis < shape.count else { continue }
      shape[axis] = Dim(count)
      change.setType(.tensor(type, shape), of: value)
    }
    let readers = path.readers.map { context.graph.describe($0) }
    let label = context.graph.describe(id)
    try context.apply(change)
    journal?.note(RemovedChannels(node: id, label: label, before: channels, after: count, readers: readers))
  }

  /// The channels of greatest L1 norm, in their order.
  private func strongest(_ tensor: Tensor, _ axis: Int, _ count: Int) throws -> [Int] {
    let (length, inner) = (tensor.shape[axis], tensor.shape[(axis + 1)...].reduce(1, *))
    let view = try ElementView<Float>(tensor)
    var norms = [Double](repeating: 0, count: length)
    for index in 0..<view.count { norms[index / inner % length] += Double(view[index].magnitude) }
    return (0..<length).sorted { norms[$0] != norms[$1] ? norms[$0] > norms[$1] : $0 < $1 }.prefix(count).sorted()
  }

  private static func taking(_ places: [Int], from tensor: Tensor, axis: Int) throws -> Tensor {
    let (length, inner) = (tensor.shape[axis], tensor.shape[(axis + 1)...].reduce(1, *))
    let view = try ElementView<Float>(tensor)
    var shape = tensor.shape
    shape[axis] = places.count
    var values: [Float] = []
    values.reserveCapacity(shape.reduce(1, *))
    for outer in 0..<(length * inner == 0 ? 0 : view.count / (length * inner)) {
      for place in places {
        let first = (outer * length + place) * inner
        for index in first..<first + inner { values.append(view[index]) }
      }
    }
    return try .of(values, tensor.dataType, shape: shape)
  }
}
