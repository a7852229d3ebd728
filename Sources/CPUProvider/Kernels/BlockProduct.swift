internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// com.microsoft.MatMulNBits in float32: rows of the weights are widened a tile at a time into a thread's scratch, where the
/// product finds them in cache.
enum BlockProductKernels {
  static let makers: [String: CPUProvider.Maker] = ["com.microsoft.MatMulNBits": { try make($0) }]

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([0, 2, 5])
    guard request.input(4) == nil else { throw Refusal("g_idx") }
    let attributes = request.attributes
    let (n, k) = (try attributes.int("N"), try attributes.int("K"))
    let (bits, block) = (try attributes.int("bits", default: 4), try attributes.int("block_size"))
    guard [2, 4, 8].contains(bits), block >= 16, block & (block - 1) == 0, n > 0, k > 0 else {
      throw Refusal("\(bits) bits in blocks of \(block)")
    }
    let (a, y) = (try request.operand(0), try request.result())
    let blocks = (k + block - 1) / block
    guard a.shape.last == k, y.count == a.count / k * n, try request.operand(1).type == .uint8 else {
      throw Refusal("A of \(a.shape)")
    }
    try request.requireCount(1, n * blocks * (block * bits / 8))
    try request.requireCount(2, n * blocks)
    try request.requireCount(5, n)
    if let zero = request.input(3) {
      let isPacked = zero.type == .uint8
      guard isPacked || zero.type == .float else { throw Refusal("zero points of \(zero.type)") }
      try request.requireCount(3, isPacked ? n * ((blocks * bits + 7) / 8) : n * blocks)
    }
    let kernel = BlockProductKernel(
      m: a.count / k, n: n, k: k, bits: bits, block: block, hasBias: request.input(5) != nil,
      packsZeros: request.input(3)?.type == .uint8, threads: request.threads)
    return PreparedKernel(kernel, scratchBytes: kernel.scratchBytes)
  }
}

private final class BlockProductKernel: Kernel, @unchecked Sendable {
  private let n: Int
  private let k: Int
  private let m: Int
  private let bits: Int
  private let block: Int
  private let blocks: Int
  private let packsZeros: Bool
  private let tile: Int
  private let whole: GemmPlan
  private let last: GemmPlan
  private let weightBytes: Int
  private let zeroBytes: Int
  private let threadBytes: Int
  let scratchBytes: Int

  init(m: Int, n: Int, k: Int, bits: Int, block: Int, hasBias: Bool, packsZeros: Bool, threads: Int) {
    (self.m, self.n, self.k, self.bits, self.block, self.packsZeros) = (m, n, k, bits, block, packsZeros)
    blocks = (k + block - 1) / block
    tile = min(n, m == 1 ? 16 : 128)
    func plan(_ columns: Int) -> GemmPlan {
      var plan = GemmPlan(m: m, n: columns, k: k, transA: false, transB: true)
      plan.ldc = n
      plan.bias = hasBias ? .columns : .none
      plan.split(threads: 1)
      return plan
    }
    (whole, last) = (plan(tile), plan(n % tile == 0 ? tile : n % tile))
    weightBytes = aligned(tile * k * 4)
    zeroBytes = aligned(tile * blocks * 4)
    threadBytes = weightBytes + zeroBytes + aligned(max(whole.scratchBytes, last.scratchBytes))
    scratchBytes = threads * threadBytes
    super.init(m == 1 ? "gemv \(bits) bits" : "gemm \(bits) bits")
  }

  override func run(_ call: KernelCall) {
    parallel(call, count: (n + tile - 1) / tile, grain: max(1, (1 << 17) / max(1, tile * k)))
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    let base = call.scratch + thread * threadBytes
    let weights = base.assumingMemoryBound(to: Float.self)
    let points = (base + weightBytes).assumingMemoryBound(to: Float.self)
    let given = call.optional(3, UInt8.self)
    if given == nil { points.update(repeating: Float(1 << (bits - 1)), count: tile * blocks) }
    let rowBytes = (blocks * bits + 7) / 8
    let codes = blocks * (block * bits / 8)
    for number in begin..<end {
      let first = number * tile
      let count = min(tile, n - first)
      var zeros = UnsafePointer(points)
      if packsZeros, let given {
        ck_unpack_bits(points, given + first * rowBytes, bits, blocks, rowBytes, 0, count)
      } else if given != nil {
        zeros = call.input(3, Float.self) + first * blocks
      }
      ck_dequantize_blocks(
        weights, call.input(1, UInt8.self) + first * codes, bits, call.input(2, Float.self) + first * blocks, zeros,
        block, blocks, k, 0, count)
      (count == tile ? whole : last).run(
        0, call.input(0, Float.self), weights, call.optional(5, Float.self).map { $0 + first },
        call.output(0, Float.self) + first, base + weightBytes + zeroBytes)
    }
  }
}
