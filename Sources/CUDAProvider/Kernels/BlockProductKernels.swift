import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Products with constant weights of few bits: com.microsoft's MatMulNBits and MatMulBnb4, ai.cameo.BlockMatMul.
enum BlockProductKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "com.microsoft.MatMulNBits": { try nbits($0) }, "com.microsoft.MatMulBnb4": { try bnb4($0) },
    "ai.cameo.BlockMatMul": { try block($0) },
  ]

  private static func constant(_ request: CUDARequest, _ index: Int) throws -> Tensor {
    guard let tensor = try request.operand(index).constant else { throw Refusal("input \(index) is computed") }
    return tensor
  }

  private static func requireCount(_ request: CUDARequest, _ index: Int, _ count: Int) throws {
    if let operand = request.input(index), operand.count != count {
      throw Refusal("input \(index) has the shape \(operand.shape)")
    }
  }

  private static func nbits(_ request: CUDARequest) throws -> PreparedKernel {
    guard request.input(4) == nil else { throw Refusal("g_idx") }
    let attributes = request.attributes
    let (n, k) = (try attributes.int("N"), try attributes.int("K"))
    let (bits, block) = (try attributes.int("bits", default: 4), try attributes.int("block_size"))
    guard [2, 4, 8].contains(bits), block >= 16, block & (block - 1) == 0, n > 0, k > 0 else {
      throw Refusal("\(bits) bits in blocks of \(block)")
    }
    let blocks = (k - 1) / block + 1
    let codes = try constant(request, 1)
    guard codes.dataType == .uint8 else { throw Refusal("weights of \(codes.dataType)") }
    try requireCount(request, 1, n * blocks * (block * bits / 8))
    try requireCount(request, 2, n * blocks)
    var source = BlockSource(
      k: k, n: n, bits: bits, group: block, codes: .init(tensor: codes, alongK: 1, alongN: blocks * block),
      scales: .init(tensor: try constant(request, 2), alongK: 1, alongN: blocks))
    if request.input(3) != nil {
      let zeros = try constant(request, 3)
      let isPacked = zeros.dataType == .uint8
      guard isPacked || zeros.dataType.isFloatingPoint else { throw Refusal("zero points of \(zeros.dataType)") }
      let rowBytes = (blocks * bits + 7) / 8
      try requireCount(request, 3, isPacked ? n * rowBytes : n * blocks)
      source.zeros = .init(tensor: zeros, alongK: 1, alongN: isPacked ? rowBytes * 8 / bits : blocks)
    } else {
      source.middle = 1 << (bits - 1)
    }
    return try BlockProduct.make(request, source, bias: 5)
  }

  private static func bnb4(_ request: CUDARequest) throws -> PreparedKernel {
    let attributes = request.attributes
    let (n, k) = (try attributes.int("N"), try attributes.int("K"))
    let block = try attributes.int("block_size")
    guard try attributes.int("transB", default: 1) != 0 else { throw Refusal("weights that are not transposed") }
    guard block >= 16, block & (block - 1) == 0, n > 0, k > 0, k % block == 0 else {
      throw Refusal("blocks of \(block) in rows of \(k)")
    }
    let codes = try constant(request, 1)
    try requireCount(request, 1, (n * k + 1) / 2)
    try requireCount(request, 2, n * (k / block))
    var source = BlockSource(
      k: k, n: n, bits: 4, group: block, codes: .init(tensor: codes, alongK: 1, alongN: k),
      scales: .init(tensor: try constant(request, 2), alongK: 1, alongN: k / block))
    source.isHighFirst = true
    source.book = try attributes.int("quant_type") == 0 ? CodeBooks.fp4 : CodeBooks.nf4
    return try BlockProduct.make(request, source, bias: nil)
  }

  private static func block(_ request: CUDARequest) throws -> PreparedKernel {
    let (codes, scales) = (try constant(request, 1), try constant(request, 2))
    guard codes.rank == 2, codes.count > 0 else { throw Refusal("weights of the shape \(codes.shape)") }
    let isTransposed = try request.attributes.bool("transB")
    let block = try request.attributes.int("block_size", default: 0)
    let given = try request.attributes.int("axis", default: 1)
    let (axisOfK, axisOfN) = isTransposed ? (1, 0) : (0, 1)
    let (k, n) = (codes.shape[axisOfK], codes.shape[axisOfN])
    let axis = given < 0 ? given + 2 : given
    var (group, alongK, alongN) = (k, 0, 0)
    if block > 0 {
      let blocks = (codes.shape[axisOfK] - 1) / block + 1
      guard axis == axisOfK, block % 16 == 0 || block >= k else {
        throw Refusal("blocks of \(block) along axis \(axis)")
      }
      guard scales.shape == (isTransposed ? [n, blocks] : [blocks, n]) else { throw Refusal("scales \(scales.shape)") }
      (group, alongK, alongN) = (block, isTransposed ? 1 : n, isTransposed ? blocks : 1)
    } else if scales.count > 1 {
      guard axis == axisOfN, scales.shape == [n] else { throw Refusal("scales \(scales.shape) along axis \(axis)") }
      alongN = 1
    }
    var source = BlockSource(
      k: k, n: n, bits: codes.dataType.bitWidth, group: group,
      codes: .init(tensor: codes, alongK: isTransposed ? 1 : n, alongN: isTransposed ? k : 1),
      scales: .init(tensor: scales, alongK: alongK, alongN: alongN))
    if request.input(5) != nil {
      let book = try constant(request, 5)
      guard codes.dataType == .uint4, book.count == 16, request.input(3) == nil else {
        throw Refusal("a code book \(book)")
      }
      source.book = try book.elements(as: Float.self)
    }
    switch codes.dataType {
    case .int8, .int4, .int2: (source.isSigned, source.middle) = (true, 1 << (codes.dataType.bitWidth - 1))
    case .uint8, .uint4, .uint2: break
    case .float4e2m1: source.book = CodeBooks.e2m1
    default: throw Refusal("weights of \(codes.dataType)")
    }
    if request.input(3) != nil {
      let zeros = try constant(request, 3)
      guard zeros.dataType == codes.dataType, zeros.count == scales.count, source.book == nil else {
        throw Refusal("zero points \(zeros)")
      }
      source.zeros = .init(tensor: zeros, alongK: alongK, alongN: alongN)
    }
    return try BlockProduct.make(request, source, bias: 4)
  }
}

/// Constant weights [k][n] of 2, 4 or 8 bits, where an operator's tensors have them. Strides count numbers.
struct BlockSource {
  struct Layout {
    let tensor: Tensor
    let alongK: Int
    let alongN: Int
  }

  let k: Int
  let n: Int
  let bits: Int
  /// Numbers of a column that share a scale; k or more: all.
  let group: Int
  let codes: Layout
  var isSigned = false
  /// The first number of a byte is in its high bits.
  var isHighFirst = false
  let scales: Layout
  /// What codes count from where there are no zero points, as unsigned numbers.
  var middle = 0
  /// Packed like the codes, or floats in the numbering of unsigned codes.
  var zeros: Layout?
  var book: [Float]?

  var blocks: Int { (k - 1) / group + 1 }

  /// The number at a place of a packed tensor, as an unsigned one.
  func code(_ bytes: UnsafePointer<UInt8>, _ place: Int) -> UInt8 {
    let each = 8 / bits
    let slot = isHighFirst ? each - 1 - place % each : place % each
    let code = bytes[place / each] >> UInt8(slot * bits) & UInt8((1 << bits) - 1)
    return isSigned ? code ^ UInt8(1 << (bits - 1)) : code
  }
}
