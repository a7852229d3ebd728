import GraphIR
import Operators
import PassKit
import Tensors

/// Merges nodes of one graph that compute the same from the same inputs. Random operators and control flow are left alone.
public struct EliminateCommonSubexpressions: Pass {
  public let name = "EliminateCommonSubexpressions"
  public let summary = "merges nodes that compute the same value"
  public let level = 1

  /// Whether large constants are compared by content.
  private let comparesLarge: Bool

  /// Products with equal weights are merged by `comparesLarge` alone. Before the fusions that hinders them: what follows the
  /// products (scales, biases) often differs and can be put into each.
  public init(comparesLarge: Bool = true) { self.comparesLarge = comparesLarge }

  /// What two nodes that compute the same have in common at a glance.
  private struct Outline: Hashable {
    let operatorName: OperatorName
    let region: RegionID
    /// Without constants, which may be equal and yet two values.
    let inputs: [ValueID?]
    let outputs: [Bool]

    init(_ node: Node, _ graph: Graph) {
      operatorName = node.operatorName
      region = node.region
      inputs = node.inputs.map { input in input.flatMap { graph[$0].isConstant ? nil : $0 } }
      outputs = node.outputs.map { $0 != nil }
    }
  }

  /// The rest, which says whether they do.
  private struct Key: Hashable {
    let inputs: [Input]
    let attributes: [String]
  }

  /// Nodes of one outline. Few have another beside them, so keys are made when a second one comes.
  private struct Bucket {
    let first: NodeID
    var keys: [Key: NodeID]?
  }

  private enum Input: Hashable {
    case absent
    case value(ValueID)
    /// Small constants are equal by content.
    case constant(DataType, [Int], [UInt8])
    case strings([Int], [String])
  }

  /// Stands for each large constant by the first one that is equal to it, byte for byte. A few bytes tell most apart, so weights
  /// that differ are hardly touched.
  private struct LargeConstants {
    private struct Sample: Hashable {
      let type: DataType
      let shape: [Int]
      let isDeferred: Bool
      let bytes: [UInt8]
    }
    private var known: [Sample: [ValueID]] = [:]

    mutating func representative(of value: ValueID, _ tensor: Tensor, _ context: PassContext) -> ValueID {
      guard tensor.dataType != .string else { return value }
      let rows = tensor.deferredRows
      let bytes = (rows?.first ?? tensor).withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: max(1, bytes.count / 31)).map { bytes[$0] }
      }
      let sample = Sample(type: tensor.dataType, shape: tensor.shape, isDeferred: rows != nil, bytes: bytes)
      if let candidates = known[sample] {
        for candidate in candidates {
          if candidate == value { return value }
          // Another region's constant may not be visible where this one is read.
          guard context.graph[candidate].region == context.graph[value].region,
            let other = context.graph.constant(candidate)
          else { continue }
          if other.isIdentical(to: tensor) { return candidate }
        }
      }
      known[sample, default: []].append(value)
      return value
    }
  }

  public func run(_ context: PassContext) throws {
    var seen: [Outline: Bucket] = [:]
    var large = LargeConstants()
    for id in context.graph.allNodes where context.graph[id].isAlive {
      let node = context.graph[id]
      guard let op = OperatorRegistry[node.operatorName], op.traits.isDisjoint(with: [.random, .controlFlow]),
        !node.ownsRegions
      else { continue }
      let outline = Outline(node, context.graph)
      guard var bucket = seen[outline] else {
        seen[outline] = Bucket(first: id)
        continue
      }
      var keys = bucket.keys ?? [:]
      if bucket.keys == nil, let key = key(context.graph[bucket.first], context, &large) { keys[key] = bucket.first }
      let key = key(node, context, &large)
      let known = key.flatMap { keys[$0] }
      if let key, known == nil { keys[key] = id }
      bucket.keys = keys
      seen[outline] = bucket
      guard let first = known else { continue }
      guard !node.outputs.contains(where: { output in output.map { context.graph.isRegionOutput($0) } ?? false }) else {
        continue
      }
      var change = GraphChange(rule: name, covers: [id])
      for (mine, other) in zip(node.outputs, context.graph[first].outputs) {
        if let mine, let other { change.replace(mine, with: other) }
      }
      try context.apply(change)
    }
  }

  private func key(_ node: Node, _ context: PassContext, _ large: inout LargeConstants) -> Key? {
    var attributes: [String] = []
    for attribute in node.attributes {
      guard let text = text(attribute.value) else { return nil }
      attributes.append("\(attribute.name)=\(text)")
    }
    let inputs = node.inputs.map { input -> Input in
      guard let input else { return .absent }
      guard let tensor = context.graph.constant(input) else { return .value(input) }
      if tensor.count > 64 {
        return .value(comparesLarge ? large.representative(of: input, tensor, context) : input)
      }
      if tensor.dataType == .string { return .strings(tensor.shape, tensor.strings) }
      return .constant(tensor.dataType, tensor.shape, tensor.withUnsafeBytes { Array($0) })
    }
    return Key(inputs: inputs, attributes: attributes.sorted())
  }

  private func text(_ attribute: Attribute) -> String? {
    switch attribute {
    case .int(let value): "i\(value)"
    case .float(let value): "f\(value.bitPattern)"
    case .string(let value): "s\(value)"
    case .ints(let values): "I\(values)"
    case .floats(let values): "F\(values.map(\.bitPattern))"
    case .strings(let values): "S\(values)"
    case .tensor(let tensor) where tensor.count <= 64 && tensor.dataType != .string:
      "t\(tensor)\(tensor.withUnsafeBytes { Array($0) })"
    default: nil
    }
  }
}
