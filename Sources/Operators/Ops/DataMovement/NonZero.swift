import GraphIR
import Tensors

/// NonZero: the places of the elements that are not zero, one row an axis, in row-major order.
struct NonZero: Operator {
  let name = OperatorName("NonZero")

  func infer(_ context: inout InferenceContext) throws {
    let rank = context.rank(0).map { Dim($0) } ?? context.unknownDim()
    context.set(0, .int64, [rank, context.unknownDim()])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let found: [Int]
    if data.dataType == .string {
      found = data.strings.indices.filter { !data.strings[$0].isEmpty }
    } else {
      let view = try ElementView<Double>(data)
      found = (0..<view.count).filter { view[$0] != 0 }
    }
    let strides = Tensor.strides(data.shape)
    let result = try Tensor.make(.int64, [data.rank, found.count], as: Int64.self) { out in
      for axis in data.shape.indices {
        for (column, place) in found.enumerated() {
          out[axis * found.count + column] = Int64(place / strides[axis] % data.shape[axis])
        }
      }
    }
    return [.tensor(result)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(NonZero(), to: $0) })
