internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Gather along one axis, and GatherND; indices are checked in every run.
enum GatherKernels {
  static let makers: [String: CPUProvider.Maker] = ["Gather": { try gather($0) }, "GatherND": { try gatherND($0) }]

  private static func gather(_ request: KernelRequest) throws -> PreparedKernel {
    let (x, indices) = (try request.operand(0), try request.operand(1))
    let axis = try request.axis("axis", 0, rank: x.rank)
    guard indices.type == .int64 || indices.type == .int32 else { throw Refusal("indices of \(indices.type)") }
    let row = product(x.shape[(axis + 1)...]) * (try request.width(x))
    return PreparedKernel(
      GatherKernel(
        outer: product(x.shape[..<axis]), extent: x.shape[axis], count: indices.count, rowBytes: row,
        isWide: indices.type == .int64))
  }

  private static func gatherND(_ request: KernelRequest) throws -> PreparedKernel {
    let (x, indices) = (try request.operand(0), try request.operand(1))
    guard indices.type == .int64, try request.attributes.int("batch_dims", default: 0) == 0, indices.rank > 0 else {
      throw Refusal("batch_dims or indices of \(indices.type)")
    }
    let depth = indices.shape[indices.rank - 1]
    guard depth <= x.rank else { throw Refusal("\(depth) indices for rank \(x.rank)") }
    let row = product(x.shape[depth...]) * (try request.width(x))
    var strides = [Int](repeating: 1, count: depth)
    for axis in stride(from: depth - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * x.shape[axis + 1] }
    return PreparedKernel(
      GatherNDKernel(
        extents: Longs(Array(x.shape[..<depth])), strides: Longs(strides), count: product(indices.shape.dropLast()),
        rowBytes: row))
  }
}

private final class GatherKernel: Kernel, @unchecked Sendable {
  private let outer: Int
  private let extent: Int
  private let count: Int
  private let rowBytes: Int
  private let isWide: Bool

  init(outer: Int, extent: Int, count: Int, rowBytes: Int, isWide: Bool) {
    self.outer = outer
    self.extent = extent
    self.count = count
    self.rowBytes = rowBytes
    self.isWide = isWide
    super.init("gather")
  }

  override func run(_ call: KernelCall) throws {
    let bad =
      isWide
      ? ck_gather_check_i64(call.input(1, Int64.self), count, Int64(extent))
      : ck_gather_check_i32(call.input(1, Int32.self), count, Int64(extent))
    if bad < count {
      let value = isWide ? call.input(1, Int64.self)[bad] : Int64(call.input(1, Int32.self)[bad])
      throw CameoError.badInput("index \(value) lies outside an axis of \(extent)")
    }
    parallel(call, count: outer * count, grain: max(1, 65536 / max(1, rowBytes)))
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    if isWide {
      ck_gather_rows_i64(call.output(), call.input(0), call.input(1, Int64.self), count, extent, rowBytes, begin, end)
    } else {
      ck_gather_rows_i32(call.output(), call.input(0), call.input(1, Int32.self), count, extent, rowBytes, begin, end)
    }
  }
}

private final class GatherNDKernel: Kernel, @unchecked Sendable {
  private let extents: Longs
  private let strides: Longs
  private let count: Int
  private let rowBytes: Int

  init(extents: Longs, strides: Longs, count: Int, rowBytes: Int) {
    self.extents = extents
    self.strides = strides
    self.count = count
    self.rowBytes = rowBytes
    super.init("gathernd")
  }

  override func run(_ call: KernelCall) throws {
    let depth = extents.count
    let indices = call.input(1, Int64.self)
    for position in 0..<count * depth {
      let extent = extents[position % depth]
      let index = indices[position]
      guard index >= -Int64(extent), index < Int64(extent) else {
        throw CameoError.badInput("index \(index) lies outside an axis of \(extent)")
      }
    }
    parallel(call, count: count, grain: max(1, 65536 / max(1, rowBytes)))
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    let depth = extents.count
    for row in begin..<end {
      var offset = 0
      for axis in 0..<depth {
        let index = Int(call.input(1, Int64.self)[row * depth + axis])
        offset += (index < 0 ? index + extents[axis] : index) * strides[axis]
      }
      (call.output() + row * rowBytes).copyMemory(from: call.input(0) + offset * rowBytes, byteCount: rowBytes)
    }
  }
}
