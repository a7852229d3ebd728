internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Element-wise functions of one float32 tensor.
enum UnaryKernels {
  /// What an activation node applies; Clip's bounds are inputs.
  static let activations: [String: @Sendable (AttributeReader) throws -> ck_activation] = {
    var table: [String: @Sendable (AttributeReader) throws -> ck_activation] = [:]
    let plain: [(String, ck_unary)] = [
      ("Neg", CK_UNARY_NEG), ("Abs", CK_UNARY_ABS), ("Sqrt", CK_UNARY_SQRT), ("Reciprocal", CK_UNARY_RECIPROCAL),
      ("Exp", CK_UNARY_EXP), ("Log", CK_UNARY_LOG), ("Sin", CK_UNARY_SIN), ("Cos", CK_UNARY_COS), ("Tan", CK_UNARY_TAN),
      ("Tanh", CK_UNARY_TANH), ("Sigmoid", CK_UNARY_SIGMOID), ("Erf", CK_UNARY_ERF), ("Relu", CK_UNARY_RELU),
      ("Softplus", CK_UNARY_SOFTPLUS), ("Softsign", CK_UNARY_SOFTSIGN), ("HardSwish", CK_UNARY_HARD_SWISH),
      ("Mish", CK_UNARY_MISH), ("Floor", CK_UNARY_FLOOR), ("Ceil", CK_UNARY_CEIL), ("Round", CK_UNARY_ROUND),
      ("Sign", CK_UNARY_SIGN),
    ]
    for (name, op) in plain { table[name] = { _ in ck_activation(op) } }
    table["LeakyRelu"] = { ck_activation(CK_UNARY_LEAKY_RELU, try $0.float("alpha")) }
    table["Elu"] = { ck_activation(CK_UNARY_ELU, try $0.float("alpha")) }
    table["Celu"] = { ck_activation(CK_UNARY_CELU, try $0.float("alpha")) }
    table["ThresholdedRelu"] = { ck_activation(CK_UNARY_THRESHOLDED_RELU, try $0.float("alpha")) }
    table["Swish"] = { ck_activation(CK_UNARY_SILU, try $0.float("alpha", default: 1)) }
    table["Selu"] = { ck_activation(CK_UNARY_SELU, try $0.float("alpha"), try $0.float("gamma")) }
    table["HardSigmoid"] = { ck_activation(CK_UNARY_HARD_SIGMOID, try $0.float("alpha"), try $0.float("beta")) }
    table["Gelu"] = {
      ck_activation(try $0.string("approximate", default: "none") == "tanh" ? CK_UNARY_GELU_TANH : CK_UNARY_GELU)
    }
    return table
  }()

  static let makers: [String: CPUProvider.Maker] = {
    var table: [String: CPUProvider.Maker] = activations.mapValues { activation in
      { try make($0, try activation($0.attributes)) }
    }
    table["Clip"] = { request in
      let low = try request.constantFloats(1)?.first ?? -.infinity
      let high = try request.constantFloats(2)?.first ?? .infinity
      return try make(request, ck_activation(CK_UNARY_CLIP, low, high))
    }
    return table
  }()

  static func isCostly(_ op: Int32) -> Bool {
    switch ck_unary(rawValue: numericCast(op)) {
    case CK_UNARY_NEG, CK_UNARY_ABS, CK_UNARY_RELU, CK_UNARY_LEAKY_RELU, CK_UNARY_CLIP, CK_UNARY_FLOOR, CK_UNARY_CEIL,
      CK_UNARY_ROUND, CK_UNARY_SIGN, CK_UNARY_HARD_SIGMOID, CK_UNARY_HARD_SWISH, CK_UNARY_SQUARE, CK_UNARY_AFFINE:
      false
    default: true
    }
  }

  static func make(_ request: KernelRequest, _ activation: ck_activation) throws -> PreparedKernel {
    try request.requireFloat([0])
    let count = try request.result().count
    let (op, p0, p1) = (activation.op, activation.p0, activation.p1)
    let kernel = RangeKernel("unary", count: count, grain: isCostly(op) ? 8192 : 32768) { call, begin, end, _ in
      ck_unary_f32(op, call.output(0, Float.self) + begin, call.input(0, Float.self) + begin, end - begin, p0, p1)
    }
    return PreparedKernel(kernel, inPlaceInputs: [0])
  }
}
