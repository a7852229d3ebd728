internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Element-wise arithmetic of two tensors with broadcasting, and sums of many.
enum BinaryKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "Add": { try make($0, CK_BINARY_ADD) }, "Sub": { try make($0, CK_BINARY_SUB) },
    "Mul": { try make($0, CK_BINARY_MUL) },
    "Div": { try make($0, CK_BINARY_DIV) }, "PRelu": { try make($0, CK_BINARY_PRELU) }, "Pow": { try power($0) },
    "Max": { try many($0, CK_BINARY_MAX) }, "Min": { try many($0, CK_BINARY_MIN) },
    "Sum": { try many($0, CK_BINARY_ADD) },
  ]

  /// Extents of the result and strides of the operands, neighbouring axes merged where all walk on evenly.
  static func merged(_ shape: [Int], _ operands: [[Int]]) -> (dims: [Int], strides: [[Int]]) {
    var dims: [Int] = []
    var strides = operands.map { _ in [Int]() }
    let full = operands.map { Broadcast.strides(of: $0, to: shape) }
    for axis in shape.indices where shape[axis] != 1 {
      if let last = dims.indices.last,
        operands.indices.allSatisfy({ strides[$0][last] == full[$0][axis] * shape[axis] })
      {
        dims[last] *= shape[axis]
        for index in operands.indices { strides[index][last] = full[index][axis] }
      } else {
        dims.append(shape[axis])
        for index in operands.indices { strides[index].append(full[index][axis]) }
      }
    }
    if dims.isEmpty {
      dims = [1]
      strides = operands.map { _ in [0] }
    }
    return (dims, strides)
  }

  /// Inputs of the result's own shape: the result may take their memory.
  static func whole(_ request: KernelRequest) -> [Int] {
    guard let result = request.output(0) else { return [] }
    return request.inputs.indices.filter {
      request.input($0)?.count == result.count && request.input($0)?.type == result.type
    }
  }

  private static func power(_ request: KernelRequest) throws -> PreparedKernel {
    let base = try request.operand(0)
    if base.type == .float, let exponent = request.input(1)?.constant, exponent.count == 1,
      base.count == request.output(0)?.count
    {
      switch try exponent.scalar(as: Double.self) {
      case 2: return try UnaryKernels.make(request, ck_activation(CK_UNARY_SQUARE))
      case 0.5: return try UnaryKernels.make(request, ck_activation(CK_UNARY_SQRT))
      case let value:
        let scalar = Floats([Float(value)])
        let kernel = RangeKernel("pow", count: base.count, grain: 4096) { call, begin, end, _ in
          ck_binary_span_f32(
            Int32(CK_BINARY_POW.rawValue), call.output(0, Float.self) + begin, call.input(0, Float.self) + begin, 1,
            scalar.base, 0, end - begin, nil)
        }
        return PreparedKernel(kernel, inPlaceInputs: [0])
      }
    }
    return try make(request, CK_BINARY_POW)
  }

  static func make(_ request: KernelRequest, _ operation: ck_binary) throws -> PreparedKernel {
    let result = try request.result()
    let (a, b) = (try request.operand(0), try request.operand(1))
    guard a.type == result.type, b.type == result.type else { throw Refusal("operands of \(a.type) and \(b.type)") }
    for operand in [a, b] { try request.requireBroadcast(operand, to: result.shape) }
    let op = Int32(operation.rawValue)
    let (dims, strides) = merged(result.shape, [a.shape, b.shape])
    guard dims.count <= Int(CK_MAX_RANK) else { throw Refusal("more than 8 axes") }
    let isSimple = operation != CK_BINARY_PRELU && operation != CK_BINARY_POW
    let grain = operation == CK_BINARY_POW ? 4096 : 32768
    let inPlace = whole(request)
    if dims.count == 1, result.type == .float {
      let (sa, sb) = (strides[0][0], strides[1][0])
      if (sa == 0 || sa == 1) && (sb == 0 || sb == 1) {
        let kernel = RangeKernel("binary", count: result.count, grain: grain) { call, begin, end, _ in
          ck_binary_span_f32(
            op, call.output(0, Float.self) + begin, call.input(0, Float.self) + sa * begin, sa,
            call.input(1, Float.self) + sb * begin, sb, end - begin, nil)
        }
        return PreparedKernel(kernel, inPlaceInputs: inPlace)
      }
    }
    let extents = Longs(dims)
    let (sa, sb) = (Longs(strides[0]), Longs(strides[1]))
    let rank = dims.count
    let kernel: RangeKernel
    switch result.type {
    case .float:
      kernel = RangeKernel("binary", count: result.count, grain: grain) { call, begin, end, _ in
        ck_binary_f32(
          op, call.output(0, Float.self), call.input(0, Float.self), call.input(1, Float.self), rank, extents.base,
          sa.base,
          sb.base, begin, end, nil)
      }
    case .int64 where isSimple:
      kernel = RangeKernel("binary", count: result.count, grain: grain) { call, begin, end, _ in
        ck_binary_i64(
          op, call.output(0, Int64.self), call.input(0, Int64.self), call.input(1, Int64.self), rank, extents.base,
          sa.base,
          sb.base, begin, end)
      }
    case .int32 where isSimple:
      kernel = RangeKernel("binary", count: result.count, grain: grain) { call, begin, end, _ in
        ck_binary_i32(
          op, call.output(0, Int32.self), call.input(0, Int32.self), call.input(1, Int32.self), rank, extents.base,
          sa.base,
          sb.base, begin, end)
      }
    case .double where isSimple:
      kernel = RangeKernel("binary", count: result.count, grain: grain) { call, begin, end, _ in
        ck_binary_f64(
          op, call.output(0, Double.self), call.input(0, Double.self), call.input(1, Double.self), rank, extents.base,
          sa.base, sb.base, begin, end)
      }
    default: throw Refusal("elements of \(result.type)")
    }
    return PreparedKernel(kernel, inPlaceInputs: inPlace)
  }

  /// Max, Min and Sum of any number of tensors: more than two of one shape in one walk.
  private static func many(_ request: KernelRequest, _ operation: ck_binary) throws -> PreparedKernel {
    if request.inputs.count == 2 { return try make(request, operation) }
    try request.requireFloat()
    let result = try request.result()
    guard request.inputs.allSatisfy({ $0?.count == result.count }) else { throw Refusal("operands of several shapes") }
    let op = Int32(operation.rawValue)
    let inputs = request.inputs.count
    let kernel = RangeKernel("sum", count: result.count, grain: 16384) { call, begin, end, _ in
      // In pieces, so that the running result stays in cache.
      var at = begin
      while at < end {
        let size = min(4096, end - at)
        let out = call.output(0, Float.self) + at
        if inputs == 1 { ck_unary_f32(Int32(CK_UNARY_NONE.rawValue), out, call.input(0, Float.self) + at, size, 0, 0) }
        for index in 1..<max(1, inputs) {
          let left = index == 1 ? call.input(0, Float.self) + at : UnsafePointer(out)
          ck_binary_span_f32(op, out, left, 1, call.input(index, Float.self) + at, 1, size, nil)
        }
        at += size
      }
    }
    return PreparedKernel(kernel, inPlaceInputs: [0])
  }
}
