import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// FlexAttention of ai.onnx.preview: prob_mod(softmax(score_mod(scale * Q K'))) V over grouped heads; the two bodies are graphs.
///
/// Scores and probabilities are tensors of `softmax_precision` (float for the narrower types unless given). As the standard's
/// function body has it, sqrt(scale) goes into Q and into K, and a row whose every score is -inf is NaN.
struct FlexAttention: Operator {
  let name = OperatorName("FlexAttention", domain: "ai.onnx.preview")
  let traits: OperatorTraits = .controlFlow

  /// The type of scores and probabilities.
  private func precision(_ attributes: AttributeReader, _ input: DataType) throws -> DataType {
    guard let given = try attributes.dataType("softmax_precision") else { return input == .double ? .double : .float }
    guard [.float, .double, .float16, .bfloat16].contains(given) else {
      throw CameoError.badInput("softmax_precision is \(given)")
    }
    return given
  }

  func infer(_ context: inout InferenceContext) throws {
    let type = try context.commonType([0, 1, 2])
    for index in 0...2 { try context.require(rank: 4...4, of: index) }
    let (q, k, v) = (context.shape(0), context.shape(1), context.shape(2))
    var batch = q?[0]
    for other in [k?[0], v?[0]] {
      if let a = batch, let b = other { batch = try context.unify(a, b, "batch sizes") } else { batch = batch ?? other }
    }
    if let q, let k { _ = try context.unify(q[3], k[3], "head sizes of Q and K") }
    if let k, let v {
      _ = try context.unify(k[1], v[1], "heads of K and V")
      _ = try context.unify(k[2], v[2], "sequence lengths of K and V")
    }
    if let heads = q?[1].value, let shared = (k?[1] ?? v?[1])?.value {
      guard shared > 0, heads % shared == 0 else {
        throw CameoError.badInput("\(heads) heads of Q are no multiple of \(shared) heads of K and V")
      }
    }
    let rows = [
      batch ?? context.unknownDim(), q?[1] ?? context.unknownDim(), q?[2] ?? context.unknownDim(),
    ]
    context.set(0, type, rows + [v?[3] ?? context.unknownDim()])
    let scores = ValueType.tensor(
      try type.map { try precision(context.attributes, $0) }, rows + [k?[2] ?? v?[2] ?? context.unknownDim()])
    for name in ["score_mod", "prob_mod"] where context.attributes.has(name) {
      let outputs = try context.infer(body: context.attributes.region(name), inputs: [ValueFacts(type: scores)])
      guard outputs.count == 1 else {
        throw CameoError.badInput("\(name) has \(outputs.count) outputs, 1 was expected")
      }
      if let shape = outputs[0].shape, shape.count != 4 {
        throw CameoError.badInput("\(name) gives a tensor of rank \(shape.count), 4 was expected")
      }
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (q, k, v) = (try context.tensor(0), try context.tensor(1), try context.tensor(2))
    guard q.rank == 4, k.rank == 4, v.rank == 4, q.dataType == k.dataType, q.dataType == v.dataType,
      q.shape[0] == k.shape[0], q.shape[0] == v.shape[0], q.shape[3] == k.shape[3], k.shape[1] == v.shape[1],
      k.shape[2] == v.shape[2], k.shape[1] > 0, q.shape[1] % k.shape[1] == 0
    else { throw CameoError.badInput("Q \(q), K \(k) and V \(v) do not fit") }
    let type = try precision(context.attributes, q.dataType)
    let scale = try context.attributes.optionalFloat("scale") ?? Float(1 / Double(q.shape[3]).squareRoot())
    let root = try Tensor.scalar(scale.squareRoot(), q.dataType)

    var scores = try product(scaled(q, root), scaled(k, root), transposed: true, as: q.dataType).converted(to: type)
    scores = try modified(scores, by: "score_mod", context)
    var weights = try FlexAttention.softmax(scores)
    weights = try modified(weights, by: "prob_mod", context)
    return [.tensor(try product(weights, v.converted(to: type), transposed: false, as: type).converted(to: v.dataType))]
  }

  /// What the body of that name makes of `tensor`; the tensor itself where there is none.
  private func modified(_ tensor: Tensor, by name: String, _ context: EvaluationContext) throws -> Tensor {
    guard context.attributes.has(name) else { return tensor }
    let outputs = try context.run(body: context.attributes.region(name), inputs: [.tensor(tensor)])
    guard outputs.count == 1, let result = outputs[0].tensor, result.shape == tensor.shape else {
      throw CameoError.badInput("\(name) must give one tensor of shape \(tensor.shape)")
    }
    guard result.dataType == tensor.dataType else {
      throw CameoError.badInput("\(name) gives \(result.dataType), \(tensor.dataType) was expected")
    }
    return result
  }

  private func scaled(_ tensor: Tensor, _ factor: Tensor) throws -> Tensor {
    let factor = try factor.scalar(as: Double.self)
    return try ElementwiseMaps.map(tensor, to: tensor.dataType) { (x: Double) in x * factor }
  }

  /// For each head a[b, h] times b[b, h / group] (or its transpose).
  private func product(_ a: Tensor, _ b: Tensor, transposed: Bool, as type: DataType) throws -> Tensor {
    let (heads, shared) = (a.shape[1], b.shape[1])
    let (m, k, n) = (a.shape[2], a.shape[3], transposed ? b.shape[2] : b.shape[3])
    let items = try Tensor.elementCount([a.shape[0], heads])
    let x = try ElementView<Double>(a)
    let y = try ElementView<Double>(b)
    return try Tensor.make(type, [a.shape[0], heads, m, n], as: Double.self) { out in
      withExtendedLifetime((x, y)) {
        let width = b.shape[3]
        NNContraction.batched(
          out, count: items, NNMatrix(x.base, row: k, col: 1),
          NNMatrix(y.base, row: transposed ? 1 : width, col: transposed ? width : 1),
          aOffsets: (0..<items).map { $0 * m * k },
          bOffsets: (0..<items).map { item in
            (item / heads * shared + item % heads * shared / heads) * b.shape[2] * width
          }, m: m, n: n, k: k, inDouble: true)
      }
    }
  }

  /// Over the last axis, NaN where a row has no finite maximum.
  private static func softmax(_ scores: Tensor) throws -> Tensor {
    let length = scores.shape[3]
    let view = try ElementView<Double>(scores)
    let rounded = NarrowRounding(scores.dataType)
    return try Tensor.make(scores.dataType, scores.shape, as: Double.self) { out in
      guard length > 0 else { return }
      NNParallel.ranges(view.count / length, grain: max(1, 4096 / length)) { rows in
        for row in rows {
          let (line, target) = (view.base + row * length, out + row * length)
          var largest = -Double.infinity
          for j in 0..<length where line[j] > largest { largest = line[j] }
          var sum = 0.0
          for j in 0..<length {
            target[j] = rounded(exp(rounded(line[j] - largest)))
            sum += target[j]
          }
          sum = rounded(sum)
          for j in 0..<length { target[j] /= sum }
        }
      }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(FlexAttention(), to: $0) })
