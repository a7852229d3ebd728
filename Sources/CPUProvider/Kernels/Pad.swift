import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Pad in all modes, by a table of source positions for each axis.
enum PadKernels {
  static let makers: [String: CPUProvider.Maker] = ["Pad": { try make($0) }]

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    switch try request.width(try request.operand(0)) {
    case 1: return try make(request, UInt8.self)
    case 2: return try make(request, UInt16.self)
    case 4: return try make(request, UInt32.self)
    case 8: return try make(request, UInt64.self)
    default: throw Refusal("elements of \(try request.operand(0).type)")
    }
  }

  private static func make<T: BitwiseCopyable & FixedWidthInteger>(_ request: KernelRequest, _: T.Type) throws
    -> PreparedKernel
  {
    let (x, y) = (try request.operand(0), try request.result())
    guard x.rank > 0, x.count > 0, y.count > 0 else { throw Refusal("rank \(x.rank), \(y.count) elements") }
    // An axis may be padded by more than memory holds.
    try MemoryBudget.shared.check(y.shape.reduce(0, +) * 3 * MemoryLayout<Int>.stride, for: "the tables of Pad")
    let mode = try request.attributes.string("mode", default: "constant")
    guard let pads = try request.constantInts(1) else { throw Refusal("pads are left out") }
    var axes = try request.constantInts(3) ?? Array(0..<x.rank)
    axes = axes.map { $0 < 0 ? $0 + x.rank : $0 }
    guard pads.count == 2 * axes.count, axes.allSatisfy({ x.shape.indices.contains($0) }), x.rank == y.rank else {
      throw Refusal("\(pads.count) pads")
    }
    var fill = T.zero
    if let value = request.input(2) {
      guard let tensor = value.constant, tensor.byteCount == MemoryLayout<T>.size else {
        throw Refusal("the value is computed")
      }
      fill = tensor.baseAddress.loadUnaligned(as: T.self)
    }
    var tables: [[Int]] = x.shape.map { Array(0..<$0) }
    for (index, axis) in axes.enumerated() {
      let extent = x.shape[axis]
      tables[axis] = try (0..<y.shape[axis]).map { position in
        let at = position &- pads[index]
        if at >= 0 && at < extent { return at }
        switch mode {
        case "constant": return -1
        case "edge": return min(max(at, 0), extent - 1)
        case "wrap": return ((at % extent) + extent) % extent
        case "reflect":
          if extent == 1 { return 0 }
          let period = 2 * (extent - 1)
          let folded = ((at % period) + period) % period
          return folded < extent ? folded : period - folded
        default: throw Refusal("mode \(mode)")
        }
      }
    }
    let rank = x.rank
    let last = Longs(tables[rank - 1])
    let length = y.shape[rank - 1]
    // The stretch of the last axis that is copied as it is.
    let start = tables[rank - 1].firstIndex { $0 >= 0 } ?? 0
    var run = 0
    while start + run < length, last[start + run] == last[start] + run { run += 1 }
    let isPlain = tables[rank - 1].indices.allSatisfy { ($0 >= start && $0 < start + run) || last[$0] < 0 }
    let outer = Longs(Array(y.shape.dropLast()))
    let strides = Tensor.strides(x.shape)
    let steps = tables.dropLast().enumerated().map { axis, table in
      Longs(table.map { $0 < 0 ? -1 : $0 * strides[axis] })
    }
    let kernel = RangeKernel("pad", count: y.count / length, grain: max(1, 32768 / length)) { call, begin, end, _ in
      for row in begin..<end {
        var rest = row
        var source = 0
        var axis = outer.count - 1
        while axis >= 0 {
          let offset = steps[axis][rest % outer[axis]]
          if offset < 0 {
            source = -1
            break
          }
          source += offset
          rest /= outer[axis]
          axis -= 1
        }
        let out = call.output(0, T.self) + row * length
        if source < 0 {
          out.update(repeating: fill, count: length)
          continue
        }
        let input = call.input(0, T.self) + source
        if isPlain {
          for i in 0..<start { out[i] = fill }
          if run > 0 { memcpy(out + start, input + last[start], run * MemoryLayout<T>.size) }
          for i in start + run..<length { out[i] = fill }
        } else {
          for i in 0..<length { out[i] = last[i] < 0 ? fill : input[last[i]] }
        }
      }
    }
    return PreparedKernel(kernel)
  }
}
