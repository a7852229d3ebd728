import GraphIR
import Tensors

/// MeanVarianceNormalization: (x - mean) / (standard deviation + 1e-9) over `axes`.
struct MeanVarianceNormalization: Operator {
  let name = OperatorName("MeanVarianceNormalization")

  func infer(_ context: inout InferenceContext) throws { context.set(0, context.dataType(0), context.shape(0)) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let axes = try context.attributes.ints("axes", default: [0, 2, 3]).map { $0 < 0 ? $0 + x.rank : $0 }
    guard axes.allSatisfy({ (0..<x.rank).contains($0) }) else {
      throw CameoError.badInput("attribute axes is \(axes), axes of \(x) were expected")
    }
    var kept = x.shape
    for axis in axes { kept[axis] = 1 }
    let place = NNContraction.offsets(of: kept, to: x.shape, size: 1)
    let view = try ElementView<Double>(x)
    let groups = kept.reduce(1, *)
    var mean = [Double](repeating: 0, count: groups)
    var variance = mean
    let count = Double(x.count) / Double(max(1, groups))
    for i in 0..<x.count { mean[place[i]] += view[i] / count }
    for i in 0..<x.count {
      let difference = view[i] - mean[place[i]]
      variance[place[i]] += difference * difference / count
    }
    return [
      .tensor(
        try Tensor.make(x.dataType, x.shape, as: Double.self) { out in
          for i in 0..<x.count { out[i] = (view[i] - mean[place[i]]) / (variance[place[i]].squareRoot() + 1e-9) }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MeanVarianceNormalization(), to: $0) })
