internal import CKernels
import GraphIR
import Tensors

/// Element-wise com.microsoft operators of two quantized tensors: A, A_scale, A_zero_point?, B, B_scale, B_zero_point?, C_scale,
/// C_zero_point?; NumPy broadcasting, one scale and zero point a tensor.
struct QuantizedBinary: Operator {
  enum Kind { case add, mul }

  let name: OperatorName
  let signature: StaticString?
  let kind: Kind

  init(_ name: String, _ kind: Kind, signature: StaticString) {
    self.name = OperatorName(name, domain: "com.microsoft")
    self.kind = kind
    self.signature = signature
  }

  func infer(_ context: inout InferenceContext) throws {
    for input in [0, 3] { try Quantized.require(context, input, Quantized.eightBit) }
    for input in [1, 2, 4, 5, 6, 7] { try Quantized.requireScalar(context, input) }
    var shape: [Dim]?
    if let a = context.shape(0), let b = context.shape(3) { shape = try Broadcast.shape(a, b) }
    context.set(0, context.dataType(0) ?? context.dataType(3), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (a, b) = (try Quantized.tensor(context, 0), try Quantized.tensor(context, 3))
    guard a.dataType == b.dataType else {
      throw CameoError.badInput("inputs 0 and 3 must agree in type, \(a.dataType) and \(b.dataType) are there")
    }
    let x = try QuantizedScale(context, scale: 1, zero: 2, of: a.dataType)
    let y = try QuantizedScale(context, scale: 4, zero: 5, of: a.dataType)
    let z = try QuantizedScale(context, scale: 6, zero: 7, of: a.dataType)
    let shape = try Broadcast.shape(a.shape, b.shape)
    let isSigned = a.dataType == .int8
    let (ratioA, ratioB) = (x.scale / z.scale, y.scale / z.scale)
    // Rounded in ONNX Runtime's order: the product of the operand that is not repeated is fused.
    let fixed = Float(z.zero) - (ratioB * Float(y.zero)).addingProduct(ratioA, Float(x.zero))
    let turned = Float(z.zero) - (ratioA * Float(x.zero)).addingProduct(ratioB, Float(y.zero))
    let ratio = x.scale * y.scale / z.scale
    let kind = kind
    func row(_ out: UnsafeMutableRawPointer, _ a: UnsafeRawPointer, _ p: Int, _ b: UnsafeRawPointer, _ q: Int, _ n: Int)
    {
      switch kind {
      case .add: ck_add_i8(out, a, p, b, q, isSigned, ratioA, ratioB, p == 0 ? turned : fixed, n)
      case .mul: ck_mul_i8(out, a, p, x.zero, b, q, y.zero, isSigned, ratio, Float(z.zero), n)
      }
    }
    let result = try Tensor.makeRaw(a.dataType, shape) { raw in
      guard let out = raw.baseAddress, raw.count > 0 else { return }
      withExtendedLifetime((a, b)) {
        let walk = BroadcastWalk(shape, broadcasting: [a.shape, b.shape])
        let (p, q) = (walk.rowStrides[0], walk.rowStrides[1])
        if walk.rowLength == raw.count, p == 1 || q == 1 {
          return NNParallel.ranges(raw.count, grain: 1 << 16) { range in
            let start = range.lowerBound
            row(out + start, a.baseAddress + start * p, p, b.baseAddress + start * q, q, range.count)
          }
        }
        walk.forEachRow { position, offsets in
          row(out + position, a.baseAddress + offsets[0], p, b.baseAddress + offsets[1], q, walk.rowLength)
        }
      }
    }
    return [.tensor(result)]
  }
}

/// Element-wise com.microsoft operators of one quantized tensor: X, X_scale, X_zero_point?, Y_scale, Y_zero_point?.
struct QuantizedLookup: Operator {
  let name: OperatorName
  let signature: StaticString?
  private let function: @Sendable (AttributeReader) throws -> (Float) -> Float

  /// `function` gets the node's attributes once and returns the function of one number.
  init(
    _ name: String, signature: StaticString,
    _ function: @escaping @Sendable (AttributeReader) throws -> (Float) -> Float
  ) {
    self.name = OperatorName(name, domain: "com.microsoft")
    self.signature = signature
    self.function = function
  }

  func infer(_ context: inout InferenceContext) throws {
    try Quantized.require(context, 0, Quantized.eightBit)
    for input in 1...4 { try Quantized.requireScalar(context, input) }
    context.set(0, context.dataType(0), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try Quantized.tensor(context, 0)
    let table = QuantizedTable(
      from: try QuantizedScale(context, scale: 1, zero: 2, of: x.dataType),
      to: try QuantizedScale(context, scale: 3, zero: 4, of: x.dataType), isSigned: x.dataType == .int8,
      try function(context.attributes))
    return [.tensor(try table.apply(to: x))]
  }
}
