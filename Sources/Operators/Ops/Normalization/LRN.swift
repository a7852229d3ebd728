import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// LRN: x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta.
struct LRN: Operator {
  let name = OperatorName("LRN")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, context.dataType(0), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard x.rank >= 2 else { throw CameoError.badInput("input 0 (X) is \(x), [N, C, ..] was expected") }
    let size = try context.attributes.int("size")
    guard size > 0 else { throw CameoError.badInput("attribute size is \(size), 1 or more was expected") }
    let alpha = Double(try context.attributes.float("alpha", default: 1e-4)) / Double(size)
    let beta = Double(try context.attributes.float("beta", default: 0.75))
    let bias = Double(try context.attributes.float("bias", default: 1))
    let channels = x.shape[1]
    let plane = x.shape[2...].reduce(1, *)
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, x.shape, as: Double.self) { out in
          NNParallel.ranges(x.shape[0] * channels, grain: max(1, 4096 / max(1, plane))) { range in
            for row in range {
              let channel = row % channels
              let first = max(0, channel - (size - 1) / 2)
              let last = min(channels - 1, channel + size / 2)
              let item = (row - channel) * plane
              for i in 0..<plane {
                var sum = 0.0
                for other in first...last {
                  let value = view.base[item + other * plane + i]
                  sum += value * value
                }
                out[row * plane + i] = view.base[row * plane + i] * pow(bias + alpha * sum, -beta)
              }
            }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(LRN(), to: $0) })
