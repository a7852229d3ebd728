import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// HannWindow, HammingWindow and BlackmanWindow: sums of cosines over a window of the given size.
struct CosineWindow: Operator {
  let name: OperatorName
  private let coefficients: [Double]

  init(_ name: String, _ coefficients: [Double]) {
    self.name = OperatorName(name)
    self.coefficients = coefficients
  }

  func infer(_ context: inout InferenceContext) throws {
    let type = try context.attributes.dataType("output_datatype") ?? .float
    let size = context.symbols(0)?.first ?? context.unknownDim()
    if let value = size.value, value < 0 {
      throw CameoError.badInput("input 0 (size) is \(value), 0 or more was expected")
    }
    context.set(0, type, [size])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let type = try context.attributes.dataType("output_datatype") ?? .float
    let size = Int(truncatingIfNeeded: try context.scalar(0, as: Int64.self))
    let isPeriodic = try context.attributes.int("periodic", default: 1) != 0
    guard size >= 0 else { throw CameoError.badInput("input 0 (size) is \(size), 0 or more was expected") }
    return [
      .tensor(
        try Tensor.make(type, [size], as: Double.self) { out in
          let period = Double(isPeriodic ? size : size - 1)
          for i in 0..<size {
            // The cosines first: the middle of a window is then 1 to the last bit, which integers keep.
            var sum = 0.0
            for (order, factor) in coefficients.enumerated().dropFirst() {
              sum += factor * cos(2 * Double.pi * Double(order * i) / period)
            }
            out[i] = period == 0 ? 1 : sum + coefficients[0]
          }
        })
    ]
  }
}
