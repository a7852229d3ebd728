import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// BatchNormalization in inference and LRN.
enum ChannelKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "BatchNormalization": { try batch($0) }, "LRN": { try response($0) },
  ]

  private static let files = ["elements.cuh", "rows.cuh", "channels.cu"]

  private static func batch(_ request: CUDARequest) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0, 1, 2, 3, 4])
    guard try !request.attributes.bool("training_mode"), request.output(1) == nil else {
      throw Refusal("training mode")
    }
    let (x, y) = (try request.operand(0), try request.result())
    guard x.rank >= 1, x.count < 1 << 31 else { throw Refusal("the shape \(x.shape)") }
    let channels = x.rank > 1 ? x.shape[1] : 1
    for index in 1...4 { try request.requireElements(index, channels) }
    guard request.code(1) == request.code(2), request.code(3) == request.code(4) else {
      throw Refusal("scale and bias, or mean and variance, of two types")
    }
    let plane = product(x.shape.dropFirst(2))
    let vector = RowForm.vector([x.type, y.type], dividing: [plane])
    let macros = [
      "X": x.type.code, "Y": y.type.code, "SCALE": request.code(1), "STATISTICS": request.code(3), "VEC": vector,
    ]
    let launch = Launch(
      try request.function("batch_norm", in: files, macros: macros),
      grid: LaunchSize(parts(x.count / vector, of: 256)), block: LaunchSize(256),
      [
        .input(0), .output(), .input(1), .input(2), .input(3), .input(4), .int64(x.count),
        .float(try request.attributes.float("epsilon", default: 1e-5)), .int32(channels), .divisor(plane), .end,
      ])
    return PreparedKernel(LaunchKernel("batchnorm", [launch]), inPlaceInputs: x.type == y.type ? [0] : [])
  }

  private static func response(_ request: CUDARequest) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0])
    let (x, y) = (try request.operand(0), try request.result())
    guard x.rank >= 2, x.count < 1 << 31 else { throw Refusal("the shape \(x.shape)") }
    let size = try request.attributes.int("size")
    guard size > 0 else { throw Refusal("size \(size)") }
    let plane = product(x.shape[2...])
    let vector = RowForm.vector([x.type, y.type], dividing: [plane])
    let macros = ["X": x.type.code, "Y": y.type.code, "SCALE": 0, "STATISTICS": 0, "VEC": vector]
    let alpha = try request.attributes.float("alpha", default: 1e-4) / Float(size)
    let launch = Launch(
      try request.function("local_response", in: files, macros: macros),
      grid: LaunchSize(parts(x.count / vector, of: 256)), block: LaunchSize(256),
      [
        .input(0), .output(), .int64(x.count), .float(alpha),
        .float(try request.attributes.float("beta", default: 0.75)),
        .float(try request.attributes.float("bias", default: 1)), .int32((size - 1) / 2), .int32(size / 2),
        .int32(x.shape[1]), .int32(plane), .end,
      ])
    return PreparedKernel(LaunchKernel("lrn", [launch]))
  }
}
