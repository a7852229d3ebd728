import GraphIR
import Operators
import PassKit
import Tensors

/// A matrix product of two operands: MatMul, or Gemm with what it scales, turns and adds.
struct AttentionProduct {
  /// An operand; `isTurned` where its last two axes stand the other way round than its role has them.
  struct Operand {
    var value: ValueID
    var isTurned: Bool
    /// As the value stands; rank 2 or more.
    var shape: [Dim]
  }

  let node: NodeID
  let left: ValueID
  let right: ValueID
  let leftIsTurned: Bool
  let rightIsTurned: Bool
  /// Gemm's alpha.
  let factor: Double
  /// Gemm's C and beta.
  let addend: ValueID?
  let weight: Double
  /// Of the result and the operands; rank 2 or more.
  let shape: [Dim]
  let leftShape: [Dim]
  let rightShape: [Dim]

  /// nil where the node is no product of two matrices of known rank.
  init?(_ id: NodeID, _ context: PassContext) {
    let node = context.graph[id]
    guard node.domain.isEmpty, let left = node.input(0), let right = node.input(1),
      let shape = context.shape(node.output(0)), shape.count >= 2, let leftShape = context.shape(left),
      leftShape.count >= 2, let rightShape = context.shape(right), rightShape.count >= 2
    else { return nil }
    let reader = AttributeReader(node)
    switch node.type {
    case "MatMul": (leftIsTurned, rightIsTurned, factor, addend, weight) = (false, false, 1, nil, 1)
    case "Gemm":
      guard let turned = try? (reader.bool("transA"), reader.bool("transB")), let alpha = try? reader.float("alpha"),
        let beta = try? reader.float("beta")
      else { return nil }
      (leftIsTurned, rightIsTurned) = turned
      (factor, addend, weight) = (Double(alpha), node.input(2), Double(beta))
    default: return nil
    }
    self.node = id
    self.left = left
    self.right = right
    (self.shape, self.leftShape, self.rightShape) = (shape, leftShape, rightShape)
  }

  func leftOperand(isTurned: Bool) -> Operand { Operand(value: left, isTurned: isTurned, shape: leftShape) }
  func rightOperand(isTurned: Bool) -> Operand { Operand(value: right, isTurned: isTurned, shape: rightShape) }

  static let operators: Set<String> = ["MatMul", "Gemm", "Einsum", "MatMulInteger", "QLinearMatMul", "FusedMatMul"]

  /// True where a product stands among the next nodes before or behind these.
  static func stands(_ direction: Direction, _ start: [NodeID], _ context: PassContext, limit: Int = 40) -> Bool {
    let graph = context.graph
    var work = start
    var seen = Set(start)
    var next = 0
    while next < work.count, next < limit {
      let node = graph[work[next]]
      next += 1
      if operators.contains(node.type) { return true }
      // A shape carries no scores.
      if ["Shape", "Size"].contains(node.type) { continue }
      let neighbours: [NodeID] =
        switch direction {
        case .before: node.inputs.compactMap { graph.producer($0) }
        case .behind: node.outputs.flatMap { output in output.map { graph.consumers($0) } ?? [] }
        }
      for id in neighbours where seen.insert(id).inserted { work.append(id) }
    }
    return false
  }

  enum Direction { case before, behind }
}

extension PassContext {
  /// The last two axes swapped, as a permutation; nil where `node` is a Transpose that does anything else.
  func swapsLastTwo(_ node: NodeID) -> Bool {
    guard graph[node].is("Transpose"), let rank = rank(graph[node].input(0)), rank >= 2 else { return false }
    let given = (try? AttributeReader(graph[node]).optionalInts("perm")) ?? nil
    return (given ?? Array((0..<rank).reversed())) == Array(0..<rank - 2) + [rank - 1, rank - 2]
  }

  /// One number that does not widen `other`: of one element, or of any shape that leaves `other`'s as it is.
  func scalar(_ value: ValueID, beside other: ValueID, result: ValueID) -> Double? {
    guard let number = uniform(value), let own = rank(value), let rank = rank(other), own <= rank else { return nil }
    return constant(value)?.count == 1 || haveSameShape(other, result) ? number : nil
  }
}
