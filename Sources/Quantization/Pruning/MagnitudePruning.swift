public import GraphIR
import Operators
public import PassKit
import Tensors

/// Sets the numbers of least magnitude in constant weights of Conv, MatMul and Gemm to 0 (Han et al., "Learning both
/// Weights and Connections for Efficient Neural Networks", 2015). Shapes stay: what gets smaller is the compressed
/// file, and the time on hardware for the pattern.
public struct MagnitudePruning: Pass {
  public enum Pattern: Sendable, Hashable {
    /// This share of each weight's numbers.
    case layers(sparsity: Double)
    /// This share of the numbers of all weights together: the threshold is one for all.
    case whole(sparsity: Double)
    /// Two of each four neighbours along the input channels (NVIDIA's sparse tensor cores); up to three that are left
    /// over stay.
    case twoOfFour
  }

  public let name = "PruneWeights"
  public let summary = "sets the weights of least magnitude to 0"
  public let level = 1
  let pattern: Pattern
  /// Weights with fewer numbers stay as they are.
  let minimumElements: Int
  let kept: Set<NodeID>
  let journal: PruningJournal?

  /// Throws `.badInput` for a sparsity outside 0 ... 1.
  public init(
    _ pattern: Pattern, minimumElements: Int = 4096, keeping kept: Set<NodeID> = [], journal: PruningJournal? = nil
  ) throws {
    switch pattern {
    case .layers(let sparsity), .whole(let sparsity):
      guard sparsity >= 0, sparsity <= 1 else {
        throw CameoError.badInput("a sparsity of \(sparsity): 0 to 1 is meant")
      }
    case .twoOfFour: break
    }
    self.pattern = pattern
    self.minimumElements = minimumElements
    self.kept = kept
    self.journal = journal
  }

  public func run(_ context: PassContext) throws {
    let weights = context.graph.allNodes.compactMap { weight($0, context) }
    let threshold = try globalThreshold(weights)
    var done: [ValueID: ValueID] = [:]
    for weight in weights {
      if let there = done[weight.value] {
        try replace(weight, by: .existing(there), GraphChange(rule: name, covers: [], region: weight.region), context)
        continue
      }
      let (tensor, zeros) = try pruned(weight.tensor, along: weight.axis, below: threshold)
      journal?.note(
        PrunedWeight(
          node: weight.node, label: context.graph.describe(weight.node), elements: tensor.count, zeros: zeros,
          keptEnergy: try energy(tensor) / max(energy(weight.tensor), .leastNormalMagnitude)))
      var change = GraphChange(rule: name, covers: [], region: context.graph[weight.value].region)
      let constant = change.constant(tensor, name: context.graph[weight.value].name)
      try replace(weight, by: constant, change, context)
      if let value = context.graph[weight.node].input(1) { done[weight.value] = value }
    }
  }

  private struct Weight {
    let node: NodeID
    let value: ValueID
    let tensor: Tensor
    /// The axis of input channels.
    let axis: Int
    let region: RegionID
  }

  private func weight(_ id: NodeID, _ context: PassContext) -> Weight? {
    let node = context.graph[id]
    guard node.is("Conv") || node.is("MatMul") || node.is("Gemm"), let value = node.input(1),
      let tensor = context.graph.constant(value), !kept.contains(id)
    else { return nil }
    let reason: String? =
      if tensor.rank < 2 {
        "the weight has rank \(tensor.rank)"
      } else if ![.float, .float16, .bfloat16].contains(
        tensor.dataType)
      { "the weight is \(tensor.dataType)" } else if tensor.count < minimumElements {
        "the weight has \(tensor.count) numbers, fewer than \(minimumElements)"
      } else { nil }
    if let reason {
      context.refuse(name, at: id, Refusal(reason, at: id))
      return nil
    }
    let isFlipped = node.is("Conv") || (node.is("Gemm") && (try? AttributeReader(node).bool("transB")) == true)
    return Weight(
      node: id, value: value, tensor: tensor, axis: isFlipped ? 1 : tensor.rank - 2, region: node.region)
  }

