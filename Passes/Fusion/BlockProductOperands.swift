import GraphIR
import Operators
import PassKit
import Tensors

/// The constants of a product with quantized weights, as ai.cameo.BlockMatMul has them: of that operator, or of com.microsoft.MatMulNBits,
/// whose bytes are the same numbers under another type.
struct BlockProductOperands {
  enum Operand {
    case existing(ValueID)
    case made(Tensor)
  }

  /// What products have to share to be computed in one node.
  struct Form: Equatable {
    let type: DataType
    let axis: Int
    let block: Int
    let isTransposed: Bool
    let hasZeros: Bool
    let hasBias: Bool
  }

  let form: Form
  /// Weights, scales, zero points and bias, those that are there.
  private(set) var operands: [Operand]

  static let anchors: Set<OperatorName> = [
    OperatorName("BlockMatMul", domain: FuseBlockMatMul.domain), OperatorName("MatMulNBits", domain: "com.microsoft"),
  ]

  /// Inference has checked types and sizes. Throws a `Refusal` for weights that are computed, and for forms that BlockMatMul has not.
  init(_ id: NodeID, _ context: PassContext) throws {
    let node = context.graph[id]
    let isOwn = node.domain == FuseBlockMatMul.domain
    guard let codes = context.graph.constant(node.input(1)), let scales = context.graph.constant(node.input(2)),
      node.inputs.dropFirst().allSatisfy({ $0 == nil || context.graph.constant($0) != nil })
    else { throw Refusal("the weights or the bias are computed", at: id) }
    let reader = AttributeReader(node)
    if isOwn {
      guard node.input(5) == nil else { throw Refusal("a code book goes with one product", at: id) }
      form = Form(
        type: codes.dataType, axis: try reader.int("axis", default: 1),
        block: try reader.int("block_size", default: 0), isTransposed: try reader.bool("transB"),
        hasZeros: node.input(3) != nil, hasBias: node.input(4) != nil)
      operands = node.inputs.dropFirst().compactMap { $0.map { .existing($0) } }
      return
    }
    guard node.input(4) == nil else { throw Refusal("rows are in an order of their own (g_idx)", at: id) }
    let (depth, columns) = (try reader.int("K"), try reader.int("N"))
    let (bits, block) = (try reader.int("bits", default: 4), try reader.int("block_size"))
    let types: [Int: DataType] = [2: .uint2, 4: .uint4, 8: .uint8]
    guard let type = types[bits], block >= 16, depth > 0, columns > 0, depth % block == 0 else {
      throw Refusal("\(bits) bits, rows of \(depth) in blocks of \(block)", at: id)
    }
    form = Form(
      type: type, axis: 1, block: block, isTransposed: true, hasZeros: true, hasBias: node.input(5) != nil)
    let zeros = try Self.zeros(context.graph.constant(node.input(3)), type, [columns, depth / block], at: id)
    operands = [
      .made(
        try Tensor(
          dataType: type, shape: [columns, depth], storage: codes.storage, byteOffset: codes.byteOffset)),
      .made(try scales.reshaped([columns, depth / block])), .made(zeros),
    ]
    if let bias = node.input(5) { operands.append(.existing(bias)) }
  }

  /// Zero points [columns, blocks], which com.microsoft packs a column at a time; without them codes count from the middle.
  private static func zeros(_ given: Tensor?, _ type: DataType, _ shape: [Int], at id: NodeID) throws -> Tensor {
    let (bits, count) = (type.bitWidth, shape[0] * shape[1])
    guard let given else {
      return try Tensor.of([Int64](repeating: 1 << Int64(bits - 1), count: count), type, shape: shape)
    }
    let rowBytes = (shape[1] * bits + 7) / 8
    guard given.dataType == .uint8, given.count == shape[0] * rowBytes else {
      throw Refusal("zero points of \(given.dataType)\(given.shape)", at: id)
    }
    if shape[1] * bits % 8 == 0 {
      return try Tensor(dataType: type, shape: shape, storage: given.storage, byteOffset: given.byteOffset)
    }
    let codes = given.withUnsafeBytes { bytes in
      (0..<count).map { index -> Int64 in
        let (row, bit) = (index / shape[1], index % shape[1] * bits)
        return Int64(bytes[row * rowBytes + bit / 8] >> UInt8(bit % 8)) & (1 << Int64(bits) - 1)
      }
    }
    return try Tensor.of(codes, type, shape: shape)
  }

  var attributes: [NamedAttribute] {
    var attributes = [NamedAttribute("axis", .int(Int64(form.axis)))]
    if form.block > 0 { attributes.append(NamedAttribute("block_size", .int(Int64(form.block)))) }
    if form.isTransposed { attributes.append(NamedAttribute("transB", .int(1))) }
    if form.hasZeros { attributes.append(NamedAttribute("has_zero_points", .int(1))) }
    if form.hasBias { attributes.append(NamedAttribute("has_bias", .int(1))) }
    return attributes
  }
}
