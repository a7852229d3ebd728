import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// com.microsoft.QAttention: self-attention whose query, key and value come from one product of quantized tensors.
///
/// `mask_index`: [batch] lengths, [2 * batch] ends then starts, or a mask [batch, total], [batch, length, total] or
/// [batch, 1, maximum, maximum] with 0 for what is hidden; [batch, 1] and [1, 1] hide nothing. Hidden scores get
/// `mask_filter_value` added; with `unidirectional` later ones count nothing. `past` and `present` are
/// [2, batch, heads, length, head size].
struct QAttention: Operator {
  let name = OperatorName("QAttention", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QAttention 1 5 9 1 2
    a do_rotary int
    a mask_filter_value float
    a num_heads int!
    a past_present_share_buffer int
    a scale float
    a unidirectional int=0
    i input T1
    i weight T2
    i bias T3
    i input_scale T3
    i weight_scale T3
    i? mask_index T4
    i? input_zero_point T1
    i? weight_zero_point T2
    i? past T3
    o output T3
    o? present T3
    c T1 tensor(*):int8,uint8
    c T2 tensor(*):int8,uint8
    c T3 tensor(*):float,float16
    c T4 tensor(*):int32
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    for input in [0, 1] { try Quantized.require(context, input, Quantized.eightBit) }
    try Quantized.require(context, 5, [.int32])
    try context.require(rank: 3...3, of: 0)
    try context.require(rank: 2...2, of: 1)
    try context.require(rank: 5...5, of: 8)
    let heads = try context.attributes.int("num_heads")
    guard (1...1 << 24).contains(heads) else { throw CameoError.badInput("num_heads is \(heads)") }
    for name in ["do_rotary", "past_present_share_buffer"] where try context.attributes.bool(name) {
      throw CameoError.unsupported("QAttention with \(name)")
    }
    let type = context.dataType(2) ?? context.dataType(3)
    let (x, w) = (context.shape(0), context.shape(1))
    if let x, let w { _ = try context.unify(x[2], w[0], "the input's last axis and the weight's first") }
    if let width = w?[1].value, width % (3 * heads) != 0 {
      throw CameoError.badInput("a weight of \(width) columns for \(heads) heads")
    }
    let hidden = w.map { $0[1].floorDiv(3) } ?? context.unknownDim()
    let (batch, length) = (x?[0] ?? context.unknownDim(), x?[1] ?? context.unknownDim())
    context.set(0, type, [batch, length, hidden])
    let past = context.hasInput(8) ? context.shape(8).map { $0[3] } : 0
    context.set(
      1, type, [2, batch, Dim(heads), past.map { $0 + length } ?? context.unknownDim(), hidden.floorDiv(Dim(heads))])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (type, shape) = try context.outputType(by: self)
    let (x, w) = (try Quantized.tensor(context, 0), try Quantized.tensor(context, 1))
    let heads = try context.attributes.int("num_heads")
    let (batch, length, hidden) = (shape[0], shape[1], shape[2])
    guard w.shape[1] == 3 * hidden, hidden % heads == 0 else {
      throw CameoError.badInput("a weight \(w) for \(heads) heads")
    }
    if let zero = try context.optionalTensor(6), zero.count != 1 {
      throw CameoError.badInput("the input's zero point is \(zero), one element was expected")
    }
    let sums = try WholeProduct.matmul(
      WholeNumbers.centered(x, context.optionalTensor(6), axis: 0),
      WholeNumbers.centered(w, context.optionalTensor(7), axis: 1))
    guard try context.tensor(3).count == 1, [1, 3 * hidden].contains(try context.tensor(4).count) else {
      throw CameoError.badInput("scales \(try context.tensor(3)) and \(try context.tensor(4))")
    }
    let projected = try ScaledProduct.finish(
      sums, context.tensor(3).reshaped([]), context.tensor(4).reshaped([try context.tensor(4).count]),
      bias: context.tensor(2))
    let head = hidden / heads
    let (keysAndValues, total) = try present(context, projected, batch, length, heads, head)
    let scores = QuantizedScores(
      batch: batch, length: length, total: total, heads: heads, head: head,
      scale: try context.attributes.optionalFloat("scale").flatMap { $0 == 0 ? nil : $0 } ?? 1
        / Float(head).squareRoot(),
      bias: try mask(context, batch, length, total),
      hidesLater: try context.attributes.bool("unidirectional"))
    let output = try scores.output(projected, keysAndValues, as: type, inDouble: context.accumulatesInDouble)
    return [.tensor(output), .tensor(try keysAndValues.converted(to: type))]
  }