  private func replace(
    _ weight: Weight, by constant: GraphChange.Ref, _ change: GraphChange, _ context: PassContext
  ) throws {
    var change = change
    change.setInput(1, of: weight.node, to: constant)
    try context.apply(change)
  }

  /// The magnitude at and below which numbers of all weights go; nil for other patterns.
  private func globalThreshold(_ weights: [Weight]) throws -> Float? {
    guard case .whole(let sparsity) = pattern else { return nil }
    var magnitudes: [Float] = []
    var seen: Set<ValueID> = []
    for weight in weights where seen.insert(weight.value).inserted {
      try MemoryBudget.shared.check((magnitudes.count + weight.tensor.count) * 4, for: "the magnitudes of all weights")
      magnitudes += try weight.tensor.elements(as: Float.self).map { $0.isNaN ? .infinity : $0.magnitude }
    }
    let count = Int(Double(magnitudes.count) * sparsity)
    if count == 0 { return -1 }
    magnitudes.sort()
    return magnitudes[count - 1]
  }

  private func pruned(_ tensor: Tensor, along axis: Int, below threshold: Float?) throws -> (Tensor, Int) {
    var values = try tensor.elements(as: Float.self)
    switch pattern {
    case .whole:
      for index in values.indices where values[index].magnitude <= threshold ?? -1 { values[index] = 0 }
    case .layers(let sparsity):
      let order = values.indices.sorted { a, b in
        let (x, y) = (values[a].magnitude, values[b].magnitude)
        return x != y ? x < y : a < b
      }
      for index in order.prefix(Int(Double(values.count) * sparsity)) { values[index] = 0 }
    case .twoOfFour:
      let (length, inner) = (tensor.shape[axis], tensor.shape[(axis + 1)...].reduce(1, *))
      for outer in 0..<(length * inner == 0 ? 0 : values.count / (length * inner)) {
        for place in 0..<inner {
          for first in stride(from: 0, to: length - 3, by: 4) {
            let four = (0..<4).map { (outer * length + first + $0) * inner + place }
            let order = four.sorted { a, b in
              let (x, y) = (values[a].magnitude, values[b].magnitude)
              return x != y ? x < y : a < b
            }
            for index in order.prefix(2) { values[index] = 0 }
          }
        }
      }
    }
    let zeros = values.reduce(0) { $0 + ($1 == 0 ? 1 : 0) }
    return (try .of(values, tensor.dataType, shape: tensor.shape), zeros)
  }

  private func energy(_ tensor: Tensor) throws -> Double {
    try tensor.elements(as: Float.self).reduce(0) { $0 + Double($1) * Double($1) }
  }
}

/// What became of one weight.
public struct PrunedWeight: Sendable {
  public let node: NodeID
  public let label: String
  public let elements: Int
  /// Numbers that are 0 now.
  public let zeros: Int
  /// The sum of squares that is left, of what it was.
  public let keptEnergy: Double
}

/// Channels that were taken out behind one node.
public struct RemovedChannels: Sendable {
  public let node: NodeID
  public let label: String
  public let before: Int
  public let after: Int
  /// Nodes whose weights lost the same input channels.
  public let readers: [String]
}

/// Takes down what pruning did.
public final class PruningJournal: Sendable {
  private let lists = Mutex<(weights: [PrunedWeight], channels: [RemovedChannels])>(([], []))

  public init() {}
  public var weights: [PrunedWeight] { lists.withLock { $0.weights } }
  public var channels: [RemovedChannels] { lists.withLock { $0.channels } }
  func note(_ weight: PrunedWeight) { lists.withLock { $0.weights.append(weight) } }
  func note(_ channels: RemovedChannels) { lists.withLock { $0.channels.append(channels) } }
}
