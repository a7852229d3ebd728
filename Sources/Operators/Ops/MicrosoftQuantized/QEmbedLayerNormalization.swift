import GraphIR
import Tensors

/// com.microsoft.QEmbedLayerNormalization: the sum of dequantized word, position and segment embeddings, normalized over the
/// hidden axis, times gamma plus beta; and for each row of `mask` its number of ones (0 without a mask).
struct QEmbedLayerNormalization: Operator {
  let name = OperatorName("QEmbedLayerNormalization", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QEmbedLayerNormalization 1 18 18 2 2
    a epsilon float=1e-12
    i input_ids T1
    i? segment_ids T1
    i word_embedding_quant T2
    i position_embedding_quant T2
    i? segment_embedding T2
    i gamma_quant T2
    i beta_quant T2
    i? mask T1
    i word_embedding_scale T
    i position_embedding_scale T
    i? segment_embedding_scale T
    i gamma_scale T
    i beta_scale T
    i word_embedding_zero_point T2
    i position_embedding_zero_point T2
    i? segment_embedding_zero_point T2
    i gamma_zero_point T2
    i beta_zero_point T2
    o layernorm_out T
    o mask_index_out T1
    c T tensor(*):float
    c T1 tensor(*):int32
    c T2 tensor(*):int8,uint8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    for input in [0, 1, 7] { try Quantized.require(context, input, [.int32]) }
    for input in [2, 3, 4, 5, 6] { try Quantized.require(context, input, Quantized.eightBit) }
    try context.require(rank: 2...2, of: 0)
    try context.require(rank: 2...2, of: 2)
    try context.require(rank: 2...2, of: 3)
    let ids = context.shape(0) ?? context.unknownShape(rank: 2)
    let hidden = try [2, 3, 4].compactMap { context.shape($0)?.last }.reduce(nil as Dim?) { known, next in
      try known.map { try context.unify($0, next, "the hidden size of the embeddings") } ?? next
    }
    context.set(0, .float, ids + [hidden ?? context.unknownDim()])
    context.set(1, .int32, [ids[0]])
  }

  /// A table, dequantized number by number: few of its rows are asked for.
  private struct Table {
    let tensor: Tensor
    let isSigned: Bool
    let scale: QuantizedScale
    let rows: Int
    let width: Int

    init(_ context: EvaluationContext, _ input: Int, scale: Int, zero: Int) throws {
      let tensor = try Quantized.tensor(context, input)
      self.tensor = tensor
      isSigned = tensor.dataType == .int8
      self.scale = try QuantizedScale(context, scale: scale, zero: zero, of: tensor.dataType)
      width = tensor.shape.last ?? 1
      rows = tensor.rank == 2 ? tensor.shape[0] : 1
      guard tensor.rank == 1 || tensor.rank == 2 else { throw CameoError.badInput("input \(input) is \(tensor)") }
    }

    func callAsFunction(_ row: Int, _ i: Int) -> Float {
      let code = tensor.baseAddress.load(fromByteOffset: row * width + i, as: UInt8.self)
      return (Float(isSigned ? Int32(Int8(bitPattern: code)) : Int32(code)) - Float(scale.zero)) * scale.scale
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let ids = try context.tensor(0)
    guard ids.rank == 2 else { throw CameoError.badInput("input_ids is \(ids), rank 2 was expected") }
    let words = try Table(context, 2, scale: 8, zero: 13)
    let positions = try Table(context, 3, scale: 9, zero: 14)
    let hasSegments = context.hasInput(1)
    guard hasSegments == context.hasInput(4) else {
      throw CameoError.badInput("segment ids and their embedding come together")
    }
    let segments = hasSegments ? try Table(context, 4, scale: 10, zero: 15) : nil
    let (gamma, beta) = (try Table(context, 5, scale: 11, zero: 16), try Table(context, 6, scale: 12, zero: 17))
    let hidden = words.width
    for table in [positions, gamma, beta] + (segments.map { [$0] } ?? []) where table.width != hidden {
      throw CameoError.badInput("embeddings of widths \(hidden) and \(table.width)")
    }
    let tokens = try ids.ints()
    let kinds = try context.optionalTensor(1)?.ints()
    if let kinds, kinds.count != tokens.count { throw CameoError.badInput("\(kinds.count) segment ids") }
    let epsilon = try context.attributes.float("epsilon", default: 1e-12)
    let length = ids.shape[1]
    guard length <= positions.rows, tokens.allSatisfy({ $0 >= 0 && $0 < words.rows }),
      kinds?.allSatisfy({ $0 >= 0 && $0 < (segments?.rows ?? 0) }) ?? true
    else { throw CameoError.badInput("an index lies outside its embedding, or there are too few positions") }
    let output = try Tensor.make(.float, ids.shape + [hidden], as: Float.self) { out in
      NNParallel.ranges(tokens.count, grain: max(1, (1 << 12) / max(1, hidden))) { range in
        for token in range {
          let row = out + token * hidden
          var sum = 0.0
          for i in 0..<hidden {
            row[i] = words(tokens[token], i) + positions(token % length, i)
            if let segments, let kinds { row[i] += segments(kinds[token], i) }
            sum += Double(row[i])
          }
          let mean = sum / Double(hidden)
          var squares = 0.0
          for i in 0..<hidden { squares += (Double(row[i]) - mean) * (Double(row[i]) - mean) }
          let deviation = (squares / Double(hidden) + Double(epsilon)).squareRoot()
          for i in 0..<hidden {
            row[i] = Float((Double(row[i]) - mean) / deviation * Double(gamma(0, i)) + Double(beta(0, i)))
          }
        }
      }
    }
    return [.tensor(output), .tensor(try maskIndex(context, ids.shape))]
  }

  private func maskIndex(_ context: EvaluationContext, _ shape: [Int]) throws -> Tensor {
    guard let mask = try context.optionalTensor(7) else {
      return try Tensor.make(.int32, [shape[0]], as: Int64.self) { _ in }
    }
    guard mask.shape == shape else { throw CameoError.badInput("the mask is \(mask) for input_ids \(shape)") }
    let values = try ElementView<Int64>(mask)
    return try Tensor.make(.int32, [shape[0]], as: Int64.self) { out in
      for i in 0..<values.count where values[i] == 1 { out[i / shape[1]] += 1 }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QEmbedLayerNormalization(), to: $0) })
