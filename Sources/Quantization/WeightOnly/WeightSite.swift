import GraphIR
import Operators
import PassKit
import Tensors

/// A constant matrix in the place where an operator reads it.
struct WeightSite {
  enum Kind {
    /// The right operand of MatMul or Gemm.
    case product
    /// The table that Gather takes rows from.
    case embedding
  }

  let node: NodeID
  let kind: Kind
  let slot: Int
  /// The constant.
  let weight: ValueID
  let tensor: Tensor
  /// True where it is stored [depth, rows].
  let isTransposed: Bool
  /// What a product multiplies with it, before the pass has changed anything: under this id it was observed.
  let activation: ValueID?

  var rows: Int { tensor.shape[isTransposed ? 1 : 0] }
  var depth: Int { tensor.shape[isTransposed ? 0 : 1] }

  static func matrix(of site: WeightSite) throws -> WeightMatrix {
    try WeightMatrix.of(site.tensor, isTransposed: site.isTransposed)
  }

  /// The weight that `id` reads; nil for nodes that read none. Throws a `Refusal` where there is one that cannot be
  /// quantized.
  static func find(_ id: NodeID, in graph: Graph) throws -> WeightSite? {
    let node = graph[id]
    switch node.operatorName {
    case OperatorName("MatMul"), OperatorName("Gemm"): return try product(id, node, graph)
    case OperatorName("Gather"): return try embedding(id, node, graph)
    default: return nil
    }
  }

  private static func product(_ id: NodeID, _ node: Node, _ graph: Graph) throws -> WeightSite? {
    guard let left = node.input(0), let right = node.input(1) else { return nil }
    guard let source = matrix(right, graph) else {
      if matrix(left, graph) != nil { throw Refusal("the weight is the left operand", at: id) }
      return nil
    }
    if matrix(left, graph) != nil { throw Refusal("both operands are constants", at: id) }
    try check(source.tensor, at: id)
    var flipped = source.isTransposed
    if node.is("Gemm") {
      let reader = AttributeReader(node)
      if (try? reader.bool("transB")) == true { flipped.toggle() }
    }
    // A matrix as MatMul reads it is [depth, rows].
    return WeightSite(
      node: id, kind: .product, slot: 1, weight: source.value, tensor: source.tensor, isTransposed: !flipped,
      activation: left)
  }

  private static func embedding(_ id: NodeID, _ node: Node, _ graph: Graph) throws -> WeightSite? {
    guard let table = node.input(0), let tensor = graph.constant(table), tensor.dataType.isFloatingPoint,
      tensor.rank == 2
    else { return nil }
    guard (try? AttributeReader(node).int("axis", default: 0)) == 0 else {
      throw Refusal("it gathers columns, not rows", at: id)
    }
    try check(tensor, at: id)
    return WeightSite(
      node: id, kind: .embedding, slot: 0, weight: table, tensor: tensor, isTransposed: false, activation: nil)
  }

  /// The constant behind a value, seen through a Transpose of a matrix.
  private static func matrix(
    _ value: ValueID, _ graph: Graph
  ) -> (value: ValueID, tensor: Tensor, isTransposed: Bool)? {
    if let tensor = graph.constant(value) { return (value, tensor, false) }
    guard let id = graph.producer(value), graph[id].is("Transpose"), let input = graph[id].input(0),
      let tensor = graph.constant(input), tensor.rank == 2
    else { return nil }
    let permutation = (try? AttributeReader(graph[id]).optionalInts("perm")) ?? nil
    guard permutation == nil || permutation == [1, 0] else { return (input, tensor, false) }
    return (input, tensor, true)
  }

  private static func check(_ tensor: Tensor, at id: NodeID) throws {
    guard tensor.rank == 2 else { throw Refusal("the weight has rank \(tensor.rank), it must be a matrix", at: id) }
    guard [.float, .float16, .bfloat16].contains(tensor.dataType) else {
      throw Refusal("the weight is \(tensor.dataType), not float, float16 or bfloat16", at: id)
    }
    guard tensor.count > 0 else { throw Refusal("the weight is empty", at: id) }
  }
}
