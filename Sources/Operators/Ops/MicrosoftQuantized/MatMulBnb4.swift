import GraphIR
import Tensors

/// com.microsoft.MatMulBnb4: A times the transpose of a weight matrix [N, K] of 4-bit floats (bitsandbytes' FP4 and NF4), the
/// high half of a byte first, each block of the flattened matrix scaled by its greatest magnitude. With `transB` = 0 A is
/// multiplied by [N, K] itself.
struct MatMulBnb4: Operator {
  let name = OperatorName("MatMulBnb4", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O MatMulBnb4 1 3 3 1 1
    a K int!
    a N int!
    a block_size int!
    a quant_type int!
    a training_mode int=0
    a transB int=1
    i A T1
    i B T2
    i absmax T1
    o Y T1
    c T1 tensor(*):float,float16,bfloat16
    c T2 tensor(*):uint8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    try Quantized.require(context, 0, [.float, .float16, .bfloat16])
    try Quantized.require(context, 1, [.uint8])
    let (n, k) = (try context.attributes.int("N"), try context.attributes.int("K"))
    guard n >= 0, k >= 0 else { throw CameoError.badInput("N is \(n), K is \(k)") }
    let isTransposed = try context.attributes.int("transB", default: 1) != 0
    guard let a = context.shape(0) else { return context.set(0, context.dataType(0), nil) }
    guard let last = a.last else { throw CameoError.badInput("A is a scalar") }
    _ = try context.unify(last, Dim(isTransposed ? k : n), "the last axis of A and the depth of B")
    context.set(0, context.dataType(0), a.dropLast() + [Dim(isTransposed ? n : k)])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (a, b, absmax) = (try context.tensor(0), try context.tensor(1), try context.tensor(2))
    let (type, shape) = try context.outputType(by: self)
    let (n, k) = (try context.attributes.int("N"), try context.attributes.int("K"))
    let block = try context.attributes.int("block_size")
    let kind = try context.attributes.int("quant_type")
    guard kind == 0 || kind == 1 else { throw CameoError.badInput("quant_type is \(kind), 0 or 1 was expected") }
    guard block >= 16, block & (block - 1) == 0 else {
      throw CameoError.badInput("block_size is \(block), a power of two from 16 on was expected")
    }
    let count = try Tensor.elementCount([n, k])
    guard b.dataType == .uint8, b.count == (count + 1) / 2 else {
      throw CameoError.badInput("B is \(b), \((count + 1) / 2) bytes were expected")
    }
    guard absmax.count == count / block + (count % block == 0 ? 0 : 1) else {
      throw CameoError.badInput("absmax is \(absmax) for \(count) numbers in blocks of \(block)")
    }
    let isTransposed = try context.attributes.int("transB", default: 1) != 0
    let codes = kind == 0 ? CodeBooks.fp4 : CodeBooks.nf4
    let greatest = try ElementView<Float>(absmax)
    let weights = try ElementView<Float>(
      Tensor.make(.float, [n, k], as: Float.self) { out in
        b.withUnsafeBytes { bytes in
          nonisolated(unsafe) let bytes = bytes
          NNParallel.ranges(absmax.count, grain: max(1, (1 << 14) / block)) { blocks in
            for i in blocks.lowerBound * block..<min(count, blocks.upperBound * block) {
              let code = i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15
              out[i] = codes[Int(code)] * greatest[i / block]
            }
          }
        }
      })
    let x = try ElementView<Float>(a)
    let (depth, width) = isTransposed ? (k, n) : (n, k)
    let result = try Tensor.make(type, shape, as: Float.self) { y in
      let right = NNMatrix(weights.base, row: k, col: 1)
      NNContraction.multiply(
        y, ldc: width, NNMatrix(x.base, row: depth, col: 1), isTransposed ? right.transposed : right,
        m: shape.dropLast().reduce(1, *), n: width, k: depth, inDouble: context.accumulatesInDouble)
    }
    return [.tensor(result)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MatMulBnb4(), to: $0) })
