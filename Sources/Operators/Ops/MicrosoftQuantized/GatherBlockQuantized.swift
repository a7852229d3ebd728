internal import CKernels
import GraphIR
import Tensors

/// com.microsoft.GatherBlockQuantized: Gather along `gather_axis` from a tensor quantized in blocks along `quantize_axis`, as
/// float. An index outside the axis gives zeros.
///
/// `data` uint8 holds 8 / `bits` numbers a byte along its last axis, which is then the quantized one, and is gathered along
/// axis 0; its zero points are packed likewise, 2^(bits - 1) where left out. 4-bit types have a zero point of 0, float types
/// none; the scales of float types may have axes of length 1, and a `block_size` of 0 means one block.
struct GatherBlockQuantized: Operator {
  let name = OperatorName("GatherBlockQuantized", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O GatherBlockQuantized 1 3 4 1 1
    a bits int=4
    a block_size int=128
    a gather_axis int=0
    a quantize_axis int=1
    i data T1
    i indices Tind
    i scales T2
    i? zero_points T1
    o output T2
    c T1 tensor(*):int4,uint4,uint8,float8e4m3fn,float8e4m3fnuz,float8e5m2,float8e5m2fnuz,float4e2m1
    c T2 tensor(*):float,float16,bfloat16
    c Tind tensor(*):int32,int64
    """
  }

  private static let types: Set<DataType> = [
    .int4, .uint4, .uint8, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float4e2m1,
  ]

  /// Numbers a byte of uint8 data; 1 for types that say it themselves.
  private func packing(_ attributes: AttributeReader, _ type: DataType?) throws -> Int {
    let bits = try attributes.int("bits", default: 4)
    guard type == .uint8 else {
      guard type?.isInteger != true || bits == 4 else { throw CameoError.badInput("bits is \(bits) for 4-bit data") }
      return 1
    }
    guard bits == 2 || bits == 4 || bits == 8 else { throw CameoError.badInput("bits is \(bits), not 2, 4 or 8") }
    return 8 / bits
  }

  private func axes(_ attributes: AttributeReader, rank: Int, _ type: DataType?) throws -> (gather: Int, quantize: Int)
  {
    let gather = try Axes.normalize(try attributes.int("gather_axis", default: 0), rank: rank)
    let quantize = try Axes.normalize(try attributes.int("quantize_axis", default: 1), rank: rank)
    if type == .uint8, gather != 0 || quantize != rank - 1 || gather == quantize {
      throw CameoError.badInput(
        "uint8 data is gathered along axis 0 and quantized along its last; axes \(gather) and \(quantize) are given")
    }
    return (gather, quantize)
  }

  func infer(_ context: inout InferenceContext) throws {
    try Quantized.require(context, 0, GatherBlockQuantized.types)
    try Quantized.require(context, 1, [.int32, .int64])
    try Quantized.require(context, 2, [.float, .float16, .bfloat16])
    guard let type = context.dataType(0), let data = context.shape(0), let indices = context.shape(1) else {
      return context.set(0, context.dataType(2), nil)
    }
    let (gather, quantize) = try axes(context.attributes, rank: data.count, type)
    var shape = data
    shape[quantize] = shape[quantize] * Dim(try packing(context.attributes, type))
    shape.replaceSubrange(gather...gather, with: indices)
    context.set(0, context.dataType(2), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (data, scales) = (try context.tensor(0), try context.tensor(2))
    let (type, shape) = try context.outputType(by: self)
    let packing = try packing(context.attributes, data.dataType)
    let (gather, quantize) = try axes(context.attributes, rank: data.rank, data.dataType)
    var sizes = data.shape
    sizes[quantize] *= packing
    let layout = try BlockLayout(
      sizes, scales.shape, axis: quantize, block: try context.attributes.int("block_size", default: 128),
      isFloat: data.dataType.isFloatingPoint)
    let zero = try context.optionalTensor(3)
    if let zero { try check(zero, data, scales, quantize, packing) }
    let indices = try context.tensor(1).ints()
    let length = sizes[gather]
    let inner = sizes[(gather + 1)...].reduce(1, *)
    let outer = sizes[..<gather].reduce(1, *)
    let source = BlockSource(data: data, scales: scales, zero: zero, packing: packing, layout: layout)
    let result = try Tensor.make(type, shape, as: Float.self) { out in
      NNParallel.ranges(outer * indices.count, grain: max(1, (1 << 13) / max(1, inner))) { range in
        for place in range {
          let index = indices[place % indices.count]
          guard index >= -length, index < length else { continue }
          let first = (place / indices.count * length + (index < 0 ? index + length : index)) * inner
          source.dequantize(first..<first + inner, to: out + place * inner)
        }
      }
    }
    return [.tensor(result)]
  }

  private func check(_ zero: Tensor, _ data: Tensor, _ scales: Tensor, _ axis: Int, _ packing: Int) throws {
    guard !data.dataType.isFloatingPoint else { throw CameoError.badInput("float data has no zero points") }
    var shape = scales.shape
    shape[axis] = (shape[axis] + packing - 1) / packing
    guard zero.dataType == data.dataType, zero.shape == shape else {
      throw CameoError.badInput("the zero points are \(zero), \(data.dataType)\(shape) was expected")
    }
  }
}

/// Which scale each element of a blockwise quantized tensor has.
private struct BlockLayout {
  private let strides: [Int]
  private let scaleStrides: [Int]
  private let axis: Int
  /// Elements of a block.
  let block: Int
  /// True where the quantized axis is the last and its blocks follow each other in the scales.
  let isLast: Bool
  let length: Int
  let blocks: Int

  init(_ sizes: [Int], _ scales: [Int], axis: Int, block: Int, isFloat: Bool) throws {
    guard block >= 16 && block & (block - 1) == 0 || isFloat && block == 0 else {
      throw CameoError.badInput("block_size is \(block), a power of two from 16 on was expected")
    }
    let block = block == 0 ? max(1, sizes[axis]) : block
    let blocks = (sizes[axis] + block - 1) / block
    guard scales.count == sizes.count,
      sizes.indices.allSatisfy({ i in
        scales[i] == (i == axis ? blocks : sizes[i]) || isFloat && i != axis && scales[i] == 1
      })
    else { throw CameoError.badInput("scales \(scales) for data \(sizes) in blocks of \(block) along axis \(axis)") }
    let own = Tensor.strides(scales)
    strides = Tensor.strides(sizes)
    scaleStrides = sizes.indices.map { $0 != axis && scales[$0] == 1 ? 0 : own[$0] }
    (self.axis, self.block, self.blocks, length) = (axis, block, blocks, sizes[axis])
    isLast = axis == sizes.count - 1 && scales.dropLast().elementsEqual(sizes.dropLast())
  }

  func scale(of element: Int) -> Int {
    var (rest, place) = (element, 0)
    for i in strides.indices {
      let index = rest / strides[i]
      rest -= index * strides[i]
      place += (i == axis ? index / block : index) * scaleStrides[i]
    }
    return place
  }
}

/// Blockwise quantized elements, read one by one or by rows.
private struct BlockSource {
  let data: Tensor
  let scales: Tensor
  let zero: Tensor?
  let packing: Int
  let layout: BlockLayout

  private var bits: Int { data.dataType == .uint8 ? 8 / packing : data.dataType.bitWidth }

  func dequantize(_ range: Range<Int>, to out: UnsafeMutablePointer<Float>) {
    withExtendedLifetime(self) {
      let length = layout.length
      // Whole rows of uint8 go by the kernel.
      if data.dataType == .uint8, layout.isLast, length > 0 {
        for row in range.lowerBound / length..<range.upperBound / length {
          dequantize(row: row, to: out + row * length - range.lowerBound)
        }
        return
      }
      let type: DataType = data.dataType == .uint8 ? (bits == 4 ? .uint4 : bits == 2 ? .uint2 : .uint8) : data.dataType
      for element in range {
        let place = layout.scale(of: element)
        let point = zero.map { Float.load($0.baseAddress, place, as: type) } ?? 0
        let scale = Float.load(scales.baseAddress, place, as: scales.dataType)
        out[element - range.lowerBound] = (Float.load(data.baseAddress, element, as: type) - point) * scale
      }
    }
  }

  private func dequantize(row: Int, to out: UnsafeMutablePointer<Float>) {
    let (length, blocks) = (layout.length, layout.blocks)
    let factors = (0..<blocks).map { Float.load(scales.baseAddress, row * blocks + $0, as: scales.dataType) }
    var points = [Float](repeating: Float(1 << (bits - 1)), count: blocks)
    if let zero {
      let rowBytes = (blocks + packing - 1) / packing
      ck_unpack_bits(
        &points, zero.baseAddress.assumingMemoryBound(to: UInt8.self) + row * rowBytes, bits, blocks, rowBytes, 0, 1)
    }
    ck_dequantize_blocks(
      out, data.baseAddress.assumingMemoryBound(to: UInt8.self) + row * (length / packing), bits, factors, points,
      layout.block, blocks, length, 0, 1)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(GatherBlockQuantized(), to: $0) })
