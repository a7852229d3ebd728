import GraphIR
import Tensors

/// QLinearMatMul: a product of quantized tensors, quantized again.
struct QLinearMatMul: Operator {
  let name = OperatorName("QLinearMatMul")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, context.dataType(7), try MatrixProduct.shape(context, context.shape(0), context.shape(3)))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(0)
    let b = try context.tensor(3)
    let zero = try context.tensor(7)
    if [a, b, zero].contains(where: \.dataType.isFloatingPoint) { return try evaluateFloats(context) }
    let x = try WholeNumbers.centered(a, context.tensor(2), axis: max(0, a.rank - 2))
    let y = try WholeNumbers.centered(b, context.tensor(5), axis: max(0, b.rank - 1))
    let sums = try WholeProduct.matmul(x, y)
    let scales = try [1, 4, 6].map { try ElementView<Float>(try context.tensor($0)) }
    let columns = max(1, b.rank > 1 ? sums.shape.last ?? 1 : 1)
    let bScale = try context.tensor(4)
    if scales[0].count == 1, scales[2].count == 1, zero.count == 1, Quantized.isEightBit(zero.dataType),
      bScale.count == 1 || bScale.rank == 1 && bScale.count == columns
    {
      let factors = scales[1].array.map { scales[0][0] * $0 / scales[2][0] }
      let point = Int32(truncatingIfNeeded: try zero.scalar(as: Int64.self))
      return [.tensor(try Requantization.rows(sums, scales: factors, zero: point, as: zero.dataType, columns: columns))]
    }
    let rows = max(0, sums.rank - 2)
    func place(_ index: Int, _ axis: Int) throws -> (Int) -> Int {
      try NNIntegers.position(try context.tensor(index), in: sums.shape, axis: axis)
    }
    let (p, q, r, z) = (
      try place(1, rows), try place(4, max(0, sums.rank - 1)), try place(6, rows), try place(7, rows)
    )
    let zeros = try ElementView<Int64>(zero)
    return [
      .tensor(
        try NNIntegers.requantized(
          sums, { scales[0][p($0)] * scales[1][q($0)] / scales[2][r($0)] }, zero: { zeros[z($0)] }, as: zero.dataType))
    ]
  }

  /// float8 among the types: the product in float, scaled, and rounded to the output's type, integers to the nearest (ties to even) in range.
  private func evaluateFloats(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(0)
    let b = try context.tensor(3)
    let zero = try context.tensor(7)
    let x = try NNIntegers.shifted(a, context.tensor(2), axis: max(0, a.rank - 2))
    let y = try NNIntegers.shifted(b, context.tensor(5), axis: max(0, b.rank - 1))
    let sums = try MatrixProduct.compute(x, y, as: .float, inDouble: context.accumulatesInDouble)
    func parameter(_ index: Int, axis: Int) throws -> (Int) -> Double {
      let tensor = try context.tensor(index)
      let values = try ElementView<Double>(tensor)
      let place = try NNIntegers.position(tensor, in: sums.shape, axis: axis)
      return { values[place($0)] }
    }
    let rows = max(0, sums.rank - 2)
    let (aScale, yScale) = (try parameter(1, axis: rows), try parameter(6, axis: rows))
    let (bScale, zeros) = (try parameter(4, axis: max(0, sums.rank - 1)), try parameter(7, axis: rows))
    let values = try ElementView<Double>(sums)
    let range = SymbolicContents.range(of: zero.dataType).map { Double($0.lowerBound)...Double($0.upperBound) }
    let result = try Tensor.make(.float, sums.shape, as: Double.self) { out in
      for i in 0..<values.count {
        let value = values[i] * (aScale(i) * bScale(i) / yScale(i))
        let moved = range == nil ? value + zeros(i) : value.rounded(.toNearestOrEven) + zeros(i)
        out[i] = range.map { moved.isNaN ? 0 : min(max(moved, $0.lowerBound), $0.upperBound) } ?? moved
      }
    }
    return [.tensor(try ElementCasts.cast(result, to: zero.dataType, ElementCasts.Rules()))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QLinearMatMul(), to: $0) })
