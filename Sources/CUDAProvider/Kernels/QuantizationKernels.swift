import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// QuantizeLinear and DequantizeLinear per tensor, axis or block as programs; DynamicQuantizeLinear in two launches.
enum QuantizationKernels {
  static func linear(_ request: CUDARequest) throws -> PreparedKernel {
    let x = try ElementwiseKernels.needed(request, 0)
    let scale = try ElementwiseKernels.needed(request, 1)
    let y = try ElementwiseKernels.result(request)
    if let zero = request.input(2), zero.count != scale.count { throw Refusal("a zero point of \(zero.shape)") }
    let (shape, parameters) = try shapes(request, x, scale)
    var operands = ElementwiseKernels.Operands()
    try operands.add(request, 0, seenAs: shape)
    for index in request.inputs.indices.dropFirst() { try operands.add(request, index, seenAs: parameters) }
    let value: ElementwiseProgram.Value
    if request.node.type == "QuantizeLinear" {
      // Where x and its scale are both of 16 bits the model says so: the quotient is rounded to their type.
      let narrow = x.type.isHalf && scale.type == x.type ? x.type : nil
      value = try ElementwiseOperators.quantize(
        operands.values, precision: try request.attributes.dataType("precision") ?? narrow, to: y.type,
        saturates: try request.attributes.int("saturate", default: 1) != 0, in: &operands.program)
    } else {
      value = try ElementwiseOperators.emit(request.node, operands.values, to: y.type, in: &operands.program)
    }
    try operands.program.store(value, as: y.type)
    let launch = try operands.program.launch(over: shape, operands.inputs, to: [.output()], request.context)
    return PreparedKernel(LaunchKernel("quantization", [launch]), unreadInputs: operands.unread)
  }

  /// What x and its parameters are seen as: blocks are an axis of their own.
  private static func shapes(
    _ request: CUDARequest, _ x: Operand, _ scale: Operand
  ) throws -> (x: [Int], parameters: [Int]) {
    let block = try request.attributes.int("block_size", default: 0)
    if scale.count == 1 && (scale.rank <= 1 || block == 0) { return (x.shape, []) }
    var axis = try request.attributes.int("axis", default: 1)
    if axis < 0 { axis += x.rank }
    guard x.shape.indices.contains(axis) else { throw Refusal("axis \(axis) for rank \(x.rank)") }
    if block == 0 {
      guard scale.rank == 1, scale.count == x.shape[axis] else { throw Refusal("a scale of \(scale.shape)") }
      return (x.shape, [scale.count] + [Int](repeating: 1, count: x.rank - 1 - axis))
    }
    let extent = x.shape[axis]
    guard scale.rank == x.rank, block > 0, extent % block == 0, scale.shape[axis] == extent / block else {
      throw Refusal("blocks of \(block) on an axis of \(extent)")
    }
    var (shape, parameters) = (x.shape, scale.shape)
    shape[axis] = extent / block
    shape.insert(block, at: axis + 1)
    parameters.insert(1, at: axis + 1)
    return (shape, parameters)
  }

  static func dynamic(_ request: CUDARequest) throws -> PreparedKernel {
    let x = try ElementwiseKernels.needed(request, 0)
    guard x.type.elementKind == .float, !x.type.isFloat8, x.count > 0, x.count < 1 << 31, request.outputs.count == 3
    else {
      throw Refusal("elements of \(x.type)")
    }
    let macros = ["ELEMENT": x.type == .float ? 0 : x.type == .float16 ? 1 : 2]
    let files = ["elements.cuh", "division.cuh", "elementwise.cuh", "dynamic_quantize.cu"]
    let multiprocessors = request.context.info.multiprocessors
    let blocks = min(512, multiprocessors * 2, (x.count + 2047) / 2048)
    let arguments: [Launch.Argument] = [
      .input(0), .output(0), .output(1), .output(2), .scratch(), .int32(x.count), .int32(blocks),
    ]
    let launches = try ["dynamic_range", "dynamic_quantize"].map { name in
      Launch(
        try request.function(name, in: files, macros: macros), grid: LaunchSize(blocks), block: LaunchSize(256),
        arguments)
    }
    return PreparedKernel(LaunchKernel("quantization", launches), scratchBytes: blocks * 8)
  }
}