  /// Keys then values with the past ones before: float[2, batch, heads, total, head].
  private func present(
    _ context: EvaluationContext, _ projected: Tensor, _ batch: Int, _ length: Int, _ heads: Int, _ head: Int
  ) throws -> (Tensor, Int) {
    let past = try context.optionalTensor(8)
    let before = past?.shape[3] ?? 0
    if let past, past.shape != [2, batch, heads, before, head] {
      throw CameoError.badInput("past is \(past), [2, \(batch), \(heads), .., \(head)] was expected")
    }
    let total = before + length
    let (old, new) = (try past.map { try ElementView<Float>($0) }, try ElementView<Float>(projected))
    let hidden = heads * head
    let tensor = try Tensor.make(.float, [2, batch, heads, total, head], as: Float.self) { out in
      for slab in 0..<2 * batch * heads {
        let (kind, item, number) = (slab / (batch * heads), slab / heads % batch, slab % heads)
        let target = out + slab * total * head
        if let old { for i in 0..<before * head { target[i] = old[slab * before * head + i] } }
        for t in 0..<length {
          let row = new.base + (item * length + t) * 3 * hidden + (kind + 1) * hidden + number * head
          (target + (before + t) * head).update(from: row, count: head)
        }
      }
    }
    return (tensor, total)
  }

  /// What is added to the scores: [batch, length, total], nil for nothing.
  private func mask(_ context: EvaluationContext, _ batch: Int, _ length: Int, _ total: Int) throws -> [Float]? {
    guard let tensor = try context.optionalTensor(5) else { return nil }
    let values = try tensor.ints()
    let filter = try context.attributes.float("mask_filter_value", default: -10000)
    let hides: (Int, Int, Int) -> Bool
    switch tensor.shape {
    case [batch]: hides = { item, _, t in t >= values[item] }
    case [2 * batch]: hides = { item, _, t in t >= values[item] || t < values[batch + item] }
    case [batch, total]: hides = { item, _, t in values[item * total + t] <= 0 }
    case [batch, 1], [1, 1]: return nil
    case [batch, length, total]: hides = { item, s, t in values[(item * length + s) * total + t] <= 0 }
    default:
      guard tensor.rank == 4, tensor.shape[0] == batch, tensor.shape[1] == 1, tensor.shape[2] == tensor.shape[3],
        tensor.shape[2] >= total
      else { throw CameoError.badInput("mask_index is \(tensor) for \(batch) items, \(length) of \(total) positions") }
      let side = tensor.shape[2]
      hides = { item, s, t in values[(item * side + total - length + s) * side + t] <= 0 }
    }
    try MemoryBudget.shared.check(try Tensor.elementCount([batch, length, total]) * 4)
    var result = [Float](repeating: 0, count: batch * length * total)
    for i in result.indices where hides(i / (length * total), i / total % length, i % total) { result[i] = filter }
    return result
  }
}

/// Softmax(scale Q K' + bias) V, head by head.
private struct QuantizedScores {
  let batch: Int
  let length: Int
  let total: Int
  let heads: Int
  let head: Int
  let scale: Float
  /// [batch, length, total].
  let bias: [Float]?
  let hidesLater: Bool

  /// `projected` [batch, length, 3 * heads * head] begins each row with the query; `memory` holds keys, then values.
  func output(_ projected: Tensor, _ memory: Tensor, as type: DataType, inDouble: Bool) throws -> Tensor {
    let hidden = heads * head
    let (queries, past) = (try ElementView<Float>(projected), try ElementView<Float>(memory))
    let values = past.base + memory.count / 2
    return try Tensor.make(type, [batch, length, hidden], as: Float.self) { out in
      try NNParallel.throwingRanges(batch * heads, grain: 1) { range in
        let scores = try NNScratch(try Tensor.elementCount([length, total]), Float.self)
        for slab in range {
          let (item, number) = (slab / heads, slab % heads)
          NNContraction.multiply(
            scores.base, ldc: total,
            NNMatrix(queries.base + item * length * 3 * hidden + number * head, row: 3 * hidden, col: 1),
            NNMatrix(past.base + slab * total * head, row: 1, col: head), m: length, n: total, k: head,
            inDouble: inDouble, isSerial: true)
          for s in 0..<length { normalize(scores.base + s * total, item, s) }
          NNContraction.multiply(
            out + item * length * hidden + number * head, ldc: hidden,
            NNMatrix(UnsafePointer(scores.base), row: total, col: 1),
            NNMatrix(values + slab * total * head, row: head, col: 1), m: length, n: head, k: total,
            inDouble: inDouble, isSerial: true)
        }
      }
    }
  }

  private func normalize(_ row: UnsafeMutablePointer<Float>, _ item: Int, _ s: Int) {
    // With no causal order all positions count; the last row sees them all anyway.
    let visible = hidesLater ? total - length + s + 1 : total
    var top = -Float.infinity
    for t in 0..<visible {
      row[t] = row[t] * scale + (bias?[(item * length + s) * total + t] ?? 0)
      top = max(top, row[t])
    }
    var sum = 0.0
    for t in 0..<visible {
      row[t] = Float(exp(Double(row[t] - top)))
      sum += Double(row[t])
    }
    for t in 0..<total { row[t] = t < visible ? Float(Double(row[t]) / sum) : 0 }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QAttention(), to: $0) })
