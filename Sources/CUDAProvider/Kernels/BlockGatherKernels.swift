import InferenceRuntime
import Operators
import Tensors

/// com.microsoft.GatherBlockQuantized: rows of a table of 2, 4 or 8 bits, in blocks along the row.
enum BlockGatherKernels {
  static let makers: [String: CUDAProvider.Maker] = ["com.microsoft.GatherBlockQuantized": { try make($0) }]

  private static func make(_ request: CUDARequest) throws -> PreparedKernel {
    let attributes = request.attributes
    let (data, indices, scales) = (try request.operand(0), try request.operand(1), try request.operand(2))
    let y = try request.result()
    let block = try attributes.int("block_size", default: 128)
    let (gather, quantize) = (
      try attributes.int("gather_axis", default: 0), try attributes.int("quantize_axis", default: 1)
    )
    guard data.rank == 2, gather == 0 || gather == -2, quantize == 1 || quantize == -1 else {
      throw Refusal("a table \(data.shape) along other axes")
    }
    guard [.uint8, .uint4, .int4].contains(data.type) else { throw Refusal("data of \(data.type)") }
    guard indices.type == .int64 || indices.type == .int32 else { throw Refusal("indices of \(indices.type)") }
    let bits = data.type == .uint8 ? try attributes.int("bits", default: 4) : 4
    guard [2, 4, 8].contains(bits), block >= 16 else { throw Refusal("\(bits) bits in blocks of \(block)") }
    let length = data.type == .uint8 ? data.shape[1] * (8 / bits) : data.shape[1]
    let blocks = (length + block - 1) / block
    guard length > 0, y.count == indices.count * length, scales.count == data.shape[0] * blocks else {
      throw Refusal("rows of \(length)")
    }
    // Zero points of uint8 data fill whole bytes of their own.
    let zeroPitch = data.type == .uint8 ? (blocks * bits + 7) / 8 * (8 / bits) : blocks
    if let zero = request.input(3) {
      guard zero.type == data.type, zero.byteCount == (data.shape[0] * zeroPitch * bits + 7) / 8 else {
        throw Refusal("zero points \(zero.shape)")
      }
    }
    let macros = [
      "BITS": bits, "SIGNED": data.type == .int4 ? 1 : 0, "WIDE": indices.type == .int64 ? 1 : 0,
      "ZEROS": request.input(3) == nil ? 0 : 1, "MIDDLE": data.type == .uint8 ? 1 << (bits - 1) : 0,
      "SCALE": try ProductType(scales.type).rawValue, "RESULT": try ProductType(y.type).rawValue,
    ]
    let function = try request.function(
      "block_gather", in: ["elements.cuh", "product.cuh", "block_gather.cu"], macros: macros)
    let launch = Launch(
      function, grid: LaunchSize((length + 255) / 256, max(1, min(65535, indices.count))), block: LaunchSize(256),
      [
        .input(0), .input(1), .input(2), .input(3), .output(), .int64(indices.count), .int64(data.shape[0]),
        .int32(length), .int32(block), .int32(blocks), .int32(zeroPitch),
      ])
    return PreparedKernel(LaunchKernel("gather blocks", [launch]))
  }
}
