import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// GlobalAveragePool, GlobalMaxPool, GlobalLpPool: one value a channel, spatial axes kept with size 1.
struct GlobalPool: Operator {
  enum Kind { case average, maximum, norm }

  let name: OperatorName
  private let kind: Kind

  init(_ name: String, _ kind: Kind) {
    self.name = OperatorName(name)
    self.kind = kind
  }

  func infer(_ context: inout InferenceContext) throws {
    guard let x = context.shape(0) else { return context.set(0, context.dataType(0), nil) }
    guard x.count >= 2 else { throw CameoError.badInput("input 0 (X) has rank \(x.count), [N, C, ..] was expected") }
    context.set(0, context.dataType(0), Array(x[..<2]) + x[2...].map { _ in Dim(1) })
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard x.rank >= 2 else { throw CameoError.badInput("input 0 (X) is \(x), [N, C, ..] was expected") }
    let planes = x.shape[0] * x.shape[1]
    let size = x.shape[2...].reduce(1, *)
    let p = kind == .norm ? Double(try context.attributes.int("p", default: 2)) : 0
    let kind = kind
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, Array(x.shape[..<2]) + x.shape[2...].map { _ in 1 }, as: Double.self) { out in
          NNParallel.ranges(planes, grain: max(1, 16384 / max(1, size))) { range in
            for plane in range {
              let values = view.base + plane * size
              var result = kind == .maximum ? -Double.infinity : 0.0
              switch kind {
              case .average:
                for i in 0..<size { result += values[i] }
                result /= Double(size)
              case .maximum:
                for i in 0..<size where values[i] > result || values[i].isNaN {
                  result = values[i]
                  if result.isNaN { break }
                }
              case .norm:
                for i in 0..<size { result += pow(abs(values[i]), p) }
                result = pow(result, 1 / p)
              }
              out[plane] = result
            }
          }
        })
    ]
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 2 && kind == .norm { try NNVersions.floatToInt("p", of: node, in: &graph) }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 2 && kind == .norm { NNVersions.intToFloat("p", of: node, in: &graph) }
  }
}
