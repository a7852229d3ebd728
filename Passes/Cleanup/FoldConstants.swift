import GraphIR
import Operators
import PassKit
import Tensors

/// Replaces nodes whose result is the same in every run by that result.
///
/// Bounded: a fold never makes the model larger by more than it removes (`foldingGrowth` bytes beyond that, 1 KiB always).
/// A DequantizeLinear of weights therefore stays, beside other quantized data also a small one. Nodes that share constants are weighed together: slices of one weight, put
/// together in another order, cost nothing. A ConstantOfShape that serves as weights of a product or normalization is folded:
/// scales and biases around the product can only be put into weights that are there (at most 1 GiB in all).
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
    let groups = FoldingGroups(context, isCandidate: isCandidate)
    for id in context.graph.allNodes where context.graph[id].isAlive {
      let node = context.graph[id]
      guard let results = try values(id, node, context, groups, &growth, &filled) else { continue }
      var change = GraphChange(rule: name, covers: [id])
      for (output, value) in results {
        change.replace(output, with: change.constant(value, name: context.graph[output].name))
      }
      try context.apply(change)
    }
  }

  private func isCandidate(_ node: Node, _ context: PassContext) -> Bool {
    guard let op = OperatorRegistry[node.operatorName], op.traits.isDisjoint(with: [.random, .controlFlow]) else {
      return false
    }
    // A graph output must keep a producer.
    return !node.is("Constant")
      && !node.outputs.contains { output in output.map { context.graph.isRegionOutput($0) } ?? false }
  }

  private func values(
    _ id: NodeID, _ node: Node, _ context: PassContext, _ groups: FoldingGroups, _ growth: inout Int,
    _ filled: inout Int
  ) throws -> [(ValueID, Value)]? {
    guard isCandidate(node, context), !isBesideQuantized(node, context) else { return nil }
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
    guard let expected = FoldingGroups.bytes(of: outputs, context) else { return nil }
    let added = expected - inputBytes
    let isFree = added <= 0 || groups.growth(of: id).map { $0 <= 0 } ?? false
    let isFill =
      node.is("ConstantOfShape")
      && (expected <= Self.fillBytes || expected <= Self.filledWeightBytes - filled && isWeight(outputs[0], context))
    guard expected <= Self.smallBytes || isFree || isFill || growth + added <= context.options.foldingGrowth else {
      return nil
    }
    guard (try? MemoryBudget.shared.check(expected)) != nil else { return nil }
    if let tensor = transposedLater(node, inputs) {
      if !isFree { growth += added }
      return [(outputs[0], .tensor(tensor))]
    }
    guard let results = try? GraphEvaluator.evaluate(node, inputs: inputs, functions: context.functions) else {
      return nil
    }
    // A weight that a file holds is seldom read again: it does not stay in memory beside what became of it.
    for case .tensor(let tensor)? in inputs {
      tensor.storage.releasePages(offset: tensor.byteOffset, byteCount: tensor.byteCount)
    }
    if isFill { filled += expected } else if !isFree { growth += added }
    var replaced: [(ValueID, Value)] = []
    for (index, output) in node.outputs.enumerated() {
      guard let output else { continue }
      guard index < results.count, let value = results[index], value.tensor != nil else { return nil }
      replaced.append((output, value))
    }
    return replaced
  }

  /// The Transpose of a large matrix, which nobody may ever read as such: products pack its rows.
  private func transposedLater(_ node: Node, _ inputs: [Value?]) -> Tensor? {
    guard node.is("Transpose"), case .tensor(let matrix)? = inputs.first ?? nil, matrix.rank == 2 else { return nil }
    if case .ints(let perm)? = node["perm"], perm != [1, 0] { return nil }
    return try? WeightColumns.transposed(matrix)
  }

  /// True for constant integers, several of them, whose reader's other operand is quantized, too: the reader can work on
  /// integers as long as both stay.
  private func isBesideQuantized(_ node: Node, _ context: PassContext) -> Bool {
    let graph = context.graph
    guard node.is("DequantizeLinear"), let value = node.output(0), let integers = graph.constant(node.input(0)),
      integers.count > 1, integers.dataType.bitWidth <= 8
    else { return false }
    return graph.consumers(value).contains { reader in
      graph[reader].inputs.contains { other in
        guard let producer = graph.producer(other), graph[producer].is("DequantizeLinear") else { return false }
        return graph.constant(graph[producer].input(0)) == nil
      }
    }
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

/// Sets of foldable nodes that share constants or feed each other, and what folding a whole set adds to the model.
private struct FoldingGroups {
  private var group: [NodeID: Int] = [:]
  private var parents: [Int] = []
  private var added: [Int: Int] = [:]

  init(_ context: PassContext, isCandidate: (Node, PassContext) -> Bool) {
    let graph = context.graph
    var large: [ValueID: Int] = [:]
    for id in graph.allNodes {
      let node = graph[id]
      let inputs = node.inputs.compactMap { $0 }
      let outputs = node.outputs.compactMap { $0 }
      func isKnown(_ value: ValueID) -> Bool {
        graph.constant(value) != nil || graph.producer(value).map { group[$0] != nil } ?? false
      }
      guard !inputs.isEmpty, inputs.allSatisfy(isKnown), isCandidate(node, context),
        FoldingGroups.bytes(of: outputs, context) != nil
      else { continue }
      let index = parents.count
      parents.append(index)
      group[id] = index
      for input in inputs {
        if let producer = graph.producer(input), let other = group[producer] { join(index, other) }
        guard let tensor = graph.constant(input), tensor.byteCount > FoldConstants.smallBytes else { continue }
        if let other = large[input] { join(index, other) } else { large[input] = index }
      }
    }
    for (id, index) in group {
      let outside = graph[id].outputs.compactMap { $0 }.filter { output in
        graph.consumers(output).contains { group[$0] == nil }
      }
      added[root(index), default: 0] += FoldingGroups.bytes(of: outside, context) ?? 0
    }
    for (value, index) in large
    where graph.consumers(value).allSatisfy({ group[$0] != nil }) && !graph.isRegionOutput(value) {
      added[root(index), default: 0] -= graph.constant(value)?.byteCount ?? 0
    }
  }

  /// The bytes that the model grows by where the node's whole set is folded; nil for a node that cannot be.
  func growth(of id: NodeID) -> Int? { group[id].flatMap { added[root($0)] } }

  private func root(_ index: Int) -> Int {
    var current = index
    while parents[current] != current { current = parents[current] }
    return current
  }

  private mutating func join(_ a: Int, _ b: Int) {
    let x = root(a)
    let y = root(b)
    if x != y { parents[max(x, y)] = min(x, y) }
  }

  /// The size of values whose type and shape are known; nil where one's is not.
  static func bytes(of values: [ValueID], _ context: PassContext) -> Int? {
    var sum = 0
    for value in values {
      guard let shape = context.facts(value).type?.concreteShape, let type = context.dataType(value),
        let count = try? Tensor.elementCount(shape),
        let bytes = type == .string ? count * 16 : type.byteCount(elements: count)
      else { return nil }
      sum += bytes
    }
    return sum
  }
}
