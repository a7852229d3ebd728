internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Normalizations in float32.
enum NormKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "LayerNormalization": { try layer($0) }, "RMSNormalization": { try rms($0) },
    "BatchNormalization": { try batch($0) },
    "InstanceNormalization": { try instance($0) }, "GroupNormalization": { try group($0) }, "LRN": { try lrn($0) },
  ]

  private static func rows(_ request: KernelRequest) throws -> (rows: Int, n: Int, axis: Int) {
    try request.requireFloatInputs()
    let x = try request.operand(0)
    let axis = try request.axis("axis", -1, rank: x.rank)
    return (product(x.shape[..<axis]), product(x.shape[axis...]), axis)
  }

  private static func layer(_ request: KernelRequest) throws -> PreparedKernel {
    let (rows, n, _) = try rows(request)
    let epsilon = try request.attributes.float("epsilon")
    for index in 1...2 {
      if let operand = request.input(index), operand.count != n { throw Refusal("scale or bias of \(operand.count)") }
    }
    for index in 1...2 {
      if let output = request.output(index), output.type != .float { throw Refusal("statistics of \(output.type)") }
    }
    return try RoundedRows.kernel("layernorm", request, rows: rows, n: n) { call, out, begin, end in
      ck_layernorm_f32(
        out, call.input(0, Float.self), nil, nil, call.optional(1, Float.self), call.optional(2, Float.self), n,
        epsilon,
        begin, end, call.optionalOutput(1, Float.self), call.optionalOutput(2, Float.self))
    }
  }

  private static func rms(_ request: KernelRequest) throws -> PreparedKernel {
    let (rows, n, _) = try rows(request)
    let epsilon = try request.attributes.float("epsilon")
    if let scale = request.input(1), scale.count != n { throw Refusal("a scale of \(scale.count)") }
    return try RoundedRows.kernel("rmsnorm", request, rows: rows, n: n) { call, out, begin, end in
      ck_rmsnorm_f32(
        out, call.input(0, Float.self), nil, nil, call.optional(1, Float.self), n, epsilon, begin, end, nil)
    }
  }

  private static func batch(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([0])
    guard try !request.attributes.bool("training_mode"), request.output(1) == nil else {
      throw Refusal("training mode")
    }
    let x = try request.operand(0)
    guard x.rank >= 2, let scale = try request.constantFloats(1), let bias = try request.constantFloats(2),
      let mean = try request.constantFloats(3), let variance = try request.constantFloats(4)
    else { throw Refusal("statistics are left out") }
    let channels = x.shape[1]
    guard [scale, bias, mean, variance].allSatisfy({ $0.count == channels }) else {
      throw Refusal("statistics of another size")
    }
    let epsilon = Double(try request.attributes.float("epsilon"))
    var factors: [Float] = []
    var shifts: [Float] = []
    for c in 0..<channels {
      let factor = Double(scale[c]) / (Double(variance[c]) + epsilon).squareRoot()
      factors.append(Float(factor))
      shifts.append(Float(Double(bias[c]) - Double(mean[c]) * factor))
    }
    let (a, b) = (Floats(factors), Floats(shifts))
    let plane = product(x.shape[2...])
    let kernel = RangeKernel("batchnorm", count: x.shape[0] * channels, grain: max(1, 32768 / max(1, plane))) {
      call, begin, end, _ in
      ck_channel_affine_f32(
        call.output(0, Float.self), call.input(0, Float.self), a.base, b.base, channels, plane, begin, end, nil)
    }
    return PreparedKernel(kernel, inPlaceInputs: [0])
  }

  private static func instance(_ request: KernelRequest) throws -> PreparedKernel {
    let x = try request.operand(0)
    guard x.rank >= 2 else { throw Refusal("rank \(x.rank)") }
    let channels = x.shape[1]
    return try grouped(request, groups: channels)
  }

  private static func group(_ request: KernelRequest) throws -> PreparedKernel {
    try grouped(request, groups: try request.attributes.int("num_groups"))
  }

  private static func grouped(_ request: KernelRequest, groups: Int) throws -> PreparedKernel {
    try request.requireFloat([0, 1, 2])
    let x = try request.operand(0)
    guard x.rank >= 2, groups > 0, x.shape[1] % groups == 0 else { throw Refusal("\(groups) groups") }
    let (channels, plane) = (x.shape[1], product(x.shape[2...]))
    for index in 1...2 {
      if let operand = request.input(index), operand.count != channels {
        throw Refusal("scale or bias of \(operand.count)")
      }
    }
    let epsilon = try request.attributes.float("epsilon")
    let kernel = RangeKernel(
      "groupnorm", count: x.shape[0] * groups, grain: max(1, 16384 / max(1, channels / groups * plane))
    ) { call, begin, end, _ in
      ck_groupnorm_f32(
        call.output(0, Float.self), call.input(0, Float.self), call.optional(1, Float.self),
        call.optional(2, Float.self),
        channels, groups, plane, epsilon, begin, end)
    }
    return PreparedKernel(kernel, inPlaceInputs: [0])
  }

  private static func lrn(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([0])
    let x = try request.operand(0)
    guard x.rank >= 2 else { throw Refusal("rank \(x.rank)") }
    let size = try request.attributes.int("size")
    guard size > 0 else { throw Refusal("size \(size)") }
    let before = (size - 1) / 2
    var form = ck_lrn()
    (form.channels, form.plane) = (x.shape[1], product(x.shape[2...]))
    (form.before, form.after) = (before, size - 1 - before)
    form.alpha = try request.attributes.float("alpha") / Float(size)
    form.beta = try request.attributes.float("beta")
    form.bias = try request.attributes.float("bias")
    let spans = ck_lrn_spans(form.plane)
    return PreparedKernel(
      RangeKernel("lrn", count: x.shape[0] * spans, grain: 1) { [form] call, begin, end, _ in
        var form = form
        ck_lrn_f32(call.output(0, Float.self), call.input(0, Float.self), &form, begin, end)
      })
  }
}
