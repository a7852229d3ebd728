import GraphIR
import Tensors

/// Trilu: the upper (or lower) triangle of each matrix from diagonal `k` on; zeros elsewhere.
struct Trilu: Operator {
  let name = OperatorName("Trilu")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 2...Int.max, of: 0)
    context.set(0, context.dataType(0), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    guard data.rank >= 2 else { throw CameoError.badInput("input 0 has rank \(data.rank), 2 or more was expected") }
    let given = try context.optionalScalar(1, as: Int64.self) ?? 0
    let upper = try context.attributes.int("upper", default: 1) != 0
    let (rows, columns) = (data.shape[data.rank - 2], data.shape[data.rank - 1])
    let k = Int(Swift.min(Swift.max(given, -Int64(rows) - 1), Int64(columns) + 1))
    var out = try ElementBuffer(data.dataType, data.shape)
    if out.count == 0 { return [.tensor(data)] }
    for line in 0..<data.count / columns {
      let diagonal = Swift.min(Swift.max(line % rows + k + (upper ? 0 : 1), 0), columns)
      let kept = upper ? diagonal..<columns : 0..<diagonal
      let start = line * columns + kept.lowerBound
      out.copy(data, from: start, count: kept.count, to: start)
    }
    return [.tensor(try out.finish())]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Trilu(), to: $0) })
