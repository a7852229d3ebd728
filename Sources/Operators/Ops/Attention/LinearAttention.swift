import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// LinearAttention: a recurrent key-value state in place of a softmax; linear, gated, delta and gated delta rules.
struct LinearAttention: Operator {
  let name = OperatorName("LinearAttention")

  func infer(_ context: inout InferenceContext) throws {
    for index in 0...2 { try context.require(rank: 3...3, of: index) }
    let heads = try context.attributes.int("q_num_heads")
    let keyHeads = try context.attributes.int("kv_num_heads")
    guard heads > 0, keyHeads > 0, heads % keyHeads == 0 else {
      throw CameoError.badInput("\(heads) heads over \(keyHeads)")
    }
    let type = context.dataType(0)
    let q = context.shape(0)
    let valueSize = context.shape(2).map { $0[2].floorDiv(Dim(keyHeads)) } ?? context.unknownDim()
    let keySize = q.map { $0[2].floorDiv(Dim(heads)) } ?? context.unknownDim()
    let batch = q?[0] ?? context.unknownDim()
    context.set(0, type, [batch, q?[1] ?? context.unknownDim(), Dim(heads) * valueSize])
    context.set(1, context.hasInput(3) ? context.dataType(3) : type, [batch, Dim(keyHeads), keySize, valueSize])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let attributes = context.attributes
    let query = try context.tensor(0)
    let key = try context.tensor(1)
    let value = try context.tensor(2)
    let heads = try attributes.int("q_num_heads")
    let keyHeads = try attributes.int("kv_num_heads")
    let rule = try attributes.string("update_rule", default: "gated_delta")
    let isGated = rule == "gated" || rule == "gated_delta"
    let isDelta = rule == "delta" || rule == "gated_delta"
    guard isGated || isDelta || rule == "linear" else { throw CameoError.badInput("update_rule is \(rule)") }
    guard context.hasInput(4) == isGated, context.hasInput(5) == isDelta else {
      throw CameoError.badInput("decay and beta do not fit the rule \(rule)")
    }
    guard query.rank == 3, key.rank == 3, value.rank == 3, heads > 0, keyHeads > 0, heads % keyHeads == 0,
      query.shape[2] % heads == 0, value.shape[2] % keyHeads == 0, key.shape[2] == query.shape[2] / heads * keyHeads,
      key.shape[0] == query.shape[0], value.shape[0] == query.shape[0], key.shape[1] == query.shape[1],
      value.shape[1] == query.shape[1]
    else { throw CameoError.badInput("query \(query), key \(key), value \(value)") }
    let (batch, length) = (query.shape[0], query.shape[1])
    let (keySize, valueSize) = (query.shape[2] / heads, value.shape[2] / keyHeads)
    let q = try ElementView<Double>(query)
    let k = try ElementView<Double>(key)
    let v = try ElementView<Double>(value)
    let decay = try context.optionalTensor(4)
    let beta = try context.optionalTensor(5)
    let g = try decay.map { try ElementView<Double>($0) }
    let b = try beta.map { try ElementView<Double>($0) }
    let decayWidth = decay?.shape.last ?? 0
    let betaWidth = beta?.shape.last ?? 0
    if let decay,
      decay.shape.count != 3 || decay.count != batch * length * decayWidth
        || decayWidth != keyHeads && decayWidth != keyHeads * keySize
    {
      throw CameoError.badInput("decay \(decay)")
    }
    if let beta,
      beta.shape.count != 3 || beta.count != batch * length * betaWidth || betaWidth != keyHeads && betaWidth != 1
    {
      throw CameoError.badInput("beta \(beta)")
    }
    let given = try attributes.float("scale", default: 0)
    let scale = given == 0 ? 1 / Double(keySize).squareRoot() : Double(given)
    let past = try context.optionalTensor(3)
    let stateShape = [batch, keyHeads, keySize, valueSize]
    if let past, past.shape != stateShape { throw CameoError.badInput("past_state \(past)") }
    try MemoryBudget.shared.check(try Tensor.elementCount(stateShape) * 8, for: "the state")
    var state =
      try past?.elements(as: Double.self) ?? [Double](repeating: 0, count: try Tensor.elementCount(stateShape))
    let group = heads / keyHeads
    let output = try Tensor.make(query.dataType, [batch, length, heads * valueSize], as: Double.self) { out in
      var written = [Double](repeating: 0, count: valueSize)
      for item in 0..<batch {
        for t in 0..<length {
          let row = item * length + t
          for h in 0..<keyHeads {
            let base = (item * keyHeads + h) * keySize * valueSize
            let keyAt = (row * keyHeads + h) * keySize
            if let g {
              for d in 0..<keySize {
                let rate = exp(g[row * decayWidth + (decayWidth == keyHeads ? h : h * keySize + d)])
                for m in 0..<valueSize { state[base + d * valueSize + m] *= rate }
              }
            }
            for m in 0..<valueSize {
              written[m] = v[(row * keyHeads + h) * valueSize + m]
              if let b {
                var retrieved = 0.0
                for d in 0..<keySize { retrieved += state[base + d * valueSize + m] * k[keyAt + d] }
                written[m] = b[row * betaWidth + (betaWidth == 1 ? 0 : h)] * (written[m] - retrieved)
              }
            }
            for d in 0..<keySize {
              for m in 0..<valueSize { state[base + d * valueSize + m] += k[keyAt + d] * written[m] }
            }
            for reader in h * group..<(h + 1) * group {
              for m in 0..<valueSize {
                var sum = 0.0
                for d in 0..<keySize {
                  sum += q[(row * heads + reader) * keySize + d] * state[base + d * valueSize + m]
                }
                out[(row * heads + reader) * valueSize + m] = scale * sum
              }
            }
          }
        }
      }
    }
    return [.tensor(output), .tensor(try .of(state, past?.dataType ?? query.dataType, shape: stateShape))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(LinearAttention(), to: $0) })
