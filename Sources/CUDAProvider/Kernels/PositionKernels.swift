import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Operators whose results depend on where an element is: programs that read positions from memory as any operand.
enum PositionKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "Range": { try range($0) }, "OneHot": { try oneHot($0) }, "Trilu": { try trilu($0) }, "EyeLike": { try eye($0) },
    "ConstantOfShape": { try fill($0) },
  ]

  /// 0 ..< count as int32.
  private static func positions(_ request: CUDARequest, _ count: Int) throws -> Launch.Argument {
    let tensor = try Tensor.of((0..<count).map { Int64($0) }, .int32, shape: [count])
    return .resident(
      try request.resident(tensor, "positions", byteCount: max(4, tensor.byteCount)) { target in
        tensor.withUnsafeBytes { bytes in
          if let base = bytes.baseAddress { target.copyMemory(from: base, byteCount: bytes.count) }
        }
      })
  }

  private static func kernel(
    _ request: CUDARequest, _ name: String, _ operands: ElementwiseKernels.Operands, _ shape: [Int],
    _ value: ElementwiseProgram.Value, unread: [Int] = []
  ) throws -> PreparedKernel {
    var program = operands.program
    try program.store(value, as: try ElementwiseKernels.result(request).type)
    let launch = try program.launch(over: shape, operands.inputs, to: [.output()], request.context)
    return PreparedKernel(LaunchKernel(name, [launch]), unreadInputs: operands.unread + unread)
  }

  private static func range(_ request: CUDARequest) throws -> PreparedKernel {
    let y = try ElementwiseKernels.result(request)
    var operands = ElementwiseKernels.Operands()
    try operands.add(request, 0, seenAs: [])
    try operands.add(request, 2, seenAs: [])
    guard let start = operands.values[0], let delta = operands.values[1] else { throw Refusal("no start or delta") }
    let place = try operands.program.input(.int32)
    operands.inputs.append(.init(try positions(request, y.count), [y.count]))
    let value = operands.program.compute("%0 + (\(start.kind.rawValue))%2 * %1", [start, delta, place])
    return try kernel(request, "range", operands, y.shape, value, unread: request.input(1)?.constant == nil ? [] : [1])
  }

  private static func oneHot(_ request: CUDARequest) throws -> PreparedKernel {
    let (indices, values, y) = (
      try ElementwiseKernels.needed(request, 0), try ElementwiseKernels.needed(request, 2),
      try ElementwiseKernels.result(request)
    )
    let axis = try MoveKernels.axis(request, -1, rank: y.rank)
    guard values.count == 2 else { throw Refusal("\(values.count) values") }
    var operands = ElementwiseKernels.Operands()
    let depth = y.shape[axis]
    var seen = indices.shape
    seen.insert(1, at: axis)
    try operands.add(request, 0, seenAs: seen)
    guard let index = operands.values[0] else { throw Refusal("no indices") }
    var pair: [ElementwiseProgram.Value] = []
    for place in 0..<2 {
      pair.append(try operands.program.input(values.type))
      operands.inputs.append(.init(.input(2, offset: place * values.type.bitWidth / 8), []))
    }
    let place = try operands.program.input(.int32)
    operands.inputs.append(
      .init(try positions(request, depth), [depth] + [Int](repeating: 1, count: y.rank - 1 - axis)))
    let whole = operands.program.compute("(i64)%0", [index], as: .int64)
    let value = operands.program.compute(
      "(%0 < 0 ? %0 + \(depth) : %0) == %1 ? %3 : %2", [whole, place, pair[0], pair[1]], as: pair[0].type)
    return try kernel(
      request, "onehot", operands, y.shape, value, unread: request.input(1)?.constant == nil ? [] : [1])
  }

  private static func trilu(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y, _) = try MoveKernels.operands(request)
    guard x.rank >= 2 else { throw Refusal("rank \(x.rank)") }
    let raw = try ElementwiseKernels.raw(x.type)
    var operands = ElementwiseKernels.Operands()
    let element = try operands.program.input(raw)
    operands.inputs.append(.init(.input(0), x.shape))
    let (row, column) = try matrix(request, y.shape, &operands)
    let first: ElementwiseProgram.Value
    if let k = request.input(1) {
      if k.constant == nil {
        first = try operands.program.input(k.type)
        operands.inputs.append(.init(.input(1), []))
      } else {
        try operands.add(request, 1)
        first = operands.values.last?.flatMap { $0 } ?? operands.program.constant(0, .int64)
      }
    } else {
      first = operands.program.constant(0, .int64)
    }
    let comparison = try request.attributes.int("upper", default: 1) != 0 ? ">=" : "<="
    let value = operands.program.compute(
      "(i64)(%2 - %1) \(comparison) %3 ? %0 : 0", [element, row, column, first], as: raw)
    var program = operands.program
    try program.store(value, as: raw)
    let launch = try program.launch(over: y.shape, operands.inputs, to: [.output()], request.context)
    return PreparedKernel(LaunchKernel("trilu", [launch]), inPlaceInputs: [0], unreadInputs: operands.unread)
  }

  /// The row and the column of each element of matrices.
  private static func matrix(
    _ request: CUDARequest, _ shape: [Int], _ operands: inout ElementwiseKernels.Operands
  ) throws -> (row: ElementwiseProgram.Value, column: ElementwiseProgram.Value) {
    let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
    let places = try positions(request, max(rows, columns))
    let row = try operands.program.input(.int32)
    operands.inputs.append(.init(places, [rows, 1]))
    let column = try operands.program.input(.int32)
    operands.inputs.append(.init(places, [columns]))
    return (row, column)
  }

  private static func eye(_ request: CUDARequest) throws -> PreparedKernel {
    let y = try ElementwiseKernels.result(request)
    guard y.rank == 2, let kind = y.type.elementKind else { throw Refusal("elements of \(y.type)") }
    var operands = ElementwiseKernels.Operands()
    let (row, column) = try matrix(request, y.shape, &operands)
    let k = operands.program.constant(Double(try request.attributes.int("k", default: 0)), .int64)
    let value = operands.program.compute(
      "(\(kind.rawValue))((i64)(%1 - %0) == %2)", [row, column, k], as: y.type)
    return try kernel(
      request, "eye", operands, y.shape, value, unread: request.input(0)?.constant == nil ? [] : [0])
  }

  private static func fill(_ request: CUDARequest) throws -> PreparedKernel {
    let y = try ElementwiseKernels.result(request)
    let given = try request.attributes.tensor("value")
    var operands = ElementwiseKernels.Operands()
    let value = try given.map { try operands.program.constant($0) } ?? operands.program.constant(0, .float)
    return try kernel(
      request, "fill", operands, y.shape, value, unread: request.input(0)?.constant == nil ? [] : [0])
  }
}
