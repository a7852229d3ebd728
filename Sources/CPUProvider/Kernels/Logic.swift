import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Comparisons, boolean arithmetic, tests of floats, and Where.
enum LogicKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "Equal": { try compare($0, .equal) }, "Less": { try compare($0, .less) }, "Greater": { try compare($0, .greater) },
    "LessOrEqual": { try compare($0, .lessOrEqual) }, "GreaterOrEqual": { try compare($0, .greaterOrEqual) },
    "And": { try logic($0) { $0 & $1 } }, "Or": { try logic($0) { $0 | $1 } }, "Xor": { try logic($0) { $0 ^ $1 } },
    "Not": { try not($0) }, "IsNaN": { try isNaN($0) }, "Where": { try choose($0) },
  ]

  enum Comparison { case equal, less, greater, lessOrEqual, greaterOrEqual }

  /// Rows of a broadcast walk: all axes but the last as one index, the last as a loop with strides.
  final class Rows: @unchecked Sendable {
    let count: Int
    let length: Int
    private let outer: Longs
    private let strides: [Longs]
    let steps: [Int]

    init(_ shape: [Int], _ operands: [[Int]]) {
      let (dims, all) = BinaryKernels.merged(shape, operands)
      length = dims[dims.count - 1]
      outer = Longs(Array(dims.dropLast()))
      strides = all.map { Longs(Array($0.dropLast())) }
      steps = all.map { $0[$0.count - 1] }
      count = product(dims.dropLast())
    }

    /// Where operand `index` starts in row `row`.
    @inline(__always) func offset(_ index: Int, _ row: Int) -> Int {
      var rest = row
      var offset = 0
      var axis = outer.count - 1
      while axis >= 0 {
        offset += rest % outer[axis] * strides[index][axis]
        rest /= outer[axis]
        axis -= 1
      }
      return offset
    }

    var grain: Int { max(1, 16384 / max(1, length)) }
  }

  private static func compare(_ request: KernelRequest, _ comparison: Comparison) throws -> PreparedKernel {
    let (a, b) = (try request.operand(0), try request.operand(1))
    guard a.type == b.type, try request.result().type == .bool else {
      throw Refusal("operands of \(a.type) and \(b.type)")
    }
    switch a.type {
    case .float: return try compare(request, comparison, Float.self)
    case .double: return try compare(request, comparison, Double.self)
    case .int64: return try compare(request, comparison, Int64.self)
    case .int32: return try compare(request, comparison, Int32.self)
    case .uint8, .bool: return try compare(request, comparison, UInt8.self)
    default: throw Refusal("elements of \(a.type)")
    }
  }

  private static func compare<T: Comparable>(_ request: KernelRequest, _ comparison: Comparison, _: T.Type) throws
    -> PreparedKernel
  {
    switch comparison {
    case .equal: return try map(request, T.self, UInt8.self) { $0 == $1 ? UInt8(1) : 0 }
    case .less: return try map(request, T.self, UInt8.self) { $0 < $1 ? UInt8(1) : 0 }
    case .greater: return try map(request, T.self, UInt8.self) { $0 > $1 ? UInt8(1) : 0 }
    case .lessOrEqual: return try map(request, T.self, UInt8.self) { $0 <= $1 ? UInt8(1) : 0 }
    case .greaterOrEqual: return try map(request, T.self, UInt8.self) { $0 >= $1 ? UInt8(1) : 0 }
    }
  }

  private static func logic(_ request: KernelRequest, _ function: @escaping (UInt8, UInt8) -> UInt8) throws
    -> PreparedKernel
  {
    try map(request, UInt8.self, UInt8.self, function)
  }

  @inline(__always)
  private static func map<T, U>(
    _ request: KernelRequest, _: T.Type, _: U.Type, _ function: @escaping (T, T) -> U
  ) throws -> PreparedKernel {
    let result = try request.result()
    for index in 0..<2 { try request.requireBroadcast(try request.operand(index), to: result.shape) }
    let rows = Rows(result.shape, [try request.operand(0).shape, try request.operand(1).shape])
    let (sa, sb, length) = (rows.steps[0], rows.steps[1], rows.length)
    return PreparedKernel(
      RangeKernel("compare", count: rows.count, grain: rows.grain) { call, begin, end, _ in
        for row in begin..<end {
          let a = call.input(0, T.self) + rows.offset(0, row)
          let b = call.input(1, T.self) + rows.offset(1, row)
          let out = call.output(0, U.self) + row * length
          for i in 0..<length { out[i] = function(a[i &* sa], b[i &* sb]) }
        }
      })
  }

  private static func not(_ request: KernelRequest) throws -> PreparedKernel {
    let count = try request.result().count
    return PreparedKernel(
      RangeKernel("not", count: count, grain: 65536) { call, begin, end, _ in
        let (input, out) = (call.input(0, UInt8.self), call.output(0, UInt8.self))
        for i in begin..<end { out[i] = input[i] ^ 1 }
      }, inPlaceInputs: [0])
  }

  private static func isNaN(_ request: KernelRequest) throws -> PreparedKernel {
    guard try request.operand(0).type == .float else { throw Refusal("elements of \(try request.operand(0).type)") }
    let count = try request.result().count
    return PreparedKernel(
      RangeKernel("isnan", count: count, grain: 65536) { call, begin, end, _ in
        let (input, out) = (call.input(0, Float.self), call.output(0, UInt8.self))
        for i in begin..<end { out[i] = input[i] != input[i] ? 1 : 0 }
      })
  }

  private static func choose(_ request: KernelRequest) throws -> PreparedKernel {
    let result = try request.result()
    switch try request.width(result) {
    case 1: return try choose(request, UInt8.self)
    case 2: return try choose(request, UInt16.self)
    case 4: return try choose(request, UInt32.self)
    case 8: return try choose(request, UInt64.self)
    default: throw Refusal("elements of \(result.type)")
    }
  }

  private static func choose<T>(_ request: KernelRequest, _: T.Type) throws -> PreparedKernel {
    let result = try request.result()
    let operands = try (0..<3).map { try request.operand($0) }
    guard operands[1].type == result.type, operands[2].type == result.type else {
      throw Refusal("operands of several types")
    }
    for operand in operands { try request.requireBroadcast(operand, to: result.shape) }
    let rows = Rows(result.shape, operands.map(\.shape))
    let (sc, sa, sb, length) = (rows.steps[0], rows.steps[1], rows.steps[2], rows.length)
    return PreparedKernel(
      RangeKernel("where", count: rows.count, grain: rows.grain) { call, begin, end, _ in
        for row in begin..<end {
          let condition = call.input(0, UInt8.self) + rows.offset(0, row)
          let a = call.input(1, T.self) + rows.offset(1, row)
          let b = call.input(2, T.self) + rows.offset(2, row)
          let out = call.output(0, T.self) + row * length
          for i in 0..<length { out[i] = condition[i &* sc] != 0 ? a[i &* sa] : b[i &* sb] }
        }
      }, inPlaceInputs: [1, 2].filter { operands[$0].count == result.count })
  }
}
