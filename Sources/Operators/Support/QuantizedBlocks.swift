internal import CKernels
import GraphIR
import Tensors

/// A weight matrix [N, K] whose rows are quantized in blocks along K, 2, 4 or 8 bits a number, each block in bytes of its own.
struct QuantizedBlocks {
  let rows: Int
  let depth: Int
  let bits: Int
  let block: Int
  /// Blocks of a row.
  let blocks: Int
  private let data: Tensor
  private let scales: ElementView<Float>
  /// One a block, as float.
  private let zeros: ElementView<Float>
  /// The block whose scale and zero point number k of a row takes, where it is not k / block.
  private let groups: [Int]?

  /// `zero`: nil is half the range; uint8: packed as the numbers are, rows in whole bytes; else a number a block of the
  /// scales' type. Throws where a length does not fit N, K, block size and bits.
  init(
    rows: Int, depth: Int, bits: Int, block: Int, data: Tensor, scales: Tensor, zero: Tensor?, groups: Tensor?
  ) throws {
    guard bits == 2 || bits == 4 || bits == 8 else { throw CameoError.badInput("bits is \(bits), not 2, 4 or 8") }
    guard block >= 16, block & (block - 1) == 0, block <= 1 << 30 else {
      throw CameoError.badInput("block_size is \(block), a power of two from 16 on was expected")
    }
    guard (0...1 << 40).contains(rows), (0...1 << 40).contains(depth) else {
      throw CameoError.badInput("N is \(rows), K is \(depth)")
    }
    blocks = (depth + block - 1) / block
    let counted = try Tensor.elementCount([rows, blocks])
    let bytes = try Tensor.elementCount([rows, blocks, block * bits / 8])
    guard data.dataType == .uint8, data.count == bytes else {
      throw CameoError.badInput(
        "B is \(data); \(rows) rows of \(depth) numbers of \(bits) bits in blocks of \(block) are \(bytes) bytes of uint8"
      )
    }
    guard scales.dataType.isFloatingPoint, scales.count == counted else {
      throw CameoError.badInput("the scales are \(scales), \(counted) floats were expected")
    }
    (self.rows, self.depth, self.bits, self.block, self.data) = (rows, depth, bits, block, data)
    self.scales = try ElementView(scales)
    zeros = try QuantizedBlocks.zeros(zero, scales, rows: rows, blocks: blocks, bits: bits)
    let (depth, blocks) = (depth, blocks)
    self.groups = try groups.map { tensor in
      let given = try tensor.ints()
      guard given.count == depth || given.count == blocks * block, given.allSatisfy({ $0 >= 0 && $0 < blocks }) else {
        throw CameoError.badInput("g_idx is \(tensor), \(depth) numbers of blocks below \(blocks) were expected")
      }
      return given
    }
  }

  private static func zeros(_ zero: Tensor?, _ scales: Tensor, rows: Int, blocks: Int, bits: Int) throws
    -> ElementView<Float>
  {
    guard let zero else {
      let middle = Float(1 << (bits - 1))
      return try ElementView(
        Tensor.make(.float, [rows * blocks], as: Float.self) { for i in 0..<rows * blocks { $0[i] = middle } })
    }
    if zero.dataType != .uint8 {
      guard zero.dataType == scales.dataType, zero.count == rows * blocks else {
        throw CameoError.badInput("the zero points are \(zero), \(rows * blocks) of \(scales.dataType) were expected")
      }
      return try ElementView(zero)
    }
    let rowBytes = (blocks * bits + 7) / 8
    guard zero.count == rows * rowBytes else {
      throw CameoError.badInput("the zero points are \(zero), \(rows) rows of \(rowBytes) bytes were expected")
    }
    return try ElementView(
      Tensor.make(.float, [rows * blocks], as: Float.self) { out in
        withExtendedLifetime(zero) {
          let source = zero.baseAddress.assumingMemoryBound(to: UInt8.self)
          NNParallel.ranges(rows, grain: max(1, (1 << 16) / max(1, blocks))) { range in
            ck_unpack_bits(out, source, bits, blocks, rowBytes, range.lowerBound, range.upperBound)
          }
        }
      })
  }

  /// Rows `range` as float, [range.count, depth].
  func dequantize(_ range: Range<Int>, to out: UnsafeMutablePointer<Float>) {
    withExtendedLifetime((data, scales, zeros)) {
      let source = data.baseAddress.assumingMemoryBound(to: UInt8.self)
      guard let groups else {
        return ck_dequantize_blocks(
          out, source, bits, scales.base, zeros.base, block, blocks, depth, range.lowerBound, range.upperBound)
      }
      let (perByte, mask) = (8 / bits, UInt8((1 << bits) - 1))
      for row in range {
        // A block has whole bytes, so a row's numbers lie one after the other.
        let codes = source + row * blocks * (block * bits / 8)
        for k in 0..<depth {
          let code = codes[k / perByte] >> UInt8(k % perByte * bits) & mask
          let group = row * blocks + groups[k]
          out[(row - range.lowerBound) * depth + k] = (Float(code) - zeros[group]) * scales[group]
        }
      }
    }
  }

  /// A [.., depth] times the matrix's transpose, plus bias [rows]: [.., rows] of A's type.
  func product(_ a: Tensor, bias: Tensor?, inDouble: Bool) throws -> Tensor {
    guard let last = a.shape.last, last == depth else {
      throw CameoError.badInput("A is \(a), its last axis was expected to be \(depth)")
    }
    if let bias, bias.count != rows { throw CameoError.badInput("a bias \(bias) for \(rows) columns") }
    let m = a.shape.dropLast().reduce(1, *)
    let x = try ElementView<Float>(a)
    let added = try bias.map { try ElementView<Float>($0) }
    return try Tensor.make(a.dataType, Array(a.shape.dropLast()) + [rows], as: Float.self) { y in
      guard m > 0, rows > 0 else { return }
      let piece = max(1, min(64, (1 << 20) / max(1, depth)))
      try NNParallel.throwingRanges((rows + piece - 1) / piece, grain: 1) { pieces in
        let scratch = try NNScratch(piece * depth, Float.self)
        for number in pieces {
          let range = number * piece..<min(rows, (number + 1) * piece)
          dequantize(range, to: scratch.base)
          multiply(x.base, m, scratch.base, range, y, inDouble: inDouble)
          guard let added else { continue }
          for i in 0..<m { for j in range { y[i * rows + j] += added[j] } }
        }
      }
    }
  }

  private func multiply(
    _ x: UnsafePointer<Float>, _ m: Int, _ weights: UnsafePointer<Float>, _ range: Range<Int>,
    _ y: UnsafeMutablePointer<Float>, inDouble: Bool
  ) {
    if inDouble || m >= 4 {
      return NNContraction.multiply(
        y + range.lowerBound, ldc: rows, NNMatrix(x, row: depth, col: 1), NNMatrix(weights, row: 1, col: depth), m: m,
        n: range.count, k: depth, inDouble: inDouble, isSerial: true)
    }
    for i in 0..<m {
      ck_gemv_rows_f32(y + i * rows + range.lowerBound, weights, depth, x + i * depth, depth, 0, range.count)
    }
  }
}
