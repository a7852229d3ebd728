import GraphIR
import Tensors

/// com.microsoft.MatMulNBits: A times the transpose of a weight matrix [N, K] quantized in blocks along K, 2, 4 or 8 bits.
///
/// B: uint8[N, ceil(K / block_size), block_size * bits / 8]; scales [N, ceil(K / block_size)]; zero points uint8, packed like B,
/// or numbers of A's type, 2^(bits - 1) where left out; g_idx names the block of scales for each k. Products and sums in float
/// whatever `accuracy_level` allows: it is a lower bound. Where it is 4, ONNX Runtime rounds A to int8 and differs by that.
struct MatMulNBits: Operator {
  let name = OperatorName("MatMulNBits", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O MatMulNBits 1 3 6 1 1
    a K int!
    a N int!
    a accuracy_level int=0
    a bits int=4
    a block_size int!
    a weight_prepacked int=0
    i A T1
    i B T2
    i scales T1
    i? zero_points T3
    i? g_idx T4
    i? bias T1
    o Y T1
    c T1 tensor(*):float,float16,bfloat16
    c T2 tensor(*):uint8
    c T3 tensor(*):uint8,float16,float,bfloat16
    c T4 tensor(*):int32
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    try Quantized.require(context, 0, [.float, .float16, .bfloat16])
    try Quantized.require(context, 1, [.uint8])
    guard try context.attributes.int("weight_prepacked", default: 0) == 0 else {
      throw CameoError.unsupported("weights packed for one kind of device (weight_prepacked)")
    }
    guard (0...4).contains(try context.attributes.int("accuracy_level", default: 0)) else {
      throw CameoError.badInput("accuracy_level is not 0 to 4")
    }
    let (n, k) = (try context.attributes.int("N"), try context.attributes.int("K"))
    guard n >= 0, k >= 0 else { throw CameoError.badInput("N is \(n), K is \(k)") }
    guard let a = context.shape(0) else { return context.set(0, context.dataType(0), nil) }
    guard let last = a.last else { throw CameoError.badInput("A is a scalar") }
    _ = try context.unify(last, Dim(k), "the last axis of A and K")
    context.set(0, context.dataType(0), a.dropLast() + [Dim(n)])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    _ = try context.inferredOutputs(by: self)
    let a = try context.tensor(0)
    let scales = try context.tensor(2)
    guard scales.dataType == a.dataType else {
      throw CameoError.badInput("the scales are \(scales.dataType), A is \(a.dataType)")
    }
    let attributes = context.attributes
    let weights = try QuantizedBlocks(
      rows: attributes.int("N"), depth: attributes.int("K"), bits: attributes.int("bits", default: 4),
      block: attributes.int("block_size"), data: context.tensor(1), scales: scales, zero: context.optionalTensor(3),
      groups: context.optionalTensor(4))
    return [
      .tensor(try weights.product(a, bias: context.optionalTensor(5), inDouble: context.accumulatesInDouble))
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MatMulNBits(), to: $0) })
