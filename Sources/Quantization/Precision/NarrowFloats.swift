import Operators
import Tensors

/// A float32 tensor in float16 or bfloat16, and what that costs it.
struct NarrowFloats {
  let overflowing: Int
  let underflowing: Int
  /// Numbers other than 0.
  let nonzero: Int
  private let source: Tensor
  private let type: DataType

  init(_ tensor: Tensor, as type: DataType) throws {
    source = tensor
    self.type = type
    // A transposed weight is looked at, and converted, in the rows that it is made of.
    let parts = tensor.deferredRows ?? [tensor]
    let limit = NarrowFloats.greatest(type)
    // Half of the least number, rounded half to even, is 0.
    let least: Float = type == .float16 ? 0x1p-25 : 0
    var (over, under, other) = (0, 0, 0)
    for part in parts {
      let view = try ElementView<Float>(part)
      for index in 0..<view.count {
        let magnitude = view.base[index].magnitude
        if magnitude == 0 { continue }
        other += 1
        if magnitude > limit, magnitude.isFinite { over += 1 }
        if magnitude <= least { under += 1 }
      }
    }
    (overflowing, underflowing, nonzero) = (over, under, other)
  }

  /// The greatest float32 that the type holds. bfloat16 holds all: the greatest one stands for what is next to
  /// infinity, as near as any other number's.
  private static func greatest(_ type: DataType) -> Float { type == .float16 ? 65519.996 : .greatestFiniteMagnitude }

  var underflow: Double { nonzero == 0 ? 0 : Double(underflowing) / Double(nonzero) }

  /// The tensor; numbers beyond the range become the greatest there is.
  func tensor() throws -> Tensor {
    if let rows = source.deferredRows { return try WeightColumns.of(try rows.map { try convert($0) }) }
    return try convert(source)
  }

  private func convert(_ tensor: Tensor) throws -> Tensor {
    let view = try ElementView<Float>(tensor)
    let (type, bound) = (type, type == .float16 ? 65504 : Float(0x1.fep127))
    return try Tensor.makeRaw(type, tensor.shape) { bytes in
      nonisolated(unsafe) let out = bytes.bindMemory(to: UInt16.self)
      ParallelRows.run(view.count, grain: 1 << 16) { range in
        for index in range {
          var value = view.base[index]
          if value.magnitude > bound, value.isFinite { value = value < 0 ? -bound : bound }
          out[index] = type == .float16 ? SmallFloats.half(from: value) : SmallFloats.bfloat16(from: value)
        }
      }
    }
  }
}
