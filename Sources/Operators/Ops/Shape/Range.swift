import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Range: start, start + delta, ... below (or above) limit. Half-width floats are computed in float.
struct RangeOperator: Operator {
  let name = OperatorName("Range")

  func infer(_ context: inout InferenceContext) throws {
    let type = try context.commonType([0, 1, 2])
    guard let type, type.isInteger, let start = context.symbols(0)?.first, let limit = context.symbols(1)?.first,
      let delta = context.symbols(2)?.first, let step = delta.value
    else {
      if let start = context.tensor(0), let limit = context.tensor(1), let delta = context.tensor(2) {
        return context.set(0, type, [Dim(try length(start, limit, delta))])
      }
      return context.set(0, type, [context.unknownDim()])
    }
    guard step != 0 else { throw CameoError.badInput("input 2 (delta) is 0, another number was expected") }
    let length = Dim.max((limit - start).ceilDiv(delta), 0)
    var symbols: [Dim]?
    if let count = length.value, count <= ValueFacts.symbolLimit {
      symbols = (0..<count).map { start + Dim($0) * delta }
    }
    context.set(0, type, [length], symbols: symbols)
  }

  private func length(_ start: Tensor, _ limit: Tensor, _ delta: Tensor) throws -> Int {
    if start.dataType.isInteger {
      let (a, b, d) = (
        try start.scalar(as: Int64.self), try limit.scalar(as: Int64.self), try delta.scalar(as: Int64.self)
      )
      guard d != 0 else { throw CameoError.badInput("input 2 (delta) is 0, another number was expected") }
      let (distance, overflow) = b.subtractingReportingOverflow(a)
      guard !overflow, !(distance == .min && d == -1) else {
        throw CameoError.limit("the range \(a) ..< \(b) is too long")
      }
      if distance == 0 || (distance < 0) != (d < 0) { return 0 }
      return Int(distance / d) + (distance % d == 0 ? 0 : 1)
    }
    let (a, b, d) = (
      try start.scalar(as: Double.self), try limit.scalar(as: Double.self), try delta.scalar(as: Double.self)
    )
    guard d != 0 else { throw CameoError.badInput("input 2 (delta) is 0, another number was expected") }
    let count = ceil((b - a) / d)
    guard count.isFinite, count.magnitude < 0x1p48 else {
      throw CameoError.limit("the range \(a) ..< \(b) by \(d) has no usable length")
    }
    return max(0, Int(count))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (start, limit, delta) = (try context.tensor(0), try context.tensor(1), try context.tensor(2))
    guard start.dataType == limit.dataType, start.dataType == delta.dataType else {
      throw CameoError.badInput(
        "start, limit and delta must agree in type: \(start.dataType), \(limit.dataType), \(delta.dataType)")
    }
    let count = try length(start, limit, delta)
    let type = start.dataType
    if type.isInteger {
      let (a, d) = (try start.scalar(as: Int64.self), try delta.scalar(as: Int64.self))
      return [
        .tensor(
          try Tensor.make(type, [count], as: Int64.self) { out in
            for i in 0..<count { out[i] = a &+ Int64(i) &* d }
          })
      ]
    }
    if type == .double {
      let (a, d) = (try start.scalar(as: Double.self), try delta.scalar(as: Double.self))
      return [
        .tensor(
          try Tensor.make(type, [count], as: Double.self) { out in for i in 0..<count { out[i] = a + Double(i) * d } })
      ]
    }
    let (a, d) = (try start.scalar(as: Float.self), try delta.scalar(as: Float.self))
    return [
      .tensor(
        try Tensor.make(type, [count], as: Float.self) { out in for i in 0..<count { out[i] = a + Float(i) * d } })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(RangeOperator(), to: $0) })
