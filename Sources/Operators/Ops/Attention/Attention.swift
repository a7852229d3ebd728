import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Attention: softmax(scale * Q K' + bias) V with grouped heads, cache, causal and window masks, as onnx 1.23 defines it.
///
/// A query without any allowed key gives a row of zeros.
struct Attention: Operator {
  let name = OperatorName("Attention")

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    guard let q = context.shape(0) else { return context.set(0, type, nil) }
    try context.require(rank: 3...4, of: 0)
    for index in 1...2 { try context.require(rank: q.count...q.count, of: index) }
    for index in 4...5 { try context.require(rank: 4...4, of: index) }
    let heads = try context.attributes.optionalInt("q_num_heads")
    let keyHeads = try context.attributes.optionalInt("kv_num_heads")
    let k = context.shape(1)
    let v = context.shape(2)
    let batch = q[0]
    let queries: Dim
    let qHeads: Dim
    var kvHeads: Dim?
    var keys: Dim?
    var keySize: Dim?
    var valueSize: Dim?
    if q.count == 3 {
      guard let heads, let keyHeads, heads > 0, keyHeads > 0 else {
        throw CameoError.badInput("inputs of rank 3 need the attributes q_num_heads and kv_num_heads")
      }
      (queries, qHeads, kvHeads) = (q[1], Dim(heads), Dim(keyHeads))
      keys = k?[1] ?? v?[1]
      keySize = k?[2].floorDiv(Dim(keyHeads))
      valueSize = v?[2].floorDiv(Dim(keyHeads))
    } else {
      (queries, qHeads) = (q[2], q[1])
      kvHeads = k?[1] ?? v?[1]
      keys = k?[2] ?? v?[2]
      keySize = k?[3]
      valueSize = v?[3]
    }
    let outSize = valueSize ?? context.unknownDim()
    context.set(0, type, q.count == 3 ? [batch, queries, qHeads * outSize] : [batch, qHeads, queries, outSize])
    var total = keys ?? context.unknownDim()
    if context.hasInput(4) { total = (context.shape(4)?[2] ?? context.unknownDim()) + total }
    let pairHeads = kvHeads ?? context.unknownDim()
    context.set(1, context.dataType(1) ?? type, [batch, pairHeads, total, keySize ?? context.unknownDim()])
    context.set(2, context.dataType(2) ?? type, [batch, pairHeads, total, outSize])
    context.set(3, type, [batch, qHeads, queries, total])
  }

  /// [batch, heads, length, size] of an input of rank 3 or 4.
  private static func split(_ tensor: Tensor, _ heads: Int?) throws -> (
    values: [Double], heads: Int, length: Int, size: Int
  ) {
    let values = try tensor.elements(as: Double.self)
    if tensor.rank == 4 { return (values, tensor.shape[1], tensor.shape[2], tensor.shape[3]) }
    guard tensor.rank == 3, let heads, heads > 0, tensor.shape[2] % heads == 0 else {
      throw CameoError.badInput(
        "\(tensor) cannot be split into heads: a last dimension divisible by their number was expected")
    }
    let (batch, length, size) = (tensor.shape[0], tensor.shape[1], tensor.shape[2] / heads)
    var result = values
    for b in 0..<batch {
      for t in 0..<length {
        for h in 0..<heads {
          for i in 0..<size {
            result[((b * heads + h) * length + t) * size + i] = values[((b * length + t) * heads + h) * size + i]
          }
        }
      }
    }
    return (result, heads, length, size)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let attributes = context.attributes
    let input = try context.tensor(0)
    let keyTensor = try context.tensor(1)
    let valueTensor = try context.tensor(2)
    let batch = input.rank > 0 ? input.shape[0] : 0
    let q = try Attention.split(input, attributes.optionalInt("q_num_heads"))
    let keyHeads = try attributes.optionalInt("kv_num_heads")
    var k = try Attention.split(keyTensor, keyHeads)
    var v = try Attention.split(valueTensor, keyHeads)
    guard k.size == q.size, k.heads == v.heads, k.length == v.length, k.heads > 0, q.heads % k.heads == 0,
      keyTensor.shape[0] == batch, valueTensor.shape[0] == batch
    else {
      throw CameoError.badInput(
        "Q \(input), K \(keyTensor) and V \(valueTensor) do not fit in batch, heads, lengths or head size")
    }

    var pastLength = 0
    if let pastKey = try context.optionalTensor(4) {
      let pastValue = try context.tensor(5)
      guard !context.hasInput(6) else {
        throw CameoError.badInput("input 6 (nonpad_kv_seqlen) cannot stand beside past_key and past_value")
      }
      pastLength = try Attention.prepend(pastKey, &k, batch)
      guard try Attention.prepend(pastValue, &v, batch) == pastLength else {
        throw CameoError.badInput("past_key \(pastKey) and past_value \(pastValue) do not fit")
      }
    }
    let total = k.length
    _ = try Tensor.elementCount([batch, q.heads, q.length, total])
    let valid = try context.optionalTensor(6)?.ints()
    if let valid, valid.count != batch {
      throw CameoError.badInput(
        "input 6 (nonpad_kv_seqlen) has \(valid.count) elements, \(batch), one a batch item, were expected")
    }
    if let bad = valid?.first(where: { $0 < 0 || $0 > total }) {
      throw CameoError.badInput("input 6 (nonpad_kv_seqlen) holds \(bad), 0 to \(total) was expected")
    }
    let mask = try AttentionMask(
      context, shape: [batch, q.heads, q.length, total],
      offsets: (0..<batch).map { b in valid.map { $0[b] - q.length } ?? pastLength }, valid: valid)

    let scale = Double(try attributes.optionalFloat("scale") ?? Float(1 / Double(max(1, q.size)).squareRoot()))
    let softcap = Double(try attributes.float("softcap", default: 0))
    let mode = try attributes.int("qk_matmul_output_mode", default: 0)
    let precision = try attributes.dataType("softmax_precision")
    let type = input.dataType
    let wantsScores = context.hasOutput(3)
    if wantsScores { try MemoryBudget.shared.check(batch * q.heads * q.length * total * 8, for: "the scores") }
    var scoreStore = [Double](repeating: 0, count: wantsScores ? batch * q.heads * q.length * total : 0)
    let (queries, size, valueSize) = (q.length, q.size, v.size)
    let group = q.heads / k.heads
    let (qValues, kValues, vValues) = (q.values, k.values, v.values)
    let heads = q.heads
    let kHeads = k.heads
    func round(_ x: Double, _ type: DataType) -> Double { type == .double ? x : Attention.rounded(x, type) }

    let isThree = input.rank == 3
    let shape = isThree ? [batch, queries, heads * valueSize] : [batch, heads, queries, valueSize]
    let y = try Tensor.make(type, shape, as: Double.self) { out in
      try scoreStore.withUnsafeMutableBufferPointer { store in
        nonisolated(unsafe) let store = store
        try NNParallel.throwingRanges(batch * heads, grain: 1) { range in
          let scratch = try NNScratch(max(1, queries * total), Double.self)
          let product = try NNScratch(max(1, queries * valueSize), Double.self)
          for item in range {
            let (b, h) = (item / heads, item % heads)
            let pair = b * kHeads + h / group
            let scores = scratch.base
            qValues.withUnsafeBufferPointer { qs in
              kValues.withUnsafeBufferPointer { ks in
                guard let qs = qs.baseAddress, let ks = ks.baseAddress else { return }
                NNContraction.multiply(
                  scores, ldc: total, NNMatrix(qs + item * queries * size, row: size, col: 1),
                  NNMatrix(ks + pair * total * size, row: 1, col: size), m: queries, n: total, k: size, inDouble: true,
                  isSerial: true)
              }
            }
            let place = item * queries * total
            for i in 0..<queries * total {
              scores[i] *= scale
              if wantsScores && mode == 0 { store[place + i] = scores[i] }
              if softcap > 0 { scores[i] = softcap * tanh(scores[i] / softcap) }
              if wantsScores && mode == 1 { store[place + i] = scores[i] }
            }
            for row in 0..<queries {
              let line = scores + row * total
              let isMasked = mask.add(to: line, batch: b, head: h, query: row)
              if wantsScores && mode == 2 { for j in 0..<total { store[place + row * total + j] = line[j] } }
              if let precision, precision != .double { for j in 0..<total { line[j] = round(line[j], precision) } }
              Attention.softmax(line, total, isMasked: isMasked)
              if wantsScores && mode == 3 { for j in 0..<total { store[place + row * total + j] = line[j] } }
            }
            vValues.withUnsafeBufferPointer { vs in
              guard let vs = vs.baseAddress else { return }
              NNContraction.multiply(
                product.base, ldc: valueSize, NNMatrix(UnsafePointer(scores), row: total, col: 1),
                NNMatrix(vs + pair * total * valueSize, row: valueSize, col: 1), m: queries, n: valueSize, k: total,
                inDouble: true, isSerial: true)
            }
            for row in 0..<queries {
              let target = isThree ? ((b * queries + row) * heads + h) * valueSize : (item * queries + row) * valueSize
              (out + target).update(from: product.base + row * valueSize, count: valueSize)
            }
          }
        }
      }
    }
    return [
      .tensor(y),
      context.hasOutput(1) ? .tensor(try .of(kValues, keyTensor.dataType, shape: [batch, kHeads, total, size])) : nil,
      context.hasOutput(2)
        ? .tensor(try .of(vValues, valueTensor.dataType, shape: [batch, kHeads, total, valueSize])) : nil,
      wantsScores ? .tensor(try .of(scoreStore, type, shape: [batch, heads, queries, total])) : nil,
    ]
  }

  /// Puts a cache [batch, heads, past, size] before the new entries; its length.
  private static func prepend(
    _ past: Tensor, _ current: inout (values: [Double], heads: Int, length: Int, size: Int), _ batch: Int
  ) throws -> Int {
    guard past.rank == 4, past.shape[0] == batch, past.shape[1] == current.heads, past.shape[3] == current.size else {
      throw CameoError.badInput("the cache \(past) does not fit the new keys or values in batch, heads or head size")
    }
    let old = try past.elements(as: Double.self)
    let (length, fresh, size) = (past.shape[2], current.length, current.size)
    var result: [Double] = []
    result.reserveCapacity(old.count + current.values.count)
    for item in 0..<batch * current.heads {
      result += old[item * length * size..<(item + 1) * length * size]
      result += current.values[item * fresh * size..<(item + 1) * fresh * size]
    }
    current.values = result
    current.length = length + fresh
    return length
  }

  private static func rounded(_ value: Double, _ type: DataType) -> Double {
    var bits: UInt64 = 0
    return withUnsafeMutableBytes(of: &bits) { bytes in
      guard let base = bytes.baseAddress else { return value }
      Double.store(value, base, 0, as: type)
      return Double.load(UnsafeRawPointer(base), 0, as: type)
    }
  }

  private static func softmax(_ line: UnsafeMutablePointer<Double>, _ n: Int, isMasked: Bool) {
    var largest = -Double.infinity
    for j in 0..<n where line[j] > largest || line[j].isNaN { largest = line[j] }
    if isMasked || largest == -.infinity {
      for j in 0..<n { line[j] = 0 }
      return
    }
    var sum = 0.0
    for j in 0..<n {
      line[j] = exp(line[j] - largest)
      sum += line[j]
    }
    for j in 0..<n { line[j] /= sum }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 24 && graph[node].input(6) != nil {
      throw CameoError.unsupported("nonpad_kv_seqlen of Attention before opset 24")
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Attention(), to: $0) })
