import GraphIR
import Operators
import PassKit
import Tensors

/// Constant weights behind DequantizeLinear, perhaps reshaped and transposed, as one quantized matrix.
///
/// A Reshape to two axes is taken out where the scales of the new matrix are one for all, one an index of an axis, or one a block of
/// one, in the order in which they lie; exporters write groups as an axis of their own.
struct BlockWeightForm {
  /// DequantizeLinear and what stands between it and the product.
  let nodes: [NodeID]
  /// The matrix, its scales and zero points where a Reshape has been taken out; else the node's own.
  let reshaped: (weights: Tensor, scale: Tensor, zero: Tensor?)?
  let inputs: [ValueID?]
  let type: DataType
  /// Of the matrix [rows, columns] as it lies in memory.
  let shape: [Int]
  let axis: Int
  /// 0: the scales are one for all or one an index of `axis`.
  let block: Int
  let hasOneScale: Bool
  /// The product reads the transposed matrix.
  let isTransposed: Bool
  /// Scales that are computed from constants: what they are.
  let scale: Tensor
  /// What the codes stand for, where they are places in a code book.
  var book: ValueID?

  static let types: Set<DataType> = [.int8, .uint8, .int4, .uint4, .int2, .uint2, .float4e2m1]

  /// The axis of the matrix along which a product of rows by it sums.
  func depthAxis(transposed: Bool) -> Int { (isTransposed != transposed) ? 1 : 0 }

  /// nil where `value` is no dequantized constant.
  static func find(_ value: ValueID, _ context: PassContext) throws -> BlockWeightForm? {
    let graph = context.graph
    var nodes: [NodeID] = []
    var (current, isTransposed): (ValueID, Bool) = (value, false)
    var target: [Int]?
    while let id = graph.producer(current), nodes.count < 4 {
      let node = graph[id]
      nodes.insert(id, at: 0)
      if node.is("DequantizeLinear") {
        guard graph.constant(node.input(0)) != nil else { return nil }
        return try make(id, nodes, target, isTransposed, context)
      }
      if node.is("Mul") { return try fromBook(id, nodes, target, isTransposed, context) }
      guard let input = node.input(0) else { return nil }
      if node.is("Transpose"), target == nil, context.rank(input) == 2 {
        if case .ints(let order)? = node["perm"], order == [0, 1] { return nil }
        isTransposed.toggle()
      } else if node.is("Reshape"), target == nil, let sizes = context.facts(current).type?.concreteShape,
        sizes.count == 2
      {
        target = sizes
      } else {
        return nil
      }
      current = input
    }
    return nil
  }

  private static func make(
    _ id: NodeID, _ nodes: [NodeID], _ target: [Int]?, _ isTransposed: Bool, _ context: PassContext
  ) throws -> BlockWeightForm? {
    let node = context.graph[id]
    guard let weights = context.graph.constant(node.input(0)), weights.count > 0 else { return nil }
    guard types.contains(weights.dataType) else {
      throw Refusal("weights of \(weights.dataType) have no product of their own", at: id)
    }
    guard let scale = try constant(node.input(1), context) else { throw Refusal("the scales are computed", at: id) }
    let zero = context.graph.constant(node.input(2))
    guard node.input(2) == nil || zero != nil else { throw Refusal("the zero points are computed", at: id) }
    let reader = AttributeReader(node)
    let block = try reader.int("block_size", default: 0)
    let given = try reader.int("axis", default: 1)
    let axis = given < 0 ? given + weights.rank : given
    let isOne = scale.count == 1 && block == 0
    guard isOne || weights.shape.indices.contains(axis) else { return nil }
    guard let target else {
      guard weights.rank == 2 else { throw Refusal("the weights have \(weights.rank) axes", at: id) }
      return BlockWeightForm(
        nodes: nodes, reshaped: nil, inputs: node.inputs, type: weights.dataType, shape: weights.shape, axis: axis,
        block: block, hasOneScale: isOne, isTransposed: isTransposed, scale: scale)
    }
    let (newAxis, newBlock, scaleShape) =
      isOne ? (1, 0, []) : try regrouped(weights.shape, axis: axis, block: block, to: target, at: id)
    guard isOne || (try? Tensor.elementCount(scaleShape)) == scale.count else {
      throw Refusal("the scales have shape \(scale.shape)", at: id)
    }
    return BlockWeightForm(
      nodes: nodes,
      reshaped: (
        try weights.reshaped(target), try scale.reshaped(scaleShape), try zero.map { try $0.reshaped(scaleShape) }
      ),
      inputs: node.inputs, type: weights.dataType, shape: target, axis: newAxis, block: newBlock, hasOneScale: isOne,
      isTransposed: isTransposed, scale: scale)
  }

