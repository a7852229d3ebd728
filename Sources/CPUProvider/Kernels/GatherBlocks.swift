internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// com.microsoft.GatherBlockQuantized in float32: rows of a constant table of 2, 4 or 8 bits, in blocks along the row.
enum GatherBlockKernels {
  static let makers: [String: CPUProvider.Maker] = ["com.microsoft.GatherBlockQuantized": { try make($0) }]

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([2])
    let attributes = request.attributes
    let (data, indices) = (try request.operand(0), try request.operand(1))
    let block = try attributes.int("block_size", default: 128)
    guard data.rank == 2, try request.axis("gather_axis", 0, rank: 2) == 0,
      try request.axis("quantize_axis", 1, rank: 2) == 1
    else { throw Refusal("a table \(data.shape) along other axes") }
    guard [.uint8, .uint4, .int4].contains(data.type) else { throw Refusal("data of \(data.type)") }
    guard indices.type == .int64 || indices.type == .int32 else { throw Refusal("indices of \(indices.type)") }
    let bits = data.type == .uint8 ? try attributes.int("bits", default: 4) : 4
    guard [2, 4, 8].contains(bits), block >= 16, block & (block - 1) == 0 else {
      throw Refusal("\(bits) bits in blocks of \(block)")
    }
    let length = data.type == .uint8 ? data.shape[1] * (8 / bits) : data.shape[1]
    let blocks = (length + block - 1) / block
    guard length > 0, length * bits % 8 == 0, try request.result().count == indices.count * length else {
      throw Refusal("rows of \(length)")
    }
    try request.requireCount(2, data.shape[0] * blocks)
    // Zero points of uint8 data fill whole bytes of their own.
    let zeroPitch = data.type == .uint8 ? (blocks * bits + 7) / 8 * (8 / bits) : blocks
    if let zero = request.input(3) {
      guard zero.type == data.type, zero.byteCount == (data.shape[0] * zeroPitch * bits + 7) / 8 else {
        throw Refusal("zero points \(zero.shape)")
      }
    }
    let kernel = GatherBlockKernel(
      rows: data.shape[0], length: length, bits: bits, block: block, count: indices.count,
      isWide: indices.type == .int64, isSigned: data.type == .int4,
      fallback: data.type == .uint8 ? 1 << (bits - 1) : 0, zeroPitch: zeroPitch, threads: request.threads)
    return PreparedKernel(kernel, scratchBytes: kernel.scratchBytes)
  }
}

private final class GatherBlockKernel: Kernel, @unchecked Sendable {
  private let rows: Int
  private let length: Int
  private let bits: Int
  private let block: Int
  private let blocks: Int
  private let count: Int
  private let isWide: Bool
  private let isSigned: Bool
  /// The zero point where none are given.
  private let fallback: Int
  /// Zero points from one row to the next.
  private let zeroPitch: Int
  private let rowBytes: Int
  private let threadBytes: Int
  let scratchBytes: Int

  init(
    rows: Int, length: Int, bits: Int, block: Int, count: Int, isWide: Bool, isSigned: Bool, fallback: Int,
    zeroPitch: Int,
    threads: Int
  ) {
    let blocks = (length + block - 1) / block
    (self.rows, self.length, self.bits, self.block, self.blocks, self.count) = (
      rows, length, bits, block, blocks, count
    )
    (self.isWide, self.isSigned, self.fallback, self.zeroPitch) = (isWide, isSigned, fallback, zeroPitch)
    rowBytes = length * bits / 8
    threadBytes = aligned(blocks * 4) + aligned(rowBytes)
    scratchBytes = threads * threadBytes
    super.init("gather blocks")
  }

  override func run(_ call: KernelCall) {
    parallel(call, count: count, grain: max(1, (1 << 16) / length))
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    let zeros = (call.scratch + thread * threadBytes).assumingMemoryBound(to: Float.self)
    let turned = (call.scratch + thread * threadBytes + aligned(blocks * 4)).assumingMemoryBound(to: UInt8.self)
    let y = call.output(0, Float.self)
    let given = call.optional(3, UInt8.self)
    // A signed code with its highest bit turned over is the number plus 8.
    let shift: UInt8 = isSigned ? 8 : 0
    for place in begin..<end {
      let index = isWide ? Int(call.input(1, Int64.self)[place]) : Int(call.input(1, Int32.self)[place])
      let out = y + place * length
      guard index >= -rows, index < rows else {
        out.update(repeating: 0, count: length)
        continue
      }
      let row = index < 0 ? index + rows : index
      for q in 0..<blocks {
        guard let given else {
          zeros[q] = Float(fallback + Int(shift))
          continue
        }
        let bit = (row * zeroPitch + q) * bits
        let code = (given[bit / 8] >> UInt8(bit % 8)) & UInt8((1 << bits) - 1)
        zeros[q] = Float(code ^ shift)
      }
      var codes = call.input(0, UInt8.self) + row * rowBytes
      if isSigned {
        for byte in 0..<rowBytes { turned[byte] = codes[byte] ^ 0x88 }
        codes = UnsafePointer(turned)
      }
      ck_dequantize_blocks(
        out, codes, bits, call.input(2, Float.self) + row * blocks, zeros, block, blocks, length, 0, 1)
    }
  }
}
