import Tensors

/// Where the scale and zero point of each element of a quantized tensor stand: per tensor, per axis or per block.
struct NNQuantizationLayout {
  private let step: Int
  private let length: Int
  private let block: Int
  private let blocks: Int

  /// Throws where `scale` does not fit `shape`.
  init(shape: [Int], scale: Tensor, axis: Int, blockSize: Int) throws {
    if scale.count == 1 && (scale.rank <= 1 || blockSize == 0) {
      (step, length, block, blocks) = (1, 0, 1, 1)
      return
    }
    let position = axis < 0 ? axis + shape.count : axis
    guard position >= 0, position < shape.count else { throw CameoError.badInput("axis \(axis) lies outside \(shape)") }
    step = shape[(position + 1)...].reduce(1, *)
    length = shape[position]
    if blockSize == 0 {
      guard scale.rank == 1, scale.count == length else {
        throw CameoError.badInput("scale \(scale) does not fit axis \(axis) of \(shape)")
      }
      (block, blocks) = (0, 0)
      return
    }
    guard blockSize > 0, scale.rank == shape.count,
      (0..<shape.count).allSatisfy({ i in
        i == position
          ? scale.shape[i] == (shape[i] == 0 ? 0 : (shape[i] - 1) / blockSize + 1) : scale.shape[i] == shape[i]
      })
    else {
      throw CameoError.badInput(
        "scale \(scale) does not fit blocks of \(blockSize) (block_size) on axis \(axis) of \(shape)")
    }
    block = blockSize
    blocks = scale.shape[position]
  }

  /// The index in the scale of element `index`.
  func callAsFunction(_ index: Int) -> Int {
    if length == 0 { return 0 }
    let place = index / step % length
    if block == 0 { return place }
    return (index / (step * length) * blocks + place / block) * step + index % step
  }
}

/// The integers that a type holds.
enum NNIntegerRange {
  static func of(_ type: DataType) -> ClosedRange<Int64>? {
    guard type.isInteger, type.bitWidth < 64 else { return nil }
    let bits = Int64(type.bitWidth)
    return type.isSignedInteger ? -(1 << (bits - 1))...(1 << (bits - 1)) - 1 : 0...(1 << bits) - 1
  }
}
