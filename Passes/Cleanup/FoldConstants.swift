import GraphIR
import Operators
import PassKit
import Tensors

/// Replaces nodes whose result is the same in every run by that result.
///
/// Bounded: a fold never makes the model larger by more than it removes (`foldingGrowth` bytes beyond that, 1 KiB always).
/// A DequantizeLinear of weights therefore stays. A ConstantOfShape that serves as weights of a product or normalization does
/// not: scales and biases around the product can only be put into weights that are there (at most 1 GiB in all).
public struct FoldConstants: Pass {
  public let name = "FoldConstants"
  public let summary = "computes nodes that have only constant inputs, and shape arithmetic of known dimensions"
  public let level = 1
  /// Small results are folded even where their inputs live on.
  static let smallBytes = 1024
  /// What a ConstantOfShape may become: of any use, and as weights in all.
  static let fillBytes = 1 << 16
  static let filledWeightBytes = 1 << 30

  public init() {}

  public func run(_ context: PassContext) throws {
    var growth = 0
    var filled = 0
    for id in context.graph.allNodes where context.graph[id].isAlive {
      let node = context.graph[id]
      guard let results = try values(id, node, context, &growth, &filled) else { continue }
      var change = GraphChange(rule: name, covers: [id])
      for (output, value) in results {
        change.replace(output, with: change.constant(value, name: context.graph[output].name))
      }
      try context.apply(change)
    }
  }

  private func values(
    _ id: NodeID, _ node: Node, _ context: PassContext, _ growth: inout Int, _ filled: inout Int
  ) throws -> [(ValueID, Value)]? {
    guard let op = OperatorRegistry[node.operatorName], op.traits.isDisjoint(with: [.random, .controlFlow]),
      !node.is("Constant"),
      // A graph output must keep a producer.
      !node.outputs.contains(where: { output in output.map { context.graph.isRegionOutput($0) } ?? false })
    else { return nil }
    let outputs = node.outputs.compactMap { $0 }
    // Shape arithmetic that inference has settled, whatever the inputs.
    let settled = outputs.compactMap { output in context.facts(output).tensor.map { (output, Value.tensor($0)) } }
    if settled.count == outputs.count, !outputs.isEmpty { return settled }

    var inputBytes = 0
    var inputs: [Value?] = []
    for input in node.inputs {
      guard let input else { inputs.append(nil); continue }
      guard let tensor = context.constant(input) else { return nil }
      if context.graph[input].isConstant && context.graph.hasSingleUse(input) { inputBytes += tensor.byteCount }
      inputs.append(.tensor(tensor))
    }
    if outputs.isEmpty { return nil }
    let expected = outputs.reduce(into: Optional(0)) { sum, output in
      guard let shape = context.facts(output).type?.concreteShape, let type = context.dataType(output),
        let count = try? Tensor.elementCount(shape),
        let bytes = type == .string ? count * 16 : type.byteCount(elements: count)
      else { sum = nil; return }
      sum = sum.map { $0 + bytes }
    }
    guard let expected else { return nil }
    let added = expected - inputBytes
    let isFill =
      node.is("ConstantOfShape")
      && (expected <= Self.fillBytes || expected <= Self.filledWeightBytes - filled && isWeight(outputs[0], context))
    guard
      expected <= Self.smallBytes || added <= 0 || isFill || growth + added <= context.options.foldingGrowth
    else { return nil }
    guard (try? MemoryBudget.shared.check(expected)) != nil,
      let results = try? GraphEvaluator.evaluate(node, inputs: inputs, functions: context.functions)
    else { return nil }
    if isFill { filled += expected } else { growth += max(0, added) }
    var replaced: [(ValueID, Value)] = []
    for (index, output) in node.outputs.enumerated() {
      guard let output else { continue }
      guard index < results.count, let value = results[index], value.tensor != nil else { return nil }
      replaced.append((output, value))
    }
    return replaced
  }

  private static let weighted: Set<String> = [
    "Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "InstanceNormalization", "LayerNormalization",
    "GroupNormalization", "RMSNormalization",
  ]

  /// True where all that reads `value`, perhaps in another shape, are products and normalizations that have it as a parameter.
  private func isWeight(_ value: ValueID, _ context: PassContext, depth: Int = 0) -> Bool {
    let graph = context.graph
    let readers = graph.consumers(value)
    guard !readers.isEmpty, !graph.isRegionOutput(value), depth < 3 else { return false }
    return readers.allSatisfy { id in
      let node = graph[id]
      guard node.domain.isEmpty else { return false }
      if ["Reshape", "Transpose", "Unsqueeze", "Squeeze"].contains(node.type), node.input(0) == value {
        return node.output(0).map { isWeight($0, context, depth: depth + 1) } ?? false
      }
      return Self.weighted.contains(node.type) && node.input(0) != value
    }
  }
}
