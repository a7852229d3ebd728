internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Transpose, Slice, Expand, Tile, Concat and Split by element width.
enum MoveKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "Transpose": { try transpose($0) }, "Slice": { try slice($0) }, "Expand": { try expand($0) },
    "Tile": { try tile($0) },
    "Concat": { try concat($0) }, "Split": { try split($0) },
  ]

  private static func transpose(_ request: KernelRequest) throws -> PreparedKernel {
    let x = try request.operand(0)
    let width = try request.width(x)
    var permutation = try request.attributes.optionalInts("perm") ?? Array((0..<x.rank).reversed())
    guard permutation.sorted() == Array(0..<x.rank) else { throw Refusal("perm \(permutation)") }
    // Axes of extent 1 go, neighbours that stay neighbours become one.
    permutation = permutation.filter { x.shape[$0] != 1 }
    var groups: [[Int]] = []
    for axis in permutation {
      if let last = groups.last?.last, axis > last, (last + 1..<axis).allSatisfy({ x.shape[$0] == 1 }) {
        groups[groups.count - 1].append(axis)
      } else {
        groups.append([axis])
      }
    }
    guard groups.count <= Int(CK_MAX_RANK) else { throw Refusal("more than 8 axes") }
    let order = groups.indices.sorted { groups[$0][0] < groups[$1][0] }
    let dims = Longs(order.map { product(groups[$0].map { x.shape[$0] }) })
    let perm = Longs(groups.indices.map { group in order.firstIndex(of: group) ?? 0 })
    let rank = groups.count
    let unit = groups.suffix(2).reduce(1) { $0 * product($1.map { x.shape[$0] }) }
    let blocks = x.count / max(1, unit)
    // Few blocks: cut inside them, by rows of the result.
    let step =
      blocks >= 2 * request.threads ? unit : groups.last.map { product($0.map { x.shape[$0] }) * 16 } ?? x.count
    let count = x.count
    let kernel = RangeKernel(
      "transpose", count: (count + step - 1) / step, grain: max(1, 16384 / max(1, step))
    ) { call, begin, end, _ in
      ck_transpose(
        call.output(), call.input(0), width, rank, dims.base, perm.base, begin * step, min(count, end * step))
    }
    return PreparedKernel(kernel)
  }

  /// A strided walk over input 0 from an element offset.
  private static func strided(_ name: String, width: Int, dims: [Int], strides: [Int], offset: Int) throws
    -> PreparedKernel
  {
    var merged: [Int] = []
    var steps: [Int] = []
    for (axis, extent) in dims.enumerated() where extent != 1 {
      if let last = merged.indices.last, steps[last] == strides[axis] &* extent {
        merged[last] *= extent
        steps[last] = strides[axis]
      } else {
        merged.append(extent)
        steps.append(strides[axis])
      }
    }
    if merged.isEmpty {
      merged = [1]
      steps = [0]
    }
    guard merged.count <= Int(CK_MAX_RANK) else { throw Refusal("more than 8 axes") }
    let (extents, walk, rank) = (Longs(merged), Longs(steps), merged.count)
    return PreparedKernel(
      RangeKernel(name, count: product(merged), grain: 32768) { call, begin, end, _ in
        ck_copy_from_strided(
          call.output(), call.input(0) + offset * width, width, rank, extents.base, walk.base, begin, end)
      })
  }

  private static func slice(_ request: KernelRequest) throws -> PreparedKernel {
    let (x, y) = (try request.operand(0), try request.result())
    guard let ranges = SliceRanges(inputs: request.inputs, shape: x.shape) else { throw Refusal("bounds are computed") }
    let strides = Tensor.strides(x.shape)
    return try strided(
      "slice", width: request.width(x), dims: y.shape, strides: zip(strides, ranges.steps).map { $0 &* $1 },
      offset: zip(strides, ranges.starts).reduce(0) { $0 + $1.0 * $1.1 })
  }

  private static func expand(_ request: KernelRequest) throws -> PreparedKernel {
    let (x, y) = (try request.operand(0), try request.result())
    try request.requireBroadcast(x, to: y.shape)
    return try strided(
      "expand", width: request.width(x), dims: y.shape, strides: Broadcast.strides(of: x.shape, to: y.shape), offset: 0)
  }

  private static func tile(_ request: KernelRequest) throws -> PreparedKernel {
    let (x, y) = (try request.operand(0), try request.result())
    let strides = Tensor.strides(x.shape)
    var dims: [Int] = []
    var walk: [Int] = []
    for axis in x.shape.indices {
      guard x.shape[axis] > 0 else { throw Refusal("an empty axis") }
      dims += [y.shape[axis] / x.shape[axis], x.shape[axis]]
      walk += [0, strides[axis]]
    }
    return try strided("tile", width: request.width(x), dims: dims, strides: walk, offset: 0)
  }

  private static func concat(_ request: KernelRequest) throws -> PreparedKernel {
    let y = try request.result()
    let width = try request.width(y)
    let axis = try request.axis("axis", 0, rank: y.rank)
    let inner = product(y.shape[(axis + 1)...]) * width
    let parts = try request.inputs.indices.map { try request.operand($0).shape[axis] * inner }
    let sizes = Longs(parts)
    let total = parts.reduce(0, +)
    guard total == y.shape[axis] * inner,
      try request.inputs.indices.allSatisfy({ index in
        let part = try request.operand(index)
        return part.type == y.type && part.rank == y.rank
      })
    else { throw Refusal("parts that do not fit") }
    return PreparedKernel(
      RangeKernel("concat", count: product(y.shape[..<axis]), grain: max(1, 65536 / max(1, total))) {
        call, begin, end, _ in
        for row in begin..<end {
          var target = call.output() + row * total
          for part in 0..<sizes.count {
            memcpy(target, call.input(part) + row * sizes[part], sizes[part])
            target += sizes[part]
          }
        }
      }, copiedBytes: y.byteCount)
  }

  private static func split(_ request: KernelRequest) throws -> PreparedKernel {
    let x = try request.operand(0)
    let width = try request.width(x)
    let axis = try request.axis("axis", 0, rank: x.rank)
    let inner = product(x.shape[(axis + 1)...]) * width
    let sizes = Longs(try request.outputs.indices.map { try request.result($0).shape[axis] * inner })
    let total = x.shape[axis] * inner
    guard (0..<sizes.count).reduce(0, { $0 + sizes[$1] }) == total else { throw Refusal("parts that do not fit") }
    return PreparedKernel(
      RangeKernel("split", count: product(x.shape[..<axis]), grain: max(1, 65536 / max(1, total))) {
        call, begin, end, _ in
        for row in begin..<end {
          var source = call.input(0) + row * total
          for part in 0..<sizes.count {
            memcpy(call.output(part) + row * sizes[part], source, sizes[part])
            source += sizes[part]
          }
        }
      }, copiedBytes: x.byteCount)
  }
}
