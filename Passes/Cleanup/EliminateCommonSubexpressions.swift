import GraphIR
import Operators
import PassKit
import Tensors

/// Merges nodes of one graph that compute the same from the same inputs. Random operators and control flow are left alone.
public struct EliminateCommonSubexpressions: Pass {
  public let name = "EliminateCommonSubexpressions"
  public let summary = "merges nodes that compute the same value"
  public let level = 1

  public init() {}

  private struct Key: Hashable {
    let operatorName: OperatorName
    let region: RegionID
    let inputs: [Input]
    let attributes: [String]
    let outputs: Int
  }

  private enum Input: Hashable {
    case absent
    case value(ValueID)
    /// Small constants are equal by content.
    case constant(DataType, [Int], [UInt8])
    case strings([Int], [String])
  }

  public func run(_ context: PassContext) throws {
    var seen: [Key: NodeID] = [:]
    for id in context.graph.allNodes where context.graph[id].isAlive {
      let node = context.graph[id]
      guard let op = OperatorRegistry[node.operatorName], op.traits.isDisjoint(with: [.random, .controlFlow]),
        node.regions.isEmpty, let key = key(node, context)
      else { continue }
      guard let first = seen[key] else {
        seen[key] = id
        continue
      }
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

  private func key(_ node: Node, _ context: PassContext) -> Key? {
    var attributes: [String] = []
    for attribute in node.attributes {
      guard let text = text(attribute.value) else { return nil }
      attributes.append("\(attribute.name)=\(text)")
    }
    let inputs = node.inputs.map { input -> Input in
      guard let input else { return .absent }
      guard let tensor = context.graph.constant(input), tensor.count <= 64 else { return .value(input) }
      if tensor.dataType == .string { return .strings(tensor.shape, tensor.strings) }
      return .constant(tensor.dataType, tensor.shape, tensor.withUnsafeBytes { Array($0) })
    }
    let mask = node.outputs.map { $0 == nil ? "-" : "+" }.joined()
    return Key(
      operatorName: node.operatorName, region: node.region, inputs: inputs, attributes: attributes.sorted() + [mask],
      outputs: node.outputs.count)
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