  /// `Gather(book, Cast(codes)) * scales`: the scales have the length 1 along one axis, on which a block then lies.
  private static func fromBook(
    _ id: NodeID, _ nodes: [NodeID], _ target: [Int]?, _ isTransposed: Bool, _ context: PassContext
  ) throws -> BlockWeightForm? {
    let graph = context.graph
    guard let levels = graph[id].input(0), let gather = graph.producer(levels), graph[gather].is("Gather"),
      let book = graph[gather].input(0), let places = graph[gather].input(1), let cast = graph.producer(places),
      graph[cast].is("Cast"), let codes = graph.constant(graph[cast].input(0)), codes.dataType == .uint4,
      let numbers = graph.constant(book), numbers.shape == [16]
    else { return nil }
    guard let scale = try constant(graph[id].input(1), context) else {
      throw Refusal("the scales are computed", at: id)
    }
    let axes = codes.shape.indices.filter { $0 >= scale.rank || scale.shape[$0] != codes.shape[$0] }
    guard scale.rank == codes.rank, axes.count == 1, scale.shape[axes[0]] == 1 else {
      throw Refusal("the scales \(scale.shape) of codes \(codes.shape) are no blocks of one axis", at: id)
    }
    guard let target = target ?? (codes.rank == 2 ? codes.shape : nil) else { return nil }
    let (axis, block, shape) = try regrouped(
      codes.shape, axis: axes[0], block: codes.shape[axes[0]], to: target, at: id)
    // A scale a row of memory is a block as long as the row.
    let isWhole = block == 0
    return BlockWeightForm(
      nodes: [cast, gather] + nodes,
      reshaped: (try codes.reshaped(target), try scale.reshaped(isWhole ? [target[0], 1] : shape), nil),
      inputs: [], type: .uint4, shape: target, axis: isWhole ? 1 : axis, block: isWhole ? target[1] : block,
      hasOneScale: false, isTransposed: isTransposed, scale: scale, book: book)
  }

  /// Axis, block and shape of the scales of a matrix [rows, columns] that has the elements of `shape`, quantized along `axis`, in order.
  private static func regrouped(_ shape: [Int], axis: Int, block: Int, to target: [Int], at id: NodeID) throws
    -> (axis: Int, block: Int, scale: [Int])
  {
    let (rows, columns) = (target[0], target[1])
    let inner = shape[(axis + 1)...].reduce(1, *)
    let outer = shape[..<axis].reduce(1, *)
    if block == 0, inner == 1, shape[axis] == columns { return (1, 0, [columns]) }
    // One scale for so many numbers in a row of memory.
    var run: Int?
    if block == 0, outer == 1 { run = inner }
    if block > 0, inner == 1, shape[axis] % block == 0 || columns == shape[axis] { run = block }
    if let run, run == columns { return (0, 0, [rows]) }
    if let run, columns % run == 0 || (block > 0 && columns == shape[axis]) {
      return (1, run, [rows, (columns + run - 1) / run])
    }
    if block > 0, inner == columns, shape[axis] % block == 0 || outer == 1 {
      return (0, block, [(rows + block - 1) / block, columns])
    }
    throw Refusal("the groups of \(shape) along axis \(axis) are no blocks of \(target)", at: id)
  }

  /// A constant, or what a DequantizeLinear, Reshape or Cast of constants gives: scales are quantized, too.
  static func constant(_ value: ValueID?, _ context: PassContext, depth: Int = 0) throws -> Tensor? {
    guard let value else { return nil }
    if let tensor = context.constant(value) { return tensor }
    guard depth < 4, let id = context.graph.producer(value) else { return nil }
    let node = context.graph[id]
    guard node.domain.isEmpty, ["DequantizeLinear", "Reshape", "Cast", "Mul", "Add"].contains(node.type) else {
      return nil
    }
    var inputs: [Value?] = []
    for input in node.inputs {
      guard let input else { inputs.append(nil); continue }
      guard let tensor = try constant(input, context, depth: depth + 1) else { return nil }
      inputs.append(.tensor(tensor))
    }
    return try GraphEvaluator.evaluate(node, inputs: inputs, functions: context.functions).first??.tensor
  }

  /// Weights, scale and zero point as inputs of a node that takes the place of a reader.
  func operands(_ change: inout GraphChange, _ context: PassContext) -> [GraphChange.Ref?] {
    if let reshaped {
      return [
        change.constant(reshaped.weights), change.constant(reshaped.scale), reshaped.zero.map { change.constant($0) },
      ]
    }
    let given = inputs.map { $0.map { GraphChange.Ref.existing($0) } }
    let isConstant = inputs[1].map { context.graph.constant($0) != nil } ?? false
    return [given[0], isConstant ? given[1] : change.constant(scale), given.count > 2 ? given[2] : nil]
  }
}
