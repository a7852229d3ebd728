import GraphIR
import Tensors

/// Gemm: alpha * A' * B' + beta * C, C broadcast to the product's shape.
struct Gemm: Operator {
  let name = OperatorName("Gemm")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 2...2, of: 0)
    try context.require(rank: 2...2, of: 1)
    let transA = try context.attributes.bool("transA")
    let transB = try context.attributes.bool("transB")
    var shape: [Dim]?
    let a = context.shape(0)
    let b = context.shape(1)
    if let a, let b {
      _ = try context.unify(transA ? a[0] : a[1], transB ? b[1] : b[0], "inner dimensions of Gemm")
    }
    if a != nil || b != nil {
      let m = a.map { transA ? $0[1] : $0[0] } ?? context.unknownDim()
      let n = b.map { transB ? $0[0] : $0[1] } ?? context.unknownDim()
      shape = [m, n]
      if let c = context.shape(2), let full = shape {
        guard c.count <= 2 else { throw CameoError.badInput("input 2 (C) has rank \(c.count), at most 2 was expected") }
        _ = try Broadcast.shape(full, c)
      }
    }
    context.set(0, context.dataType(0) ?? context.dataType(1), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(0)
    let result: Tensor =
      if a.dataType == .double { try compute(context, Double.self) { $0 * $1 + $2 * $3 } } else if a.dataType.isInteger
      {
        try compute(context, Int64.self) { alpha, x, beta, y in
          if let a = Int64(exactly: alpha), let b = Int64(exactly: beta) { return a &* x &+ b &* y }
          return NNIntegers.truncating(alpha * Double(x) + beta * Double(y))
        }
      } else { try compute(context, Float.self) { Float($0 * Double($1) + $2 * Double($3)) } }
    return [.tensor(result)]
  }

  private func compute<T: NNScalar>(
    _ context: EvaluationContext, _: T.Type, _ combine: (Double, T, Double, T) -> T
  ) throws -> Tensor {
    let a = try context.tensor(0)
    let b = try context.tensor(1)
    guard a.rank == 2, b.rank == 2 else { throw CameoError.badInput("Gemm takes matrices, not \(a) and \(b)") }
    let transA = try context.attributes.bool("transA")
    let transB = try context.attributes.bool("transB")
    let (m, k) = transA ? (a.shape[1], a.shape[0]) : (a.shape[0], a.shape[1])
    let n = transB ? b.shape[0] : b.shape[1]
    guard (transB ? b.shape[1] : b.shape[0]) == k else {
      throw CameoError.badInput("shapes \(a.shape) and \(b.shape) cannot be multiplied")
    }
    let alpha = Double(try context.attributes.float("alpha", default: 1))
    let beta = Double(try context.attributes.float("beta", default: 1))
    let x = try ElementView<T>(a)
    let y = try ElementView<T>(b)
    let c = try context.optionalTensor(2)
    let strides =
      try c.map { c in
        guard try Broadcast.shape([m, n], c.shape) == [m, n] else {
          throw CameoError.badInput("input 2 (C) has the shape \(c.shape), which does not broadcast to \([m, n])")
        }
        return Broadcast.strides(of: c.shape, to: [m, n])
      } ?? [0, 0]
    let bias = try c.map { try ElementView<T>($0) }
    let zero = T(0)
    return try Tensor.make(a.dataType, [m, n], as: T.self) { out in
      let left = NNMatrix(x.base, row: a.shape[1], col: 1)
      let right = NNMatrix(y.base, row: b.shape[1], col: 1)
      NNContraction.multiply(
        out, ldc: n, transA ? left.transposed : left, transB ? right.transposed : right, m: m, n: n, k: k,
        inDouble: context.accumulatesInDouble)
      if alpha == 1 && bias == nil { return }
      for i in 0..<m {
        for j in 0..<n {
          let added = bias.map { $0[i * strides[0] + j * strides[1]] } ?? zero
          out[i * n + j] = combine(alpha, out[i * n + j], beta, added)
        }
      }
    }
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    // Before 7 C was broadcast only with `broadcast`; where it is absent the shapes are equal anyway.
    if version < 7 { graph.setAttribute("broadcast", of: node, to: nil) }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 7 { graph.setAttribute("broadcast", of: node, to: .int(1)) }
    if version < 11 && graph[node].input(2) == nil {
      let type = graph[node].input(0).flatMap { graph[$0].type?.dataType }
      guard let type else { throw CameoError.unsupported("C must be given here, and its element type is not known") }
      let zero = graph.emitConstant(try Tensor.of([0.0], type), like: node)
      graph.insertInput(zero, of: node, at: 2)
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Gemm(), to: $0) })
