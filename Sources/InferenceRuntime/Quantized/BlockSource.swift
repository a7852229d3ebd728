import GraphIR
import Operators
import Tensors

/// Constant weights [k][n] of 2, 4 or 8 bits, where an operator's tensors have them. Strides count numbers.
public struct BlockSource {
  public struct Layout {
    public let tensor: Tensor
    public let alongK: Int
    public let alongN: Int

    public init(tensor: Tensor, alongK: Int, alongN: Int) {
      (self.tensor, self.alongK, self.alongN) = (tensor, alongK, alongN)
    }
  }

  public let k: Int
  public let n: Int
  public let bits: Int
  /// Numbers of a column that share a scale; k or more: all.
  public let group: Int
  public let codes: Layout
  public private(set) var isSigned = false
  /// The first number of a byte is in its high bits.
  public private(set) var isHighFirst = false
  public let scales: Layout
  /// What codes count from where there are no zero points, as unsigned numbers.
  public private(set) var middle = 0
  /// Packed like the codes, or floats in the numbering of unsigned codes.
  public var zeros: Layout?
  public private(set) var book: [Float]?

  public var blocks: Int { (k - 1) / group + 1 }

  /// The number at a place of a packed tensor, as an unsigned one.
  public func code(_ bytes: UnsafePointer<UInt8>, _ place: Int) -> UInt8 {
    let each = 8 / bits
    let slot = isHighFirst ? each - 1 - place % each : place % each
    let code = bytes[place / each] >> UInt8(slot * bits) & UInt8((1 << bits) - 1)
    return isSigned ? code ^ UInt8(1 << (bits - 1)) : code
  }

  private init(k: Int, n: Int, bits: Int, group: Int, codes: Layout, scales: Layout) {
    (self.k, self.n, self.bits, self.group, self.codes, self.scales) = (k, n, bits, group, codes, scales)
  }
}

// MARK: Where operators have them. All throw a refusal for what is no such weight, or computed.

extension BlockSource {
  /// com.microsoft.MatMulNBits; input 5 is its bias.
  public init(nbits request: KernelRequest) throws {
    guard request.input(4) == nil else { throw Refusal("g_idx") }
    let attributes = request.attributes
    let (n, k) = (try attributes.int("N"), try attributes.int("K"))
    let (bits, block) = (try attributes.int("bits", default: 4), try attributes.int("block_size"))
    guard [2, 4, 8].contains(bits), block >= 16, block & (block - 1) == 0, n > 0, k > 0 else {
      throw Refusal("\(bits) bits in blocks of \(block)")
    }
    let blocks = (k - 1) / block + 1
    let codes = try request.constantTensor(1)
    guard codes.dataType == .uint8 else { throw Refusal("weights of \(codes.dataType)") }
    try request.requireCount(1, n * blocks * (block * bits / 8))
    try request.requireCount(2, n * blocks)
    self.init(
      k: k, n: n, bits: bits, group: block, codes: .init(tensor: codes, alongK: 1, alongN: blocks * block),
      scales: .init(tensor: try request.constantTensor(2), alongK: 1, alongN: blocks))
    if request.input(3) != nil {
      let given = try request.constantTensor(3)
      let isPacked = given.dataType == .uint8
      guard isPacked || given.dataType.isFloatingPoint else { throw Refusal("zero points of \(given.dataType)") }
      let rowBytes = (blocks * bits + 7) / 8
      try request.requireCount(3, isPacked ? n * rowBytes : n * blocks)
      zeros = Layout(tensor: given, alongK: 1, alongN: isPacked ? rowBytes * 8 / bits : blocks)
    } else {
      middle = 1 << (bits - 1)
    }
  }

  /// com.microsoft.MatMulBnb4.
  public init(bnb4 request: KernelRequest) throws {
    let attributes = request.attributes
    let (n, k) = (try attributes.int("N"), try attributes.int("K"))
    let block = try attributes.int("block_size")
    guard try attributes.int("transB", default: 1) != 0 else { throw Refusal("weights that are not transposed") }
    guard block >= 16, block & (block - 1) == 0, n > 0, k > 0, k % block == 0 else {
      throw Refusal("blocks of \(block) in rows of \(k)")
    }
    let codes = try request.constantTensor(1)
    try request.requireCount(1, (n * k + 1) / 2)
    try request.requireCount(2, n * (k / block))
    self.init(
      k: k, n: n, bits: 4, group: block, codes: .init(tensor: codes, alongK: 1, alongN: k),
      scales: .init(tensor: try request.constantTensor(2), alongK: 1, alongN: k / block))
    isHighFirst = true
    book = try attributes.int("quant_type") == 0 ? CodeBooks.fp4 : CodeBooks.nf4
  }

  /// ai.cameo.BlockMatMul; input 4 is its bias.
  public init(blockMatMul request: KernelRequest) throws {
    let (codes, scales) = (try request.constantTensor(1), try request.constantTensor(2))
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
    self.init(
      k: k, n: n, bits: codes.dataType.bitWidth, group: group,
      codes: .init(tensor: codes, alongK: isTransposed ? 1 : n, alongN: isTransposed ? k : 1),
      scales: .init(tensor: scales, alongK: alongK, alongN: alongN))
    if request.input(5) != nil {
      let values = try request.constantTensor(5)
      guard codes.dataType == .uint4, values.count == 16, request.input(3) == nil else {
        throw Refusal("a code book \(values)")
      }
      book = try values.elements(as: Float.self)
    }
    switch codes.dataType {
    case .int8, .int4, .int2: (isSigned, middle) = (true, 1 << (codes.dataType.bitWidth - 1))
    case .uint8, .uint4, .uint2: break
    case .float4e2m1: book = CodeBooks.e2m1
    default: throw Refusal("weights of \(codes.dataType)")
    }
    if request.input(3) != nil {
      let points = try request.constantTensor(3)
      guard points.dataType == codes.dataType, points.count == scales.count, book == nil else {
        throw Refusal("zero points \(points)")
      }
      zeros = Layout(tensor: points, alongK: alongK, alongN: alongN)
    }
  }
}
