import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// LpNormalization: x / its norm along `axis`; a norm of 0 gives 0.
struct LpNormalization: Operator {
  let name = OperatorName("LpNormalization")

  func infer(_ context: inout InferenceContext) throws { context.set(0, context.dataType(0), context.shape(0)) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    var axis = try context.attributes.int("axis", default: -1)
    if axis < 0 { axis += x.rank }
    guard axis >= 0, axis < x.rank else {
      throw CameoError.badInput("axis \(axis) lies outside a tensor of rank \(x.rank)")
    }
    let p = try context.attributes.int("p", default: 2)
    guard p == 1 || p == 2 else { throw CameoError.badInput("attribute p is \(p), 1 or 2 was expected") }
    let n = x.shape[axis]
    let inner = x.shape[(axis + 1)...].reduce(1, *)
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, x.shape, as: Double.self) { out in
          for line in 0..<x.shape[..<axis].reduce(inner, *) {
            let start = line / inner * inner * n + line % inner
            var sum = 0.0
            for i in 0..<n {
              let value = view[start + i * inner]
              sum += p == 1 ? abs(value) : value * value
            }
            let norm = p == 1 ? sum : sum.squareRoot()
            for i in 0..<n { out[start + i * inner] = norm == 0 ? 0 : view[start + i * inner] / norm }
          }
        })
    ]
  }
}

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
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(LpNormalization(), to: $0) })
@used @section("cameo_operators")
private let varianceRegistration: RegistryRecord = (0, { OperatorRegistry.submit(MeanVarianceNormalization(), to: $0) })
